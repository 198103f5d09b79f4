//! What an instance says of itself in words: where it runs, of what size and version it is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A text that names something about an instance. The numbers order them in records of the shuffle topic (M2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Where it runs, in the words of its cloud.
    Region,
    /// Availability zone.
    Zone,
    /// Machine or node.
    Host,
    /// Size, in the words of the size catalogue.
    InstanceType,
    /// `on_demand`, `spot`, `reserved`, or in the words of its cloud.
    PurchaseOption,
    /// The shard that it serves.
    Shard,
    /// The coordinator that it belongs to.
    Coordinator,
    /// Version of the software.
    Version,
    /// Version of its configuration.
    ConfigVersion,
    /// Load test to which its samples belong.
    RunId,
}

/// The attributes of one instance; those that were not reported are absent.
pub type Attributes = BTreeMap<Attribute, Box<str>>;

impl Attribute {
    /// Every attribute, ascending.
    pub const ALL: [Attribute; 10] = [
        Self::Region,
        Self::Zone,
        Self::Host,
        Self::InstanceType,
        Self::PurchaseOption,
        Self::Shard,
        Self::Coordinator,
        Self::Version,
        Self::ConfigVersion,
        Self::RunId,
    ];

    /// The attribute of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.name() == name)
    }

    /// The name, as in the schema of telemetry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Zone => "zone",
            Self::Host => "host",
            Self::InstanceType => "instance_type",
            Self::PurchaseOption => "purchase_option",
            Self::Shard => "shard",
            Self::Coordinator => "coordinator",
            Self::Version => "version",
            Self::ConfigVersion => "config_version",
            Self::RunId => "run_id",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_ascend_and_are_found_by_name() {
        assert!(Attribute::ALL.is_sorted());
        for attribute in Attribute::ALL {
            assert_eq!(Attribute::named(attribute.name()), Some(attribute));
        }
    }
}

//! What records are about, where that is no instance: a kind and an id, as fields of a record.

use super::columns::twice;
use crate::reject::{Fault, RejectCode, fault};
use tidegauge_model::{Attribute, EntityKey, EntityKind};

/// Few rows are about anything but instances: those are kept by row.
#[derive(Debug, Default)]
pub(super) struct Entities {
    /// By row, ascending.
    rows: Vec<(u32, EntityKey)>,
    /// Of the record being read: its kind, if it says one; `Some(None)` is an instance.
    kind: Option<Option<EntityKind>>,
    /// Of the record being read.
    id: Option<Box<str>>,
}

impl Entities {
    pub(super) fn set_kind(&mut self, kind: Option<EntityKind>, field: &str) -> Result<(), Fault> {
        match self.kind.replace(kind) {
            Some(_) => Err(twice(field)),
            None => Ok(()),
        }
    }

    pub(super) fn set_id(&mut self, id: &str, field: &str) -> Result<(), Fault> {
        match self.id.replace(id.into()) {
            Some(_) => Err(twice(field)),
            None => Ok(()),
        }
    }

    pub(super) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Ends the record, and says of which kind it was; `None` is an instance. Regions, shards and coordinators may be
    /// named by the attribute of that name.
    pub(super) fn end_row<'a>(
        &mut self,
        row: usize,
        otherwise: Option<EntityKind>,
        attribute: impl Fn(Attribute) -> Option<&'a str>,
    ) -> Result<Option<EntityKind>, Fault> {
        let (kind, id) = (self.kind.take().unwrap_or(otherwise), self.id.take());
        let Some(kind) = kind else {
            return match id {
                Some(_) => Err(fault(
                    RejectCode::MissingId,
                    "entity_id",
                    "only what is no instance has one: name its kind in `entity`",
                )),
                None => Ok(None),
            };
        };
        let named = match kind {
            EntityKind::Region => attribute(Attribute::Region),
            EntityKind::Shard => attribute(Attribute::Shard),
            EntityKind::Coordinator => attribute(Attribute::Coordinator),
            _ => None,
        };
        let id = if kind.is_single() { Some("") } else { id.as_deref().or(named) };
        let Some(id) = id else {
            let message = format!("the record is about a {}, and does not say which", kind.name());
            return Err(fault(RejectCode::MissingId, "entity_id", message));
        };
        let key = EntityKey::new(kind, id);
        if kind == EntityKind::RegionPair && key.regions().is_none() {
            let message = "a pair of regions is written `from->to`".to_owned();
            return Err(fault(RejectCode::WrongType, "entity_id", message));
        }
        self.rows.push((row as u32, key));
        Ok(Some(kind))
    }

    pub(super) fn roll_back(&mut self, rows: usize) {
        (self.kind, self.id) = (None, None);
        while self.rows.last().is_some_and(|(row, _)| *row as usize >= rows) {
            self.rows.pop();
        }
    }

    pub(super) fn take(&mut self) -> Vec<(u32, EntityKey)> {
        std::mem::take(&mut self.rows)
    }

    pub(super) fn of_row(&self, row: usize) -> Option<EntityKey> {
        let at = self.rows.binary_search_by_key(&row, |(at, _)| *at as usize).ok()?;
        Some(self.rows[at].1.clone())
    }
}

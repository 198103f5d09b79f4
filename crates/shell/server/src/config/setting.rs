//! What a setting can be: durations, sizes, names from a list. One [`Leaf`] for each kind of value, and the
//! [`sections!`] macro, which makes a section of them.

use config::{Value, ValueKind};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegauge_policy::HumanDuration;

/// A value without keys of its own.
pub(super) trait Leaf: Sized {
    /// Completes "expected …".
    fn expected() -> String;

    /// What it is, in a word or two.
    fn kind() -> String;

    /// The value; `None` if it is no such thing.
    fn read(value: &Value) -> Option<Self>;

    /// The value as JSON, in a form that reads back as the same.
    fn shown(&self) -> serde_json::Value;
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The number of bytes, which fits since values are bounded far below.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    /// In the greatest unit of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let whole = |(_, size): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*size);
        match units.iter().find(whole) {
            Some((name, size)) => write!(f, "{} {name}", self.0 / size),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// The text of a scalar, as it was written or as it would be.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::String(text) => Some(text.clone()),
        ValueKind::Boolean(value) => Some(value.to_string()),
        ValueKind::I64(value) => Some(value.to_string()),
        ValueKind::U64(value) => Some(value.to_string()),
        ValueKind::Float(value) => Some(value.to_string()),
        _ => None,
    }
}

impl Leaf for String {
    fn expected() -> String {
        "a text that is not empty".into()
    }

    fn read(value: &Value) -> Option<Self> {
        text_of(value).filter(|text| !text.trim().is_empty())
    }

    fn kind() -> String {
        "text".into()
    }

    fn shown(&self) -> serde_json::Value {
        self.as_str().into()
    }
}

impl Leaf for PathBuf {
    fn expected() -> String {
        "a path".into()
    }

    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(Self::from)
    }

    fn kind() -> String {
        "path".into()
    }

    fn shown(&self) -> serde_json::Value {
        self.display().to_string().into()
    }
}

impl Leaf for Duration {
    fn expected() -> String {
        "a duration with its unit, such as 500ms, 10s, 5m, 1h30m or 7d".into()
    }

    fn read(value: &Value) -> Option<Self> {
        text_of(value)?.parse().ok().map(|HumanDuration(duration)| duration)
    }

    fn kind() -> String {
        "duration".into()
    }

    fn shown(&self) -> serde_json::Value {
        HumanDuration(*self).to_string().into()
    }
}

impl Leaf for ByteSize {
    fn expected() -> String {
        "a size with its unit, such as 64 KiB, 1 MiB or 500 kB".into()
    }

    fn read(value: &Value) -> Option<Self> {
        let text = text_of(value)?;
        let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        has_unit.then(|| text.parse::<bytesize::ByteSize>().ok()).flatten().map(|size| Self(size.as_u64()))
    }

    fn kind() -> String {
        "size".into()
    }

    fn shown(&self) -> serde_json::Value {
        self.to_string().into()
    }
}

impl Leaf for bool {
    fn expected() -> String {
        "true or false".into()
    }

    fn read(value: &Value) -> Option<Self> {
        text_of(value)?.parse().ok()
    }

    fn kind() -> String {
        "true or false".into()
    }

    fn shown(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Leaf for u32 {
    fn expected() -> String {
        "a whole number without a unit, 0 or greater".into()
    }

    fn read(value: &Value) -> Option<Self> {
        text_of(value)?.parse().ok()
    }

    fn kind() -> String {
        "whole number".into()
    }

    fn shown(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Leaf for i32 {
    fn expected() -> String {
        "a whole number without a unit".into()
    }

    fn read(value: &Value) -> Option<Self> {
        text_of(value)?.parse().ok()
    }

    fn kind() -> String {
        "whole number".into()
    }

    fn shown(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Leaf for f64 {
    fn expected() -> String {
        "a number without a unit".into()
    }

    fn read(value: &Value) -> Option<Self> {
        text_of(value)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn kind() -> String {
        "number".into()
    }

    fn shown(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Leaf for SocketAddr {
    fn expected() -> String {
        "an address and a port, such as 127.0.0.1:9464".into()
    }

    fn read(value: &Value) -> Option<Self> {
        text_of(value)?.parse().ok()
    }

    fn kind() -> String {
        "address and port".into()
    }

    fn shown(&self) -> serde_json::Value {
        self.to_string().into()
    }
}

/// Names from a closed list, in the words of the configuration.
macro_rules! choices {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)? })*) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant),* }

        impl $name {
            /// The word for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl $crate::config::setting::Leaf for $name {
            fn expected() -> String {
                format!("one of {}", [$($word),*].join(", "))
            }

            fn kind() -> String {
                [$($word),*].map(|word| format!("`{word}`")).join(", ")
            }

            fn shown(&self) -> serde_json::Value {
                self.name().into()
            }

            fn read(value: &config::Value) -> Option<Self> {
                let text = $crate::config::setting::text_of(value)?;
                match text.as_str() { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    )* };
}

/// What holds where an operator writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// This text, read as if it stood in the file.
    Text(&'static str),
    /// Nothing: the setting is an `Option`.
    Absent,
    /// There is no default.
    Required,
}

impl From<&'static str> for Default {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

/// Declares sections: structs whose fields are settings, with their documentation and defaults, and how to read them.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])*
        $name:ident { $($(#[doc = $doc:literal])* $field:ident: $kind:ty = $default:expr,)* }
    )*) => { $(
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[doc = $doc])* pub $field: $kind),* }

        impl $crate::config::reader::Setting for $name {
            fn read(value: &config::Value, key: &str, reader: &mut $crate::config::reader::Reader) -> Option<Self> {
                let table = reader.table(value, key, &[$(stringify!($field)),*])?;
                $(let $field: Option<$kind> = reader.field(&table, key, stringify!($field), ($default).into());)*
                Some(Self { $($field: $field?),* })
            }

            fn kind() -> String {
                "section".into()
            }

            fn list(&self, path: &mut Vec<String>, out: &mut Vec<$crate::config::reader::Listed>) {
                $(
                    path.push(stringify!($field).to_owned());
                    self.$field.list(path, out);
                    path.pop();
                )*
            }

            fn describe(
                key: &str,
                about: &$crate::config::reader::About,
                out: &mut Vec<$crate::config::reader::Known>,
            ) {
                out.push(about.section(key, &[$($about),*]));
                $($crate::config::reader::About { docs: &[$($doc),*], default: ($default).into() }
                    .describe::<$kind>(key, stringify!($field), out);)*
            }
        }
    )* };
}

pub(super) use {choices, sections};

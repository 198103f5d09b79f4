//! What the reference says of each setting.

use super::layers::known;
use super::setting::Default;

/// A setting, or a section of them, as it is declared.
#[derive(Clone, Debug)]
pub struct SettingDoc {
    /// Its key; empty for the whole.
    pub key: String,
    /// What it does.
    pub docs: String,
    /// What it is, in a word or two.
    pub kind: String,
    /// Its default, as one would write it.
    pub default: Option<String>,
    /// What holds without a default: nothing, or an error.
    pub absent: &'static str,
    /// It has settings and no value.
    pub is_section: bool,
    /// Of each item of a list.
    pub in_list: bool,
}

impl SettingDoc {
    /// The key of the section around it; empty at the top.
    #[must_use]
    pub fn section(&self) -> &str {
        self.key.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The last part of its key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or_default()
    }
}

/// Every setting and section, each section before its settings.
#[must_use]
pub fn reference() -> Vec<SettingDoc> {
    let doc = |known: super::reader::Known| {
        let (default, absent) = match known.default {
            Some(Default::Text(text)) => (Some(text.to_owned()), ""),
            Some(Default::Required) => (None, "required"),
            Some(Default::Absent) | None => (None, "none"),
        };
        let docs = known.docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        let is_section = known.default.is_none();
        SettingDoc { key: known.key, docs, kind: known.kind, default, absent, is_section, in_list: known.in_list }
    };
    known().into_iter().map(doc).collect()
}

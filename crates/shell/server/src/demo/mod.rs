//! `tidegauge demo`: everything in one process, to watch.

pub mod model;
pub mod view;

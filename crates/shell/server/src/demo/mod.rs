//! `tidegauge demo`: everything in one process, to watch.

pub mod model;

//! Watermarks, sketches and the aggregate functions: the arithmetic of windows.
//!
//! ```text
//!  column of values ──► Stats, Sketch per group ──► merged over sources, panes, instances ──► summary
//!        (StatsGroups, SketchGroups: the same accumulators under SQL as stats(x), sketch(x))
//! ```
//!
//! Aggregates are DataFusion `GroupsAccumulator`s of our own. The engine drives them directly; an SQL session
//! registers the same ones ([`functions::register`]), so a rule, a query and a backtest compute one number one way.
//!
//! - **W1** A source's watermark never moves backwards, nor does the overall one.
//! - **W2** The overall watermark is the least over sources that count ([`sources`]).
//! - **W4** A merge of sketches is exact: counts are integers, so order and grouping do not matter.
//! - **W5** Floats are never subtracted from a running sum: every window is built from its own panes alone.
//!
//! Source: Akidau et al., "The Dataflow Model", PVLDB 8(12), 2015.

pub mod functions;
pub mod sketch;
pub mod sources;
pub mod stats;
pub mod supplied;

pub use sketch::{PackedSketch, Sketch, SketchGroups, SketchMerger};
pub use sources::{Progress, SourceId, SourceRules, Sources, SourcesState, Standing};
pub use stats::{Stats, StatsGroups};

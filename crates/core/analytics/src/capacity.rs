//! Capacity planning: when what is there will not be enough, how much will be, and how to get there.
//!
//! ```text
//!  totals of an agent over time ─► daily peaks ─► trend × weekday ─► projection with its band ─► Status, instances
//!                                                                        ceilings ─┘
//!  target ─► readiness ─► phases with gates, rollback      target ─► quota: fits, or the arithmetic why not
//! ```
//!
//! Totals are projected (users, requests, cores, bytes), never utilization: an autoscaled fleet shows a flat
//! utilization while its size triples.
//!
//! - **CP1** A projection lies within its band, and the band holds no negative value, NaN or infinity.
//! - **CP2** Below [`LEAST_DAYS`] complete days the status is `insufficient_data`, not "adequate".
//! - **CP3** Scaling all totals and ceilings by a factor changes no status and no date.
//! - **CP4** A higher confidence never moves a crossing later; a higher ceiling never moves it earlier.
//! - **CP5** A plan that does not fit its quota is refused with the arithmetic.
//!
//! Source: seed documents 000 §4.1, 001, 002, 003; the corrections are ours.

mod daily;
mod instances;
mod limits;
pub mod phases;
mod projection;
pub mod quota;
pub mod readiness;
mod requirements;
mod schedule;
pub mod seed;
mod status;

pub use daily::{DayPeak, Series, daily_peaks, joint};
pub use instances::{InstanceNeed, ResourceNeed, instances_needed};
pub use limits::{SCALE_LIMITS, ScaleLimit, headroom};
pub use projection::{LEAST_DAYS, Projection, Trend, fit_trend};
pub use requirements::{PerUnit, Requirement, requirement};
pub use schedule::{Band, Required, Schedule, ScheduleError, required_instances};
pub use status::{Ceiling, CeilingReport, Status, judge};

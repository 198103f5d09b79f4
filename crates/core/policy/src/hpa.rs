//! The Kubernetes Horizontal Pod Autoscaler (v2), as small pure functions.
//!
//! ```text
//!  pods, samples ─► pods::group ─► ratio::wish ──┐
//!  object, external ─────────────► values::* ────┴─► largest ─► stabilize ─► rate ─► replicas
//!                                  reconcile: one pass of all of it, with the conditions a user sees
//! ```
//!
//! Replica counts are `i32` and usage is in thousandths (`i64`) as in the controller, so that truncations happen at
//! the same places; sums are wider, so that they do not overflow where the controller's would.
//!
//! - **H1** Nothing is recommended from no samples: that is an error of the signal, not a wish for zero.
//! - **H2** What is assumed of missing and unready pods never turns the direction of a change.
//! - **H3** A time lies in a window if its age is less than the window, at the edge it does not.
//!
//! Source: kubernetes/kubernetes v1.37 `pkg/controller/podautoscaler` (`replica_calculator.go`, `horizontal.go`,
//! `metrics/utilization.go`): the facts are theirs, the code is ours. Checked by `tests/hpa_conformance.rs`.

pub mod pods;
pub mod rate;
pub mod ratio;
pub mod reconcile;
pub mod stabilize;
pub mod values;

/// Ratios of current to objective at which nothing changes, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Band {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Band {
    /// `1 − down` to `1 + up`, the HPA's tolerances.
    #[must_use]
    pub fn of_tolerance(down: f64, up: f64) -> Self {
        Self { low: 1.0 - down, high: 1.0 + up }
    }

    /// Whether `ratio` asks for no change.
    #[must_use]
    pub fn holds(&self, ratio: f64) -> bool {
        self.low <= ratio && ratio <= self.high
    }
}

/// `x` rounded up to a replica count, at the ends of the range where it lies beyond.
#[must_use]
pub fn ceil_to_replicas(x: f64) -> i32 {
    x.ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_band_hold() {
        let band = Band::of_tolerance(0.5, 0.25);
        for (ratio, want) in [(0.49, false), (0.5, true), (1.0, true), (1.25, true), (1.26, false), (f64::NAN, false)] {
            assert_eq!(band.holds(ratio), want, "{ratio}");
        }
    }

    #[test]
    fn counts_beyond_the_range_are_its_ends() {
        for (x, want) in [(2.0, 2), (2.000_1, 3), (1e12, i32::MAX), (f64::INFINITY, i32::MAX)] {
            assert_eq!(ceil_to_replicas(x), want, "{x}");
        }
    }
}

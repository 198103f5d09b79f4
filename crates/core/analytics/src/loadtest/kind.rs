//! What a test was for, where nobody said it: by how its load went.
//!
//! | type | sign |
//! | --- | --- |
//! | spike | a load at least three times the one before it, and a later one of at most half of it |
//! | soak | one load, within a tenth, held for half an hour or more |
//! | stress | loads of a fifth beyond the breaking point, or more |
//! | capacity | loads up to the breaking point |
//! | load | loads that break nothing |

use serde::Serialize;

/// What a test is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the seed's words")]
pub enum TestType {
    Load,
    Stress,
    Spike,
    Soak,
    Capacity,
}

/// Seconds from which one load is a soak.
const SOAK_S: f64 = 1_800.0;

impl TestType {
    /// Recognizes a test by (load, seconds if known) of its measurements in the order in which they were made, and by
    /// the load at which it broke. The first sign of the module's table that holds decides.
    #[must_use]
    pub fn recognize(course: &[(f64, Option<f64>)], breaking_load: Option<f64>) -> Self {
        let most = course.iter().map(|(load, _)| *load).fold(0.0, f64::max);
        match () {
            () if is_spike(course) => Self::Spike,
            () if is_soak(course, most) => Self::Soak,
            () if breaking_load.is_some_and(|breaks| most >= 1.2 * breaks) => Self::Stress,
            () if breaking_load.is_some_and(|breaks| most >= breaks) => Self::Capacity,
            () => Self::Load,
        }
    }
}

fn is_spike(course: &[(f64, Option<f64>)]) -> bool {
    course.windows(2).enumerate().any(|(at, pair)| {
        let (before, top) = (pair[0].0, pair[1].0);
        top >= 3.0 * before && course[at + 2..].iter().any(|(load, _)| *load <= top / 2.0)
    })
}

fn is_soak(course: &[(f64, Option<f64>)], most: f64) -> bool {
    let lasted: Option<f64> = course.iter().map(|(_, seconds)| *seconds).sum();
    course.iter().all(|(load, _)| *load >= 0.9 * most) && lasted.is_some_and(|lasted| lasted >= SOAK_S)
}

#[cfg(test)]
mod tests {
    use super::TestType::{self, Capacity, Load, Soak, Spike, Stress};

    #[test]
    fn tests_are_recognized_by_their_course() {
        let steps = |loads: &[f64]| loads.iter().map(|load| (*load, Some(60.0))).collect::<Vec<_>>();
        let cases = [
            ("nothing breaks", steps(&[10.0, 20.0, 40.0]), None, Load),
            ("up to where it breaks", steps(&[10.0, 20.0, 40.0]), Some(36.0), Capacity),
            ("far beyond", steps(&[10.0, 20.0, 48.0]), Some(40.0), Stress),
            ("up and down again", steps(&[10.0, 30.0, 15.0]), Some(20.0), Spike),
            ("up and not down", steps(&[10.0, 30.0, 16.0]), None, Load),
            ("one load for half an hour", vec![(50.0, Some(900.0)), (46.0, Some(900.0))], None, Soak),
            ("one load, a second less", vec![(50.0, Some(900.0)), (46.0, Some(899.0))], None, Load),
            ("nobody said for how long", vec![(50.0, None), (50.0, Some(3_600.0))], None, Load),
            ("nothing at all", Vec::new(), None, Load),
        ];
        for (name, course, breaks, want) in cases {
            assert_eq!(TestType::recognize(&course, breaks), want, "{name}");
        }
    }
}

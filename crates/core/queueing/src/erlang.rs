//! Erlang's two formulas, by recurrence over the number of servers.

use crate::{QueueingError, nonnegative};

/// Probability that a task is turned away where nobody can wait (M/M/c/c).
///
/// - `offered`: servers that the arriving work keeps busy, `A = λ·s`, in erlangs.
///
/// `B₀ = 1`, `B_c = A·B_{c−1} / (c + A·B_{c−1})`: all terms positive and below 1, so that nothing overflows or cancels;
/// `O(servers)`.
///
/// # Errors
///
/// [`QueueingError::OutOfDomain`] unless `offered` is finite and 0 or more.
///
/// Source: A. K. Erlang, 1917; the recurrence in R. B. Cooper, *Introduction to Queueing Theory*, 2nd ed., 1981, §3.3.
pub fn erlang_b(servers: u32, offered: f64) -> Result<f64, QueueingError> {
    let offered = nonnegative("offered", offered)?;
    Ok((1..=servers).fold(1.0, |blocked, servers| one_more(blocked, servers, offered)))
}

/// Probability that a task has to wait where everybody can (M/M/c): `C = c·B / (c − A·(1 − B))`.
///
/// # Errors
///
/// [`QueueingError::OutOfDomain`] unless `offered` is finite and 0 or more; [`QueueingError::Unstable`] unless it is
/// below `servers`.
///
/// Source: as [`erlang_b`].
pub fn erlang_c(servers: u32, offered: f64) -> Result<f64, QueueingError> {
    let blocked = erlang_b(servers, offered)?;
    if offered < f64::from(servers) {
        Ok(waits(blocked, servers, offered))
    } else {
        Err(QueueingError::Unstable { servers, offered })
    }
}

/// `B` of `servers` from that of one fewer.
pub(crate) fn one_more(blocked: f64, servers: u32, offered: f64) -> f64 {
    let carried = offered * blocked;
    carried / (f64::from(servers) + carried)
}

/// `C` from `B`, where `offered` is below `servers`.
pub(crate) fn waits(blocked: f64, servers: u32, offered: f64) -> f64 {
    let servers = f64::from(servers);
    (servers * blocked / (servers - offered * (1.0 - blocked))).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_by_hand() {
        #[rustfmt::skip]
        let cases = [ // servers, erlangs, B, C
            (1, 0.8, 0.8 / 1.8,  0.8),       // of one server: B = A/(1 + A), C = A
            (2, 1.0, 1.0 / 5.0,  1.0 / 3.0), // B₁ = 1/2, B₂ = (1/2)/(5/2); C = (2/5)/(2 − 4/5)
            (3, 2.0, 4.0 / 19.0, 4.0 / 9.0), // B₁ = 2/3, B₂ = 2/5, B₃ = (4/5)/(19/5); C = (12/19)/(27/19)
            (4, 0.0, 0.0,        0.0),
        ];
        for (servers, offered, b, c) in cases {
            let close = |got: Result<f64, _>, want: f64| got.is_ok_and(|got| (got - want).abs() < 1e-15);
            assert!(close(erlang_b(servers, offered), b), "B({servers}, {offered})");
            assert!(close(erlang_c(servers, offered), c), "C({servers}, {offered})");
        }
    }

    #[test]
    fn q4_no_answer_where_demand_is_not_below_capacity() {
        for (servers, offered) in [(2, 2.0), (2, 2.5), (0, 0.0), (0, 1.0)] {
            assert_eq!(erlang_c(servers, offered), Err(QueueingError::Unstable { servers, offered }));
        }
        assert_eq!(erlang_b(0, 3.0), Ok(1.0), "without servers everybody is turned away");
        for offered in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(erlang_b(3, offered), Err(QueueingError::OutOfDomain { name: "offered", .. })));
        }
    }
}

//! The load balancer: whole requests over instances, by weight.

/// Splits `requests` over `weights`: each gets its share, to within one request, and all of them together all of it.
/// Weights are above 0; without any there is nobody to take a request.
pub(super) fn split(requests: u64, weights: &[f64]) -> Vec<u64> {
    let total: f64 = weights.iter().sum();
    let (mut weight, mut given) = (0.0, 0);
    let share = |(index, own): (usize, &f64)| {
        weight += own;
        let is_last = index + 1 == weights.len();
        let upto = if is_last { requests } else { ((requests as f64 * weight / total) as u64).clamp(given, requests) };
        let share = upto - given;
        given = upto;
        share
    };
    weights.iter().enumerate().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_weights_and_add_up() {
        let cases: [(u64, &[f64], &[u64]); 5] = [
            (10, &[1.0, 1.0], &[5, 5]),
            (10, &[1.0, 1.0, 1.0], &[3, 3, 4]),
            (12, &[4.0, 1.0, 1.0], &[8, 2, 2]),
            (1, &[1.0, 1.0, 1.0], &[0, 0, 1]),
            (7, &[], &[]),
        ];
        for (requests, weights, want) in cases {
            assert_eq!(split(requests, weights), want, "{requests} over {weights:?}");
        }
    }
}

//! So many instances to several, one after the other, each to whom it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Gives `amount` instances away, one after the other, each to the one that has least in proportion to its weight and may
/// still have more; of equals the earlier.
///
/// - `claims`: weight, `>= 1`, and the most that each may have.
///
/// Returns what each has: `amount` in all, or every claim's most. `O(n log n)` for the whole rounds, and a step for each
/// instance of the last one, of which there are fewer than the sum of weights.
#[must_use]
pub fn fill(amount: u32, claims: &[(u32, u32)]) -> Vec<u32> {
    // The k-th instance of a weight w is due at (k − 1)/w: all that are due before a whole time t are k <= t·w.
    let by = |t: u64, (weight, most): (u32, u32)| (t * u64::from(weight)).min(u64::from(most));
    let given = |t: u64| claims.iter().map(|&claim| by(t, claim)).sum::<u64>();
    let amount = u64::from(amount);
    let (mut fits, mut beyond) = (0, amount + 1);
    while beyond - fits > 1 {
        let between = fits + (beyond - fits) / 2;
        if given(between) <= amount { fits = between } else { beyond = between }
    }
    let mut has: Vec<u64> = claims.iter().map(|&claim| by(fits, claim)).collect();
    let mut left = amount - has.iter().sum::<u64>();
    let mut due: BinaryHeap<Reverse<Due>> = BinaryHeap::new();
    let next = |index: usize, has: u64| {
        let (weight, most) = claims[index];
        (has < u64::from(most)).then_some(Reverse(Due { has, weight: u64::from(weight), index }))
    };
    due.extend(has.iter().enumerate().filter_map(|(index, &has)| next(index, has)));
    while left > 0
        && let Some(Reverse(Due { index, .. })) = due.pop()
    {
        has[index] += 1;
        left -= 1;
        due.extend(next(index, has[index]));
    }
    has.into_iter().map(|has| u32::try_from(has).unwrap_or(u32::MAX)).collect()
}

/// Whose turn it is: the least of what it has over its weight, then the first.
#[derive(PartialEq, Eq)]
struct Due {
    has: u64,
    weight: u64,
    index: usize,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (ours, theirs) = (self.has * other.weight, other.has * self.weight);
        ours.cmp(&theirs).then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

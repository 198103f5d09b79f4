//! A metric over many runs: where it changed for good.

use crate::inference::{mean, welch_two_sided_p};
use serde::Serialize;

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Greatest p of the t-test. Default 0.001.
    pub p: f64,
    /// Least change of the mean, as a share of the mean before. Default 0.05.
    pub least_effect: f64,
    /// Fewest runs on each side. Default 5.
    pub least_count: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { p: 0.001, least_effect: 0.05, least_count: 5 }
    }
}

/// A change for good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChangePoint {
    /// Position of the first run after the change, from 0.
    pub index: usize,
    /// Mean of the stretch before it.
    pub mean_before: f64,
    /// Mean of the stretch after it.
    pub mean_after: f64,
    /// p of the t-test between both stretches.
    pub p: f64,
}

impl ChangePoint {
    /// Mean after ÷ mean before; absent where that is 0.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.mean_before != 0.0).then(|| self.mean_after / self.mean_before)
    }
}

/// Change points of a series, ascending: the split with the greatest energy distance between its halves is tested by
/// Welch's t-test, then both halves are searched (E-divisive with the t-test in place of permutations, which need
/// random numbers and say no more here). What is below the least effect against its neighbours is dropped at the end.
/// Values that are not finite are runs that did not happen: they keep their position.
///
/// `O(n²)` for each change point.
#[must_use]
pub fn change_points(values: &[f64], rules: &Rules) -> Vec<ChangePoint> {
    let present: Vec<(usize, f64)> = values.iter().copied().enumerate().filter(|(_, v)| v.is_finite()).collect();
    let series: Vec<f64> = present.iter().map(|&(_, value)| value).collect();
    let mut cuts = Vec::new();
    divide(&series, 0, rules, &mut cuts);
    cuts.sort_unstable();
    while let Some(weakest) = weakest(&series, &cuts, rules) {
        cuts.remove(weakest);
    }
    let points = judged(&series, &cuts);
    points.into_iter().map(|point| ChangePoint { index: present[point.index].0, ..point }).collect()
}

fn divide(segment: &[f64], offset: usize, rules: &Rules, cuts: &mut Vec<usize>) {
    let Some(cut) = best_cut(segment, rules.least_count.max(2)) else { return };
    let (left, right) = segment.split_at(cut);
    if welch_two_sided_p(left, right).is_some_and(|p| p <= rules.p) {
        cuts.push(offset + cut);
        divide(left, offset, rules, cuts);
        divide(right, offset + cut, rules, cuts);
    }
}

/// The split with the greatest scaled energy distance `n·m/(n + m) · (2·E|X−Y| − E|X−X′| − E|Y−Y′|)`.
fn best_cut(segment: &[f64], least: usize) -> Option<usize> {
    if segment.len() < 2 * least {
        return None;
    }
    let distance_sum = |value: f64, of: &[f64]| of.iter().map(|other| (value - other).abs()).sum::<f64>();
    let total: f64 = segment.iter().enumerate().map(|(i, &value)| distance_sum(value, &segment[..i])).sum();
    let (mut within_left, mut within_right) = (0.0, total);
    let mut best: Option<(usize, f64)> = None;
    for cut in 1..=segment.len() - least {
        let moved = segment[cut - 1];
        within_left += distance_sum(moved, &segment[..cut - 1]);
        within_right -= distance_sum(moved, &segment[cut..]);
        if cut < least {
            continue;
        }
        let (n, m) = (cut as f64, (segment.len() - cut) as f64);
        let across = total - within_left - within_right;
        let energy =
            2.0 * across / (n * m) - 2.0 * within_left / (n * (n - 1.0)) - 2.0 * within_right / (m * (m - 1.0));
        let scaled = n * m / (n + m) * energy;
        if best.is_none_or(|(_, most)| scaled > most) {
            best = Some((cut, scaled));
        }
    }
    best.map(|(cut, _)| cut)
}

fn judged(series: &[f64], cuts: &[usize]) -> Vec<ChangePoint> {
    let edge = |i: usize| i.checked_sub(1).map_or(0, |i| cuts.get(i).copied().unwrap_or(series.len()));
    let judge = |i: usize| {
        let (before, after) = (&series[edge(i)..cuts[i]], &series[cuts[i]..edge(i + 2)]);
        let (mean_before, mean_after) = (mean(before)?, mean(after)?);
        Some(ChangePoint { index: cuts[i], mean_before, mean_after, p: welch_two_sided_p(before, after)? })
    };
    (0..cuts.len()).filter_map(judge).collect()
}

/// The change with the least effect, if that is too small or no longer significant between the stretches left.
fn weakest(series: &[f64], cuts: &[usize], rules: &Rules) -> Option<usize> {
    let effect = |point: &ChangePoint| point.ratio().map_or(f64::INFINITY, |ratio| (ratio - 1.0).abs());
    let points = judged(series, cuts);
    let (index, least) = points.iter().enumerate().min_by(|a, b| effect(a.1).total_cmp(&effect(b.1)))?;
    (effect(least) < rules.least_effect || least.p > rules.p).then_some(index)
}

//! The sketch against sorted values, and its algebra.

use proptest::prelude::*;
use tidegauge_window::sketch::nearest_rank;
use tidegauge_window::{PackedSketch, Sketch, SketchMerger};

fn sketch_of(values: &[f64]) -> Sketch {
    let mut sketch = Sketch::default();
    values.iter().for_each(|&value| sketch.insert(value));
    sketch
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![Just(0.0), 1e-3..1e6_f64, 50.0..60.0_f64], 1..300)
}

/// Sketches, and whether to pack them; some spread so wide that their scale has dropped.
fn parts() -> impl Strategy<Value = Vec<(Sketch, bool)>> {
    let wide = (-300..300_i32, 1..60_u32).prop_map(|(first, doublings)| {
        let bucket = |step: u32| 2_f64.powf(f64::from(first) + f64::from(step) / 64.0);
        sketch_of(&(0..64 * doublings).map(bucket).collect::<Vec<_>>())
    });
    let sketch =
        prop_oneof![4 => values().prop_map(|values| sketch_of(&values)), 1 => wide, 1 => Just(Sketch::default())];
    prop::collection::vec((sketch, any::<bool>()), 0..6)
}

proptest! {
    /// W6: within the stated error of the exact nearest-rank value.
    /// One merger serves many sums; packed or open, and of whatever scales.
    #[test]
    fn a_merger_adds_up_what_merging_two_by_two_does(sums in prop::collection::vec(parts(), 1..4)) {
        let mut merger = SketchMerger::default();
        for parts in sums {
            let mut expected = Sketch::default();
            for (part, packed) in &parts {
                expected.merge(part);
                if *packed {
                    merger.add_packed(PackedSketch::new(&part.to_bytes()).expect("a sketch"));
                } else {
                    merger.add(part);
                }
            }
            prop_assert_eq!(merger.take(), expected);
        }
    }

    #[test]
    fn several_quantiles_are_those_asked_for_one_by_one(values in values()) {
        let (sketch, qs) = (sketch_of(&values), [0.0, 0.5, 0.5, 0.9, 0.99, 1.0]);
        let each = qs.map(|q| sketch.quantile(q).expect("values"));
        prop_assert_eq!(sketch.quantiles(qs), Some(each));
    }

    #[test]
    fn quantiles_are_within_the_error(mut values in values(), q in 0.0..=1.0_f64) {
        let sketch = sketch_of(&values);
        values.sort_by(f64::total_cmp);
        let exact = values[nearest_rank(q, values.len() as u64) as usize - 1];
        let got = sketch.quantile(q).expect("values");
        prop_assert!((got - exact).abs() <= (sketch.relative_error() + 1e-12) * exact, "{got} for {exact}");
    }

    /// W4: however the values are divided, and in whatever order the parts merge.
    #[test]
    fn merging_is_exact(values in values(), cut in 0..300_usize) {
        let (head, tail) = values.split_at(cut.min(values.len()));
        let whole = sketch_of(&values);
        let (mut one, mut other) = (sketch_of(head), sketch_of(tail));
        one.merge(&sketch_of(tail));
        other.merge(&sketch_of(head));
        prop_assert_eq!(&one, &whole);
        prop_assert_eq!(&other, &whole);
    }

    #[test]
    fn bytes_read_back(values in values()) {
        let sketch = sketch_of(&values);
        prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(sketch) = Sketch::from_bytes(&bytes) {
            prop_assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
        }
    }
}

#[test]
fn the_stated_error_at_the_finest_scale_is_0_542_percent() {
    assert!((Sketch::default().relative_error() - 0.005_415).abs() < 1e-6);
}

/// Values over more doublings than fit: the scale drops and the error says so.
#[test]
fn buckets_are_bounded() {
    let values: Vec<f64> = (0..5_000).map(|i| 1e-30 * 1.03_f64.powi(i)).collect();
    let sketch = sketch_of(&values);
    assert!(sketch.buckets().1.len() <= tidegauge_window::sketch::MAX_BUCKETS && sketch.scale() < 6);
    for q in [0.01, 0.5, 0.99] {
        let exact = values[nearest_rank(q, 5_000) as usize - 1];
        let got = sketch.quantile(q).expect("values");
        assert!((got - exact).abs() <= (sketch.relative_error() + 1e-12) * exact, "{q}: {got} for {exact}");
    }
    let (low, high) = values.split_at(2_500);
    let mut merged = sketch_of(high);
    merged.merge(&sketch_of(low));
    assert_eq!(merged, sketch, "merging after a drop is exact too");
}

#[test]
fn a_quantile_of_nothing_is_absent_and_zero_is_a_value() {
    assert_eq!(Sketch::default().quantile(0.5), None);
    assert_eq!(sketch_of(&[0.0, 0.0, 8.0]).quantile(0.5), Some(0.0));
    assert_eq!(sketch_of(&[0.0, 0.0, 8.0, 8.0]).fraction_over(1.0), Some(0.5));
}

#[test]
fn ranks_are_whole_where_the_decimal_says_so() {
    for (q, count, want) in
        [(0.95, 100, 95), (0.99, 100, 99), (0.999, 1_000, 999), (0.5, 1, 1), (0.0, 9, 1), (1.0, 9, 9)]
    {
        assert_eq!(nearest_rank(q, count), want, "{q} of {count}");
    }
}

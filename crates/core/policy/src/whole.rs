//! Between numbers and the whole numbers in which loads are added up.
//!
//! Those of 128 bits are converted by functions of the compiler's library; what fits into 64 bits, as nearly all does, by one
//! instruction. An evaluation does it for each instance, and again for each count that a decision is compared with.

/// Below this each whole number is a number, and so is what is left behind the point.
const EXACT: f64 = 4_503_599_627_370_496.0; // 2⁵²

/// The nearest whole number, halves away from zero.
pub(crate) fn rounded(x: f64) -> i128 {
    if x.abs() < EXACT {
        let whole = x as i64;
        let rest = x - whole as f64;
        i128::from(whole + i64::from(rest >= 0.5) - i64::from(rest <= -0.5))
    } else {
        x.round() as i128
    }
}

/// The nearest number.
pub(crate) fn as_number(x: i128) -> f64 {
    i64::try_from(x).map_or(x as f64, |x| x as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_and_ends() {
        let halves = [0.5, 1.5, 2.5, 0.499_999_999_999_999_94, 0.0, 1e15, 1e30, EXACT, EXACT - 0.5];
        for x in halves.into_iter().flat_map(|x| [x, -x]) {
            assert_eq!(rounded(x), x.round() as i128, "{x}");
        }
        assert_eq!(rounded(f64::NAN), 0);
        assert_eq!(rounded(f64::INFINITY), i128::MAX);
    }

    proptest! {
        #[test]
        fn it_is_what_the_long_way_is(bits in any::<u64>(), x in -1e6_f64..1e6, whole in any::<i128>(), shift in 0_u32..128) {
            for x in [f64::from_bits(bits), x, (x * 2.0).round() / 2.0] {
                prop_assert_eq!(rounded(x), x.round() as i128);
            }
            let whole = whole >> shift;
            prop_assert_eq!(as_number(whole).to_bits(), (whole as f64).to_bits());
        }
    }
}

//! From a value to its bucket and back, from the bits of the number: no logarithm, the same everywhere.

use super::FINEST_SCALE;

/// Mantissa bits of the greatest double ≤ 2^(k/64), for `k` = 0..64.
const BOUNDS: [u64; 64] = [
    0x0000000000000,
    0x02c9a3e778060,
    0x059b0d3158574,
    0x0874518759bc8,
    0x0b5586cf9890f,
    0x0e3ec32d3d1a2,
    0x11301d0125b50,
    0x1429aaea92ddf,
    0x172b83c7d517a,
    0x1a35beb6fcb75,
    0x1d4873168b9aa,
    0x2063b88628cd6,
    0x2387a6e756238,
    0x26b4565e27cdd,
    0x29e9df51fdee1,
    0x2d285a6e4030b,
    0x306fe0a31b715,
    0x33c08b26416ff,
    0x371a7373aa9ca,
    0x3a7db34e59ff6,
    0x3dea64c123422,
    0x4160a21f72e29,
    0x44e086061892d,
    0x486a2b5c13cd0,
    0x4bfdad5362a27,
    0x4f9b2769d2ca6,
    0x5342b569d4f81,
    0x56f4736b527da,
    0x5ab07dd485429,
    0x5e76f15ad2148,
    0x6247eb03a5584,
    0x6623882552224,
    0x6a09e667f3bcc,
    0x6dfb23c651a2e,
    0x71f75e8ec5f73,
    0x75feb564267c8,
    0x7a11473eb0186,
    0x7e2f336cf4e62,
    0x82589994cce12,
    0x868d99b4492ec,
    0x8ace5422aa0db,
    0x8f1ae99157736,
    0x93737b0cdc5e4,
    0x97d829fde4e4f,
    0x9c49182a3f090,
    0xa0c667b5de564,
    0xa5503b23e255c,
    0xa9e6b5579fdbf,
    0xae89f995ad3ad,
    0xb33a2b84f15fa,
    0xb7f76f2fb5e46,
    0xbcc1e904bc1d2,
    0xc199bdd85529c,
    0xc67f12e57d14b,
    0xcb720dcef9069,
    0xd072d4a07897b,
    0xd5818dcfba487,
    0xda9e603db3285,
    0xdfc97337b9b5e,
    0xe502ee78b3ff6,
    0xea4afa2a490d9,
    0xefa1bee615a27,
    0xf50765b6e4540,
    0xfa7c1819e90d8,
];

const MANTISSA_BITS: u32 = 52;
const BUCKETS_PER_DOUBLING: i32 = 1 << FINEST_SCALE;

/// Index of the bucket `(2^(i/64), 2^((i+1)/64)]` of `value`; `None` for zero and numbers below the normal range.
#[inline]
pub(crate) fn index_at_finest_scale(value: f64) -> Option<i32> {
    if value < f64::MIN_POSITIVE {
        return None;
    }
    let bits = value.to_bits();
    let exponent = (bits >> MANTISSA_BITS) as i32 - 1_023;
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1);
    // The curve 2^x lies below the chord, by less than 0.087: the guess is at most 6 of 64 too low.
    let guess = (mantissa >> (MANTISSA_BITS - 6)) as usize;
    let mut below = guess;
    while below < 64 && BOUNDS[below] < mantissa {
        below += 1;
    }
    // `below` boundaries of this doubling lie strictly under the value; a power of two has none.
    Some(exponent * BUCKETS_PER_DOUBLING + below as i32 - 1)
}

/// Width of a bucket, as a factor, at `scale`.
pub(super) fn base(scale: i8) -> f64 {
    (2.0_f64).powf((-f64::from(scale)).exp2())
}

/// Greatest value that is below bucket `index` at `scale`.
pub(super) fn lower_bound(index: i32, scale: i8) -> f64 {
    let fine = i64::from(index) << (FINEST_SCALE - scale);
    let (exponent, step) = (fine.div_euclid(64), fine.rem_euclid(64) as usize);
    // Scaling by a power of two is exact; in two steps it reaches both ends of the range.
    let power = |e: i64| (2.0_f64).powi(e as i32);
    f64::from_bits(1_023 << MANTISSA_BITS | BOUNDS[step]) * power(exponent / 2) * power(exponent - exponent / 2)
}

/// The value with the least greatest relative error over bucket `index` at `scale`: the harmonic mean of its ends.
pub(super) fn midpoint(index: i32, scale: i8) -> f64 {
    let (lower, upper) = (lower_bound(index, scale), lower_bound(index + 1, scale));
    2.0 * lower * (upper / (lower + upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_are_the_last_of_their_bucket() {
        for (value, want) in [(1.0, -1), (2.0, 63), (0.5, -65), (1.0 + f64::EPSILON, 0), (3.0, 101), (1024.0, 639)] {
            assert_eq!(index_at_finest_scale(value), Some(want), "{value}");
        }
        assert_eq!(index_at_finest_scale(0.0), None);
        assert_eq!(index_at_finest_scale(f64::MIN_POSITIVE / 2.0), None);
    }

    #[test]
    fn bounds_are_the_powers_to_a_unit_in_the_last_place() {
        for (k, mantissa) in BOUNDS.iter().enumerate() {
            let bound = f64::from_bits(1_023 << MANTISSA_BITS | mantissa);
            let power = (k as f64 / 64.0).exp2();
            assert!((bound - power).abs() <= f64::EPSILON, "{k}: {bound} {power}");
        }
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(value in prop::num::f64::POSITIVE | prop::num::f64::NORMAL) {
            if let Some(index) = index_at_finest_scale(value) {
                prop_assert!(lower_bound(index, FINEST_SCALE) < value);
                let upper = lower_bound(index + 1, FINEST_SCALE);
                prop_assert!(value <= upper || upper.is_infinite() || value <= upper.next_up());
            }
        }
    }
}

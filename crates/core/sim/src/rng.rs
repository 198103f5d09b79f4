//! Numbers that look random and are a function of their seed.

/// SplitMix64. Source: G. Steele, D. Lea, C. Flood, OOPSLA 2014.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number in `[low, high)`.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        assert!(low < high, "empty range");
        low + (self.bits() % (high - low).unsigned_abs()).cast_signed()
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.range(0, of.len() as i64) as usize]
    }

    /// A positive number with a long tail, about `scale`.
    pub fn skewed(&mut self, scale: f64) -> f64 {
        let three = self.unit() + self.unit() + self.unit() - 1.5;
        scale * (three * 1.2).exp2()
    }
}

//! Everything that is drawn comes from here, and so from one number.

/// A stream of numbers that its seed decides (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n` - 1; 0 where `n` is 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        let number = self.number();
        if n == 0 { 0 } else { number % n }
    }

    /// From `low` to `high`, both included.
    pub const fn range(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        low.wrapping_add_unsigned(self.below(high.abs_diff(low) + 1))
    }

    /// True `part` times out of `whole`.
    pub const fn chance(&mut self, part: u64, whole: u64) -> bool {
        self.below(whole) < part
    }

    /// One of these.
    #[allow(clippy::indexing_slicing, reason = "the index is below the length, which is not 0")]
    pub fn of<T: Clone, const N: usize>(&mut self, items: [T; N]) -> T {
        const { assert!(N > 0) };
        items[usize::try_from(self.below(N as u64)).unwrap_or_default()].clone()
    }

    /// The members of these that a coin picks, at least one.
    pub fn some_of<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut picked: Vec<T> = items.iter().filter(|_| self.chance(1, 2)).cloned().collect();
        if picked.is_empty() {
            let index = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
            picked.extend(items.get(index).cloned());
        }
        picked
    }
}

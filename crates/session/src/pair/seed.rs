/// A small deterministic generator (SplitMix64): the same number gives the same run. Not for secrets of a real device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed(u64);

impl Seed {
    /// Starts at this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number below a bound; 0 where the bound is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        let number = self.next();
        if bound == 0 { 0 } else { number % bound }
    }

    /// 16 octets: an EventId, a cookie.
    pub fn octets(&mut self) -> [u8; 16] {
        let number = u128::from(self.next()) << 64 | u128::from(self.next());
        number.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let mut numbers = Seed::new(7);
        let first = [numbers.next(), numbers.below(10), numbers.below(0)];
        let mut again = Seed::new(7);
        assert_eq!([again.next(), again.below(10), again.below(0)], first);
        assert!(first[1] < 10 && first[2] == 0);
        assert_ne!(Seed::new(7).octets(), Seed::new(8).octets());
    }
}

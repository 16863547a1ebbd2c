use std::time::Duration;

/// Random instants, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Instants(u64);

impl Instants {
    /// By the seed in `OMADM_KILL_SEED`, else by this one. The seed is given back: whoever draws tells it.
    #[must_use]
    pub fn seeded(seed: u64) -> (Self, u64) {
        let wanted = std::env::var("OMADM_KILL_SEED").ok();
        let seed = wanted.and_then(|seed| seed.parse().ok()).unwrap_or(seed);
        (Self(seed), seed)
    }

    /// The next instant before `end`, to the microsecond. By `SplitMix64`.
    pub fn before(&mut self, end: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let micros = u64::try_from(end.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(mixed % micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_instants_again_and_all_are_before_the_end() {
        let end = Duration::from_millis(5);
        let (mut one, mut other) = (Instants(7), Instants(7));
        let drawn: Vec<_> = (0..100).map(|_| one.before(end)).collect();
        assert!(drawn.iter().all(|instant| *instant == other.before(end)));
        assert!(drawn.iter().all(|instant| *instant < end));
        assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]));
    }
}

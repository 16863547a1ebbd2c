/// When a bootstrap server is asked again that gave no bootstrap (D55): after 1, 5 and 30 min, then daily, jittered by ± 20 %, unless it said when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchSchedule;

impl FetchSchedule {
    /// The longest `Retry-After` that counts, in seconds: a week. One beyond would put a device out of reach.
    pub const LONGEST_SECS: u32 = 7 * 86_400;
    /// Failures after which a server is asked once a day.
    pub const DAILY: u32 = 4;

    /// Milliseconds to wait after so many failures in a row. `jitter` 0 is 20 % less, 255 is 20 % more.
    #[must_use]
    pub const fn wait_millis(failures: u32, jitter: u8) -> i64 {
        let secs: i64 = match failures {
            0 | 1 => 60,
            2 => 300,
            3 => 1800,
            _ => 86_400,
        };
        secs * (800 + 400 * jitter as i64 / 255)
    }

    /// Milliseconds to wait where the server said how many seconds.
    #[must_use]
    pub fn wished_millis(retry_after: u32) -> i64 {
        i64::from(retry_after.clamp(1, Self::LONGEST_SECS)) * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::FetchSchedule;

    #[test]
    fn the_back_off_of_a_failed_fetch_is_that_of_d55() {
        let secs: Vec<_> = (1..=5)
            .map(|n| FetchSchedule::wait_millis(n, 128) / 1000)
            .collect();
        assert_eq!(secs, [60, 300, 1800, 86_400, 86_400]);
        assert_eq!(FetchSchedule::wait_millis(1, 0), 48_000);
        assert_eq!(FetchSchedule::wait_millis(2, 255), 360_000);
    }

    #[test]
    fn a_wish_is_honoured_up_to_a_week() {
        assert_eq!(FetchSchedule::wished_millis(0), 1000);
        assert_eq!(FetchSchedule::wished_millis(90), 90_000);
        assert_eq!(FetchSchedule::wished_millis(u32::MAX), 7 * 86_400_000);
    }
}

//! The size of a soak case: a test named `soak_…`, small in every run and full under `./test --soak`.

/// Size of a soak case in an ordinary run: enough that it cannot rot.
const SMALL: usize = 10;

/// How many rounds, devices or nodes the calling soak case takes: `full` when `./test --soak` runs it
/// (`OMADM_SOAK_SIZE=full`), else ten, and never more than `full`.
#[must_use]
pub fn size(full: usize) -> usize {
    size_for(std::env::var("OMADM_SOAK_SIZE").ok().as_deref(), full)
}

fn size_for(wanted: Option<&str>, full: usize) -> usize {
    if wanted == Some("full") {
        full
    } else {
        full.min(SMALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_full_gives_the_full_size() {
        assert_eq!(size_for(Some("full"), 100_000), 100_000);
        assert_eq!(size_for(Some("10"), 100_000), SMALL);
        assert_eq!(size_for(None, 100_000), SMALL);
        assert_eq!(size_for(None, 3), 3);
    }
}

use super::{Decision, Generation};

/// One secret of a scope of an account, as its keeper has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Where it stands.
    pub generation: Generation,
    /// Whether a card, image or URL can bring it back.
    pub escrowed: bool,
    /// Whether it opens nothing any more.
    pub revoked: bool,
    /// Whether it may still reach the device: its command is not answered, or its bootstrap not ended.
    pub coming: bool,
}

/// What becomes of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is the one in use.
    Enforce,
    /// It was replaced; escrow keeps it as `boot`.
    Retire,
    /// It opens nothing any more.
    Kill,
}

/// What a decision about the secret at `used` does to all of its scope and account; `used` is none where the device came by its identity. Make before break:
/// nothing that the device has, or may yet get, is taken away before something newer was used.
#[must_use]
pub fn consequences(
    decision: Decision,
    used: Option<usize>,
    all: &[Standing],
) -> Vec<(usize, Change)> {
    if !matches!(decision, Decision::Promote | Decision::Recover) {
        return Vec::new();
    }
    let changes = all.iter().enumerate().filter_map(|(at, secret)| {
        if Some(at) == used {
            return Some((at, Change::Enforce));
        }
        let is_over = match secret.generation {
            Generation::Current => true,
            Generation::Pending => !secret.coming,
            Generation::Boot => false,
        };
        let change = if secret.escrowed {
            Change::Retire
        } else {
            Change::Kill
        };
        (is_over && !secret.revoked).then_some((at, change))
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::{Change, Decision, Generation, Standing, consequences};
    use crate::generation::Denial;

    fn standing(generation: Generation, escrowed: bool, coming: bool) -> Standing {
        Standing {
            generation,
            escrowed,
            revoked: false,
            coming,
        }
    }

    /// What becomes of another secret when one is used.
    fn fate(other: Standing) -> Option<Change> {
        let used = standing(Generation::Pending, false, false);
        let changes = consequences(Decision::Promote, Some(0), &[used, other]);
        assert_eq!(changes[0], (0, Change::Enforce));
        changes.get(1).map(|(_, change)| *change)
    }

    #[test]
    fn what_was_in_use_ends_unless_it_is_escrowed() {
        use Generation::{Boot, Current, Pending};
        for (generation, escrowed, coming, expected) in [
            (Current, false, false, Some(Change::Kill)),
            (Current, false, true, Some(Change::Kill)),
            (Current, true, false, Some(Change::Retire)),
            (Current, true, true, Some(Change::Retire)),
            (Pending, false, false, Some(Change::Kill)),
            (Pending, true, false, Some(Change::Retire)),
            (Pending, false, true, None),
            (Pending, true, true, None),
            (Boot, true, false, None),
            (Boot, true, true, None),
            (Boot, false, false, None),
            (Boot, false, true, None),
        ] {
            let other = standing(generation, escrowed, coming);
            assert_eq!(fate(other), expected, "{other:?}");
            let revoked = Standing {
                revoked: true,
                ..other
            };
            assert_eq!(fate(revoked), None, "{revoked:?}");
        }
    }

    #[test]
    fn a_rollback_by_the_identity_ends_what_was_rotated_and_keeps_what_is_coming() {
        let all = [
            standing(Generation::Current, false, false),
            standing(Generation::Pending, false, true),
            standing(Generation::Boot, true, false),
        ];
        assert_eq!(
            consequences(Decision::Recover, None, &all),
            [(0, Change::Kill)]
        );
    }

    #[test]
    fn nothing_changes_unless_something_newer_or_older_counts() {
        let all = Generation::ALL.map(|generation| standing(generation, false, false));
        for decision in [
            Decision::Accept,
            Decision::Refuse(Denial::Revoked),
            Decision::Hold(Denial::Replaced),
        ] {
            assert_eq!(consequences(decision, Some(1), &all), []);
        }
    }
}

use super::SwitchOnOccasion;
use crate::CardOrigin;

/// What one look at a reader says about what was read through it before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Look {
    pub(super) reader: String,
    /// The card in it; none where there is none, or it could not be told.
    pub(super) card: Option<String>,
    /// None where the result is definite.
    pub(super) doubt: Option<Doubt>,
}

/// Why a look is not definite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    /// The SIM lock does not allow the card (D5).
    Rejected,
    /// It is not known what is on the card, or one entry could not be read or is invalid (D6).
    Undetermined,
}

/// What becomes of something that a card brought and that no entry has now (`smartcard.md` §9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It stays as it is.
    Kept,
    /// It stays, marked.
    Unverified,
    /// It goes.
    Gone,
}

/// Judges. A doubtful reader keeps what was last read through it and what its card may hold; the others are judged by the readers with a definite result.
pub(super) fn verdict(origin: &CardOrigin, occasion: SwitchOnOccasion, looks: &[Look]) -> Verdict {
    let of_it =
        |look: &&Look| look.reader == origin.reader || look.card.as_ref() == Some(&origin.card);
    let concerned: Vec<&Look> = match occasion {
        SwitchOnOccasion::SwitchOn => looks.iter().collect(),
        SwitchOnOccasion::Insertion => looks.iter().filter(of_it).collect(),
    };
    if concerned.is_empty() {
        return match occasion {
            SwitchOnOccasion::SwitchOn => Verdict::Unverified,
            SwitchOnOccasion::Insertion => Verdict::Kept,
        };
    }
    let (definite, doubtful): (Vec<_>, Vec<_>) =
        concerned.into_iter().partition(|look| look.doubt.is_none());
    // A card that is in one reader is in no other.
    let is_elsewhere = definite
        .iter()
        .any(|look| look.card.as_ref() == Some(&origin.card));
    let may_hold = |look: &&Look| of_it(look) || (look.card.is_none() && !is_elsewhere);
    let mut holding: Vec<_> = doubtful.iter().copied().filter(may_hold).collect();
    if holding.is_empty() {
        if !definite.is_empty() {
            return Verdict::Gone;
        }
        holding = doubtful;
    }
    let undetermined = |look: &&Look| look.doubt == Some(Doubt::Undetermined);
    if holding.iter().any(undetermined) {
        Verdict::Unverified
    } else {
        Verdict::Kept
    }
}

#[cfg(test)]
mod tests {
    use super::SwitchOnOccasion::{Insertion, SwitchOn};
    use super::{Doubt, Look, Verdict, verdict};
    use crate::{CardBrought, CardOrigin, PayloadHash};

    fn origin() -> CardOrigin {
        CardOrigin {
            reader: "R1".to_owned(),
            card: "iccid:1".to_owned(),
            oid: "2.23.43.7.1".to_owned(),
            path: "3F00/7F50/6432".to_owned(),
            digest: PayloadHash::of(b""),
            at: None,
            brought: CardBrought::Account,
            unverified: false,
        }
    }

    fn look(reader: &str, card: &str, doubt: Option<Doubt>) -> Look {
        Look {
            reader: reader.to_owned(),
            card: (!card.is_empty()).then(|| card.to_owned()),
            doubt,
        }
    }

    #[test]
    fn several_readers_are_judged_as_the_table_says() {
        let definite = |reader, card| look(reader, card, None);
        let rejected = |reader, card| look(reader, card, Some(Doubt::Rejected));
        let unknown = |reader, card| look(reader, card, Some(Doubt::Undetermined));
        for (looks, at_switch_on, at_insertion) in [
            // Nothing was looked at: no reader, no service.
            (vec![], Verdict::Unverified, Verdict::Kept),
            // Its own reader: empty, another card, the card without it.
            (vec![definite("R1", "")], Verdict::Gone, Verdict::Gone),
            (
                vec![definite("R1", "iccid:2")],
                Verdict::Gone,
                Verdict::Gone,
            ),
            (
                vec![definite("R1", "iccid:1")],
                Verdict::Gone,
                Verdict::Gone,
            ),
            (
                vec![rejected("R1", "iccid:2")],
                Verdict::Kept,
                Verdict::Kept,
            ),
            (
                vec![unknown("R1", "")],
                Verdict::Unverified,
                Verdict::Unverified,
            ),
            // Another reader alone: at switch-on it decides, an insertion there concerns its own card alone.
            (
                vec![definite("R2", "iccid:2")],
                Verdict::Gone,
                Verdict::Kept,
            ),
            (
                vec![definite("R2", "iccid:1")],
                Verdict::Gone,
                Verdict::Gone,
            ),
            (
                vec![rejected("R2", "iccid:2")],
                Verdict::Kept,
                Verdict::Kept,
            ),
            (
                vec![unknown("R2", "iccid:2")],
                Verdict::Unverified,
                Verdict::Kept,
            ),
            (vec![unknown("R2", "")], Verdict::Unverified, Verdict::Kept),
            // A doubtful reader keeps what its card may hold, whatever the others say.
            (
                vec![definite("R1", ""), unknown("R2", "")],
                Verdict::Unverified,
                Verdict::Gone,
            ),
            (
                vec![definite("R1", ""), rejected("R2", "iccid:1")],
                Verdict::Kept,
                Verdict::Kept,
            ),
            (
                vec![definite("R2", "iccid:2"), unknown("R1", "iccid:3")],
                Verdict::Unverified,
                Verdict::Unverified,
            ),
            // It does not keep what is on another card.
            (
                vec![definite("R1", ""), unknown("R2", "iccid:2")],
                Verdict::Gone,
                Verdict::Gone,
            ),
            (
                vec![definite("R1", ""), rejected("R2", "iccid:2")],
                Verdict::Gone,
                Verdict::Gone,
            ),
            // Nor what is on a card that is seen in another reader.
            (
                vec![definite("R2", "iccid:1"), unknown("R3", "")],
                Verdict::Gone,
                Verdict::Gone,
            ),
            // Two that may hold it, one of them in doubt.
            (
                vec![rejected("R1", ""), unknown("R2", "")],
                Verdict::Unverified,
                Verdict::Kept,
            ),
        ] {
            assert_eq!(
                verdict(&origin(), SwitchOn, &looks),
                at_switch_on,
                "{looks:?}"
            );
            assert_eq!(
                verdict(&origin(), Insertion, &looks),
                at_insertion,
                "{looks:?}"
            );
        }
    }
}

use std::pin::Pin;

use super::verdict::{Judged, Level};

/// One check of the kit: what it asks of the peer, and where that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Check {
    /// Its name, by which it is picked.
    pub id: &'static str,
    /// The items it looks at.
    pub items: &'static [&'static str],
    /// How strongly it binds.
    pub level: Level,
    /// What the peer does that passes.
    pub says: &'static str,
    /// Where it is written: a section of the protocol digest or a decision.
    pub clause: &'static str,
}

impl Check {
    /// Whether these words pick it: its name, or one of its items; all where there are none.
    #[must_use]
    pub fn is_picked(&self, picks: &[String]) -> bool {
        picks.is_empty()
            || picks.iter().any(|pick| {
                pick.eq_ignore_ascii_case(self.id)
                    || self
                        .items
                        .iter()
                        .any(|item| pick.eq_ignore_ascii_case(item))
            })
    }
}

/// The work of a check on its kit.
pub(super) type Work<'a> = Pin<Box<dyn Future<Output = Judged> + Send + 'a>>;

/// A check with its work.
pub(super) struct Step<K> {
    pub(super) check: Check,
    pub(super) work: for<'a> fn(&'a mut K) -> Work<'a>,
}

/// A check with its work, as the tables write it.
pub(super) const fn step<K>(
    id: &'static str,
    items: &'static [&'static str],
    level: Level,
    (clause, says): (&'static str, &'static str),
    work: for<'a> fn(&'a mut K) -> Work<'a>,
) -> Step<K> {
    Step {
        check: Check {
            id,
            items,
            level,
            says,
            clause,
        },
        work,
    }
}

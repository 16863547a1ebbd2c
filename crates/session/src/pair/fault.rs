use std::fmt;

use super::Seed;

/// Something that goes wrong once. Requests, effects and applied plans are counted from 0 over the whole life of a pair; the apply of a bootstrap
/// is an effect too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// The request does not reach the server.
    DropRequest(u32),
    /// The answer to this request does not reach the client.
    DropReply(u32),
    /// The request reaches the server twice; the client reads the second answer.
    DuplicateRequest(u32),
    /// Half of the answer's body reaches the client.
    TruncateReply(u32),
    /// The answer to this request comes so many milliseconds later; past the read timeout (D01) nobody waits for it any more.
    DelayReply(u32, u32),
    /// The server dies while it handles this request, and is up again for the next one.
    ServerDies(Moment, u32),
    /// The client dies at this effect: its session is lost, its tree is kept.
    ClientDies(Moment, u32),
    /// The tree refuses this plan as stale, once.
    Stale(u32),
    /// The tree has no room for this plan.
    NoRoom(u32),
    /// The device itself changes its tree before this plan is applied.
    TreeChanges(u32),
}

/// On which side of an effect, or of the server's commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Moment {
    /// It did not happen.
    Before,
    /// It happened, and nobody was told.
    After,
}

/// What goes wrong in a run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FaultPlan(Vec<Fault>);

impl FaultPlan {
    /// Nothing goes wrong.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// These faults.
    #[must_use]
    pub fn of(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self(faults.into_iter().collect())
    }

    /// So many faults of any kind among the first `positions` requests, effects and plans; the same seed gives the same plan.
    #[must_use]
    pub fn seeded(seed: u64, count: usize, positions: u32) -> Self {
        let mut seed = Seed::new(seed);
        let kinds = Fault::all_at(0).len() as u64;
        let fault = |_| {
            let at = u32::try_from(seed.below(positions.into())).unwrap_or(0);
            let kind = usize::try_from(seed.below(kinds)).unwrap_or(0);
            Fault::all_at(at)[kind]
        };
        Self((0..count).map(fault).collect())
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Milliseconds by which the answer to a request is late.
    pub(super) fn delay(&self, request: u32) -> u32 {
        let late = self.0.iter().map(|fault| match fault {
            Fault::DelayReply(n, millis) if *n == request => *millis,
            _ => 0,
        });
        late.max().unwrap_or(0)
    }
}

impl Fault {
    /// Every kind of fault at one position.
    #[must_use]
    pub const fn all_at(n: u32) -> [Self; 13] {
        [
            Self::DropRequest(n),
            Self::DropReply(n),
            Self::DuplicateRequest(n),
            Self::TruncateReply(n),
            Self::DelayReply(n, 2_000),
            Self::DelayReply(n, 400_000),
            Self::ServerDies(Moment::Before, n),
            Self::ServerDies(Moment::After, n),
            Self::ClientDies(Moment::Before, n),
            Self::ClientDies(Moment::After, n),
            Self::Stale(n),
            Self::NoRoom(n),
            Self::TreeChanges(n),
        ]
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::FaultPlan;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let plan = FaultPlan::seeded(3, 5, 4);
        assert_eq!(plan, FaultPlan::seeded(3, 5, 4));
        assert_eq!(plan.faults().len(), 5);
        assert!((0..20).any(|seed| FaultPlan::seeded(seed, 5, 4) != plan));
    }
}

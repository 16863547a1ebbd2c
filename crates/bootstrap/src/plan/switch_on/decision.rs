use std::fmt;
use std::ops::Range;

use omadm_card::reading::{CardIdentity, ReaderName};
use omadm_card::{CardOid, CardPath, CardTrouble, LockReason};
use omadm_mo::{SrvId, TreeVersion};

use crate::plan::{SkippedItem, TreePlan};
use crate::{PayloadHash, ProfileFormat, Refusal};

/// What the cards in the readers mean for the device: one plan, and what there is to say about it. Its `Display` is a report for people; it tells no content.
#[derive(Clone, PartialEq, Debug)]
pub struct SwitchOnDecision {
    /// What changes: application and removal in one transaction. Empty where nothing does.
    pub plan: TreePlan,
    /// The servers that are owed a BootstrapComplete for it, in the order of the entries.
    pub servers: Vec<SrvId>,
    /// Each reader, in order of priority.
    pub readers: Vec<ReaderFinding>,
    /// Each entry, in order of priority.
    pub entries: Vec<EntryFinding>,
    /// Each account that a card brought before.
    pub accounts: Vec<AccountFinding>,
    /// Items of applied documents that were passed over.
    pub skipped: Vec<SkippedItem>,
}

/// How a reader's result counts.
#[derive(Clone, PartialEq, Debug)]
pub struct ReaderFinding {
    /// The reader.
    pub reader: ReaderName,
    /// The card in it; none where there is none, or it could not be told.
    pub card: Option<CardIdentity>,
    /// What was found.
    pub state: ReaderState,
}

/// How a reader's result counts (`smartcard.md` §9).
#[derive(Clone, PartialEq, Debug)]
pub enum ReaderState {
    /// Definite: the card was read completely.
    Read,
    /// Definite: the card has no DM Bootstrap.
    NoBootstrap,
    /// Definite: no card.
    NoCard,
    /// The SIM lock does not allow the card: what it may hold stays.
    Rejected(LockReason),
    /// In doubt: what the card may hold stays, marked unverified.
    Undetermined(CardTrouble),
    /// In doubt because an entry is invalid.
    InvalidEntry,
}

/// What became of an entry.
#[derive(Clone, PartialEq, Debug)]
pub struct EntryFinding {
    /// The reader.
    pub reader: ReaderName,
    /// The card.
    pub card: Option<CardIdentity>,
    /// The entry's OID.
    pub oid: CardOid,
    /// Where its content lies.
    pub path: CardPath,
    /// What the document is by its content; none where it is none of ours.
    pub format: Option<ProfileFormat>,
    /// SHA-256 of the document; none where there is none.
    pub digest: Option<PayloadHash>,
    /// Its steps among those of the plan.
    pub steps: Range<usize>,
    /// What became of it.
    pub outcome: EntryOutcome,
}

/// What became of an entry.
#[derive(Clone, PartialEq, Debug)]
pub enum EntryOutcome {
    /// It is applied; these servers are owed a completion.
    Applied(Vec<SrvId>),
    /// It was applied before and its accounts stand: nothing to do (D51).
    Unchanged(Vec<SrvId>),
    /// Entries before it have its servers.
    Overruled(Vec<SrvId>),
    /// The servers have accounts of DM 2.0, on the device or on a card, beside which none of DM 1.x is applied (`dm1x.md` M23).
    BesideDm2(Vec<SrvId>),
    /// There is no document.
    Nothing,
    /// The document is none of a DM Client's: WBXML of another kind, or client provisioning without DM Account.
    Foreign,
    /// The document is of DM 1.x, which policy turns off.
    OtherGeneration,
    /// It could not be read.
    Unreadable(CardTrouble),
    /// It is refused; the entries after it count nevertheless.
    Refused(Refusal),
}

/// What became of an account that a card brought before.
#[derive(Clone, PartialEq, Debug)]
pub struct AccountFinding {
    /// Whose.
    pub srv_id: SrvId,
    /// What became of it.
    pub fate: AccountFate,
}

/// What became of an account that a card brought before.
#[derive(Clone, PartialEq, Debug)]
pub enum AccountFate {
    /// It is on a card.
    OnCard,
    /// It stays: its card was rejected, or not looked at.
    Kept,
    /// It stays, marked unverified: it is not known what is on its card.
    Unverified,
    /// It goes, with these nodes (ClientURIs). Where it had taken the place of the factory image's account, why that does not come back.
    Removed(Vec<String>, Option<Refusal>),
    /// It goes, and the factory image's account comes back in its place (`dm20.md` §14.3).
    FactoryAgain,
}

impl SwitchOnDecision {
    pub(super) const fn nothing(at: TreeVersion) -> Self {
        Self {
            plan: TreePlan::at(at),
            servers: Vec::new(),
            readers: Vec::new(),
            entries: Vec::new(),
            accounts: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Whether a reader has to be looked at again before long.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        let mut readers = self.readers.iter();
        readers.any(|one| {
            matches!(
                one.state,
                ReaderState::Undetermined(_) | ReaderState::InvalidEntry
            )
        })
    }

    /// The servers whose accounts go.
    pub fn removed(&self) -> impl Iterator<Item = &SrvId> {
        let gone = |one: &&AccountFinding| matches!(one.fate, AccountFate::Removed(..));
        self.accounts.iter().filter(gone).map(|one| &one.srv_id)
    }

    /// The refused entries.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.entries.iter().filter_map(|one| match &one.outcome {
            EntryOutcome::Refused(refusal) => Some(refusal),
            _ => None,
        })
    }
}

impl fmt::Display for SwitchOnDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reader in &self.readers {
            writeln!(f, "{reader}")?;
            let of_it = |entry: &&EntryFinding| entry.reader == reader.reader;
            for entry in self.entries.iter().filter(of_it) {
                write!(f, "  {} {}: {}", entry.oid, entry.path, entry.outcome)?;
                match entry.format {
                    Some(format) => writeln!(f, " ({format})")?,
                    None => writeln!(f)?,
                }
            }
        }
        for account in &self.accounts {
            writeln!(f, "{}: {}", account.srv_id, account.fate)?;
        }
        Ok(())
    }
}

impl fmt::Display for ReaderFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.reader)?;
        match &self.card {
            Some(card) => write!(f, "card {card}, {}", self.state),
            None => self.state.fmt(f),
        }
    }
}

impl fmt::Display for ReaderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read completely"),
            Self::NoBootstrap => f.write_str("no DM Bootstrap on it"),
            Self::NoCard => f.write_str("no card"),
            Self::Rejected(why) => why.fmt(f),
            Self::Undetermined(why) => write!(f, "undetermined: {why}"),
            Self::InvalidEntry => f.write_str("undetermined: an entry is invalid"),
        }
    }
}

impl fmt::Display for EntryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(servers) => write!(f, "applied for {}", List(servers)),
            Self::Unchanged(servers) => write!(f, "unchanged for {}", List(servers)),
            Self::Overruled(servers) => {
                write!(f, "overruled: an entry before it has {}", List(servers))
            }
            Self::BesideDm2(servers) => write!(
                f,
                "passed over: an account of DM 2.0 comes first, and there is one for {}",
                List(servers)
            ),
            Self::Nothing => f.write_str("nothing there"),
            Self::Foreign => f.write_str("passed over: no DM Bootstrap"),
            Self::OtherGeneration => {
                f.write_str("passed over: a document of DM 1.x, which policy turns off")
            }
            Self::Unreadable(why) => write!(f, "unreadable: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

impl fmt::Display for AccountFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnCard => f.write_str("on the card"),
            Self::Kept => f.write_str("kept, its card was not read"),
            Self::Unverified => {
                f.write_str("kept, unverified: it is not known what is on its card")
            }
            Self::Removed(nodes, lost) => {
                write!(f, "removed, no longer on a card: {}", nodes.join(", "))?;
                match lost {
                    Some(why) => write!(f, "; the factory image's does not come back: {why}"),
                    None => Ok(()),
                }
            }
            Self::FactoryAgain => {
                f.write_str("no longer on a card; the factory image's account comes back")
            }
        }
    }
}

/// SrvIDs with commas between; objects without account have none.
struct List<'a>(&'a [SrvId]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no server of its own");
        }
        let names: Vec<_> = self.0.iter().map(SrvId::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

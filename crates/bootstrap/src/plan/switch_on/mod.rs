//! The check at switch-on (`smartcard.md` §9): from what the readers gave to one decision about what is applied, kept and removed.

mod accounts;
mod check;
mod content;
mod decision;
mod removal;
mod verdict;

use omadm_card::reading::CardReading;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;

pub use decision::{
    AccountFate, AccountFinding, EntryFinding, EntryOutcome, ReaderFinding, ReaderState,
    SwitchOnDecision,
};

use super::CredentialCheck;
use super::bootstrap::storage;
use super::dm1::Dm1Rules;
use crate::{BootstrapPolicy, DeviceView, PayloadHash, Refusal, Utc};
use check::{Check, Tried};

/// What the readers gave, and how it is to be taken.
#[derive(Clone, Debug)]
pub struct SwitchOn<'a> {
    /// One reading a reader, the one of highest priority first (D2). None at all is no reader: nothing is known then.
    pub readings: &'a [CardReading],
    /// What they are about.
    pub occasion: SwitchOnOccasion,
    /// Whether unchanged content is applied again (`reapply = "always"`, D51).
    pub reapply: bool,
    /// The documents that a person agreed to, by their SHA-256.
    pub agreed: &'a [PayloadHash],
    /// The documents that the device does not take, and why: a plug-in refused what they have for it. Each counts as invalid.
    pub refused: &'a [(PayloadHash, Refusal)],
    /// Whether no bootstrap was applied since a factory reset.
    pub after_reset: bool,
    /// When; none without a clock.
    pub at: Option<Utc>,
    /// 16 fresh random octets: the EventIds are made of them.
    pub entropy: [u8; 16],
    /// Bounds of each document of DM 2.0.
    pub limits: JsonLimits,
    /// How documents of DM 1.x are taken.
    pub dm1: &'a Dm1Rules,
    /// The factory image's document, where there is one: an account that a card took the place of comes back from it. Needed where an account of the device
    /// has a [`crate::FactoryBeneath`].
    pub factory_image: Option<&'a [u8]>,
}

/// What a check is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SwitchOnOccasion {
    /// The device was switched on: every reader was looked at, every account that a card brought is judged.
    SwitchOn,
    /// A card was inserted (D54): accounts of this reader and of this card alone are judged.
    Insertion,
}

/// Decides. Each entry is validated as a whole; an invalid one leaves its reader in doubt and stops no other. Where policy turns smartcard bootstrap off, or
/// demands nothing, the decision is empty: that is for the caller to know before any card is touched (D1).
///
/// # Errors
/// [`Refusal`] where the device cannot be read; nothing of the cards is a reason.
pub fn plan_switch_on(
    view: &dyn DeviceView,
    registry: &MoRegistry,
    policy: &BootstrapPolicy,
    credentials: &dyn CredentialCheck,
    switch_on: &SwitchOn<'_>,
) -> Result<SwitchOnDecision, Refusal> {
    if !policy.smartcard.enabled {
        return Ok(SwitchOnDecision::nothing(view.version()));
    }
    let mut check = Check::new(view, registry, policy, credentials, switch_on);
    // An entry that turns out to be invalid changes what is removed, and so what the others are planned upon: each costs one more round at most.
    loop {
        match check.attempt()? {
            Tried::Decided(decision) => return Ok(*decision),
            Tried::Invalid(entry, refusal) => check.invalidate(entry, refusal),
        }
    }
}

use serde::{Deserialize, Serialize};

use crate::{Account, BootstrapMethod, BootstrapSource, PayloadHash, ProvidedInstance, Utc};

/// An entry of a card that was applied to an account: what the check at switch-on compares with the card (`smartcard.md` §9). It stays where another method
/// bootstraps the account anew, so that the same content is not applied over that (D51).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CardOrigin {
    /// The reader through which it was last read.
    pub reader: String,
    /// Identity of the card.
    pub card: String,
    /// OID of the entry.
    pub oid: String,
    /// Path of the entry's file.
    pub path: String,
    /// SHA-256 of the document that was applied.
    pub digest: PayloadHash,
    /// When; none without a clock.
    pub at: Option<Utc>,
    /// What it brought.
    pub brought: CardBrought,
    /// Whether the last check could not tell if the card still has it.
    #[serde(default)]
    pub unverified: bool,
}

/// What a card's entry brought.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardBrought {
    /// The account, with what [`Account::provided`] lists.
    Account,
    /// These instances alone, for an account that stood already (D57).
    Objects(Vec<ProvidedInstance>),
}

/// The bootstrap of the factory image that a card's account took the place of: the image's account comes back when the card's goes (`dm20.md` §14.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FactoryBeneath {
    /// SHA-256 of the image's document.
    pub digest: PayloadHash,
    /// The instances it brought.
    pub provided: Vec<ProvidedInstance>,
}

impl CardOrigin {
    /// Whether this is about the same file of the same card.
    #[must_use]
    pub fn is_at(&self, card: &str, path: &str) -> bool {
        self.card == card && self.path == path
    }
}

impl Account {
    /// The entry that brought the account, where a card did last. An account that an older build stored, or that an embedding program delivered, has what its
    /// provenance tells.
    #[must_use]
    pub fn card_origin(&self) -> Option<CardOrigin> {
        if self.provenance.method != BootstrapMethod::Smartcard {
            return None;
        }
        let brought = |one: &&CardOrigin| one.brought == CardBrought::Account;
        let BootstrapSource::Card(card) = &self.provenance.source else {
            return None;
        };
        let told = || CardOrigin {
            reader: String::new(),
            card: card.clone(),
            oid: String::new(),
            path: String::new(),
            digest: self.provenance.payload_hash,
            at: self.provenance.at,
            brought: CardBrought::Account,
            unverified: false,
        };
        Some(
            self.cards
                .iter()
                .find(brought)
                .cloned()
                .unwrap_or_else(told),
        )
    }

    /// The entry of a card that brought the account last, be it that another method bootstrapped it since.
    pub(crate) fn last_of_a_card(&self) -> Option<CardOrigin> {
        let mut cards = self.cards.iter();
        let brought = cards.find(|one| one.brought == CardBrought::Account);
        brought.cloned().or_else(|| self.card_origin())
    }

    /// Puts what is known of the entry that brought the account.
    pub(crate) fn put_card_origin(&mut self, origin: CardOrigin) {
        let mut cards = self.cards.iter_mut();
        match cards.find(|one| one.brought == CardBrought::Account) {
            Some(old) => *old = origin,
            None => self.cards.push(origin),
        }
    }

    /// What was applied stands on a card again, or still: notes where. Answers whether that is news.
    pub(crate) fn see_again(&mut self, now: &CardOrigin) -> bool {
        let mut news = false;
        if let Some(known) = self.last_of_a_card()
            && known.digest == now.digest
        {
            let seen = CardOrigin {
                at: known.at,
                brought: CardBrought::Account,
                ..now.clone()
            };
            news = known != seen;
            self.put_card_origin(seen);
        }
        let objects = self.cards.iter_mut();
        for one in objects.filter(|one| {
            one.brought != CardBrought::Account
                && one.is_at(&now.card, &now.path)
                && one.digest == now.digest
        }) {
            news |= one.reader != now.reader || one.oid != now.oid || one.unverified;
            one.reader.clone_from(&now.reader);
            one.oid.clone_from(&now.oid);
            one.unverified = false;
        }
        news
    }

    /// What a card's entry without account brought for this one (D57).
    pub(crate) fn objects_of(&self, entry: &CardOrigin) -> Option<&[ProvidedInstance]> {
        let mut cards = self.cards.iter();
        cards.find_map(|one| match &one.brought {
            CardBrought::Objects(provided) if one.is_at(&entry.card, &entry.path) => {
                Some(provided.as_slice())
            }
            _ => None,
        })
    }

    pub(crate) fn forget_objects_of(&mut self, entry: &CardOrigin) {
        self.cards.retain(|one| {
            one.brought == CardBrought::Account || !one.is_at(&entry.card, &entry.path)
        });
    }

    /// What becomes of an account's cards when it is bootstrapped anew. The image starts afresh; a card brings the account in place of a card before; other
    /// methods leave it known what the card had.
    pub(crate) fn inherit_cards(&mut self, before: &Self) {
        match self.provenance.method {
            BootstrapMethod::Factory => {}
            BootstrapMethod::Smartcard => {
                let objects = before.cards.iter();
                let objects = objects.filter(|one| one.brought != CardBrought::Account);
                self.cards = objects.cloned().collect();
                self.factory = match before.provenance.method {
                    BootstrapMethod::Factory => Some(FactoryBeneath {
                        digest: before.provenance.payload_hash,
                        provided: before.provided.clone(),
                    }),
                    _ => before.factory.clone(),
                };
            }
            BootstrapMethod::ClientInitiated | BootstrapMethod::ServerInitiated => {
                self.cards.clone_from(&before.cards);
                self.factory.clone_from(&before.factory);
            }
        }
    }

    /// Whether the last check at switch-on could not tell if the card still has this account.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        self.card_origin().is_some_and(|origin| origin.unverified)
    }
}

//! What a device does when it is switched on (D50): factory image, cards, then client-initiated bootstrap where there is no usable account yet.

use omadm_mo::TreeError;
use tokio::sync::watch;

use super::cards::CardLook;
use super::{Bootstrapped, CardCheck, Engine, FactoryImage, NoBootstrap};

/// What came of it, method by method.
#[derive(Clone, PartialEq, Debug)]
pub struct SwitchedOn {
    /// The factory image.
    pub factory: FactoryImage,
    /// The cards: what they brought, and what was removed since no card has it any more.
    pub cards: CardCheck,
    /// The fetch; none where there was an account already.
    pub fetched: Option<Result<Bootstrapped, NoBootstrap>>,
}

impl Engine {
    /// The methods that need no network, in their order.
    async fn local_bootstraps(&self) -> Result<(FactoryImage, CardCheck), TreeError> {
        let factory = self.factory_image().await?;
        let cards = self.check_cards(&CardLook::SwitchOn).await?;
        Ok((factory, cards))
    }

    /// Runs until `stop` says so: the factory image is applied unless it was (D50), the cards are checked, before any session; then what is owed is
    /// reported, a device without usable account asks for a bootstrap, and inserted cards are checked.
    pub(crate) async fn run(&self, stop: watch::Receiver<bool>) -> Result<(), TreeError> {
        let (_, cards) = self.local_bootstraps().await?;
        let (attended, watched) = (self.attend(stop.clone()), self.watch_cards(cards, stop));
        tokio::try_join!(attended, watched).map(|((), ())| ())
    }

    /// All of it, once.
    pub(crate) async fn switch_on(&self) -> Result<SwitchedOn, TreeError> {
        let (factory, cards) = self.local_bootstraps().await?;
        let fetched = if self.seeks_bootstrap().await? {
            Some(self.bootstrap_when_due(true).await)
        } else {
            None
        };
        Ok(SwitchedOn {
            factory,
            cards,
            fetched,
        })
    }
}

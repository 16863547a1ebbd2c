//! What a device does when it is switched on (D50): factory image, then client-initiated bootstrap where there is no account yet.

use omadm_bootstrap::DeviceView as _;
use omadm_mo::TreeError;

use super::{Bootstrapped, Engine, FactoryImage, NoBootstrap};

/// What came of it, method by method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchedOn {
    /// The factory image.
    pub factory: FactoryImage,
    /// The fetch; none where there was an account already.
    pub fetched: Option<Result<Bootstrapped, NoBootstrap>>,
}

impl Engine {
    /// The methods that need no network, in their order.
    pub(super) async fn local_bootstraps(&self) -> Result<FactoryImage, TreeError> {
        self.factory_image().await
    }

    /// All of it, once.
    pub(crate) async fn switch_on(&self) -> Result<SwitchedOn, TreeError> {
        let factory = self.local_bootstraps().await?;
        let accounts = self.host.run(|host| host.store.snapshot()?.accounts());
        let fetched = if accounts.await?.is_empty() {
            Some(self.bootstrap().await)
        } else {
            None
        };
        Ok(SwitchedOn { factory, fetched })
    }
}

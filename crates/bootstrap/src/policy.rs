use omadm_mo::Moid;

use crate::BootstrapMethod;

/// What the device accepts as a bootstrap (D61). Whether the source of a delivery is trusted was decided by whoever authenticated the channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootstrapPolicy {
    /// The factory image.
    pub factory: MethodPolicy,
    /// The card.
    pub smartcard: MethodPolicy,
    /// Fetching.
    pub client_initiated: MethodPolicy,
    /// Pushes and Notifications.
    pub server_initiated: MethodPolicy,
    /// Whether documents of DM 1.x are applied, whatever the method.
    pub dm1: bool,
    /// Most accounts the device keeps.
    pub max_accounts: usize,
    /// Cap on Perm lists; none caps nothing. A document that asks for more is refused as a whole.
    pub allowed_moids: Option<Vec<Moid>>,
}

/// What holds for one method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MethodPolicy {
    /// Whether documents that come this way are applied.
    pub enabled: bool,
    /// Whether a person has to agree first.
    pub require_user_consent: bool,
}

impl BootstrapPolicy {
    /// What holds for a method.
    #[must_use]
    pub const fn method(&self, method: BootstrapMethod) -> MethodPolicy {
        match method {
            BootstrapMethod::Factory => self.factory,
            BootstrapMethod::Smartcard => self.smartcard,
            BootstrapMethod::ClientInitiated => self.client_initiated,
            BootstrapMethod::ServerInitiated => self.server_initiated,
        }
    }
}

impl Default for MethodPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            require_user_consent: false,
        }
    }
}

impl Default for BootstrapPolicy {
    /// Every method on, both generations, 16 accounts, no cap.
    fn default() -> Self {
        let on = MethodPolicy::default();
        Self {
            factory: on,
            smartcard: on,
            client_initiated: on,
            server_initiated: on,
            dm1: true,
            max_accounts: 16,
            allowed_moids: None,
        }
    }
}

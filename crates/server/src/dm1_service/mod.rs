//! The DM 1.x service: one message in, one durable delta, one answer out (`dm1x.md` §1.9, §1.10). The session itself is the core's
//! (`omadm_session::server::dm1`).

mod account;
mod brought;
mod completion;
mod failures;
mod held;
mod http;
mod issue;
mod message;
pub mod models;
mod story;
mod unproven;

pub(crate) use account::{Account, AccountError, provisioned};
pub(crate) use brought::{Clash, is_over};
use failures::FailedCreds;
pub(crate) use failures::sweep;
pub(crate) use held::{Accepted, NotAccepted};
pub(crate) use http::exchange;
pub(crate) use issue::{Issue, IssueError, issue};
pub(crate) use message::stored_session;
pub(crate) use story::own_outcome;

use omadm_mo::standard::MoRegistry;
use omadm_session::server::dm1::DeviceModel;
use omadm_session::server::queue::{DeviceLayout, Root};

use crate::entropy::correlation;
use crate::model::{Credential, CredentialProof};
use crate::node::Node;

/// What a node knows beside the store.
pub(crate) struct Dm1Node {
    /// Tells the connections of this node from those of others.
    instance: String,
    failed: FailedCreds,
}

impl Dm1Node {
    pub(crate) fn new() -> Self {
        Self {
            instance: format!("{}{}", correlation(), correlation()),
            failed: FailedCreds::default(),
        }
    }
}

/// The account that opens sessions of DM 1.x for this device, among its credentials.
pub(crate) fn account_row(credentials: &[Credential]) -> Option<&Credential> {
    let is_it = |one: &&Credential| {
        one.revoked_at.is_none() && matches!(one.proof, CredentialProof::Dm1Account { .. })
    };
    credentials.iter().find(is_it)
}

/// The account that a device has, or had last.
pub(crate) fn last_account_row(credentials: &[Credential]) -> Option<&Credential> {
    let is_dm1 = |one: &&Credential| matches!(one.proof, CredentialProof::Dm1Account { .. });
    account_row(credentials).or_else(|| credentials.iter().rfind(is_dm1))
}

/// What is known of a device's model: by the account that it has or had last, else by what it told in a session of either generation.
pub(crate) fn known_model(
    node: &Node,
    credentials: &[Credential],
    dev_info: Option<&str>,
) -> Result<Option<DeviceModel>, AccountError> {
    let account = last_account_row(credentials).map(|row| Account::open(node, row));
    let name = account.transpose()?.and_then(|account| account.model);
    let of_account = name.and_then(|name| models::named(&name));
    Ok(of_account
        .or_else(|| models::detected_in(dev_info))
        .cloned())
}

/// Where devices of this model keep their objects.
pub(crate) fn layout(registry: &MoRegistry, model: &DeviceModel) -> DeviceLayout {
    let accounts = Root::Instances(model.quirks.accounts.clone());
    DeviceLayout::of(registry).with("urn:oma:mo:oma-dm-dmacc:1.0", accounts)
}

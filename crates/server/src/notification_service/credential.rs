//! `Auth/Noti` as the device has it: out of the document that its newest completed bootstrap brought.

use omadm_mo::json::Json;
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::DmAcc;
use omadm_mo::standard::dm_acc::{self, AuthNoti};
use omadm_mo::{DevId, NodePath, SrvId};

use super::NotifyError;
use crate::bootstrap_service::{self, OpenError};
use crate::model::BootstrapState;
use crate::node::Node;

/// What a device can check Notifications of this server with.
pub(super) struct Found {
    pub(super) srv_id: SrvId,
    noti: Option<AuthNoti>,
}

/// Why no Notification can be made from what the device was bootstrapped with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// No bootstrap of the device completed, or none of this server.
    #[error("the device has no completed bootstrap{}", .0.as_ref().map(|id| format!(" of {id}")).unwrap_or_default())]
    NoBootstrap(Option<SrvId>),
    /// The account has no secret for Notifications.
    #[error("the account of {0} has no Auth/Noti, so the device could not tell who calls")]
    NoNoti(SrvId),
    /// The account's secret is of a type that this server cannot use (D42).
    #[error("the account of {0} has an Auth/Noti of type {1}, which this server does not know")]
    Type(SrvId, i64),
    /// The stored document cannot be opened or read. The server's operator is at fault.
    #[error("the bootstrap document of the device cannot be used: {0}")]
    Document(String),
}

impl Found {
    /// What the digest is made with; none where there is none to be made and the operator wants it so.
    pub(super) fn proving(
        &self,
        unauthenticated: bool,
    ) -> Result<Option<&AuthNoti>, CredentialError> {
        match &self.noti {
            Some(noti) if noti.is_sha256_digest() => Ok(Some(noti)),
            Some(noti) => Err(CredentialError::Type(self.srv_id.clone(), noti.kind)),
            None if unauthenticated => Ok(None),
            None => Err(CredentialError::NoNoti(self.srv_id.clone())),
        }
    }
}

/// The account of the newest completed bootstrap, of this server where it is named.
pub(super) async fn find(
    node: &Node,
    dev_id: &DevId,
    srv_id: Option<&SrvId>,
) -> Result<Found, NotifyError> {
    let records = node.store.bootstraps_of(dev_id).await?;
    let completed = records.iter().find(|record| {
        record.state == BootstrapState::Completed
            && srv_id.is_none_or(|srv_id| record.srv_id == *srv_id)
    });
    let Some(record) = completed else {
        return Err(CredentialError::NoBootstrap(srv_id.cloned()).into());
    };
    let document = match bootstrap_service::open_document(node, record).await {
        Ok(document) => document,
        Err(OpenError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(CredentialError::Document(error.to_string()).into()),
    };
    let noti =
        noti_of(node, document.expose(), &record.srv_id).map_err(CredentialError::Document)?;
    Ok(Found {
        srv_id: record.srv_id.clone(),
        noti,
    })
}

fn noti_of(node: &Node, document: &[u8], srv_id: &SrvId) -> Result<Option<AuthNoti>, String> {
    let json = Json::read(document, node.json_limits()).map_err(|error| error.to_string())?;
    let items = MoItem::read_all(&json).map_err(|error| error.to_string())?;
    let moid = dm_acc::moid();
    let accounts = items
        .iter()
        .filter(|item| item.client_uri.as_ref().is_some_and(|uri| uri.moid == moid));
    for item in accounts {
        let bound = item
            .bind(dm_acc::ddf(), &NodePath::root(), "DMAcc")
            .map_err(|error| error.to_string())?;
        let account = DmAcc::from_node(&bound.node).map_err(|error| error.to_string())?;
        if account.srv_id == *srv_id {
            return Ok(account.noti);
        }
    }
    Err(format!("it holds no account of {srv_id}"))
}

//! `Auth/Noti` as the device has it: out of the document that its newest completed bootstrap brought.

use omadm_mo::json::Json;
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::DmAcc;
use omadm_mo::standard::dm_acc::{self, AuthNoti};
use omadm_mo::{DevId, NodePath, SrvId};

use super::NotifyError;
use crate::bootstrap_service::{self, OpenError};
use crate::generations::{SHA256_DIGEST, split};
use crate::model::{
    BootstrapRecord, BootstrapState, Credential, CredentialScope, Generation, of_dm2,
};
use crate::node::Node;

/// What a device can check Notifications of this server with.
pub(crate) struct Found {
    pub(super) srv_id: SrvId,
    /// The one in use, then one whose way to the device has begun and not ended: the device has the first or the second.
    noti: Vec<AuthNoti>,
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
    /// The device has no account of DM 1.x, or none of this server.
    #[error("{0} has no DM 1.x account of this server")]
    NoDm1(DevId),
    /// The server does not prove itself to the device.
    #[error(
        "the DM 1.x account of {0} has no credential of the server, so the device could not tell who calls"
    )]
    NoServerCredential(SrvId),
    /// The stored document cannot be opened or read. The server's operator is at fault.
    #[error("the bootstrap document of the device cannot be used: {0}")]
    Document(String),
}

impl Found {
    /// What the digests are made with, in the order in which the Notification is to be sent; none where there is none to be made and the operator wants it so.
    pub(crate) fn proving(&self, unauthenticated: bool) -> Result<&[AuthNoti], CredentialError> {
        match self.noti.as_slice() {
            [noti, ..] if !noti.is_sha256_digest() => {
                Err(CredentialError::Type(self.srv_id.clone(), noti.kind))
            }
            [] if !unauthenticated => Err(CredentialError::NoNoti(self.srv_id.clone())),
            all => Ok(all),
        }
    }
}

/// The account of the newest completed bootstrap, of this server where it is named.
pub(crate) async fn find(
    node: &Node,
    dev_id: &DevId,
    srv_id: Option<&SrvId>,
) -> Result<Found, NotifyError> {
    let records = of_dm2(node.store.bootstraps_of(dev_id).await?);
    let completed = records.iter().find(|record| {
        record.state == BootstrapState::Completed
            && srv_id.is_none_or(|srv_id| record.srv_id == *srv_id)
    });
    let Some(record) = completed else {
        return Err(CredentialError::NoBootstrap(srv_id.cloned()).into());
    };
    let mut noti = rotated(node, dev_id, &records, &record.srv_id).await?;
    if noti.is_empty() {
        let document = match bootstrap_service::open_document(node, record).await {
            Ok(document) => document,
            Err(OpenError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(CredentialError::Document(error.to_string()).into()),
        };
        let account = account_in(node, document.expose(), &record.srv_id)
            .map_err(CredentialError::Document)?;
        noti.extend(account.noti);
    }
    Ok(Found {
        srv_id: record.srv_id.clone(),
        noti,
    })
}

/// The secrets of the account's Notifications as the records have them; none of a document that an earlier version made.
async fn rotated(
    node: &Node,
    dev_id: &DevId,
    records: &[BootstrapRecord],
    srv_id: &SrvId,
) -> Result<Vec<AuthNoti>, NotifyError> {
    let credentials = node.store.credentials(dev_id).await?;
    let of_account = |one: &&Credential| {
        let record = one.record.as_ref();
        let record = record.and_then(|id| records.iter().find(|record| record.id == *id));
        one.scope == CredentialScope::Notification
            && one.revoked_at.is_none()
            && record.is_some_and(|record| record.srv_id == *srv_id)
    };
    let mut live: Vec<_> = credentials
        .iter()
        .filter(of_account)
        .filter(|one| match one.generation {
            Generation::Current => true,
            Generation::Pending => one.command.is_some(),
            Generation::Boot => false,
        })
        .collect();
    live.sort_by_key(|one| one.generation != Generation::Current);
    let mut found = Vec::new();
    for credential in live {
        let context = credential.proof.seal_context(dev_id);
        let sealed = credential.sealed.as_deref().unwrap_or_default();
        let opened = node.sealing.open(&context, sealed).ok();
        let (data, secret) = opened.and_then(|opened| split(&opened)).ok_or_else(|| {
            CredentialError::Document("its Auth/Noti cannot be opened".to_owned())
        })?;
        found.push(AuthNoti {
            kind: SHA256_DIGEST,
            data,
            secret,
        });
    }
    Ok(found)
}

/// The account of this server in a document.
pub(crate) fn account_in(node: &Node, document: &[u8], srv_id: &SrvId) -> Result<DmAcc, String> {
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
            return Ok(account);
        }
    }
    Err(format!("it holds no account of {srv_id}"))
}

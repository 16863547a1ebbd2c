//! A bootstrap of DM 1.x: its document, what it does to the device's account, and what a push of it is signed with (`dm1x.md` §5.2 to §5.9).

use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{ProfileFormat, PushSigner, PushedBootstrap, SignError};
use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, ImsiKey, NetworkId};
use omadm_mo::Secret;
use omadm_push::wsp::{Mac, Sec, Security};

use super::document::Built;
use super::draft::{Draft, DraftError};
use crate::dm1_service::{Account, Issue, account_row, is_over, issue, known_model};
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
    PushSec, PushSecurity, RecordId,
};
use crate::node::{Node, event};

/// Open bootstraps of an account that a further one leaves open.
pub(super) const KEPT: usize = 2;
/// Names that are tried where one was given to an account that is revoked.
const NAMES: u32 = 100;

/// What a WAP push is signed with. Has no `Debug`.
pub(crate) struct Signing {
    pub(crate) profile: BootstrapProfileKind,
    pub(crate) sec: PushSec,
    pub(crate) network: Option<NetworkId>,
    pub(crate) imsi_key: ImsiKey,
    pub(crate) pin: Option<Secret>,
}

/// Builds the document, and adds to the delta what the account is from now on.
pub(super) async fn build(
    node: &Node,
    delta: &mut ExchangeDelta,
    draft: &Draft,
    format: Dm1Format,
    (id, escrowed): (&RecordId, bool),
    correlation: &str,
) -> Result<Built, DraftError> {
    let dev_id = delta.dev_id.clone();
    let known = match delta.expected {
        Some(_) => node.store.credentials(&dev_id).await?,
        None => Vec::new(),
    };
    let made = match account_row(&known) {
        Some(row) => {
            let user = row.proof.name();
            let mut account = Account::open(node, row)?;
            if let Some(model) = draft.model {
                account.model = Some(model.name.clone());
            }
            let form = (format, &account.device_model());
            let made = issue(node, &draft.profile, &dev_id, form, user)?;
            let records = node.store.bootstraps_of(&dev_id).await?;
            account.drop_ended(|id| is_over(&records, id, delta.at));
            account.bring(&made, &id.0, escrowed)?;
            let sealed = account.seal(node, &row.proof, &dev_id)?;
            let reseal = CredentialChange::Reseal(row.proof.clone(), sealed);
            delta.credentials.push(reseal);
            made
        }
        None => {
            first(
                node,
                delta,
                draft,
                (format, &known),
                (id, escrowed),
                correlation,
            )
            .await?
        }
    };
    Ok(Built {
        document: made.package.document,
        srv_id: made.package.account.server_id,
        has_trsp: false,
        issued: Vec::new(),
    })
}

/// The bootstrap that makes the account.
async fn first(
    node: &Node,
    delta: &mut ExchangeDelta,
    draft: &Draft,
    (format, credentials): (Dm1Format, &[Credential]),
    (id, escrowed): (&RecordId, bool),
    correlation: &str,
) -> Result<Issue, DraftError> {
    let dev_id = delta.dev_id.clone();
    // As the operator says, else as a former account has it, else as the device told in a session of the other generation.
    let told = match delta.expected {
        Some(_) => node.store.device(&dev_id).await?,
        None => None,
    };
    let told = told.and_then(|device| device.dev_info);
    let model = match draft.model {
        Some(model) => Some(model.clone()),
        None => known_model(node, credentials, told.as_deref())?,
    };
    let form = (format, &model.clone().unwrap_or_default());
    let mut made = issue(node, &draft.profile, &dev_id, form, None)?;
    let name = made.user.clone();
    // A name is never given twice: the account that had it was revoked, or is another device's.
    for number in 2..=NAMES {
        let proof = CredentialProof::Dm1Account {
            user: made.user.clone(),
        };
        if node.store.credential(&proof).await?.is_none() {
            break;
        }
        let user = format!("{name}-{number}");
        made = issue(node, &draft.profile, &dev_id, form, Some(&user))?;
    }
    let mut account = Account::issued(&made, &id.0, escrowed);
    account.model = model.map(|model| model.name);
    let proof = CredentialProof::Dm1Account {
        user: made.user.clone(),
    };
    let scope = CredentialScope::Dm1;
    let mut row = Credential::current(dev_id.clone(), proof.clone(), scope, delta.at);
    row.sealed = Some(account.seal(node, &proof, &dev_id)?);
    let added = EventKind::CredentialAdded {
        proof: proof.kind().to_owned(),
        fingerprint: None,
        name: Some(made.user.clone()),
    };
    delta.events.push(event(added, correlation));
    delta.credentials.push(CredentialChange::Add(row));
    Ok(made)
}

/// A bootstrap as it is pushed; none for one that is not signed, or is of DM 2.0.
pub(crate) fn pushed(
    format: ProfileFormat,
    security: &PushSecurity,
    document: Secret,
) -> Option<PushedBootstrap> {
    Some(PushedBootstrap {
        profile: kind_of(format)?,
        security: Some(Security {
            sec: sec_of(security.sec),
            mac: Some(Mac::parse(&security.mac).ok()?),
        }),
        document,
    })
}

const fn kind_of(format: ProfileFormat) -> Option<BootstrapProfileKind> {
    match format {
        ProfileFormat::Dm2 => None,
        ProfileFormat::Cp => Some(BootstrapProfileKind::Cp),
        ProfileFormat::Dm => Some(BootstrapProfileKind::Dm),
    }
}

const fn sec_of(sec: PushSec) -> Sec {
    match sec {
        PushSec::NetworkId => Sec::NetwPin,
        PushSec::UserPin => Sec::UserPin,
        PushSec::Both => Sec::UserNetwPin,
    }
}

impl Signing {
    /// SEC and MAC over a document. Nothing of what they are made with is kept.
    pub(super) fn sign(&self, document: &Secret) -> Result<PushSecurity, SignError> {
        let signer = PushSigner {
            sec: sec_of(self.sec),
            network: self.network.as_ref(),
            form: self.imsi_key,
            pin: self.pin.as_ref(),
        };
        let signed = PushedBootstrap::signed(self.profile, document.clone(), &signer)?;
        let mac = signed.security.and_then(|security| security.mac);
        Ok(PushSecurity {
            sec: self.sec,
            mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
        })
    }
}

//! An account of DM 1.x as it is made: of what the operator tells, or of a profile, with the document that brings it to the device.

use http::StatusCode;
use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::profile::Dm1Package;
use omadm_dm1::credential::{CredentialType, Nonce, new_password};
use omadm_mo::{DevId, Secret};
use omadm_session::server::dm1::{ClientNonces, DeviceModel, ServerSide};

use super::answer::Refused;
use super::devices::unknown_profile;
use super::dm1_types::NewDm1Account;
use super::types::SecretText;
use crate::dm1_service::{Account, issue, models, provisioned};
use crate::entropy::random;
use crate::node::Node;
use crate::problem::Problem;

/// Longest account name and server identifier, in octets.
const NAME: usize = 128;
/// Longest password that is taken from elsewhere, in octets.
const PASSWORD: usize = 255;

/// An account with what the device has to be given.
pub(super) struct Made {
    /// `AAuthName` of the client's credential.
    pub(super) user: String,
    pub(super) account: Account,
    pub(super) client_secret: Secret,
    pub(super) client_nonce: Nonce,
    pub(super) server: Option<(Secret, Nonce)>,
    /// The document of its profile.
    pub(super) package: Option<Dm1Package>,
}

/// What an account is made of.
struct Parts {
    user: String,
    server_id: String,
    credential: CredentialType,
    client: (Secret, Nonce),
    server: Option<(CredentialType, Secret, Nonce)>,
}

/// Makes the account that was asked for; `known` is the device's model where nothing else is asked.
pub(super) fn make(
    node: &Node,
    new: &NewDm1Account,
    dev_id: &DevId,
    known: Option<DeviceModel>,
) -> Result<Made, Refused> {
    let model = match new.model.as_deref() {
        None => known,
        Some(name) => Some(known_model(name)?.clone()),
    };
    let (parts, package) = match new.profile.as_deref() {
        None if new.format.is_some() => {
            return Err(Refused::bad("format: it goes with a profile"));
        }
        None => (told(node, new, dev_id)?, None),
        Some(name) => {
            let model = model.clone().unwrap_or_default();
            let (parts, package) = of_profile(node, new, dev_id, name, &model)?;
            (parts, Some(package))
        }
    };
    let Parts {
        user,
        server_id,
        credential,
        client: (client_secret, client_nonce),
        server,
    } = parts;
    let account = Account {
        credential,
        client_secrets: vec![provisioned(client_secret.clone(), true)],
        client_nonces: ClientNonces {
            package: Some(client_nonce.clone()),
            next: None,
            proofs: 0,
        },
        server: server
            .as_ref()
            .map(|(credential, secret, nonce)| ServerSide {
                credential: *credential,
                user: server_id.clone(),
                secrets: vec![provisioned(secret.clone(), true)],
                nonce: Some(nonce.clone()),
                boot_nonce: Some(nonce.clone()),
            }),
        server_id,
        model: model.map(|model| model.name),
        last_event: None,
        account_uri: None,
        rotate: false,
        held: None,
        accepted: false,
    };
    Ok(Made {
        user,
        account,
        client_secret,
        client_nonce,
        server: server.map(|(_, secret, nonce)| (secret, nonce)),
        package,
    })
}

/// The model of this name.
pub(super) fn known_model(name: &str) -> Result<&'static DeviceModel, Refused> {
    models::named(name).ok_or_else(|| {
        let all: Vec<_> = models::names().collect();
        let detail = format!("model: {name:?} is none of {}", all.join(", "));
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into()
    })
}

/// Of what the operator tells; the rest is drawn.
fn told(node: &Node, new: &NewDm1Account, dev_id: &DevId) -> Result<Parts, Refused> {
    let user = match &new.user {
        Some(user) => name_of("user", user)?,
        None => dev_id.as_str().to_owned(),
    };
    let credential = match new.credential.as_deref() {
        None => CredentialType::Md5,
        Some(text) => kind_of("credential", text)?,
    };
    let server_kind = match new.server_credential.as_deref() {
        None => Some(CredentialType::Md5),
        Some("none") => None,
        Some(text) => Some(kind_of("server_credential", text)?),
    };
    let server_id = match &new.server_id {
        Some(text) => name_of("server_id", text)?,
        None => host_of(&node.public_server).to_owned(),
    };
    if server_kind.is_none() && (new.server_secret.is_some() || new.server_nonce.is_some()) {
        return Err(Refused::bad(
            "server_secret and server_nonce go with a server_credential",
        ));
    }
    if credential == CredentialType::Basic && user.contains(':') && new.user.is_some() {
        return Err(Refused::bad("user: `basic` takes no name with a colon"));
    }
    let server = match server_kind {
        None => None,
        Some(kind) => Some((
            kind,
            secret_of("server_secret", new.server_secret.as_ref())?,
            nonce_of("server_nonce", new.server_nonce.as_deref())?,
        )),
    };
    Ok(Parts {
        user,
        server_id,
        credential,
        client: (
            secret_of("client_secret", new.client_secret.as_ref())?,
            nonce_of("client_nonce", new.client_nonce.as_deref())?,
        ),
        server,
    })
}

/// Of a profile: all secrets are drawn, and stand in its document.
fn of_profile(
    node: &Node,
    new: &NewDm1Account,
    dev_id: &DevId,
    name: &str,
    model: &DeviceModel,
) -> Result<(Parts, Dm1Package), Refused> {
    let told = NewDm1Account {
        profile: new.profile.clone(),
        format: new.format.clone(),
        model: new.model.clone(),
        ..NewDm1Account::default()
    };
    if *new != told {
        return Err(Refused::bad(
            "profile: it says all but `format` and `model`",
        ));
    }
    let format = match new.format.as_deref() {
        None | Some("cp") => Dm1Format::Cp,
        Some("dm") => Dm1Format::Dm,
        Some(other) => {
            return Err(Refused::bad(format!(
                "format: {other:?} is neither cp nor dm"
            )));
        }
    };
    let profile = node
        .profiles
        .get(name)
        .ok_or_else(|| unknown_profile(name))?;
    let made = issue(node, &profile, dev_id, (format, model), None)?;
    let drawn = made.credentials;
    let parts = Parts {
        user: made.user,
        server_id: made.server_id,
        credential: made.client,
        client: (drawn.client_secret, drawn.client_nonce),
        server: made
            .server
            .map(|kind| (kind, drawn.server_secret, drawn.server_nonce)),
    };
    Ok((parts, made.package))
}

fn kind_of(member: &str, text: &str) -> Result<CredentialType, Refused> {
    match text {
        "basic" => Ok(CredentialType::Basic),
        "md5" => Ok(CredentialType::Md5),
        "mac" => Ok(CredentialType::Mac),
        _ => Err(Refused::bad(format!(
            "{member}: {text:?} is none of basic, md5 and mac"
        ))),
    }
}

fn name_of(member: &str, text: &str) -> Result<String, Refused> {
    if text.is_empty() || text.len() > NAME || text.chars().any(char::is_control) {
        let detail = format!(
            "{member}: {text:?} is none; it has 1 to {NAME} octets and no control character"
        );
        return Err(Refused::bad(detail));
    }
    Ok(text.to_owned())
}

fn secret_of(member: &str, told: Option<&SecretText>) -> Result<Secret, Refused> {
    let Some(SecretText(text)) = told else {
        return Ok(new_password(&random()?));
    };
    if text.is_empty() || text.len() > PASSWORD || text.chars().any(char::is_control) {
        let detail =
            format!("{member}: it has to have 1 to {PASSWORD} octets and no control character");
        return Err(Refused::bad(detail));
    }
    Ok(Secret::from(text.clone()))
}

fn nonce_of(member: &str, told: Option<&str>) -> Result<Nonce, Refused> {
    match told {
        None => Ok(Nonce::of_entropy(&random()?)),
        Some(text) => {
            Nonce::of_base64(text).map_err(|cause| Refused::bad(format!("{member}: {cause}")))
        }
    }
}

/// A host without its port.
fn host_of(server: &str) -> &str {
    match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => server,
    }
}

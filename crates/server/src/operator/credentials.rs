//! Credentials of devices: issue, register, revoke. No answer holds a secret but what the server drew, once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_bootstrap::Utc;
use omadm_mo::{DevId, Secret};
use omadm_tls::{CertificateDer, CertificateRequest, Fingerprint, IssuedCertificate, pem};

use super::answer::{JsonBody, Refused};
use super::devices::{dev_id, registered};
use super::named_credentials::Named;
use super::types::{CredentialAdded, CredentialBody, NewCredential};
use crate::clock::utc;
use crate::entropy::{bootstrap_code, correlation, random};
use crate::generations::join;
use crate::identity::{code_hash, fingerprint_of};
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
    RecordId,
};
use crate::node::{Node, event};
use crate::problem::{Problem, ProblemBody};
use crate::state_dir::serial_text;
use crate::store::CommitError;

/// A bootstrap code lives for so long (D81).
const CODE_SECS: i64 = 24 * 3600;
/// Wrong tries a bootstrap code survives, less one (D81).
const CODE_TRIES: u8 = 5;
/// How often a change is made again after other commits of the device came between.
const RETRIES: usize = 8;

/// What is to be issued or registered.
#[derive(Clone, Copy)]
pub(super) struct Issue<'a> {
    pub(super) csr: Option<&'a str>,
    pub(super) certificate: Option<&'a str>,
    pub(super) code: bool,
    pub(super) named: Named<'a>,
}

impl Issue<'_> {
    /// The 409 where one of them is registered already.
    pub(super) fn taken(&self) -> Refused {
        let detail = match (self.named.http_user, self.named.psk_identity) {
            (Some(user), None) => {
                format!("the HTTP user {user:?} is taken, by this device or another")
            }
            (None, Some(identity)) => {
                format!("the PSK identity {identity:?} is taken by another device")
            }
            (Some(user), Some(identity)) => format!(
                "the HTTP user {user:?} is taken, by this device or another, or the PSK identity {identity:?} by another device"
            ),
            (None, None) => return CommitError::CredentialTaken.into(),
        };
        Problem::new(StatusCode::CONFLICT, detail)
            .advising("Choose another name; one stays taken after its revocation.")
            .into()
    }
}

/// Adds a credential to a device: a certificate for a request, a certificate from elsewhere, a bootstrap code, an HTTP user, or a pre-shared key.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/credentials", tag = "credentials", params(("dev_id" = String, Path)), request_body = NewCredential,
    responses((status = 201, body = CredentialAdded), (status = "default", body = ProblemBody)))]
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewCredential>,
) -> Result<(StatusCode, Json<CredentialAdded>), Refused> {
    let (dev_id, correlation) = (dev_id(&id)?, correlation());
    let issue = Issue {
        csr: new.csr.as_deref(),
        certificate: new.certificate.as_deref(),
        code: new.code,
        named: Named {
            http_user: new.http_user.as_deref(),
            http_password: new.http_password.as_ref(),
            psk_identity: new.psk_identity.as_deref(),
            psk: new.psk.as_ref(),
        },
    };
    if issue.csr.is_none() && issue.certificate.is_none() && !issue.code && issue.named.is_none() {
        return Err(Refused::bad(
            "say which credential: `csr`, `certificate`, `code`, `http_user` or `psk_identity`",
        ));
    }
    if !new.take_over {
        names_no_other(&node, &dev_id, issue.csr).await?;
    }
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let open = node
            .store
            .bootstraps_of(&dev_id)
            .await?
            .into_iter()
            .find(|record| !record.state.is_terminal());
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let known = node.store.credentials(&dev_id).await?;
        let added = issue_into(
            &node,
            &mut delta,
            issue,
            &known,
            open.map(|record| record.id).as_ref(),
            &correlation,
        )?;
        match node.store.commit(delta).await {
            Ok(_) => return Ok((StatusCode::CREATED, Json(added))),
            Err(CommitError::Conflict) => {}
            Err(CommitError::CredentialTaken) => return Err(issue.taken()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// Revokes a credential: it opens nothing from now on, on open connections too; a certificate of the server's CA is put on its CRL.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/credentials/{id}/revoke", tag = "credentials",
    params(("dev_id" = String, Path), ("id" = String, Path, description = "the certificate's SHA-256, `code-…`, `psk:…` (`psk.1:…` for the second key of an identity), `http-user:…` or `notification:…`")),
    responses((status = 204), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn revoke(
    State(node): State<Arc<Node>>,
    Path((device, id)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let wanted = id.parse::<Fingerprint>().map_or(id, |print| print.to_hex());
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let credentials = node.store.credentials(&dev_id).await?;
        let Some(credential) = credentials
            .into_iter()
            .find(|credential| name(&credential.proof) == wanted)
        else {
            return Err(Refused::missing(format!(
                "{dev_id} has no credential {wanted}"
            )));
        };
        let print = fingerprint_of(&credential.proof);
        if credential.revoked_at.is_none() {
            let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
            delta
                .credentials
                .push(CredentialChange::Revoke(credential.proof.clone()));
            let kind = EventKind::CredentialRevoked {
                fingerprint: print.map(|print| print.to_string()),
                name: credential.proof.name().map(str::to_owned),
            };
            delta.events.push(event(kind, &correlation));
            match node.store.commit(delta).await {
                Ok(_) => {}
                Err(CommitError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        node.list_revoked(&correlation).await;
        tracing::info!(correlation, device = %dev_id, credential = wanted, "credential revoked");
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(CommitError::Conflict.into())
}

/// Refuses a request that names another device which is registered: whoever has that device's key would be this one too.
pub(super) async fn names_no_other(
    node: &Node,
    dev_id: &DevId,
    csr: Option<&str>,
) -> Result<(), Refused> {
    let request = csr.map(CertificateRequest::from_pem).transpose();
    let request = request.map_err(|cause| Refused::bad(format!("csr: {cause}")))?;
    let names = request
        .iter()
        .flat_map(CertificateRequest::claimed_common_names);
    for other in names.filter_map(|name| DevId::parse(name).ok()) {
        if other != *dev_id && node.store.device(&other).await?.is_some() {
            let detail = format!(
                "csr: the request is for {other}, which is registered too: a certificate for {dev_id} would be for the key of {other}"
            );
            return Err(Problem::new(StatusCode::CONFLICT, detail)
                .advising("Give the request of this device; or, where its DevID changed and its key stayed, say `take_over`: --take-over on the command line.")
                .into());
        }
    }
    Ok(())
}

/// Adds what is asked for to a delta, beside what the device is known to have; the certificate and code come back to be shown once.
pub(super) fn issue_into(
    node: &Node,
    delta: &mut ExchangeDelta,
    issue: Issue<'_>,
    known: &[Credential],
    record: Option<&RecordId>,
    correlation: &str,
) -> Result<CredentialAdded, Refused> {
    let mut added = CredentialAdded {
        certificate: None,
        code: None,
        http_password: None,
        psk: None,
    };
    if let Some(csr) = issue.csr {
        let request = CertificateRequest::from_pem(csr)
            .map_err(|cause| Refused::bad(format!("csr: {cause}")))?;
        let issued = node.state.issue_from_csr(
            &request,
            &delta.dev_id,
            delta.at,
            node.config.certificate_lifetime,
        )?;
        added.certificate = Some(issued.to_pem() + &node.state.ca_pem());
        add_certificate(node, delta, &issued.der, Some(&issued), correlation)?;
    }
    if let Some(certificate) = issue.certificate {
        let chain = pem::certificates(certificate)
            .map_err(|cause| Refused::bad(format!("certificate: {cause}")))?;
        let leaf = chain
            .first()
            .filter(|der| omadm_tls::Leaf::parse(der).is_some());
        let leaf = leaf.ok_or_else(|| Refused::bad("certificate: it is no X.509 certificate"))?;
        add_certificate(node, delta, leaf, None, correlation)?;
    }
    if issue.code {
        let code = bootstrap_code()?;
        let salt = random()?;
        let proof = CredentialProof::BootstrapCode {
            salt,
            hash: code_hash(&salt, code.expose()),
        };
        let mut credential = credential(proof, CredentialScope::Bootstrap, delta);
        credential.record = record.cloned();
        credential.expires_at = Some(delta.at.plus_secs(CODE_SECS));
        credential.tries_left = Some(CODE_TRIES);
        credential.seal(node, &code)?;
        delta.credentials.push(CredentialChange::Add(credential));
        let kind = EventKind::CredentialAdded {
            proof: "bootstrap-code".to_owned(),
            fingerprint: None,
            name: None,
        };
        delta.events.push(event(kind, correlation));
        added.code = Some(String::from_utf8_lossy(code.expose()).into_owned());
    }
    issue
        .named
        .issue_into(node, delta, known, &mut added, correlation)?;
    Ok(added)
}

/// `issued` by the server's CA: its revocation is listed in the CRL until it expires. It is kept, so that a further one can be made for its key.
fn add_certificate(
    node: &Node,
    delta: &mut ExchangeDelta,
    certificate: &CertificateDer<'_>,
    issued: Option<&IssuedCertificate>,
    correlation: &str,
) -> Result<(), Refused> {
    let print = Fingerprint::of(certificate);
    let proof = CredentialProof::Certificate(*print.octets());
    let mut credential = credential(proof, CredentialScope::Device, delta);
    credential.serial = issued.map(|issued| serial_text(&issued.serial));
    credential.expires_at = issued.map(|issued| utc(issued.not_after));
    credential.seal(node, &join(certificate, &Secret::new(Vec::new())))?;
    delta.credentials.push(CredentialChange::Add(credential));
    let kind = EventKind::CredentialAdded {
        proof: "certificate".to_owned(),
        fingerprint: Some(print.to_string()),
        name: None,
    };
    delta.events.push(event(kind, correlation));
    Ok(())
}

/// One that an operator made known: it is in use.
fn credential(proof: CredentialProof, scope: CredentialScope, delta: &ExchangeDelta) -> Credential {
    let dev_id = delta.dev_id.clone();
    Credential::current(dev_id, proof, scope, delta.at)
}

/// What names a credential in the API.
pub(super) fn name(proof: &CredentialProof) -> String {
    match proof {
        CredentialProof::Certificate(octets) => Fingerprint::from_octets(*octets).to_hex(),
        CredentialProof::BootstrapCode { salt, .. } => {
            format!("code-{}", digits(salt.iter().take(8)))
        }
        CredentialProof::Notification { id } => {
            format!("notification:{}", digits(id.iter().take(16)))
        }
        // Nothing else stands before the colon, so that no identity looks like another with a number.
        CredentialProof::Psk {
            identity,
            nr: nr @ 1..,
        } => format!("psk.{nr}:{identity}"),
        CredentialProof::Psk { .. }
        | CredentialProof::HttpUser { .. }
        | CredentialProof::Dm1Account { .. } => {
            format!("{}:{}", proof.kind(), proof.name().unwrap_or_default())
        }
    }
}

fn digits<'a>(octets: impl Iterator<Item = &'a u8>) -> String {
    octets.map(|octet| format!("{octet:02x}")).collect()
}

pub(super) fn body(credential: &Credential) -> CredentialBody {
    let time = |at: Option<Utc>| at.map(|at| at.to_string());
    CredentialBody {
        id: name(&credential.proof),
        proof: credential.proof.kind().to_owned(),
        scope: credential.scope.name().to_owned(),
        generation: credential.generation.name().to_owned(),
        since: time(credential.since),
        escrowed: credential.escrowed,
        used_at: time(credential.used_at),
        held_at: time(credential.held_at),
        command: credential.command.as_ref().map(ToString::to_string),
        bootstrap: credential.record.as_ref().map(ToString::to_string),
        added_at: credential.added_at.to_string(),
        expires_at: time(credential.expires_at),
        revoked_at: time(credential.revoked_at),
        tries_left: credential.tries_left,
    }
}

use std::fmt;

use omadm_mo::standard::{DmAcc, MoRegistry, ViewFault, dm_acc};
use omadm_mo::{Scheme, ServerUri};

use omadm_dm1::markup::MarkupLimits;

use super::{BootstrapProfile, BuildError, CredentialKind, Dm1Auth, Dm1Credentials, ProfileInputs};
use crate::dm1::{AppSrvIs, Dm1Document, Dm1Format};
use crate::{BootstrapFailureCause as Cause, BootstrapMethod};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Works, but not as its author may think.
    Warning,
    /// No device will accept it, or nothing can be built.
    Error,
}

/// Something that is wrong or doubtful in a profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// The key or node.
    pub at: String,
    /// The cause by which a device would refuse it, where one would.
    pub cause: Option<Cause>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Largest document that a carrier takes, in octets: on the card what a 15-bit READ BINARY offset reaches (`smartcard.md`), and our own default for every other.
#[must_use]
pub const fn size_limit(method: BootstrapMethod) -> usize {
    match method {
        BootstrapMethod::Smartcard => 32_767,
        BootstrapMethod::Factory
        | BootstrapMethod::ClientInitiated
        | BootstrapMethod::ServerInitiated => 1 << 20,
    }
}

/// Checks a profile as it would be built with these inputs: what devices refuse is an error, what they accept to the operator's harm a warning.
#[must_use]
pub fn validate(
    profile: &BootstrapProfile,
    inputs: &ProfileInputs,
    registry: &MoRegistry,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_account(profile, inputs, &mut findings);
    for mo in &profile.mo {
        let checked = profile
            .described(mo, inputs, registry)
            .and_then(|(moid, ddf)| {
                profile
                    .mo_node(mo, &moid, &ddf, inputs)
                    .map(|bound| (moid, ddf, bound))
            });
        match checked {
            Err(error) => findings.push(Finding::of_build(&error)),
            Ok((moid, ddf, bound)) => {
                let violations = ddf.validate(&bound.node).err().unwrap_or_default();
                findings.extend(violations.into_iter().map(|violation| Finding {
                    severity: Severity::Error,
                    at: format!("{moid}/{}", violation.path),
                    cause: Some(Cause::InvalidInstance),
                    message: violation.kind.to_string(),
                    advice: Cause::InvalidInstance.action().to_owned(),
                }));
                findings.extend(bound.undescribed.into_iter().map(|path| {
                    Finding::warning(
                        &format!("{moid}/{path}"),
                        "the DDF does not describe this node below Ext; devices skip it".to_owned(),
                        "Describe it in the DDF, or leave it out.",
                    )
                }));
                if profile
                    .perm()
                    .is_ok_and(|perm| !perm.is_empty() && !perm.contains(&moid))
                {
                    findings.push(Finding::warning(
                        "account.perm",
                        format!("{moid} is delivered and is not in the list: the server cannot manage it afterwards"),
                        "Add it, or leave `perm` out.",
                    ));
                }
            }
        }
    }
    if findings
        .iter()
        .all(|finding| finding.severity == Severity::Warning)
        && let Ok(package) = profile.build(inputs, registry)
    {
        check_size(package.document().len(), &mut findings);
    }
    check_dm1(profile, inputs, &mut findings);
    findings
}

/// `[dm1]`: both forms are built, with secrets that serve for nothing, and read as a device reads them.
fn check_dm1(profile: &BootstrapProfile, inputs: &ProfileInputs, findings: &mut Vec<Finding>) {
    let Some(dm1) = &profile.dm1 else { return };
    let credentials = Dm1Credentials::of_entropy(&[0; Dm1Credentials::ENTROPY]);
    for format in [Dm1Format::Cp, Dm1Format::Dm] {
        let mut error = |cause, message: String| {
            findings.push(Finding {
                severity: Severity::Error,
                at: "dm1".to_owned(),
                cause,
                message,
                advice: "Correct it in the profile.".to_owned(),
            });
        };
        match profile.build_dm1(inputs, &credentials, format) {
            Err(why) => return error(None, why.to_string()),
            Ok(package) => {
                let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
                let read =
                    Dm1Document::read(package.document.expose(), AppSrvIs::default(), limits);
                if let Err(fault) = read {
                    error(
                        Some(Cause::NotDm1Document),
                        format!("{}: {fault}", format.name()),
                    );
                }
            }
        }
    }
    let plain = dm1.address.starts_with("http://");
    if plain && dm1.auth == Dm1Auth::Basic {
        findings.push(Finding::warning(
            "dm1.auth",
            "the password travels readable to everybody on the way".to_owned(),
            "Give an https address, or auth = \"mac\".",
        ));
    }
}

fn check_account(profile: &BootstrapProfile, inputs: &ProfileInputs, findings: &mut Vec<Finding>) {
    let account = match profile.dm_acc(inputs) {
        Ok(account) => account,
        Err(error) => return findings.push(Finding::of_build(&error)),
    };
    if let Err(error) = account.require_https() {
        let insecure =
            error.path.is(&[dm_acc::names::SRV_URI]) && error.fault == ViewFault::PlainHttp;
        let cause = if insecure {
            Cause::InsecureSrvUri
        } else {
            Cause::InvalidAccount
        };
        findings.push(Finding::error(error.path.to_string(), cause, error.fault));
    }
    if let Err(error) = account.require_perm() {
        findings.push(Finding::error(
            "account.perm".to_owned(),
            Cause::MissingPerm,
            error.fault,
        ));
    } else if !account.perm.contains(&dm_acc::moid()) {
        findings.push(Finding::warning(
            "account.perm",
            format!("{} is not in the list: the server can neither rotate secrets nor read Ext/Bootstrap (D85)", dm_acc::moid()),
            "Add it, or leave `perm` out.",
        ));
    }
    if account.name.trim().is_empty() {
        findings.push(Finding::warning(
            "account.name",
            "the name is empty; people see it".to_owned(),
            "Name the server.",
        ));
    }
    if let Some(noti) = &account.noti {
        if !noti.is_sha256_digest() {
            findings.push(Finding::warning(
                "account.noti.type",
                format!(
                    "type {} is none the device can check; its Notifications are ignored (D42)",
                    noti.kind
                ),
                "Use type 1.",
            ));
        }
        if noti.secret.len() < 16 {
            findings.push(Finding::error(
                "account.noti".to_owned(),
                Cause::InvalidAccount,
                "the secret has fewer than 16 octets",
            ));
        }
    }
    for (key, uri) in [("account.push.reg_uri", 0), ("account.push.un_reg_uri", 1)] {
        let Some(gcm) = &account.gcm else { break };
        let text = if uri == 0 {
            &gcm.reg_uri
        } else {
            &gcm.un_reg_uri
        };
        if !ServerUri::parse(text).is_ok_and(|uri| uri.scheme() == Scheme::Https) {
            findings.push(Finding::warning(
                key,
                format!("{text} is no https address"),
                "Use an https address.",
            ));
        }
    }
    check_credentials(profile, &account, findings);
    for (n, moid) in account.perm.iter().enumerate() {
        if account.perm[..n].contains(moid) {
            findings.push(Finding::warning(
                "account.perm",
                format!("{moid} is listed twice"),
                "List it once.",
            ));
        }
    }
}

/// D78: of several credentials a session shows the first; and a port takes pre-shared keys or certificates, not both.
fn check_credentials(profile: &BootstrapProfile, account: &DmAcc, findings: &mut Vec<Finding>) {
    let profile = &profile.account;
    if profile.http.is_some() && profile.trsp.is_some() {
        findings.push(Finding::warning(
            "account.http",
            "devices prove themselves with Auth/Trsp and never use the password (D78)".to_owned(),
            "Leave out `[account.http]` or `[account.trsp]`.",
        ));
    }
    let session = match (&profile.trsp, &profile.http) {
        (Some(trsp), _) => Some(trsp.kind),
        (None, Some(_)) => Some(CredentialKind::X509),
        (None, None) => None,
    };
    let (Some(session), Some(part), Some(read)) = (session, &profile.bootstrap, &account.bootstrap)
    else {
        return;
    };
    if session != part.kind && read.server_uri.origin() == account.srv_uri.origin() {
        findings.push(Finding::warning(
            "account.bootstrap.server_uri",
            "it has host and port of srv_uri, and one of the two is for a pre-shared key, the other is not: no listener takes both".to_owned(),
            "Give the server of the pre-shared keys the port of a listener with the profile psk.",
        ));
    }
}

fn check_size(octets: usize, findings: &mut Vec<Finding>) {
    let refusing: Vec<_> = BootstrapMethod::ALL
        .into_iter()
        .filter(|method| octets > size_limit(*method))
        .collect();
    if refusing.len() == BootstrapMethod::ALL.len() {
        findings.push(Finding {
            severity: Severity::Error,
            at: "the document".to_owned(),
            cause: Some(Cause::Unparsable),
            message: format!("{octets} octets are more than any method takes"),
            advice: "Deliver less.".to_owned(),
        });
        return;
    }
    for method in refusing {
        let limit = size_limit(method);
        findings.push(Finding::warning(
            "the document",
            format!("{octets} octets are more than a {method} bootstrap takes ({limit})"),
            "Deliver less, or by another method.",
        ));
    }
}

impl Finding {
    fn error(at: String, cause: Cause, message: impl fmt::Display) -> Self {
        let advice = cause.action().to_owned();
        Self {
            severity: Severity::Error,
            at,
            cause: Some(cause),
            message: message.to_string(),
            advice,
        }
    }

    fn warning(at: &str, message: String, advice: &str) -> Self {
        Self {
            severity: Severity::Warning,
            at: at.to_owned(),
            cause: None,
            message,
            advice: advice.to_owned(),
        }
    }

    fn of_build(error: &BuildError) -> Self {
        Self {
            severity: Severity::Error,
            at: error.at(),
            cause: error.cause(),
            message: error.to_string(),
            advice: "Correct it in the profile.".to_owned(),
        }
    }
}

/// One line: severity, place, message, advice.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Error {
            "error"
        } else {
            "warning"
        };
        write!(f, "{word}: {}: {} {}", self.at, self.message, self.advice)
    }
}

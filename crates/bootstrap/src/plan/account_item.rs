use omadm_mo::NodePath;
use omadm_mo::standard::dm_acc::{SecMode, names};
use omadm_mo::standard::{DmAcc, ViewFault, dm_acc};

use super::CredentialCheck;
use super::document::BoundItem;
use crate::{BootstrapFailureCause as Cause, BootstrapPolicy, Refusal};

/// Reads an account and gives what is wrong with it its own cause (step 5).
pub(super) fn read_account(item: &BoundItem) -> Result<DmAcc, Refusal> {
    let wrong = |cause: Cause, path: &NodePath| {
        let place = format!("{}/{path}", item.moid);
        cause.refusal().at(&*item.at).on(place)
    };
    let of_srv_uri = |path: &NodePath, cause| {
        if path.is(&[names::SRV_URI]) {
            cause
        } else {
            Cause::InvalidAccount
        }
    };
    let account = DmAcc::from_node(&item.node).map_err(|error| {
        let cause = match error.fault {
            ViewFault::Missing => of_srv_uri(&error.path, Cause::MissingSrvUri),
            _ => Cause::InvalidAccount,
        };
        wrong(cause, &error.path).because(error.fault)
    })?;
    account.require_https().map_err(|error| {
        let cause = of_srv_uri(&error.path, Cause::InsecureSrvUri);
        wrong(cause, &error.path).because(error.fault)
    })?;
    account
        .require_perm()
        .map_err(|error| wrong(Cause::MissingPerm, &error.path).because(error.fault))?;
    if let Err(violations) = dm_acc::ddf().validate(&item.node)
        && let Some(first) = violations.first()
    {
        return Err(wrong(Cause::InvalidAccount, &first.path).because(first.kind));
    }
    Ok(account)
}

/// Whether this build can use the credentials of an account (D87).
pub(super) fn check_credentials(
    account: &DmAcc,
    check: &dyn CredentialCheck,
    at: &str,
) -> Result<(), Refusal> {
    let unusable = |path: &[&str], why: &str| {
        Cause::UnusableCredential
            .refusal()
            .at(at)
            .on(names::path(path))
            .because(why)
    };
    if let Some(bootstrap) = &account.bootstrap {
        let path = [names::AUTH, names::BOOTSTRAP];
        let (name, key) = (&bootstrap.client_pub_key, &bootstrap.client_secret_key);
        match bootstrap.sec_mode {
            SecMode::X509 if check.is_usable(name, key) => {}
            SecMode::X509 => {
                return Err(unusable(&path, "not a DER certificate with its PKCS#8 key"));
            }
            SecMode::Psk => check
                .check_psk(name, key)
                .map_err(|why| unusable(&path, &format!("not a usable PSK: {why}")))?,
            SecMode::Unknown(octet) => {
                return Err(unusable(
                    &path,
                    &format!("SecMode {octet} is none that is known"),
                ));
            }
        }
    }
    // What is no certificate is a PSK identity (D44).
    if let Some(trsp) = &account.trsp
        && !check.is_usable(&trsp.data, &trsp.secret)
        && let Err(why) = check.check_psk(&trsp.data, &trsp.secret)
    {
        let path = [names::AUTH, names::TRSP];
        let why = format!("not a DER certificate with its PKCS#8 key, nor a usable PSK: {why}");
        return Err(unusable(&path, &why));
    }
    Ok(())
}

/// A factory image with another device's credentials would only be refused by its server.
pub(super) fn check_owner(
    account: &DmAcc,
    check: &dyn CredentialCheck,
    at: &str,
) -> Result<(), Refusal> {
    let bootstrap = account.bootstrap.as_ref().map(|keys| &keys.client_pub_key);
    let trsp = account.trsp.as_ref().map(|keys| &keys.data);
    let mut certificates = bootstrap.into_iter().chain(trsp);
    match certificates.find_map(|certificate| check.names_another(certificate)) {
        Some(other) => Err(Cause::WrongDevice
            .refusal()
            .at(at)
            .on(&account.srv_id)
            .because(format!("its certificate names {other}"))),
        None => Ok(()),
    }
}

/// Whether the policy grants the MOIDs that an account asks for (step 6).
pub(super) fn check_cap(
    account: &DmAcc,
    policy: &BootstrapPolicy,
    at: &str,
) -> Result<(), Refusal> {
    let Some(allowed) = &policy.allowed_moids else {
        return Ok(());
    };
    match account.perm.iter().find(|moid| !allowed.contains(moid)) {
        Some(moid) => Err(Cause::PermissionRefused.refusal().at(at).on(moid)),
        None => Ok(()),
    }
}

use omadm_dm1::credential::{Nonce, NonceError};
use omadm_dm1::provisioning::{
    AddrType, AppAddr, AppAuth, AuthLevel, Characteristic, Connectivity, W7,
};
use omadm_mo::standard::dm_acc1::{AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1};
use omadm_mo::standard::{Dm1Version, DmAcc1, dm_acc1};
use omadm_mo::{Acl, NodeName, Secret, SrvId, SrvIdError};

/// What `APPSRV` of a provisioning document means. Some servers write for clients that read it the other way round (`dm1x.md` §5.3).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum AppSrvIs {
    /// `CLCRED`, as the standard has it; `CLIENT` is `SRVCRED`.
    #[default]
    ClCred,
    /// `SRVCRED`, and `CLIENT` is `CLCRED`: a switch for such servers.
    SrvCred,
}

/// Why an application `w7` is no DM Account of this device. Its author is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AccountMapFault {
    /// `PROVIDER-ID` is no ServerID.
    #[error("PROVIDER-ID: {0}")]
    ServerId(#[from] SrvIdError),
    /// No ACL can name the server, so it could get no rights (§5.3).
    #[error("PROVIDER-ID holds a character that no ACL can hold")]
    NotForAcl,
    /// An `AAUTHTYPE` that nobody knows.
    #[error("AAUTHTYPE is none of a DM Account's")]
    AuthType,
    /// A nonce of no or more than 255 octets; only where an account is written.
    #[error("AAuthData: {0}")]
    Nonce(#[from] NonceError),
}

/// The DM Account that an application `w7` stands for (`dm1x.md` §5.3).
///
/// # Errors
/// [`AccountMapFault`].
pub fn account_of_w7(w7: &W7, app_srv: AppSrvIs) -> Result<DmAcc1, AccountMapFault> {
    let server_id = SrvId::parse(&w7.provider_id)?;
    if !Acl::holds(&server_id) {
        return Err(AccountMapFault::NotForAcl);
    }
    let mut account = DmAcc1::new(server_id);
    account.name.clone_from(&w7.name);
    match w7.connectivity.as_slice() {
        [] => {}
        [one] => account.pref_con_ref = Some(one.name().to_owned()),
        several => {
            let names = several.iter().map(|one| one.name().to_owned());
            account.to_con_refs = names.collect();
        }
    }
    for (node, address) in numbered(&w7.addresses) {
        account.addresses.push(AppAddr1 {
            node,
            addr: address.addr.clone(),
            addr_type: match address.addr_type {
                AddrType::Uri => AddrType1::Uri,
                AddrType::Ipv4 => AddrType1::Ipv4,
                AddrType::Ipv6 => AddrType1::Ipv6,
            },
            ports: address.ports.clone(),
        });
    }
    for (node, auth) in numbered(&w7.auths) {
        let level = level_of(auth.level, app_srv);
        let auth_type = AuthType1::from_name(auth.r#type.trim());
        // Without a name the server's user name is its ServerID.
        let own = (level == AuthLevel1::SrvCred).then(|| w7.provider_id.clone());
        account.auths.push(AppAuth1 {
            node,
            level,
            auth_type: auth_type.ok_or(AccountMapFault::AuthType)?,
            name: auth.name.clone().or(own),
            secret: auth.secret.clone(),
            nonce: auth
                .nonce
                .as_ref()
                .map(|nonce| Secret::new(nonce.octets().to_vec())),
        });
    }
    Ok(account)
}

/// The application `w7` of a DM Account. `AAuthPref` and `Ext` have no place in it. Which of the connectivity is a proxy no account tells.
///
/// # Errors
/// [`AccountMapFault::Nonce`].
pub fn w7_of_account(account: &DmAcc1, init: bool) -> Result<W7, AccountMapFault> {
    let references = account.pref_con_ref.iter().chain(&account.to_con_refs);
    let addresses = account.addresses.iter().map(|address| AppAddr {
        addr: address.addr.clone(),
        addr_type: match address.addr_type {
            AddrType1::Uri => AddrType::Uri,
            AddrType1::Ipv4 => AddrType::Ipv4,
            AddrType1::Ipv6 => AddrType::Ipv6,
        },
        ports: address.ports.clone(),
    });
    let auths = account.auths.iter().map(|auth| {
        let nonce = auth
            .nonce
            .as_ref()
            .map(|nonce| Nonce::new(nonce.expose().to_vec()));
        Ok(AppAuth {
            level: match auth.level {
                AuthLevel1::ClCred => AuthLevel::AppSrv,
                AuthLevel1::SrvCred => AuthLevel::Client,
                AuthLevel1::Obex => AuthLevel::Obex,
                AuthLevel1::Http => AuthLevel::Http,
            },
            r#type: auth.auth_type.name().to_owned(),
            name: auth.name.clone(),
            secret: auth.secret.clone(),
            nonce: nonce.transpose()?,
        })
    });
    Ok(W7 {
        provider_id: account.server_id.as_str().to_owned(),
        name: account.name.clone(),
        addresses: addresses.collect(),
        connectivity: references.cloned().map(Connectivity::Nap).collect(),
        auths: auths.collect::<Result<_, NonceError>>()?,
        init,
    })
}

/// The application with the connectivity as proxies that these characteristics of its document define as such.
pub(crate) fn with_proxies(mut w7: W7, beside: &[Characteristic]) -> W7 {
    let logical = beside.iter().filter(|one| one.r#type == "PXLOGICAL");
    let proxies: Vec<_> = logical.flat_map(|one| one.values("PROXY-ID")).collect();
    for one in &mut w7.connectivity {
        if proxies.contains(&one.name()) {
            *one = Connectivity::Proxy(one.name().to_owned());
        }
    }
    w7
}

/// An application as it is written for a device to which `APPSRV` means this.
pub(crate) fn written_for(mut w7: W7, app_srv: AppSrvIs) -> W7 {
    for auth in &mut w7.auths {
        auth.level = match (auth.level, app_srv) {
            (AuthLevel::AppSrv, AppSrvIs::SrvCred) => AuthLevel::Client,
            (AuthLevel::Client, AppSrvIs::SrvCred) => AuthLevel::AppSrv,
            (level, _) => level,
        };
    }
    w7
}

const fn level_of(level: AuthLevel, app_srv: AppSrvIs) -> AuthLevel1 {
    match (level, app_srv) {
        (AuthLevel::AppSrv, AppSrvIs::ClCred) | (AuthLevel::Client, AppSrvIs::SrvCred) => {
            AuthLevel1::ClCred
        }
        (AuthLevel::Client, AppSrvIs::ClCred) | (AuthLevel::AppSrv, AppSrvIs::SrvCred) => {
            AuthLevel1::SrvCred
        }
        (AuthLevel::Obex, _) => AuthLevel1::Obex,
        (AuthLevel::Http, _) => AuthLevel1::Http,
    }
}

/// Ascending integers from 1, in the order of priority (§5.3).
fn numbered<T>(all: &[T]) -> impl Iterator<Item = (NodeName, &T)> {
    let names = (1_u32..).map_while(|n| NodeName::parse(&n.to_string()).ok());
    names.zip(all)
}

/// The identifier that a TNDS object names a DM Account with.
pub(super) fn identifier(version: Dm1Version) -> String {
    dm_acc1::moid_in(version).as_str().to_owned()
}

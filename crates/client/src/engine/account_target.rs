use std::sync::Arc;

use omadm_bootstrap::plan::dm1::former_account;
use omadm_bootstrap::{Account, SessionSet};
use omadm_mo::standard::dm_acc::{AuthBootstrap, AuthTrsp, SecMode};
use omadm_mo::standard::dm_acc1::AddrType1;
use omadm_mo::standard::{DmAcc, DmAcc1};
use omadm_mo::{Origin, Secret, ServerUri, SrvId, TreeError, TreeView};
use omadm_session::client::dm1::Dm1Set;
use omadm_tls::{CertificateDer, Identity, Leaf, Psk, TlsProfile, TlsSupport};

use super::EngineConfig;
use crate::https::{Credential, Login, Reach, Target, Trust};

/// Who the client is and whom it believes on the connections of one account's session (D78, D80).
#[derive(Clone)]
pub(super) struct AccountTarget {
    /// Whose account it is.
    pub(super) server: SrvId,
    /// Origin of `SrvURI`.
    pub(super) home: Origin,
    credential: Option<Arc<Credential>>,
    trust: Trust,
    /// Origin and certificate of the bootstrap server: the certificate counts at that origin alone.
    server_key: Option<(Origin, CertificateDer<'static>)>,
    /// Host of `SrvURI` as the bootstrap brought it.
    vouched: Option<String>,
    /// Hosts of configured sources.
    sources: Vec<String>,
    /// HTTP user and password, for the origin of `SrvURI` alone (D45).
    pub(super) login: Option<Login>,
    /// Whether nothing proves the device in a session, but `Auth/Bootstrap` does to the bootstrap server.
    pub(super) hands_over: bool,
}

impl AccountTarget {
    /// Reads what the account of either generation says now, but for a former session set of DM 2.0 where one is given (D82); none where the account's nodes are not there or not usable.
    pub(super) fn of(
        tree: &dyn TreeView,
        account: &Account,
        former: Option<&SessionSet>,
        config: &EngineConfig,
    ) -> Result<Option<Self>, TreeError> {
        if account.is_dm1() {
            return Self::of_dm1(tree, account, Dm1Set::Current, config);
        }
        let Some(node) = tree.subtree(&account.address())? else {
            return Ok(None);
        };
        let Ok(mut read) = DmAcc::from_node(&node) else {
            return Ok(None);
        };
        if let Some(former) = former.cloned() {
            (read.srv_uri, read.trsp) = (former.srv_uri, former.trsp);
            (read.http_auth, read.trust) = (former.http_auth, former.trust);
        }
        let home = read.srv_uri.origin();
        let bootstrap = read
            .bootstrap
            .as_ref()
            .map(|bootstrap| (bootstrap.server_uri.origin(), bootstrap));
        let issued = read.trsp.as_ref().map(|trsp| of_trsp(trsp, config));
        let own = read
            .http_auth
            .map(|auth| (auth.user, auth.password))
            .or_else(|| config.http_login.clone());
        let login = own
            .filter(|_| issued.is_none())
            .map(|(user, password)| Login {
                user,
                password,
                allow_basic: config.allow_http_basic,
            });
        let fallback = || {
            let same = bootstrap.as_ref().filter(|(origin, _)| *origin == home);
            same.and_then(|(_, keys)| of_bootstrap(keys))
        };
        let credential = match issued {
            Some(issued) => issued,
            // D78: with D45 the device identity stays where it is.
            None if login.is_some() => None,
            None => config.identity.clone().or_else(fallback),
        };
        let proven = credential.is_some() || login.is_some();
        let mut keys = bootstrap.iter().filter(|_| !proven);
        let hands_over = keys.any(|(_, keys)| of_bootstrap(keys).is_some());
        let mut trust = config.anchors.clone();
        trust
            .anchors
            .extend(read.trust.into_iter().map(CertificateDer::from));
        // In PSK mode it is no certificate: the key itself proves the server (D41, D78).
        let server_key = bootstrap
            .filter(|(_, keys)| keys.sec_mode == SecMode::X509)
            .map(|(origin, keys)| (origin, CertificateDer::from(keys.server_pub_key.clone())));
        let sources = config.sources.iter();
        Ok(Some(Self {
            server: account.srv_id.clone(),
            vouched: account.bootstrapped_host.clone(),
            sources: sources.map(|one| one.url.host().to_owned()).collect(),
            home,
            credential,
            trust,
            server_key,
            login,
            hands_over,
        }))
    }

    /// The same of a DM 1.x account: beside its own credentials, which lie in the messages, it has those of the device (`dm1x.md` §1.9).
    pub(super) fn of_dm1(
        tree: &dyn TreeView,
        account: &Account,
        set: Dm1Set,
        config: &EngineConfig,
    ) -> Result<Option<Self>, TreeError> {
        let read = match set {
            Dm1Set::Current => {
                let node = tree.subtree(&account.address())?;
                node.and_then(|node| DmAcc1::from_node(&node).ok())
            }
            Dm1Set::Former => former_account(tree, account)?,
        };
        let addresses = read.iter().flat_map(|read| &read.addresses);
        let mut addresses = addresses.filter(|one| one.addr_type == AddrType1::Uri);
        let url = addresses.find_map(|one| ServerUri::parse(one.addr.trim()).ok());
        let sources = config.sources.iter();
        Ok(url.map(|url| Self {
            server: account.srv_id.clone(),
            vouched: account.bootstrapped_host.clone(),
            sources: sources.map(|one| one.url.host().to_owned()).collect(),
            home: url.origin(),
            credential: config.identity.clone(),
            trust: config.anchors.clone(),
            server_key: None,
            login: None,
            hands_over: false,
        }))
    }

    /// The target of a package: the account's credential wherever the session goes (D78).
    pub(super) fn session(&self, origin: Origin) -> Target {
        Target {
            trust: self.trust_at(&origin),
            reach: self.reach(&origin),
            credential: self.credential.clone(),
            origin,
        }
    }

    /// The target of HGET, HPUT and HPOST: the account's credential at home, none elsewhere.
    pub(super) fn repository(&self, origin: Origin) -> Target {
        let credential = self.credential.clone().filter(|_| origin == self.home);
        Target {
            trust: self.trust_at(&origin),
            reach: self.reach(&origin),
            credential,
            origin,
        }
    }

    /// How far away from the public internet an address of this server may lie.
    fn reach(&self, origin: &Origin) -> Reach {
        if self.sources.contains(&origin.host) {
            Reach::Any
        } else if self.vouched.as_ref() == Some(&origin.host) {
            Reach::Private
        } else {
            Reach::Public
        }
    }

    fn trust_at(&self, origin: &Origin) -> Trust {
        let mut trust = self.trust.clone();
        trust.server_key = self
            .server_key
            .as_ref()
            .filter(|(at, _)| at == origin)
            .map(|(_, key)| key.clone());
        trust
    }
}

/// A DER certificate and its PKCS#8 key; none where they do not belong together.
pub(crate) fn identity(certificate: &[u8], key: &Secret) -> Option<Arc<Credential>> {
    let chain = vec![CertificateDer::from(certificate.to_vec())];
    Identity::new(chain, key.clone())
        .ok()
        .map(|identity| Arc::new(Credential::Certificate(identity)))
}

/// A pre-shared key with its identity.
///
/// # Errors
/// Why it is none, or that this build has no PSK (D87).
pub(crate) fn psk(identity: &[u8], key: &Secret) -> Result<Arc<Credential>, String> {
    TlsSupport::of_this_build()
        .require(TlsProfile::Psk)
        .map_err(|why| why.to_string())?;
    let psk = Psk::new(identity, key.clone()).map_err(|why| why.to_string())?;
    Ok(Arc::new(Credential::Psk(psk)))
}

/// The credential of `Auth/Trsp`: X.509 where `Data` is a DER certificate, else PSK (D44). A certificate without key is one for the key of the device's own
/// identity.
fn of_trsp(trsp: &AuthTrsp, config: &EngineConfig) -> Option<Arc<Credential>> {
    if Leaf::parse(&trsp.data).is_some() {
        match config.identity.as_deref() {
            Some(Credential::Certificate(own)) if trsp.secret.is_empty() => {
                identity(&trsp.data, own.key())
            }
            _ => identity(&trsp.data, &trsp.secret),
        }
    } else {
        psk(&trsp.data, &trsp.secret).ok()
    }
}

/// The credential of `Auth/Bootstrap`, by its SecMode (D41).
pub(super) fn of_bootstrap(keys: &AuthBootstrap) -> Option<Arc<Credential>> {
    match keys.sec_mode {
        SecMode::X509 => identity(&keys.client_pub_key, &keys.client_secret_key),
        SecMode::Psk => psk(&keys.client_pub_key, &keys.client_secret_key).ok(),
        SecMode::Unknown(_) => None,
    }
}

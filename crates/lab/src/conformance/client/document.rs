//! The bootstrap that the client is given: three DM Accounts of the kit (`dm20.md` §14.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_mo::{DevId, Secret};
use omadm_tls::{
    CertificateDer, CertificateValidity, DevelopmentCa, DevelopmentCaError, DeviceKey, Fingerprint,
    Identity, UnixTime, pem,
};
use serde_json::{Value, json};

use super::{ClientSetup, StandError};

/// A DM Server that the kit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Party {
    pub(super) srv_id: &'static str,
    pub(super) path: &'static str,
}

/// The account in whose sessions the client is driven.
pub(super) const FIRST: Party = Party {
    srv_id: "conformance-a",
    path: "/dm/a",
};
/// The account that must not see the first one.
pub(super) const SECOND: Party = Party {
    srv_id: "conformance-b",
    path: "/dm/b",
};
/// The account whose sessions are authenticated by HTTP.
pub(super) const THIRD: Party = Party {
    srv_id: "conformance-c",
    path: "/dm/c",
};
/// Name of the first account at its bootstrap.
const NAME: &str = "Conformance A";
/// Its name after its second bootstrap.
pub(super) const RENEWED: &str = "Conformance renewed";
/// Its name after a bootstrap that was pushed.
pub(super) const PUSHED: &str = "Conformance pushed";
/// Where the first account has its bootstrap server.
pub(super) const AGAIN: &str = "/bootstrap/again";
/// Where the second account has its, with a certificate that its `ServerPubKey` does not vouch for.
pub(super) const FORGED: &str = "/bootstrap/forged";
pub(in crate::conformance) const NOTI_SECRET: &[u8] = b"conformance notification secret!";
/// The HTTP credential that the third account brings (D45).
pub(super) const USER: &str = "conformance-device";
pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const DAC: &str = "urn:oma:mo:oma-dm-dacmo:1.0";

/// What the kit issues: its CA, its server certificates, and the credentials of the accounts.
pub(super) struct Issued {
    pub(super) ca: DevelopmentCa,
    pub(super) server: Identity,
    /// Of a CA that the client does not know.
    pub(super) untrusted: Identity,
    /// Of `Auth/Trsp`.
    pub(super) trsp: Credential,
    /// Of `Auth/Bootstrap`.
    pub(super) boot: Credential,
    pub(super) validity: CertificateValidity,
}

/// A credential of the client, as its account writes it.
pub(super) struct Credential {
    pub(super) identity: Identity,
    certificate: String,
    key: String,
}

impl Credential {
    fn new(
        ca: &DevelopmentCa,
        dev_id: &DevId,
        validity: CertificateValidity,
    ) -> Result<Self, StandError> {
        let key = DeviceKey::generate().map_err(DevelopmentCaError::from)?;
        let request = key
            .certificate_request(dev_id)
            .map_err(DevelopmentCaError::from)?;
        let issued = ca.issue_from_csr(&request, dev_id, validity)?;
        Ok(Self {
            certificate: STANDARD.encode(&issued.der),
            key: STANDARD.encode(octets(&key)?.expose()),
            identity: key
                .identity(vec![issued.der])
                .map_err(DevelopmentCaError::from)?,
        })
    }

    /// By what it is known again.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        let leaf = self.identity.chain().first();
        leaf.map(|leaf: &CertificateDer<'_>| Fingerprint::of(leaf))
    }
}

impl Issued {
    pub(super) fn new(dev_id: &DevId, host: &str) -> Result<Self, StandError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(now.unwrap_or_default());
        let validity = CertificateValidity::starting(now, Duration::from_secs(7 * 86_400));
        let ca = DevelopmentCa::create("omadm conformance", validity)?;
        let untrusted = DevelopmentCa::create("nobody trusts this CA", validity)?;
        Ok(Self {
            server: ca.issue_server(&[host], validity)?,
            untrusted: untrusted.issue_server(&[host], validity)?,
            trsp: Credential::new(&ca, dev_id, validity)?,
            boot: Credential::new(&ca, dev_id, validity)?,
            ca,
            validity,
        })
    }

    fn auth_bootstrap(&self, server_uri: &str) -> Value {
        json!({
            "ServerURI": server_uri, "SecMode": "Ag==", "ClientPubKey": self.boot.certificate,
            "ServerPubKey": STANDARD.encode(self.ca.certificate()), "ClientSecretKey": self.boot.key,
        })
    }
}

/// What the kit gives to the client.
pub(super) struct Documents {
    /// The first bootstrap: all three accounts. Session Info is in no Perm list.
    pub(super) whole: Value,
    /// The first account alone.
    pub(super) account: Value,
    /// The same under another name.
    pub(super) renamed: Value,
    /// The second bootstrap: the first account under a third name.
    pub(super) renewed: Value,
    /// What a trusted server pushes: the first account under a fourth name.
    pub(super) pushed: Value,
    /// What others push: the same under a name that it must never have.
    pub(super) planted: Value,
}

impl Documents {
    pub(super) fn new(issued: &Issued, setup: &ClientSetup, base: &str, untrusted: &str) -> Self {
        let perm: Vec<_> = setup.perm().collect();
        let first = |name| {
            let mut account = bare(FIRST, name, base, &perm);
            account["MOData"]["DMAcc"]["Auth"] = json!({
                "Bootstrap": issued.auth_bootstrap(&format!("{base}{AGAIN}")),
                "Noti": { "Type": 1, "Data": "", "Secret": STANDARD.encode(NOTI_SECRET) },
                "Trsp": { "Data": issued.trsp.certificate, "Secret": issued.trsp.key },
            });
            account
        };
        let mut second = bare(SECOND, "Conformance B", base, &perm);
        second["MOData"]["DMAcc"]["Auth"] = json!({
            "Bootstrap": issued.auth_bootstrap(&format!("{untrusted}{FORGED}")),
        });
        let mut third = bare(THIRD, "Conformance C", base, &perm);
        if setup.http_login.is_none() {
            third["MOData"]["DMAcc"]["Ext"] =
                json!({ "HTTPAuth": { "User": USER, "Password": PASSWORD } });
        }
        let account = first(NAME);
        Self {
            whole: json!([account, second, third]),
            account,
            renamed: first("Conformance renamed"),
            renewed: json!([first(RENEWED)]),
            pushed: json!([first(PUSHED)]),
            planted: json!([first("Conformance planted")]),
        }
    }
}

/// The MOID of an item.
pub(super) fn moid_of(item: &Value) -> Option<&str> {
    item["ClientURI"].as_str()?.split('/').next()
}

/// MOIDs that are in every Perm list.
pub(super) const PERM: [&str; 3] = [
    "urn:oma:mo:oma-dm-dmacc:1.2",
    "urn:oma:mo:oma-dm-devinfo:1.2",
    DAC,
];

fn bare(party: Party, name: &str, base: &str, moids: &[&str]) -> Value {
    let groups = moids.iter().enumerate();
    let perm: serde_json::Map<_, _> = groups
        .map(|(n, moid)| ((n + 1).to_string(), json!({ "MOID": moid })))
        .collect();
    json!({
        "ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//",
        "MOData": { "DMAcc": {
            "SrvID": party.srv_id, "SrvURI": format!("{base}{}", party.path), "Name": name, "Perm": perm,
        }},
    })
}

fn octets(key: &DeviceKey) -> Result<Secret, StandError> {
    let text = key.to_pem();
    let text = String::from_utf8_lossy(text.expose()).into_owned();
    Ok(pem::private_key(&text)?)
}

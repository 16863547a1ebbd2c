//! The bootstrap that the client is given: two DM Accounts of the kit (`dm20.md` §14.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_mo::{DevId, Secret};
use omadm_tls::{
    CertificateValidity, DevelopmentCa, DevelopmentCaError, DeviceKey, Fingerprint, Identity,
    UnixTime, pem,
};
use serde_json::{Value, json};

use super::StandError;

/// The account in whose sessions the client is driven.
pub(super) const FIRST: &str = "conformance-a";
/// The account that must not see the first one.
pub(super) const SECOND: &str = "conformance-b";
/// Name of the first account at its bootstrap.
pub(super) const NAME: &str = "Conformance A";
pub(in crate::conformance) const NOTI_SECRET: &[u8] = b"conformance notification secret!";

/// What the kit issues: its CA, its server certificates, and the credential of the account.
pub(super) struct Issued {
    pub(super) ca: DevelopmentCa,
    pub(super) server: Identity,
    /// Of a CA that the client does not know.
    pub(super) untrusted: Identity,
    pub(super) trsp: Identity,
    certificate: String,
    key: String,
    pub(super) validity: CertificateValidity,
}

impl Issued {
    pub(super) fn new(dev_id: &DevId, host: &str) -> Result<Self, StandError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(now.unwrap_or_default());
        let validity = CertificateValidity::starting(now, Duration::from_secs(7 * 86_400));
        let ca = DevelopmentCa::create("omadm conformance", validity)?;
        let untrusted = DevelopmentCa::create("nobody trusts this CA", validity)?;
        let key = DeviceKey::generate().map_err(DevelopmentCaError::from)?;
        let request = key
            .certificate_request(dev_id)
            .map_err(DevelopmentCaError::from)?;
        let issued = ca.issue_from_csr(&request, dev_id, validity)?;
        let pkcs8 = octets(&key)?;
        Ok(Self {
            server: ca.issue_server(&[host], validity)?,
            untrusted: untrusted.issue_server(&[host], validity)?,
            trsp: key
                .identity(vec![issued.der.clone()])
                .map_err(DevelopmentCaError::from)?,
            certificate: STANDARD.encode(&issued.der),
            key: STANDARD.encode(pkcs8.expose()),
            ca,
            validity,
        })
    }

    /// The fingerprint by which the account's credential is known again.
    pub(super) fn trsp_fingerprint(&self) -> Option<Fingerprint> {
        self.trsp.chain().first().map(|leaf| Fingerprint::of(leaf))
    }

    /// The first account, whole.
    /// Its Perm list has the MOID of `more` too.
    pub(super) fn account(&self, base: &str, name: &str, more: Option<&Value>) -> Value {
        let mut account = bare(FIRST, name, &format!("{base}/dm/a"));
        if let Some(moid) = more.and_then(moid_of) {
            account["MOData"]["DMAcc"]["Perm"]["3"] = json!({ "MOID": moid });
        }
        account["MOData"]["DMAcc"]["Auth"] = json!({
            "Bootstrap": {
                "ServerURI": format!("{base}/bootstrap"), "SecMode": "Ag==", "ClientPubKey": self.certificate,
                "ServerPubKey": STANDARD.encode(self.ca.certificate()), "ClientSecretKey": self.key,
            },
            "Noti": { "Type": 1, "Data": "", "Secret": STANDARD.encode(NOTI_SECRET) },
            "Trsp": { "Data": self.certificate, "Secret": self.key },
        });
        account
    }

    /// The whole document. Session Info is in no Perm list.
    pub(super) fn document(&self, base: &str, more: Option<&Value>) -> Value {
        let second = bare(SECOND, "Conformance B", &format!("{base}/dm/b"));
        let first = self.account(base, NAME, more);
        json!([first, second])
    }
}

/// The MOID of an item.
pub(super) fn moid_of(item: &Value) -> Option<&str> {
    item["ClientURI"].as_str()?.split('/').next()
}

pub(super) const PERM: [&str; 2] = [
    "urn:oma:mo:oma-dm-dmacc:1.2",
    "urn:oma:mo:oma-dm-devinfo:1.2",
];

fn bare(srv_id: &str, name: &str, uri: &str) -> Value {
    json!({
        "ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//",
        "MOData": { "DMAcc": {
            "SrvID": srv_id, "SrvURI": uri, "Name": name,
            "Perm": { "1": { "MOID": PERM[0] }, "2": { "MOID": PERM[1] } },
        }},
    })
}

fn octets(key: &DeviceKey) -> Result<Secret, StandError> {
    let text = key.to_pem();
    let text = String::from_utf8_lossy(text.expose()).into_owned();
    Ok(pem::private_key(&text)?)
}

//! What a profile needs and no profile holds: taken from a device's row, or made here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use omadm_bootstrap::EventId;
use omadm_bootstrap::profile::{
    BootstrapProfile, CredentialKind, CredentialSlot, Dm1Credentials, HttpLogin, IssuedCredential,
    Need, NotificationSecret, ProfileInputs,
};
use omadm_mo::{DevId, Secret};
use omadm_tls::{
    CertificateValidity, DevelopmentCa, DevelopmentCaError, NoRandomness, ProfileUnsupported,
    TlsProfile, TlsSupport, UnixTime, random,
};

use zeroize::Zeroizing;

use crate::DeviceRow;

/// Where values come from that a row does not have.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// Texts of the DDF files that the profile names.
    pub ddfs: &'a BTreeMap<String, String>,
    /// Issues certificates.
    pub ca: Option<&'a DevelopmentCa>,
    /// DER certificate of the server's CA, where it is another one.
    pub server_ca: Option<&'a [u8]>,
    /// Whether pre-shared keys, passwords and notification secrets are drawn. Nobody but the document then knows them.
    pub draw: bool,
    /// From when issued certificates are valid.
    pub now: UnixTime,
}

/// What is missing for a device. The profile's author or the table's is to act.
#[derive(Debug, thiserror::Error)]
pub enum ValuesError {
    /// A certificate is needed.
    #[error("the profile brings a certificate for {}: the columns {}_cert and {}_key, or a CA that issues one", slot_path(*.0), slot_name(*.0), slot_name(*.0))]
    NoCertificate(CredentialSlot),
    /// A pre-shared key is needed.
    #[error("the profile brings a pre-shared key for {}: the columns {}_psk_identity and {}_psk_key", slot_path(*.0), slot_name(*.0), slot_name(*.0))]
    NoPsk(CredentialSlot),
    /// A login is needed.
    #[error("the profile brings HTTP user and password: the columns http_user and http_password")]
    NoLogin,
    /// A notification secret is needed.
    #[error("the profile brings a notification secret: the column noti_secret")]
    NoNotification,
    /// The secrets of an account of DM 1.x are needed.
    #[error(
        "an account of DM 1.x has secrets of its own: the columns dm1_client_secret, dm1_client_nonce, dm1_server_secret and dm1_server_nonce"
    )]
    NoDm1,
    /// The CA certificate is needed.
    #[error("the profile brings the certificate of the server's CA")]
    NoServerCa,
    /// A DDF is needed.
    #[error("the DDF file {0} was not given")]
    NoDdf(String),
    /// A build without pre-shared keys.
    #[error(transparent)]
    Unsupported(#[from] ProfileUnsupported),
    /// The CA failed.
    #[error(transparent)]
    Ca(#[from] DevelopmentCaError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

const fn slot_path(slot: CredentialSlot) -> &'static str {
    match slot {
        CredentialSlot::Bootstrap => "Auth/Bootstrap",
        CredentialSlot::Trsp => "Auth/Trsp",
    }
}

const fn slot_name(slot: CredentialSlot) -> &'static str {
    match slot {
        CredentialSlot::Bootstrap => "bootstrap",
        CredentialSlot::Trsp => "trsp",
    }
}

const YEAR: Duration = Duration::from_secs(365 * 86_400);

impl Values<'_> {
    /// Brings all that the profile needs for one device. `server` is `{server}` where the row has none.
    ///
    /// # Errors
    /// [`ValuesError`] for the first that is missing.
    pub fn inputs(
        &self,
        profile: &BootstrapProfile,
        row: &DeviceRow,
        server: &str,
    ) -> Result<ProfileInputs, ValuesError> {
        let own_ca = self.ca.map(|ca| ca.certificate().to_vec());
        let mut inputs = ProfileInputs {
            credentials: row.credentials.clone(),
            http: row.http.clone(),
            notification: row.notification.clone(),
            server_ca: self.server_ca.map(<[u8]>::to_vec).or(own_ca),
            ..row.inputs(server)
        };
        for need in profile.needs() {
            match need {
                Need::Ddf(name) => {
                    let text = self.ddfs.get(&name).cloned();
                    let text = text.ok_or_else(|| ValuesError::NoDdf(name.clone()))?;
                    inputs.ddfs.insert(name, text);
                }
                Need::Credential(slot, kind) => {
                    if kind == CredentialKind::Psk {
                        TlsSupport::of_this_build().require(TlsProfile::Psk)?;
                    }
                    let given = inputs.credentials.get(&slot);
                    if given.is_none_or(|given| given.kind != kind) {
                        let made = self.credential(slot, kind, &row.dev_id)?;
                        inputs.credentials.insert(slot, made);
                    }
                }
                Need::HttpLogin if inputs.http.is_none() => {
                    self.may_draw(ValuesError::NoLogin)?;
                    inputs.http = Some(HttpLogin {
                        user: random_name()?,
                        password: random_digits()?,
                    });
                }
                Need::NotificationSecret if inputs.notification.is_none() => {
                    self.may_draw(ValuesError::NoNotification)?;
                    inputs.notification = Some(NotificationSecret {
                        data: Vec::new(),
                        secret: random_digits()?,
                    });
                }
                Need::ServerCa if inputs.server_ca.is_none() => {
                    return Err(ValuesError::NoServerCa);
                }
                Need::HttpLogin | Need::NotificationSecret | Need::ServerCa => {}
            }
        }
        Ok(inputs)
    }

    /// The secrets of an account of DM 1.x: the row's, else drawn.
    ///
    /// # Errors
    /// [`ValuesError::NoDm1`] where there are none and none may be drawn.
    pub fn dm1_credentials(&self, row: &DeviceRow) -> Result<Dm1Credentials, ValuesError> {
        if let Some(given) = &row.dm1 {
            return Ok(given.clone());
        }
        self.may_draw(ValuesError::NoDm1)?;
        let entropy = Zeroizing::new(random()?);
        Ok(Dm1Credentials::of_entropy(&entropy))
    }

    fn may_draw(&self, missing: ValuesError) -> Result<(), ValuesError> {
        if self.draw { Ok(()) } else { Err(missing) }
    }

    fn credential(
        &self,
        slot: CredentialSlot,
        kind: CredentialKind,
        dev_id: &DevId,
    ) -> Result<IssuedCredential, ValuesError> {
        if kind == CredentialKind::Psk {
            self.may_draw(ValuesError::NoPsk(slot))?;
            return Ok(IssuedCredential {
                kind,
                public: random_name()?.into_bytes(),
                secret: random_key()?,
            });
        }
        let ca = self.ca.ok_or(ValuesError::NoCertificate(slot))?;
        let validity = CertificateValidity::starting(self.now, YEAR);
        let (certificate, identity) = ca.issue_for_generated_key(dev_id, validity)?;
        Ok(IssuedCredential {
            kind,
            public: certificate.der.to_vec(),
            secret: identity.key().clone(),
        })
    }
}

/// A name that no other device has.
fn random_name() -> Result<String, NoRandomness> {
    Ok(EventId::of(random()?).to_string())
}

/// 32 random octets.
fn random_key() -> Result<Secret, NoRandomness> {
    let octets: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    Ok(Secret::new(octets.to_vec()))
}

/// 64 random hexadecimal digits.
fn random_digits() -> Result<Secret, NoRandomness> {
    let octets: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    let mut digits = String::with_capacity(64);
    for octet in octets.iter() {
        let _written = write!(digits, "{octet:02x}");
    }
    Ok(Secret::from(digits))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{random_digits, random_key, random_name};

    #[test]
    fn what_is_drawn_is_hexadecimal_and_never_the_same_twice() {
        let drawn: BTreeSet<_> = (0..20)
            .flat_map(|_| {
                let (name, digits) = (random_name().unwrap(), random_digits().unwrap());
                assert_eq!((name.len(), digits.len()), (32, 64));
                [name.into_bytes(), digits.expose().to_vec()]
            })
            .collect();
        let is_digit = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
        assert!(drawn.iter().flatten().all(is_digit));
        assert_eq!(drawn.len(), 40);
        assert!(random_key().unwrap() != random_key().unwrap());
    }
}

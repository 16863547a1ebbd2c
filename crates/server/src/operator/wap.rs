//! A bootstrap of DM 1.x as a signed WAP push, as an operator asks for it (`push.md` §1, §4).

use http::StatusCode;
use omadm_bootstrap::dm1::Dm1Format;
use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, Esn, Imsi, ImsiKey, NetworkId};
use omadm_mo::{DevId, Secret};
use omadm_session::server::dm1::DeviceModel;

use super::answer::Refused;
use super::notifications::refused;
use super::types::{NewBootstrap, NewTrigger, SecretText};
use crate::bootstrap_service::Signing;
use crate::carrier::PushAddress;
use crate::dm1_service::{known_model, models};
use crate::model::{PushCarrierKind, PushSec};
use crate::node::Node;
use crate::notification_service::NotifyError;
use crate::problem::Problem;

/// Digits of a PIN.
const PIN: std::ops::RangeInclusive<usize> = 4..=16;

/// What a push is to be signed with.
#[derive(Clone, Copy, Default)]
pub(super) struct Signed<'a> {
    sec: Option<&'a str>,
    pin: Option<&'a SecretText>,
    imsi: Option<&'a str>,
    esn: Option<&'a str>,
    imsi_key: Option<&'a str>,
    /// The device's model, read already; else what its account has.
    model: Option<&'a str>,
}

impl<'a> From<&'a NewBootstrap> for Signed<'a> {
    fn from(new: &'a NewBootstrap) -> Self {
        Self {
            sec: new.sec.as_deref(),
            pin: new.pin.as_ref(),
            imsi: new.imsi.as_deref(),
            esn: new.esn.as_deref(),
            imsi_key: new.imsi_key.as_deref(),
            model: new.model.as_deref(),
        }
    }
}

impl<'a> From<&'a NewTrigger> for Signed<'a> {
    fn from(new: &'a NewTrigger) -> Self {
        Self {
            sec: new.sec.as_deref(),
            pin: new.pin.as_ref(),
            imsi: new.imsi.as_deref(),
            esn: new.esn.as_deref(),
            imsi_key: new.imsi_key.as_deref(),
            model: new.model.as_deref(),
        }
    }
}

impl Signed<'_> {
    /// Whether anything of it was asked for.
    pub(super) const fn is_said(&self) -> bool {
        let number = self.imsi.is_some() || self.esn.is_some() || self.imsi_key.is_some();
        self.sec.is_some() || self.pin.is_some() || number
    }
}

/// Checks carrier and address, and what the push is signed with.
pub(super) async fn signing(
    node: &Node,
    dev_id: &DevId,
    signed: Signed<'_>,
    (carrier, address): (Option<&str>, &PushAddress),
    format: Dm1Format,
) -> Result<Signing, Refused> {
    match carrier.map(PushCarrierKind::from_name) {
        None | Some(Some(PushCarrierKind::Wap)) => {}
        Some(Some(PushCarrierKind::Notification)) => {
            return Err(Refused::bad(
                "carrier: a notification of DM 1.x opens a session and fetches nothing; the document itself goes, as a WAP push: `wap`",
            ));
        }
        Some(Some(PushCarrierKind::Direct)) => return Err(direct()),
        Some(None) => {
            let name = carrier.unwrap_or_default();
            return Err(Refused::bad(format!("carrier: {name:?} is not wap")));
        }
    }
    if matches!(address, PushAddress::Https(_)) {
        return Err(direct());
    }
    node.carriers
        .of(address)
        .map_err(|error| refused(NotifyError::Carrier(error)))?;
    let pin = signed.pin.map(pin_of).transpose()?;
    let network = match (signed.imsi, signed.esn) {
        (None, None) => {
            let device = node.store.device(dev_id).await?;
            let set = device.map(|device| device.notify).unwrap_or_default();
            network_id(set.imsi.as_deref(), set.esn.as_deref())?
        }
        (imsi, esn) => network_id(imsi, esn)?,
    };
    let sec = match (signed.sec, &network, &pin) {
        (Some("none"), ..) => {
            return Err(Refused::bad(
                "sec: a device has to drop a bootstrap that nobody signed, since anybody could send it one; sign it with what the network knows (networkid), with a PIN that the user gets by another way (userpin), or with both",
            ));
        }
        (Some(name), ..) => PushSec::from_name(name).ok_or_else(|| {
            Refused::bad(format!(
                "sec: {name:?} is none of networkid, userpin and both"
            ))
        })?,
        (None, Some(_), Some(_)) => PushSec::Both,
        (None, Some(_), None) => PushSec::NetworkId,
        (None, None, Some(_)) => PushSec::UserPin,
        (None, None, None) => {
            return Err(unsigned(
                "neither IMSI nor ESN of the device is known, nor a PIN given, so nobody could sign the bootstrap",
            ));
        }
    };
    if sec != PushSec::UserPin && network.is_none() {
        let detail = format!(
            "sec: {} is made with the subscriber's IMSI or the device's ESN",
            sec.name()
        );
        return Err(unsigned(&detail));
    }
    if sec != PushSec::NetworkId && pin.is_none() {
        let detail = format!("sec: {} is made with a PIN that the user types", sec.name());
        return Err(unsigned(&detail));
    }
    if sec == PushSec::NetworkId && pin.is_some() {
        return Err(Refused::bad(
            "pin: networkid is made without one; with it, it is `both`",
        ));
    }
    Ok(Signing {
        profile: match format {
            Dm1Format::Cp => BootstrapProfileKind::Cp,
            Dm1Format::Dm => BootstrapProfileKind::Dm,
        },
        sec,
        network,
        imsi_key: match signed.imsi_key {
            None => match signed.model.and_then(models::named) {
                Some(model) => model.imsi_key(),
                None => model_of(node, dev_id).await?.imsi_key(),
            },
            Some("semi-octet") => ImsiKey::SemiOctet,
            Some("ascii") => ImsiKey::Ascii,
            Some(other) => {
                return Err(Refused::bad(format!(
                    "imsi_key: {other:?} is neither semi-octet nor ascii"
                )));
            }
        },
        pin,
    })
}

fn network_id(imsi: Option<&str>, esn: Option<&str>) -> Result<Option<NetworkId>, Refused> {
    match (imsi, esn) {
        (Some(_), Some(_)) => Err(Refused::bad(
            "esn: an IMSI is given too, and one of them signs the bootstrap",
        )),
        (Some(digits), None) => match Imsi::parse(digits) {
            Ok(imsi) => Ok(Some(imsi.into())),
            Err(fault) => Err(Refused::bad(format!("imsi: {fault}"))),
        },
        (None, Some(digits)) => match Esn::parse(digits) {
            Ok(esn) => Ok(Some(esn.into())),
            Err(fault) => Err(Refused::bad(format!("esn: {fault}"))),
        },
        (None, None) => Ok(None),
    }
}

/// The model of a device, the standard's where none is known.
async fn model_of(node: &Node, dev_id: &DevId) -> Result<DeviceModel, Refused> {
    let credentials = node.store.credentials(dev_id).await?;
    let device = node.store.device(dev_id).await?;
    let told = device.and_then(|device| device.dev_info);
    Ok(known_model(node, &credentials, told.as_deref())?.unwrap_or_default())
}

fn pin_of(SecretText(text): &SecretText) -> Result<Secret, Refused> {
    if !PIN.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::bad(format!(
            "pin: it has {} to {} digits",
            PIN.start(),
            PIN.end()
        )));
    }
    Ok(Secret::from(text.clone()))
}

fn direct() -> Refused {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "carrier: nothing says how a client of DM 1.x takes a document that is sent to it over HTTPS",
    )
    .advising("Send it as a WAP push to sms:+NUMBER, udp://HOST:PORT or file:NAME; or let the client fetch it at the bootstrap URL: method client-initiated.")
    .into()
}

fn unsigned(detail: &str) -> Refused {
    Problem::new(StatusCode::CONFLICT, detail)
        .advising("Tell the IMSI or ESN (`--imsi`, `--esn`, or for ever `omadm device set DEVID --imsi …`), a PIN (`--pin-file`), or both.")
        .into()
}

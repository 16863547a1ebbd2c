//! A signed bootstrap of DM 1.x as it goes over the air: the WSP push, and the user data of the SMS that carry it (`push.md` §1 to §4).

use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{PayloadHash, PushSigner, PushedBootstrap};
use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, ImsiKey, NetworkId};
use omadm_mo::Secret;
use omadm_push::sms::{PARTS, Ports, Reference, segment};
use omadm_push::wsp::Sec;
use zeroize::Zeroizing;

use crate::CarrierError;
use crate::carrier::{CarrierFile, DescribedPush};

/// Name of the document.
const DOCUMENT: &str = "push.wbxml";
/// Name of the push, and of the same in hexadecimal.
const PUSH: [&str; 2] = ["push.wsp", "push.wsp.hex"];

/// By what a pushed document of DM 1.x is signed: the subscriber's or CDMA device's number, a PIN, or both. Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct PushOptions {
    /// What the network knows the device by: `NETWPIN`, or with a PIN `USERNETWPIN`.
    pub network: Option<NetworkId>,
    /// How its number becomes a key; by device model.
    pub imsi_key: ImsiKey,
    /// What the user is asked for: `USERPIN`, or with such a number `USERNETWPIN`.
    pub pin: Option<Secret>,
    /// Most SMS that it may take.
    pub parts: u8,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            network: None,
            imsi_key: ImsiKey::default(),
            pin: None,
            parts: PARTS,
        }
    }
}

impl PushOptions {
    /// What signs with what is there; none where nothing is.
    #[must_use]
    pub const fn sec(&self) -> Option<Sec> {
        match (&self.network, &self.pin) {
            (None, None) => None,
            (Some(_), None) => Some(Sec::NetwPin),
            (None, Some(_)) => Some(Sec::UserPin),
            (Some(_), Some(_)) => Some(Sec::UserNetwPin),
        }
    }

    /// Over everything here.
    pub(crate) fn digest(&self) -> PayloadHash {
        let pin = self.pin.as_ref().map(Secret::expose).unwrap_or_default();
        let said = format!("{:?} {:?} {}", self.network, self.imsi_key, self.parts);
        PayloadHash::of(&Zeroizing::new([said.as_bytes(), &[0], pin].concat()))
    }
}

/// The document, the push, and its SMS; the same each time.
pub(crate) fn write(
    document: &Secret,
    format: Dm1Format,
    options: &PushOptions,
) -> Result<(Vec<CarrierFile>, DescribedPush), CarrierError> {
    let sec = options.sec().ok_or(CarrierError::Unsigned)?;
    let profile = match format {
        Dm1Format::Cp => BootstrapProfileKind::Cp,
        Dm1Format::Dm => BootstrapProfileKind::Dm,
    };
    let signer = PushSigner {
        sec,
        network: options.network.as_ref(),
        form: options.imsi_key,
        pin: options.pin.as_ref(),
    };
    let signed = PushedBootstrap::signed(profile, document.clone(), &signer)?;
    // Other documents have other numbers, as far as eight bits go.
    let [transaction_id, reference, ..] = *PayloadHash::of(document.expose()).octets();
    let push = Zeroizing::new(signed.to_push(transaction_id).encode());
    let sms = segment(
        &push,
        Ports::PUSH,
        Reference::Octet(reference),
        options.parts,
    )?;
    let described = DescribedPush {
        sec: sec_name(sec).to_owned(),
        sms: sms.len(),
    };
    let mut files = vec![CarrierFile::new(DOCUMENT, document.clone())];
    let mut both = |names: [String; 2], octets: Vec<u8>| {
        let [binary, text] = names;
        files.push(CarrierFile::new(text, hexadecimal(&octets)));
        files.push(CarrierFile::new(binary, Secret::new(octets)));
    };
    both(PUSH.map(str::to_owned), push.to_vec());
    for (number, part) in (1..).zip(sms) {
        let names = ["bin", "hex"].map(|kind| format!("sms-{number}.{kind}"));
        both(names, part);
    }
    Ok((files, described))
}

/// The name of a SEC value (§4).
#[must_use]
pub const fn sec_name(sec: Sec) -> &'static str {
    match sec {
        Sec::NetwPin => "NETWPIN",
        Sec::UserPin => "USERPIN",
        Sec::UserNetwPin => "USERNETWPIN",
        Sec::UserPinMac => "USERPINMAC",
    }
}

/// A line of digits.
fn hexadecimal(octets: &[u8]) -> Secret {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pair = |octet: &u8| [octet >> 4, octet & 0xF].map(|digit| DIGITS[usize::from(digit)]);
    let mut line: Vec<u8> = octets.iter().flat_map(pair).collect();
    line.push(b'\n');
    Secret::new(line)
}

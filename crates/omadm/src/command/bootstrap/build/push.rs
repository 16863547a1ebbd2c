use clap::{Args, ValueEnum};
use omadm_bootstrap::dm1::Dm1Format;
use omadm_carrier::{Carrier, PushOptions};
use omadm_dm1::bootstrap_mac::{Esn, Imsi, ImsiKey, NetworkId};
use omadm_mo::Secret;
use omadm_push::sms::PARTS;

use crate::failure::{Explain as _, Failure};

/// The signature and the SMS of a pushed document of DM 1.x.
#[derive(Args)]
pub(super) struct PushArguments {
    /// Sign a push of DM 1.x by this PIN, which the user types (USERPIN)
    #[arg(long, value_name = "DIGITS")]
    pin: Option<String>,
    /// Sign a push of DM 1.x by the subscriber's number (NETWPIN, with --pin USERNETWPIN)
    #[arg(long, value_name = "DIGITS")]
    imsi: Option<String>,
    /// The same by the number of a CDMA device: 8 hexadecimal or 11 decimal digits
    #[arg(long, value_name = "DIGITS", conflicts_with = "imsi")]
    esn: Option<String>,
    /// How IMSI or ESN becomes a key; else as --model has it: semi-octets
    #[arg(long, value_enum)]
    imsi_key: Option<ImsiForm>,
    /// Most SMS that a push of DM 1.x may take; else 8, for the longer documents of `dm` 16
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    sms_parts: Option<u8>,
}

/// A form of the key that an IMSI is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ImsiForm {
    /// As the card holds it; of an ESN its four octets
    SemiOctets,
    /// Its digits, as some devices take them
    Ascii,
}

impl PushArguments {
    /// A batch may have PINs and numbers in its table.
    pub(super) fn options(
        &self,
        carrier: Option<Carrier>,
        format: Option<Dm1Format>,
        of_model: ImsiKey,
        table: bool,
    ) -> Result<PushOptions, Failure> {
        let what = "nothing was built";
        let number = self.imsi.is_some() || self.esn.is_some() || self.imsi_key.is_some();
        let asked = self.pin.is_some() || number || self.sms_parts.is_some();
        let is_push = carrier == Some(Carrier::Push) && format.is_some();
        if asked && !is_push {
            return Err(Failure::new(
                what,
                "--pin, --imsi, --esn, --imsi-key and --sms-parts are about a push of DM 1.x",
                "leave them out, or give --carrier push and --profile-format",
            ));
        }
        let imsi = self.imsi.as_deref().map(Imsi::parse).transpose();
        let imsi = imsi.explain(what, "give the digits of --imsi alone")?;
        let esn = self.esn.as_deref().map(Esn::parse).transpose();
        let esn = esn.explain(what, "give the digits of --esn alone")?;
        let pin = self.pin.clone().map(Secret::from);
        if pin.as_ref().is_some_and(|pin| {
            let digits = pin.expose();
            digits.is_empty() || !digits.iter().all(u8::is_ascii_digit)
        }) {
            return Err(Failure::new(
                what,
                "--pin is no PIN",
                "give its digits alone",
            ));
        }
        let options = PushOptions {
            network: imsi
                .map(NetworkId::from)
                .or_else(|| esn.map(NetworkId::from)),
            imsi_key: match self.imsi_key {
                None => of_model,
                Some(ImsiForm::SemiOctets) => ImsiKey::SemiOctet,
                Some(ImsiForm::Ascii) => ImsiKey::Ascii,
            },
            pin,
            parts: self.sms_parts.unwrap_or(match format {
                Some(Dm1Format::Dm) => 2 * PARTS,
                _ => PARTS,
            }),
        };
        if is_push && !table && options.sec().is_none() {
            return Err(Failure::new(
                what,
                "no device installs a push that nobody signed",
                "give --pin, --imsi (or --esn), or both",
            ));
        }
        Ok(options)
    }
}

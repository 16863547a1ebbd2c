use clap::{Args, ValueEnum};
use omadm_card::test_card::CardProfile;
use omadm_carrier::{CardOptions, Carrier};

use crate::failure::{Explain as _, Failure};

/// The card of the carrier smartcard.
#[derive(Args)]
pub(super) struct CardArguments {
    /// Kind of the card in card.json
    #[arg(long, value_enum, default_value = "uicc")]
    card_kind: CardKind,
    /// Number of the card in card.json, 18 to 20 digits; a real card has its own
    #[arg(long, conflicts_with = "devices")]
    iccid: Option<String>,
    /// Serial number in the card's EF(TokenInfo), in hexadecimal; else made from the DevID
    #[arg(long, conflicts_with = "devices")]
    card_serial: Option<String>,
    /// Name the card's bootstrap twice, once in the form that OpenSC knows
    #[arg(long)]
    opensc: bool,
}

/// A kind of card.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CardKind {
    /// UICC
    Uicc,
    /// SIM of the second generation
    Sim,
    /// Plain ISO 7816 card
    Iso,
}

impl CardArguments {
    pub(super) fn options(&self, carrier: Option<Carrier>) -> Result<CardOptions, Failure> {
        let what = "nothing was built";
        let asked = self.iccid.is_some() || self.card_serial.is_some() || self.opensc;
        if carrier != Some(Carrier::Smartcard) && (asked || self.card_kind != CardKind::Uicc) {
            return Err(Failure::new(
                what,
                "--card-kind, --iccid, --card-serial and --opensc are about a card",
                "leave them out, or give --carrier smartcard",
            ));
        }
        let iccid = self.iccid.as_deref().map(str::parse).transpose();
        let serial = self.card_serial.as_deref().map(octets);
        Ok(CardOptions {
            kind: match self.card_kind {
                CardKind::Uicc => CardProfile::Uicc,
                CardKind::Sim => CardProfile::Sim2g,
                CardKind::Iso => CardProfile::Iso,
            },
            iccid: iccid.explain(what, "write --iccid like 8949017201234567890")?,
            serial: match serial {
                Some(None) => {
                    return Err(Failure::new(
                        what,
                        "--card-serial is not in hexadecimal",
                        "write two digits for each octet, 1 to 64 octets",
                    ));
                }
                serial => serial.flatten(),
            },
            opensc: self.opensc,
        })
    }
}

/// Octets of hexadecimal digits.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let pair = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

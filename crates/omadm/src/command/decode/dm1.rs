use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, Esn, Imsi};
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::markup::Vocabulary;
use omadm_dm1::pretty::Pretty;
use omadm_dm1::syncml::Encoding;
use omadm_dm1::trigger::{Initiator, ReceivedTrigger, UiMode};
use omadm_lab::decode::{Decoded, MacKeys, MacVerdict, PushedBody};
use omadm_mo::Secret;
use omadm_push::wsp::{MediaName, Push, Sec, well_known};

use super::super::say;
use super::{Decode, hex, read_octets};
use crate::failure::{Explain as _, Failure};

impl Decode {
    pub(super) fn markup(&self, octets: &[u8], encoding: Encoding) -> Result<(), Failure> {
        let pretty = Pretty::read(octets, encoding, self.limits(), self.secrets).explain(
            format!("{} is no document of DM 1.x", self.name()),
            "mend the document at the octet named; the first is octet 0",
        )?;
        self.say_document(octets, &pretty)
    }

    /// A document by itself; what proves it is verified where that was asked for.
    pub(super) fn say_document(&self, octets: &[u8], pretty: &Pretty) -> Result<(), Failure> {
        let right = self.credential(octets, pretty)?;
        let told = right.map(|right| if right { "right" } else { "wrong" });
        if self.json {
            say(serde_json::json!({
                "kind": kind(pretty),
                "document": { "octets": pretty.octets, "xml": pretty.xml, "credential": told },
            }))?;
        } else {
            say_pretty(pretty)?;
            if let Some(told) = told {
                say(format_args!("credential {told}"))?;
            }
        }
        self.judged(right)
    }

    pub(super) fn push(&self, push: &Push, body: &PushedBody) -> Result<(), Failure> {
        let keys = self.keys()?;
        let media = media(&push.content_type.media);
        let verdict = match body {
            PushedBody::Bootstrap(profile, _) => {
                Some(keys.judge(push.content_type.security.as_ref(), *profile, &push.body))
            }
            PushedBody::Other(_) | PushedBody::Unknown => None,
        };
        if self.json {
            let document = match body {
                PushedBody::Bootstrap(_, pretty) => serde_json::json!(pretty.xml),
                PushedBody::Other(_) | PushedBody::Unknown => serde_json::json!(hex(&push.body)),
            };
            say(serde_json::json!({
                "kind": "WSP push",
                "document": {
                    "transaction_id": push.transaction_id,
                    "content_type": media,
                    "sec": push.content_type.security.as_ref().map(|security| sec(security.sec)),
                    "mac": verdict.map(MacVerdict::sentence),
                    "body": document,
                },
            }))?;
        } else {
            say(format_args!(
                "WSP push, transaction {}, {media}, {} octets",
                push.transaction_id,
                push.body.len()
            ))?;
            if let Some(security) = &push.content_type.security {
                say(format_args!("SEC {}", sec(security.sec)))?;
            }
            self.say_body(push, body)?;
            if let Some(verdict) = verdict {
                say(verdict.sentence())?;
            }
            if verdict == Some(MacVerdict::TypedByUser)
                && let Some(code) = keys.typed_code(&push.body)
            {
                say(format_args!(
                    "with this PIN the user types {}",
                    String::from_utf8_lossy(code.expose())
                ))?;
            }
        }
        match verdict {
            Some(verdict) if verdict.failed() => Err(Failure::new(
                format!("the MAC of {} is not valid", self.name()),
                "it is that of another PIN, IMSI or ESN, or an octet was changed on the way",
                "compare PIN and IMSI with those of the subscriber, the ESN with that of the device, and the octets with what was sent",
            )),
            _ => Ok(()),
        }
    }

    fn say_body(&self, push: &Push, body: &PushedBody) -> Result<(), Failure> {
        match body {
            PushedBody::Bootstrap(profile, pretty) => {
                say(match profile {
                    BootstrapProfileKind::Cp => "bootstrap by the client provisioning profile",
                    BootstrapProfileKind::Dm => "bootstrap by the DM profile",
                })?;
                say_pretty(pretty)
            }
            PushedBody::Other(inner) => match &**inner {
                Decoded::Document(pretty) => say_pretty(pretty),
                Decoded::Package0(octets) => self.package0(octets),
                Decoded::Trigger(octets) => self.trigger(octets),
                Decoded::Push(..) => say(hex(&push.body)),
            },
            PushedBody::Unknown => say(hex(&push.body)),
        }
    }

    pub(super) fn trigger(&self, octets: &[u8]) -> Result<(), Failure> {
        let received = ReceivedTrigger::decode(octets).explain(
            format!("{} is no Package 0 of DM 1.x", self.name()),
            "mend the octets; the digest is the first 16",
        )?;
        let trigger = received.unproven();
        let digest = match &self.key_file {
            None => "not checked (--key-file checks it)",
            Some(file) => {
                let secret = Secret::new(read_octets(file)?);
                let nonce = match &self.auth_data_file {
                    Some(file) => read_octets(file)?,
                    None => Nonce::RESYNC.to_vec(),
                };
                let nonce = Nonce::new(nonce).explain(
                    "the nonce is none",
                    "give a file with its octets, not base64",
                )?;
                match received.proven(&UserHash::new(&trigger.server_id, &secret), &nonce) {
                    Some(_) => "right",
                    None => "wrong",
                }
            }
        };
        let ui_mode = match trigger.ui_mode {
            UiMode::Unspecified => "not specified",
            UiMode::Background => "background",
            UiMode::Informative => "informative",
            UiMode::UserInteraction => "user interaction",
        };
        let initiator = match trigger.initiator {
            Initiator::Client => "client",
            Initiator::Server => "server",
        };
        if self.json {
            say(serde_json::json!({
                "kind": TRIGGER,
                "document": {
                    "octets": hex(octets),
                    "version": trigger.version,
                    "ui_mode": ui_mode,
                    "initiator": initiator,
                    "session_id": trigger.session_text(),
                    "server_id": trigger.server_id,
                    "vendor": hex(&trigger.vendor),
                    "digest": digest,
                },
            }))?;
        } else {
            say(TRIGGER)?;
            say(format_args!(
                "version    {}.{}",
                trigger.version / 10,
                trigger.version % 10
            ))?;
            say(format_args!("ui-mode    {ui_mode}"))?;
            say(format_args!("initiator  {initiator}"))?;
            say(format_args!(
                "session    {}: SessionID of the session it causes",
                trigger.session_text()
            ))?;
            say(format_args!("server     {}", trigger.server_id))?;
            if !trigger.vendor.is_empty() {
                say(format_args!("vendor     {}", hex(&trigger.vendor)))?;
            }
            say(format_args!("digest     {digest}"))?;
        }
        if digest == "wrong" {
            return Err(Failure::new(
                format!("the digest of {} is wrong", self.name()),
                "it is that of another secret or nonce, or an octet was changed on the way",
                "compare the files with AAuthSecret and AAuthData of SRVCRED, octet by octet",
            ));
        }
        Ok(())
    }

    fn keys(&self) -> Result<MacKeys, Failure> {
        let todo = "give its digits alone";
        let network = match (&self.imsi, &self.esn) {
            (Some(digits), _) => Some(
                Imsi::parse(digits)
                    .explain("--imsi is no IMSI", todo)?
                    .into(),
            ),
            (None, Some(digits)) => {
                Some(Esn::parse(digits).explain("--esn is no ESN", todo)?.into())
            }
            (None, None) => None,
        };
        Ok(MacKeys {
            pin: self.pin.clone().map(Secret::from),
            network,
        })
    }
}

fn say_pretty(pretty: &Pretty) -> Result<(), Failure> {
    say(format_args!("{}, {} octets", kind(pretty), pretty.octets))?;
    say(pretty.xml.trim_end())
}

const TRIGGER: &str = "Package 0 of DM 1.x";

fn kind(pretty: &Pretty) -> String {
    let encoding = match pretty.encoding {
        Encoding::Xml => "XML",
        Encoding::Wbxml => "WBXML",
    };
    let what = match pretty.vocabulary {
        Vocabulary::SyncMl => "DM message (SyncML)",
        Vocabulary::MgmtTree => "management tree (TNDS or DDF)",
        Vocabulary::Provisioning => "client provisioning document",
    };
    format!("{what} in {encoding}")
}

fn media(media: &MediaName) -> String {
    match media {
        MediaName::Code(well_known::CONNECTIVITY_WBXML) => {
            "application/vnd.wap.connectivity-wbxml".into()
        }
        MediaName::Code(well_known::SYNCML_DM_WBXML) => Encoding::Wbxml.media_type().into(),
        MediaName::Code(well_known::SYNCML_DM_XML) => Encoding::Xml.media_type().into(),
        MediaName::Code(well_known::SYNCML_NOTIFICATION) => omadm_dm1::trigger::MEDIA_TYPE.into(),
        MediaName::Code(code) => format!("media type {code:#04x}"),
        MediaName::Text(text) => text.as_str().into(),
    }
}

const fn sec(sec: Sec) -> &'static str {
    match sec {
        Sec::NetwPin => "NETWPIN (the IMSI; in CDMA the ESN)",
        Sec::UserPin => "USERPIN (a PIN)",
        Sec::UserNetwPin => "USERNETWPIN (IMSI or ESN, and PIN)",
        Sec::UserPinMac => "USERPINMAC (typed by the user)",
    }
}

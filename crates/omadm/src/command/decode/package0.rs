use omadm_dm2::package0::{DigestCheck, NotificationKey, ReceivedPackage0};
use omadm_mo::Secret;

use super::super::say;
use super::{Decode, hex, read_octets};
use crate::failure::{Explain as _, Failure};

const TITLE: &str = "Package#0";
const NOT_CHECKED: &str = "not checked";

impl Decode {
    pub(super) fn package0(&self, octets: &[u8]) -> Result<(), Failure> {
        let received = ReceivedPackage0::decode(octets).explain(
            format!("{} is no Package#0", self.name()),
            "mend the octet named; the first is octet 0",
        )?;
        let Some(key_file) = &self.key_file else {
            let unchecked = match received.package().digest {
                None => DigestCheck::Absent.as_str(),
                Some(_) => NOT_CHECKED,
            };
            return self.say_package0(&received, unchecked);
        };
        let secret = Secret::new(read_octets(key_file)?);
        let auth_data = match &self.auth_data_file {
            Some(file) => read_octets(file)?,
            None => Vec::new(),
        };
        let key = NotificationKey {
            secret: &secret,
            auth_data: &auth_data,
        };
        let check = received.check_digest(key);
        self.say_package0(&received, check.as_str())?;
        self.judge(check, secret.expose().ends_with(b"\n"))
    }

    /// The command fails where the digest that was asked for is not right.
    fn judge(&self, check: DigestCheck, line_break: bool) -> Result<(), Failure> {
        let what = format!("the digest of {} is {}", self.name(), check.as_str());
        match check {
            DigestCheck::Right => Ok(()),
            DigestCheck::Absent => Err(Failure::new(
                what,
                "the Notification carries no SHA256-DIGEST (§11.4)",
                "leave --key-file out, or have the server sign its Notifications",
            )),
            DigestCheck::Wrong => Err(Failure::new(
                what,
                if line_break {
                    "it is not that of the secret in --key-file, whose last octet is a line break"
                } else {
                    "it is that of another secret or auth-data, or an octet was changed on the way"
                },
                "compare the files with Auth/Noti/Secret and Auth/Noti/Data of the account, octet by octet",
            )),
        }
    }

    fn say_package0(&self, received: &ReceivedPackage0<'_>, digest: &str) -> Result<(), Failure> {
        let fields = received.explain();
        if self.json {
            let fields: Vec<_> = fields
                .into_iter()
                .map(|field| {
                    serde_json::json!({
                        "at": field.at,
                        "octets": hex(&field.octets),
                        "field": field.name,
                        "value": field.value,
                        "meaning": field.meaning,
                    })
                })
                .collect();
            let document = serde_json::json!({
                "octets": hex(received.octets()),
                "fields": fields,
                "digest": digest,
            });
            return say(serde_json::json!({ "kind": TITLE, "document": document }));
        }
        say(TITLE)?;
        for field in fields {
            say(format_args!(
                "octet {:<4} {:<19} {}: {}",
                field.at, field.name, field.value, field.meaning
            ))?;
        }
        let hint = match digest {
            NOT_CHECKED => " (--key-file checks it)",
            _ => "",
        };
        say(format_args!("digest {digest}{hint}"))
    }
}

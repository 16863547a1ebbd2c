use omadm_server::operator::types::Dm1SecretBody;
use serde::Serialize;

/// What was done with a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemoStep {
    /// A fresh device was bootstrapped.
    Bootstrap,
    /// A bootstrapped device was bootstrapped again.
    #[serde(rename = "re-bootstrap")]
    Rebootstrap,
    /// The card of a device was taken out.
    CardRemoved,
    /// The secrets of a DM 1.x account were replaced, and used.
    Rotated,
    /// A device of DM 1.x was reset, and bootstrapped again by what is in it.
    Reset,
}

/// By which secret a device of DM 1.x proves itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemoSecrets {
    /// The one that the bootstrap brought.
    Boot,
    /// Another one, and that of the bootstrap is kept, since it can be brought back.
    Replaced,
    /// A new one was sent, and is not used yet.
    Pending,
}

impl DemoSecrets {
    /// By the secrets of the device, as the operator's API shows them.
    pub(super) fn of(client: &[Dm1SecretBody]) -> Self {
        let has = |name: &str| client.iter().any(|secret| secret.generation == name);
        if has("pending") {
            Self::Pending
        } else if has("boot") && has("current") {
            Self::Replaced
        } else {
            Self::Boot
        }
    }

    /// As the table says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Replaced => "replaced",
            Self::Pending => "pending",
        }
    }
}

/// What one step came to: a row of the summary, a line of `--json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DemoRow {
    /// The step.
    pub step: DemoStep,
    /// `factory`, `smartcard`, `client-initiated` or `server-initiated`, as the server's record says.
    pub method: String,
    /// With DM 1.x, how the document was written: `cp` or `dm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// DevID.
    pub device: String,
    /// SrvID of the account it is about.
    pub account: String,
    /// State of the server's durable record.
    pub state: String,
    /// Whether the client still owes its completion.
    pub owed: bool,
    /// From the switching on, the fetch or the push to the end of the DM session.
    pub duration_ms: u64,
    /// HTTP exchanges of the device with the server.
    pub exchanges: u64,
    /// TLS connections that the device opened.
    pub connections: u64,
    /// Durable commits of the server.
    pub commits: u64,
    /// With DM 1.x, by which secret the device proves itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<DemoSecrets>,
    /// Replaced secrets that came back and were let count again: `dm1-client`, `dm1-server`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<String>,
    /// MIID of the account in the device's tree; none where it is not there.
    pub miid: Option<String>,
    /// Its MIID before the step.
    pub miid_before: Option<String>,
}

impl DemoRow {
    /// Why the step did not come to what it should; none where it did.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if self.state != "completed" {
            return Some(format!("the server's record says {}", self.state));
        }
        if self.owed {
            return Some("the client owes its completion".to_owned());
        }
        let rotates = matches!(self.step, DemoStep::Rotated | DemoStep::Reset);
        if rotates && self.secrets != Some(DemoSecrets::Replaced) {
            return Some("the new secrets are not in use".to_owned());
        }
        if self.step == DemoStep::Reset && self.recovered.is_empty() {
            return Some("the server did not see the first secrets come back".to_owned());
        }
        match (self.step, &self.miid, &self.miid_before) {
            (DemoStep::Bootstrap, Some(_), _) | (DemoStep::CardRemoved, None, _) => None,
            (DemoStep::Rebootstrap | DemoStep::Rotated, Some(now), Some(before))
                if now == before =>
            {
                None
            }
            // The device chose it anew.
            (DemoStep::Reset, Some(_), _) => None,
            (DemoStep::CardRemoved, Some(_), _) => {
                Some(format!("the account of {} outlived its card", self.account))
            }
            (_, Some(now), before) => Some(format!(
                "the account of {} has the MIID {now}, and had {}",
                self.account,
                before.as_deref().unwrap_or("none")
            )),
            (_, None, _) => Some(format!("the device has no account of {}", self.account)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_judged_by_what_it_is_for() {
        let row = DemoRow {
            step: DemoStep::Bootstrap,
            method: "factory".to_owned(),
            profile: None,
            secrets: None,
            recovered: Vec::new(),
            device: "D".to_owned(),
            account: "a".to_owned(),
            state: "completed".to_owned(),
            owed: false,
            duration_ms: 0,
            exchanges: 0,
            connections: 0,
            commits: 0,
            miid: Some("1".to_owned()),
            miid_before: None,
        };
        assert_eq!(row.fault(), None);
        let before = Some("1".to_owned());
        for (step, miid, good) in [
            (DemoStep::Bootstrap, None, false),
            (DemoStep::Rebootstrap, Some("1"), true),
            (DemoStep::Rebootstrap, Some("2"), false),
            (DemoStep::Rebootstrap, None, false),
            (DemoStep::CardRemoved, Some("1"), false),
            (DemoStep::CardRemoved, None, true),
        ] {
            let row = DemoRow {
                step,
                miid: miid.map(str::to_owned),
                miid_before: before.clone(),
                ..row.clone()
            };
            assert_eq!(row.fault().is_none(), good, "{row:?}");
            let owed = DemoRow {
                owed: true,
                ..row.clone()
            };
            let failed = DemoRow {
                state: "failed".to_owned(),
                ..row
            };
            assert!(owed.fault().is_some() && failed.fault().is_some());
        }
    }

    #[test]
    fn new_secrets_have_to_be_in_use_and_those_of_a_reset_to_be_recognised() {
        let row = DemoRow {
            step: DemoStep::Reset,
            method: "smartcard".to_owned(),
            profile: Some("dm".to_owned()),
            device: "D".to_owned(),
            account: "a".to_owned(),
            state: "completed".to_owned(),
            owed: false,
            duration_ms: 0,
            exchanges: 0,
            connections: 0,
            commits: 0,
            secrets: Some(DemoSecrets::Replaced),
            recovered: vec!["dm1-client".to_owned()],
            miid: Some("1".to_owned()),
            miid_before: Some("1".to_owned()),
        };
        assert_eq!(row.fault(), None);
        for (secrets, recovered) in [
            (DemoSecrets::Boot, 1),
            (DemoSecrets::Pending, 1),
            (DemoSecrets::Replaced, 0),
        ] {
            let bad = DemoRow {
                secrets: Some(secrets),
                recovered: row.recovered[..recovered].to_vec(),
                ..row.clone()
            };
            assert!(bad.fault().is_some(), "{bad:?}");
        }
        let rotated = DemoRow {
            step: DemoStep::Rotated,
            recovered: Vec::new(),
            ..row
        };
        assert_eq!(rotated.fault(), None);
    }
}

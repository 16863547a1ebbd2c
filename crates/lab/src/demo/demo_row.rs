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
}

/// What one step came to: a row of the summary, a line of `--json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DemoRow {
    /// The step.
    pub step: DemoStep,
    /// `factory`, `smartcard`, `client-initiated` or `server-initiated`, as the server's record says.
    pub method: String,
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
        match (self.step, &self.miid, &self.miid_before) {
            (DemoStep::Bootstrap, Some(_), _) | (DemoStep::CardRemoved, None, _) => None,
            (DemoStep::Rebootstrap, Some(now), Some(before)) if now == before => None,
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
}

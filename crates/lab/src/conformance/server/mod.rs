//! The kit against a DM Server: it is a DM Client that does what a device may do over HTTP, and what it may not.

mod checks;
mod device;
mod subject;

use std::time::Instant;

use omadm_mo::standard::dm_acc;
use serde_json::Value;

use super::check::{Check, Step};
use super::hook::HookCall;
use super::item::Side;
use super::report::{CheckResult, Report};
use super::transcript::Transcript;
use super::verdict::{Judged, Verdict};
use super::wire::Wire;

pub use subject::{ServerSubject, SubjectError};

use subject::{Connectors, Who};

/// The checks in their order. Each has one alteration in [`super::peer`] that makes it fail.
#[must_use]
pub fn checks() -> Vec<Check> {
    checks::all().map(|step| step.check).collect()
}

/// Drives the server through the checks that `picks` names (all where it is empty), in their order. `told` hears each result at once.
///
/// # Errors
/// [`SubjectError`] where a credential or anchor cannot be used.
pub async fn run(
    subject: ServerSubject,
    picks: &[String],
    mut told: impl FnMut(&CheckResult),
) -> Result<Report, SubjectError> {
    let mut kit = ServerKit {
        connectors: Connectors::of(&subject)?,
        subject,
        transcript: Transcript::default(),
        events: first_event(),
        account: None,
    };
    if let Some(document) = kit.subject.document.clone() {
        kit.account = account_of(&document);
    }
    let mut results = Vec::new();
    for step in checks::all().filter(|step| step.check.is_picked(picks)) {
        let result = kit.check(step).await;
        told(&result);
        results.push(result);
    }
    Ok(Report {
        side: Side::Server,
        target: kit.subject.url.to_string(),
        results,
    })
}

/// What the checks work with.
struct ServerKit {
    subject: ServerSubject,
    connectors: Connectors,
    transcript: Transcript,
    /// Number of the last bootstrap event that was reported.
    events: u128,
    /// The server's DM Account as the last bootstrap brought it.
    account: Option<Value>,
}

impl ServerKit {
    async fn check(&mut self, step: &Step<Self>) -> CheckResult {
        let began = Instant::now();
        let limit = self.subject.limit * 4;
        let judged = match tokio::time::timeout(limit, (step.work)(self)).await {
            Ok(judged) => judged,
            Err(_) => Err(Verdict::inconclusive(format!("no end within {limit:?}"))),
        };
        CheckResult {
            check: step.check,
            verdict: Verdict::of(judged, step.check.level),
            exchanges: self.transcript.take(),
            millis: began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        }
    }

    /// A connection as the device, a stranger or nobody.
    async fn connect(&self, who: Who) -> Result<Wire, Verdict> {
        self.try_connect(who).await.map_err(Verdict::inconclusive)
    }

    async fn try_connect(&self, who: Who) -> Result<Wire, String> {
        let origin = self.subject.url.origin();
        self.connect_to(&origin, who).await
    }

    async fn connect_to(&self, origin: &omadm_mo::Origin, who: Who) -> Result<Wire, String> {
        let connector = self.connectors.of_peer(who);
        let limit = self.subject.limit;
        Wire::open(origin, connector, self.transcript.clone(), limit).await
    }

    /// An event id that no earlier run of the kit reported.
    fn next_event(&mut self) -> String {
        self.events = self.events.wrapping_add(1);
        format!("{:032x}", self.events)
    }

    /// Asks the hook; not tested where there is none.
    async fn ask(&self, call: HookCall) -> Judged {
        let words = call.words(self.subject.dev_id.as_str()).join(" ");
        let Some(hook) = &self.subject.hook else {
            return Err(Verdict::not_tested(format!(
                "needs --hook, to be called with `{words}`"
            )));
        };
        self.transcript.note(format!("hook: {words}"));
        let asked = hook.call(call, self.subject.dev_id.as_str()).await;
        asked.map_err(Verdict::inconclusive)
    }
}

/// The root of the DM Account in a bootstrap.
fn account_of(document: &[u8]) -> Option<Value> {
    let json: Value = serde_json::from_slice(document).ok()?;
    let moid = dm_acc::moid();
    let mut accounts = json.as_array()?.iter().filter_map(|item| {
        let uri = item["ClientURI"].as_str()?;
        let data = item["MOData"].as_object()?;
        let root = data.values().next().filter(|_| data.len() == 1)?;
        uri.strip_prefix(moid.as_str())?
            .starts_with('/')
            .then_some(root)
    });
    accounts.next().cloned()
}

/// The time makes it new.
fn first_event() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_nanos() << 32
}

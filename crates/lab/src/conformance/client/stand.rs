//! The server that the client meets. It holds the client's last package unanswered until a check has commands for it, so one session serves many checks.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use omadm_dm2::media_type::{MO, PACKAGE2};
use omadm_tls::Fingerprint;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::ClientSetup;
use super::document::Issued;
use super::listen::Arrived;
use crate::conformance::hook::HookCall;
use crate::conformance::transcript::{Exchange, Transcript, body, head};
use crate::conformance::verdict::{Judged, Verdict, expect};
use crate::conformance::wire::{Answer, Ask};

pub(super) const DEV_INFO: &str = "urn:oma:mo:oma-dm-devinfo:1.2";
pub(super) const DM_ACC: &str = "urn:oma:mo:oma-dm-dmacc:1.2";

/// A package of the client.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) ask: Ask,
    pub(super) leaf: Option<Fingerprint>,
    /// The body; null where it is no JSON.
    pub(super) json: Value,
}

impl Package {
    pub(super) fn is_response(&self) -> bool {
        self.json.get("Status").is_some()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let mut headers = self.ask.headers.iter();
        let found = headers.find(|(had, _)| had.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// Whether it holds an alert of this type.
    pub(super) fn has_alert(&self, alert_type: &str) -> bool {
        self.alert(alert_type).is_some()
    }

    pub(super) fn alert(&self, alert_type: &str) -> Option<&Value> {
        let mut alerts = self.json["Alert"].as_array()?.iter();
        alerts.find(|alert| alert["AlertType"] == alert_type)
    }
}

/// What became of a Package#2.
pub(super) struct Done {
    /// The members of `Status`.
    pub(super) statuses: Vec<Value>,
    pub(super) package: Package,
    /// What was sent to the repository meanwhile, or fetched from it.
    pub(super) transfers: Vec<Ask>,
}

impl Done {
    /// The code of the n-th status; 0 where there is none.
    pub(super) fn code(&self, index: usize) -> u64 {
        let status = self.statuses.get(index);
        status.and_then(|status| status["sc"].as_u64()).unwrap_or(0)
    }

    pub(super) fn shown(&self) -> String {
        let codes = self.statuses.iter().map(|status| status["sc"].to_string());
        format!("status {}", codes.collect::<Vec<_>>().join(", "))
    }

    /// The items that the n-th GET brought, wherever they stand (D12).
    pub(super) fn items(&self, index: usize) -> Vec<&Value> {
        let own = self.statuses.get(index).map(|status| &status["Result"]);
        let own = own.and_then(Value::as_array);
        let beside = ["MOS", "MOData", "Result"].iter();
        let mut beside = beside.filter_map(|member| self.package.json[*member].as_array());
        own.or_else(|| beside.next())
            .into_iter()
            .flatten()
            .collect()
    }

    /// The value of the leaf that the n-th GET read.
    pub(super) fn leaf(&self, index: usize, name: &str) -> Option<&Value> {
        let items = self.items(index);
        items
            .first()
            .map(|item| &item["MOData"][name])
            .filter(|value| !value.is_null())
    }

    pub(super) fn transfer(&self, target: &str) -> Option<&Ask> {
        self.transfers.iter().find(|ask| ask.target == target)
    }
}

/// The server with what it has seen.
pub(super) struct Stand {
    pub(super) setup: ClientSetup,
    pub(super) transcript: Transcript,
    pub(super) base: String,
    pub(super) untrusted: String,
    pub(super) account: Value,
    pub(super) renamed: Value,
    pub(super) trsp: Option<Fingerprint>,
    /// The fetch of the bootstrap.
    pub(super) fetched: Option<Package>,
    /// The first Package#1.
    pub(super) first: Option<Package>,
    /// The Package#1 that came after the first got 503.
    pub(super) retried: Option<Package>,
    /// What the data repository holds: status, media type, body.
    pub(super) repository: BTreeMap<String, (u16, String)>,
    /// NOTIFICATION-ID of the last Notification.
    pub(super) notifications: u16,
    document: Value,
    arrivals: mpsc::Receiver<Arrived>,
    held: Option<(Package, Arrived)>,
    met: bool,
}

impl Stand {
    pub(super) fn new(
        setup: ClientSetup,
        issued: &Issued,
        arrivals: mpsc::Receiver<Arrived>,
        (port, untrusted): (u16, u16),
    ) -> Self {
        let base = format!("https://{}:{port}", setup.host);
        Self {
            untrusted: format!("https://{}:{untrusted}", setup.host),
            document: issued.document(&base, setup.scratch.as_ref()),
            account: issued.account(&base, super::document::NAME, setup.scratch.as_ref()),
            renamed: issued.account(&base, "Conformance renamed", setup.scratch.as_ref()),
            trsp: issued.trsp_fingerprint(),
            base,
            setup,
            transcript: Transcript::default(),
            fetched: None,
            first: None,
            retried: None,
            repository: BTreeMap::new(),
            notifications: 0,
            arrivals,
            held: None,
            met: false,
        }
    }

    /// Answers what is still held, so that the client does not wait.
    pub(super) fn leave(&mut self) {
        if let Some((package, arrived)) = self.held.take() {
            self.reply(&package, arrived, commands(&[&["END"]]));
        }
    }

    /// Asks the hook.
    pub(super) async fn ask(&self, call: HookCall) -> Judged {
        let dev_id = self.setup.dev_id.as_str();
        let Some(hook) = &self.setup.hook else {
            let words = call.words(dev_id).join(" ");
            return Err(Verdict::not_tested(format!(
                "needs --hook, to be called with `{words}`"
            )));
        };
        hook.call(call, dev_id).await.map_err(Verdict::inconclusive)
    }

    /// The client has fetched its bootstrap and opened its first session. Done once, whatever the outcome.
    pub(super) async fn meet(&mut self) {
        if std::mem::replace(&mut self.met, true) {
            return;
        }
        let _without_hook = self.ask(HookCall::Bootstrap).await;
        let Some(arrived) = self.arrive(self.setup.limit, "/bootstrap").await else {
            return;
        };
        let package = package(&arrived);
        let document = self.document.to_string();
        self.reply(&package, arrived, answer(200, MO, document));
        self.fetched = Some(package);
        self.first = self.hold(self.setup.limit).await;
        // Whether an owed completion is reported again is seen where the kit can get on with a client that does not come back.
        if self.setup.hook.is_some()
            && let Some((package, arrived)) = self.held.take()
        {
            self.reply(&package, arrived, busy());
            let limit = self.setup.limit.min(Duration::from_secs(10));
            self.retried = self.hold_at(&package.ask.target, limit).await;
        }
    }

    /// Waits for a package at this target. The sessions of other accounts are put off.
    pub(super) async fn hold_at(&mut self, target: &str, limit: Duration) -> Option<Package> {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            let package = self.hold(left).await?;
            if package.ask.target == target {
                return Some(package);
            }
            if let Some((package, arrived)) = self.held.take() {
                self.reply(&package, arrived, busy());
            }
        }
    }

    /// A package of the client waits for its answer: the last one, or the first of a new session.
    pub(super) async fn session(&mut self) -> Result<Package, Verdict> {
        self.meet().await;
        if let Some((package, _)) = &self.held {
            return Ok(package.clone());
        }
        let asked = self.ask(HookCall::Session).await;
        match self.hold_at("/dm/a", self.setup.limit).await {
            Some(package) => Ok(package),
            None => Err(asked
                .err()
                .unwrap_or_else(|| Verdict::inconclusive("the client opened no session"))),
        }
    }

    /// Sends commands and gives back what became of them. The Package#3 stays unanswered.
    pub(super) async fn run(&mut self, words: &[&[&str]]) -> Result<Done, Verdict> {
        self.session().await?;
        let transfers = self.send(commands(words)).await;
        let Some((package, _)) = &self.held else {
            return Err(Verdict::failed("a Package#3", "none came in time"));
        };
        let package = package.clone();
        let Some(statuses) = package.json["Status"].as_array().cloned() else {
            return Err(Verdict::failed("a Package#3", body(&package.ask.body)));
        };
        expect(
            statuses.len() == words.len(),
            format!("{} statuses", words.len()),
            || format!("{} statuses", statuses.len()),
        )?;
        Ok(Done {
            statuses,
            package,
            transfers,
        })
    }

    /// Answers the held package and waits for the next one, serving the repository meanwhile.
    pub(super) async fn send(&mut self, answer: Answer) -> Vec<Ask> {
        let mut transfers = Vec::new();
        if let Some((package, arrived)) = self.held.take() {
            self.reply(&package, arrived, answer);
            self.serve(self.setup.limit, &mut transfers).await;
        }
        transfers
    }

    /// Answers the held package; gives back what came within the time of silence, the repository served. A package among it is held.
    pub(super) async fn send_last(&mut self, answer: Answer) -> Vec<Ask> {
        let mut transfers = Vec::new();
        if let Some((package, arrived)) = self.held.take() {
            self.reply(&package, arrived, answer);
            self.serve(self.setup.silence, &mut transfers).await;
        }
        transfers
    }

    /// Serves the repository for so long; gives back what came. A package of this account is held, the sessions of others are put off.
    pub(super) async fn overhear(&mut self, limit: Duration) -> Vec<Ask> {
        let mut transfers = Vec::new();
        if self.held.is_none() {
            self.serve(limit, &mut transfers).await;
        } else {
            tokio::time::sleep(limit).await;
        }
        if self.held().is_some_and(|held| held.ask.target != "/dm/a")
            && let Some((package, arrived)) = self.held.take()
        {
            self.reply(&package, arrived, busy());
        }
        transfers
    }

    /// The held package.
    pub(super) fn held(&self) -> Option<&Package> {
        self.held.as_ref().map(|(package, _)| package)
    }

    /// Waits for a package.
    pub(super) async fn hold(&mut self, limit: Duration) -> Option<Package> {
        if self.held.is_none() {
            self.serve(limit, &mut Vec::new()).await;
        }
        self.held().cloned()
    }

    async fn serve(&mut self, limit: Duration, transfers: &mut Vec<Ask>) {
        let end = tokio::time::Instant::now() + limit;
        while let Ok(Some(arrived)) = tokio::time::timeout_at(end, self.arrivals.recv()).await {
            let package = package(&arrived);
            if arrived.ask.target.starts_with("/dm/") {
                self.held = Some((package, arrived));
                return;
            }
            transfers.push(arrived.ask.clone());
            let stored = self.repository.get(&arrived.ask.target);
            let reply = match (stored, &arrived.ask.method) {
                (Some((status, text)), _) => answer(*status, MO, text.clone()),
                (None, &Method::GET) => answer(404, "text/plain", String::new()),
                (None, _) => answer(204, "", String::new()),
            };
            self.reply(&package, arrived, reply);
        }
    }

    /// The next request for this target; others get 404.
    async fn arrive(&mut self, limit: Duration, target: &str) -> Option<Arrived> {
        let wait = async {
            while let Some(arrived) = self.arrivals.recv().await {
                if arrived.ask.target == target && arrived.ask.method == Method::GET {
                    return Some(arrived);
                }
                let package = package(&arrived);
                self.reply(&package, arrived, answer(404, "text/plain", String::new()));
            }
            None
        };
        timeout(limit, wait).await.ok().flatten()
    }

    fn reply(&self, package: &Package, arrived: Arrived, answer: Answer) {
        let mut headers = HeaderMap::new();
        for (name, value) in &package.ask.headers {
            if let (Ok(name), Ok(value)) = (
                name.parse::<http::header::HeaderName>(),
                HeaderValue::from_str(value),
            ) {
                headers.append(name, value);
            }
        }
        let first = format!("{} {}", package.ask.method, package.ask.target);
        self.transcript.add(Exchange {
            request: head(first, &headers),
            sent: body(&package.ask.body),
            answer: head(answer.status.to_string(), &answer.headers),
            received: body(&answer.body),
        });
        // A client that went away has no use for it.
        let _gone = arrived.answer.send(answer);
    }
}

fn package(arrived: &Arrived) -> Package {
    Package {
        ask: arrived.ask.clone(),
        leaf: arrived.leaf,
        json: serde_json::from_slice(&arrived.ask.body).unwrap_or_default(),
    }
}

/// 503: come again in a second.
fn busy() -> Answer {
    let mut busy = answer(503, "text/plain", String::new());
    busy.headers
        .insert("retry-after", HeaderValue::from_static("1"));
    busy
}

/// A Package#2 of these commands.
pub(super) fn commands(words: &[&[&str]]) -> Answer {
    answer(200, PACKAGE2, json!({ "CMD": words }).to_string())
}

pub(super) fn answer(status: u16, content_type: &'static str, text: String) -> Answer {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers.insert("content-type", HeaderValue::from_static(content_type));
    }
    Answer {
        status,
        headers,
        body: Bytes::from(text),
    }
}

//! The server that the client meets. It holds the client's last package unanswered until a check has commands for it, so one session serves many checks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use omadm_dm2::media_type::{MO, PACKAGE2};
use omadm_mo::Secret;
use omadm_tls::Fingerprint;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::ClientSetup;
use super::document::{Documents, FIRST, PASSWORD, Party, SECOND, THIRD, USER};
use super::listen::{Arrived, Offers};
use super::package::{Done, Package};
use super::push::Pusher;
use crate::conformance::hook::HookCall;
use crate::conformance::transcript::{Transcript, body};
use crate::conformance::verdict::{Judged, Verdict, expect};
use crate::conformance::wire::{Answer, Ask};

pub(super) const DEV_INFO: &str = "urn:oma:mo:oma-dm-devinfo:1.2";
pub(super) const DM_ACC: &str = "urn:oma:mo:oma-dm-dmacc:1.2";

/// What the stand is made of.
pub(super) struct StandParts {
    pub(super) setup: ClientSetup,
    pub(super) documents: Documents,
    pub(super) trsp: Option<Fingerprint>,
    pub(super) boot: Option<Fingerprint>,
    /// Where the kit is, without a path.
    pub(super) base: String,
    /// Where it is under a certificate that the client does not trust.
    pub(super) untrusted: String,
    /// Where it is at another origin.
    pub(super) elsewhere: String,
    pub(super) offers: Offers,
    pub(super) pusher: Pusher,
    pub(super) arrivals: mpsc::Receiver<Arrived>,
}

/// The server with what it has seen.
pub(super) struct Stand {
    pub(super) setup: ClientSetup,
    pub(super) transcript: Transcript,
    pub(super) base: String,
    pub(super) untrusted: String,
    pub(super) elsewhere: String,
    pub(super) documents: Documents,
    pub(super) trsp: Option<Fingerprint>,
    pub(super) boot: Option<Fingerprint>,
    pub(super) offers: Offers,
    /// The fetch of the bootstrap.
    pub(super) fetched: Option<Package>,
    /// The first Package#1.
    pub(super) first: Option<Package>,
    /// The Package#1 that came after the first got 503.
    pub(super) retried: Option<Package>,
    /// What the data repository holds: status and body.
    pub(super) repository: BTreeMap<String, (u16, String)>,
    /// Where it takes one media type alone, and says so with 415.
    pub(super) particular: BTreeMap<String, &'static str>,
    /// NOTIFICATION-ID of the last Notification.
    pub(super) notifications: u16,
    /// What came of the client's next bootstrap, once it was asked for.
    pub(super) again: Option<super::checks::Again>,
    pub(super) pusher: Pusher,
    /// What came of a pushed bootstrap, once it was pushed.
    pub(super) pushed: Option<super::checks::Pushed>,
    arrivals: mpsc::Receiver<Arrived>,
    held: Option<(Package, Arrived)>,
    /// Whose sessions are served; those of the other accounts are put off.
    party: Party,
    /// The accounts, by path, for which the client comes no more by itself: what it owed them was taken, or waited for.
    settled: BTreeSet<&'static str>,
    /// The longest that it took for a Package#3.
    slowest: Duration,
    met: bool,
}

impl Stand {
    pub(super) fn new(parts: StandParts) -> Self {
        Self {
            setup: parts.setup,
            documents: parts.documents,
            trsp: parts.trsp,
            boot: parts.boot,
            base: parts.base,
            untrusted: parts.untrusted,
            elsewhere: parts.elsewhere,
            offers: parts.offers,
            arrivals: parts.arrivals,
            transcript: Transcript::default(),
            fetched: None,
            first: None,
            retried: None,
            repository: BTreeMap::new(),
            particular: BTreeMap::new(),
            notifications: 0,
            again: None,
            pusher: parts.pusher,
            pushed: None,
            held: None,
            party: FIRST,
            settled: BTreeSet::new(),
            slowest: Duration::ZERO,
            met: false,
        }
    }

    /// How long is waited for what should not come: longer where the client is slow, so that what does come is not missed.
    pub(super) fn silence(&self) -> Duration {
        let slow = (self.slowest * 2).min(self.setup.limit / 8);
        self.setup.silence.max(slow)
    }

    /// Answers what is still held, so that the client does not wait.
    pub(super) fn leave(&mut self) {
        self.reply(commands(&[&["END"]]));
    }

    /// Asks whoever waits to come again.
    pub(super) fn put_off(&mut self) {
        self.reply(busy());
    }

    /// Asks the hook.
    pub(super) async fn ask(&self, call: HookCall) -> Judged {
        let dev_id = self.setup.dev_id.as_str();
        let words = call.words(dev_id).join(" ");
        let Some(hook) = &self.setup.hook else {
            return Err(Verdict::not_tested(format!(
                "needs --hook, to be called with `{words}`"
            )));
        };
        self.transcript.note(format!("hook: {words}"));
        hook.call(call, dev_id).await.map_err(Verdict::inconclusive)
    }

    /// User and password of the third account.
    pub(super) fn login(&self) -> (String, Secret) {
        let own = || (USER.to_owned(), Secret::from(PASSWORD.to_owned()));
        self.setup.http_login.clone().unwrap_or_else(own)
    }

    /// The client has fetched its bootstrap and opened its first session. Done once, whatever the outcome.
    pub(super) async fn meet(&mut self) {
        if std::mem::replace(&mut self.met, true) {
            return;
        }
        let _without_hook = self.ask(HookCall::Bootstrap).await;
        let document = answer(200, MO, self.documents.whole.to_string());
        let fetched = self.give(&[("/bootstrap", document)], "/bootstrap").await;
        self.fetched = fetched;
        if self.fetched.is_none() {
            return;
        }
        self.first = self.hold_at(FIRST.path, self.setup.limit).await;
        // Whether an owed completion is reported again is seen where the kit can get on with a client that does not come back.
        if self.setup.hook.is_some() && self.held.is_some() {
            self.reply(busy());
            let limit = self.setup.limit.min(Duration::from_secs(10));
            self.retried = self.hold_at(FIRST.path, limit).await;
            self.settled.insert(FIRST.path);
        }
    }

    /// Answers fetches by these paths, others with 404, until the one for `last` came.
    pub(super) async fn give(&mut self, known: &[(&str, Answer)], last: &str) -> Option<Package> {
        let end = Instant::now() + self.setup.limit;
        while let Some(arrived) = self.arrive(end).await {
            let package = Package::of(&arrived);
            let target = package.ask.target.clone();
            let answer = known.iter().find(|(path, _)| *path == target);
            let answer = match answer {
                Some((_, answer)) if package.ask.method == Method::GET => answer.clone(),
                _ if target.starts_with("/dm/") => busy(),
                _ => answer_404(),
            };
            self.answer_at_once(&package, arrived, answer);
            if target == last && package.ask.method == Method::GET {
                return Some(package);
            }
        }
        None
    }

    /// Waits for a package at this target, an account's where it is one. Those at others are put off.
    pub(super) async fn hold_at(&mut self, target: &str, limit: Duration) -> Option<Package> {
        let mut parties = [FIRST, SECOND, THIRD].into_iter();
        self.party = parties
            .find(|party| party.path == target)
            .unwrap_or(self.party);
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.held.is_none() {
                self.serve(left, &mut Vec::new()).await;
            }
            let package = self.held().cloned()?;
            if package.ask.target == target {
                return Some(package);
            }
            self.put_off();
        }
    }

    /// A package of the client waits for its answer: the last one, or the first of a new session of the first account.
    pub(super) async fn session(&mut self) -> Result<Package, Verdict> {
        self.meet().await;
        match self.held() {
            Some(package) => Ok(package.clone()),
            None => self.session_of(FIRST).await,
        }
    }

    /// A new session of this account; the one that waits is ended before.
    pub(super) async fn session_of(&mut self, party: Party) -> Result<Package, Verdict> {
        self.meet().await;
        if self.fetched.is_none() {
            let why = "the client did not fetch its bootstrap, so it knows no server";
            return Err(Verdict::inconclusive(why));
        }
        self.leave();
        // A client that is asked for a session while it comes with its completion comes twice, and the second time into another check.
        if self.setup.hook.is_some() && self.settled.insert(party.path) {
            self.hold_at(party.path, self.setup.limit).await;
            self.leave();
        }
        let asked = self.ask(HookCall::Session(party.srv_id.to_owned())).await;
        match self.hold_at(party.path, self.setup.limit).await {
            Some(package) => Ok(package),
            None => Err(asked.err().unwrap_or_else(|| {
                Verdict::inconclusive(format!(
                    "the client opened no session with {}",
                    party.srv_id
                ))
            })),
        }
    }

    /// Sends commands and gives back what became of them. The Package#3 stays unanswered.
    pub(super) async fn run(&mut self, words: &[&[&str]]) -> Result<Done, Verdict> {
        self.run_as(commands(words), words.len()).await
    }

    /// The same with an answer of one's own that holds so many commands.
    pub(super) async fn run_as(&mut self, package2: Answer, count: usize) -> Result<Done, Verdict> {
        self.session().await?;
        let began = Instant::now();
        let transfers = self.send(package2).await;
        let Some((package, _)) = &self.held else {
            return Err(Verdict::failed("a Package#3", "none came in time"));
        };
        let package = package.clone();
        self.slowest = self.slowest.max(began.elapsed());
        let Some(statuses) = package.json["Status"].as_array().cloned() else {
            return Err(Verdict::failed("a Package#3", body(&package.ask.body)));
        };
        expect(statuses.len() == count, format!("{count} statuses"), || {
            format!("{} statuses", statuses.len())
        })?;
        Ok(Done {
            statuses,
            package,
            transfers,
        })
    }

    /// Answers the held package and waits for the next one of the session, serving the repository meanwhile.
    pub(super) async fn send(&mut self, answer: Answer) -> Vec<Ask> {
        let mut transfers = Vec::new();
        if self.held.is_some() {
            self.reply(answer);
            self.serve(self.setup.limit, &mut transfers).await;
        }
        transfers
    }

    /// Answers the held package; gives back what came within the time of silence, the repository served. A package among it is held.
    pub(super) async fn send_last(&mut self, answer: Answer) -> Vec<Ask> {
        let mut transfers = Vec::new();
        if self.held.is_some() {
            self.reply(answer);
            self.serve(self.silence(), &mut transfers).await;
        }
        transfers
    }

    /// Serves the repository for so long; gives back what came. A package is held.
    pub(super) async fn overhear(&mut self, limit: Duration) -> Vec<Ask> {
        let mut transfers = Vec::new();
        if self.held.is_none() {
            self.serve(limit, &mut transfers).await;
        } else {
            tokio::time::sleep(limit).await;
        }
        transfers
    }

    /// Ends the session with this answer and serves the repository until such a request came, or nothing came in time.
    pub(super) async fn overhear_until(
        &mut self,
        last: Answer,
        transfers: &mut Vec<Ask>,
        came: impl Fn(&[Ask]) -> bool,
    ) {
        transfers.extend(self.send_last(last).await);
        let end = Instant::now() + self.setup.limit;
        while Instant::now() < end && !came(transfers) {
            transfers.extend(self.overhear(self.silence()).await);
        }
    }

    /// The held package.
    pub(super) fn held(&self) -> Option<&Package> {
        self.held.as_ref().map(|(package, _)| package)
    }

    /// Answers requests until a package comes that is of no other account; it is held.
    async fn serve(&mut self, limit: Duration, transfers: &mut Vec<Ask>) {
        let end = Instant::now() + limit;
        while let Some(arrived) = self.arrive(end).await {
            let package = Package::of(&arrived);
            let target = arrived.ask.target.as_str();
            let mut others = [FIRST, SECOND, THIRD].into_iter();
            if others.any(|other| other != self.party && target == other.path) {
                self.answer_at_once(&package, arrived, busy());
                continue;
            }
            if target.starts_with("/dm/") {
                self.transcript.add(package.exchange());
                self.held = Some((package, arrived));
                return;
            }
            transfers.push(arrived.ask.clone());
            let reply = self.stored(&arrived.ask);
            self.answer_at_once(&package, arrived, reply);
        }
    }

    /// What the data repository answers.
    fn stored(&self, ask: &Ask) -> Answer {
        if let Some(taken) = self.particular.get(&ask.target)
            && !omadm_dm2::media_type::is_type(ask.header_value("content-type"), taken)
        {
            return answer(415, "", String::new()).with(OMADM_ACCEPT, taken);
        }
        match (self.repository.get(&ask.target), &ask.method) {
            (Some((status, text)), _) => answer(*status, MO, text.clone()),
            (None, &Method::GET) => answer_404(),
            (None, _) => answer(204, "", String::new()),
        }
    }

    async fn arrive(&mut self, end: Instant) -> Option<Arrived> {
        timeout_at(end, self.arrivals.recv()).await.ok().flatten()
    }

    /// Answers the held package.
    fn reply(&mut self, answer: Answer) {
        if let Some((package, arrived)) = self.held.take() {
            let mut parties = [FIRST, SECOND, THIRD].into_iter();
            if (200..300).contains(&answer.status)
                && let Some(party) = parties.find(|party| party.path == package.ask.target)
            {
                self.settled.insert(party.path);
            }
            self.transcript.add(package.answered(&answer));
            // A client that went away has no use for it.
            let _gone = arrived.answer.send(answer);
        }
    }

    fn answer_at_once(&self, package: &Package, arrived: Arrived, answer: Answer) {
        let mut exchange = package.exchange();
        let answered = package.answered(&answer);
        (exchange.answer, exchange.received) = (answered.answer, answered.received);
        self.transcript.add(exchange);
        let _gone = arrived.answer.send(answer);
    }
}

/// `OMADM-Accept` as a header's name is written here.
pub(super) const OMADM_ACCEPT: &str = "omadm-accept";

fn answer_404() -> Answer {
    answer(404, "text/plain", String::new())
}

/// 503: come again in a second.
fn busy() -> Answer {
    answer(503, "text/plain", String::new()).with("retry-after", "1")
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

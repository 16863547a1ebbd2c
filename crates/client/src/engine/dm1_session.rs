//! Sessions with servers of DM 1.x over HTTP (`dm1x.md` §1.9): the machine of `session::client::dm1`, carried out.

use std::sync::Arc;
use std::time::Instant;

use http::Method;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use omadm_bootstrap::{DeviceView as _, ProfileFormat, Utc};
use omadm_dm1::credential::MacHeader;
use omadm_dm1::syncml::{Alert, AlertCode, Data, Encoding, Item, Location, Meta};
use omadm_dm2::AlertData;
use omadm_dm2::package0::ServerId;
use omadm_mo::json::Json;
use omadm_mo::standard::DevDetail;
use omadm_mo::{ClientUri, SrvId, TreeError, TreeLayout};
use omadm_session::client::dm1::{
    Dm1ClientSession, Dm1Effect, Dm1Input, Dm1Limits, Dm1Opening, Dm1Outcome, Dm1Reason,
    Dm1Request, Dm1Response, Dm1SessionEvent, Dm1Set,
};
use omadm_session::client::{Cause, Outcome};

use super::account_target::AccountTarget;
use super::executions::ExecAlerts;
use super::session::read_alert;
use super::{Engine, SessionReport, entropy};
use crate::https::Call;
use crate::observer::ClientEvent;
use crate::store::ExecReport;
use crate::store::OwedNotification;

/// Alerts of one session.
const ALERTS: usize = 64;

impl Engine {
    /// Whether a server is met in DM 1.x: its account came in a document of DM 1.x.
    pub(super) async fn speaks_dm1(&self, server: &SrvId) -> Result<bool, TreeError> {
        let server = server.clone();
        let account = self
            .host
            .run(move |host| host.store.snapshot()?.account(&server))
            .await?;
        Ok(account.is_some_and(|account| account.provenance.format != ProfileFormat::Dm2))
    }

    /// One DM 1.x session with a server, from its first message to its end. What stays owed afterwards gets its next time (§3.2/6, §6.3).
    /// Where the server believes nothing of what the last bootstrap brought, time and again, what the account had before is tried behind it (M25).
    pub(super) async fn dm1_session(&self, server: &SrvId) -> Result<SessionReport, TreeError> {
        let mut report = self.dm1_session_on(server, Dm1Set::Current).await?;
        if !is_exhausted(&report.outcome) {
            return Ok(report);
        }
        let id = server.clone();
        let account = self
            .host
            .run(move |host| host.store.snapshot()?.account(&id));
        let due = account
            .await?
            .is_some_and(|account| account.dm1.shadow_is_due() && account.dm1.shadow.is_some());
        if due {
            let repair = self.dm1_session_on(server, Dm1Set::Former).await?;
            report.still_owed = repair.still_owed;
            report.repair = Some(repair.outcome);
        }
        Ok(report)
    }

    async fn dm1_session_on(
        &self,
        server: &SrvId,
        set: Dm1Set,
    ) -> Result<SessionReport, TreeError> {
        let entropy_octets = entropy().map_err(|error| storage(&error))?;
        let (id, config) = (server.clone(), self.config.clone());
        let live = self.host.live().clone();
        let opened = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            let Some(account) = view.account(&id)? else {
                return Ok(None);
            };
            let Some(target) = AccountTarget::of_dm1(&view, &account, set, &config)? else {
                return Ok(None);
            };
            let version = config.dm1.version;
            let layout = Arc::new(TreeLayout::of(&host.registry).in_version(version));
            let mut queued = host.store.queued_alerts(&id)?;
            queued.truncate(ALERTS);
            let mut results = ExecAlerts::at(host, &id, None)?;
            results.keep(ALERTS - queued.len());
            let waiting = queued.iter().map(|alert| (alert.json.as_str(), None));
            let alerts: Vec<_> = waiting
                .chain(results.correlated())
                .filter_map(|(text, correlator)| Some((read_alert(text, &config)?, correlator)))
                .map(|(alert, correlator)| generic(&alert, correlator, &layout))
                .collect();
            let notified = host
                .store
                .owed_notification(&ServerId::Account(id.clone()))?;
            let session = notified.as_ref().and_then(|one| one.notification_id);
            let opening = Dm1Opening {
                server: id,
                reason: session.map_or(Dm1Reason::Client, |session| Dm1Reason::Triggered {
                    session,
                }),
                set,
                encoding: config.dm1.encoding,
                dev_info: config.dm1_dev_info(),
                dev_detail: DevDetail::of(&config.dev_info),
                alerts,
                event_type: None,
                user: config.ask_user.is_some(),
                live,
                limits: Dm1Limits::default(),
                entropy: entropy_octets,
            };
            let waiting = Waiting {
                alerts: opening.alerts.len(),
                answered: 0,
                last: queued.last().map(|alert| alert.number),
                results,
                notified,
            };
            let session = Dm1ClientSession::start(opening, layout, &view);
            Ok(Some((
                session,
                target,
                account.provenance.event_id,
                waiting,
            )))
        });
        let Some((mut session, target, event_id, mut waiting)) = opened.await? else {
            self.forget_notification(server).await?;
            self.forget_executions(server).await?;
            return Ok(report(server, Outcome::NoAccount, false));
        };
        let limit = self.config.session_timeout;
        let end = Instant::now() + limit;
        let mut retry_after = None;
        let mut removals = self.card_removals();
        let outcome = loop {
            let Some(effect) = session.poll_effect() else {
                break Dm1Outcome::Cancelled;
            };
            let input = match effect {
                Dm1Effect::Finish(outcome) => break outcome,
                Dm1Effect::Report(event) => {
                    waiting.answered +=
                        usize::from(matches!(event, Dm1SessionEvent::AlertAnswered { .. }));
                    self.tell(&ClientEvent::Dm1Session(event));
                    continue;
                }
                Dm1Effect::Send(_) if Instant::now() >= end => {
                    Dm1Input::SendFailed(Cause::SessionTooLong(limit))
                }
                Dm1Effect::Send(request) => {
                    let posted = self.post(&target, request);
                    self.unless_removed(server, &mut removals, posted, Dm1Input::Cancel)
                        .await
                }
                Dm1Effect::ReadLive(id, roots) => {
                    Dm1Input::ReadLiveDone(id, self.host.read_live(roots).await)
                }
                Dm1Effect::Apply(id, plan) => Dm1Input::ApplyDone(id, self.host.apply(plan).await),
                Dm1Effect::Exec(id, at, correlator) => {
                    let wanted = ExecReport {
                        to: None,
                        correlator,
                    };
                    Dm1Input::ExecDone(id, self.host.exec(server, at, wanted).await)
                }
                Dm1Effect::AskUser(id, alert) => {
                    let asked =
                        async { Dm1Input::UserAnswered(id, self.ask_user(server, alert).await) };
                    self.unless_removed(server, &mut removals, asked, Dm1Input::Cancel)
                        .await
                }
            };
            if let Dm1Input::Response(response) = &input {
                retry_after = response.retry_after;
            }
            let now = self.now();
            session = self
                .host
                .run(move |host| {
                    session.handle_input(now, &host.store.snapshot()?, input);
                    Ok(session)
                })
                .await?;
        };
        let outcome = told(outcome);
        self.note_address(server, &outcome).await?;
        if let Some(notified) = waiting.notified.take() {
            let id = ServerId::Account(server.clone());
            if outcome == Outcome::Ended {
                self.settle_notification(id, notified.number, None).await?;
            } else {
                self.notification_failed(id, notified, retry_after).await?;
            }
        }
        self.settle_alerts(server, waiting, &outcome).await?;
        let [jitter] = entropy().unwrap_or([128]);
        let (id, now) = (server.clone(), self.now());
        let owed = self.host.run(move |host| match set {
            Dm1Set::Current => {
                host.store
                    .completion_failed(&id, &event_id, now, jitter, retry_after)
            }
            // Its wait was counted when the set of the account failed.
            Dm1Set::Former => {
                let account = host.store.snapshot()?.account(&id)?;
                Ok(account.and_then(|account| account.owed))
            }
        });
        let owed = owed.await?;
        if let Some(next) = owed.as_ref().and_then(|owed| owed.not_before) {
            self.tell(&ClientEvent::RetryIn {
                server: server.clone(),
                millis: Utc::millis_since(next, now),
            });
        }
        Ok(report(server, outcome, owed.is_some()))
    }

    /// Alerts that were all answered need not be sent again; of fewer nobody knows which, and all are sent once more.
    async fn settle_alerts(
        &self,
        server: &SrvId,
        waiting: Waiting,
        outcome: &Outcome,
    ) -> Result<(), TreeError> {
        if waiting.answered < waiting.alerts {
            return self.note_exec_alerts(waiting.results, outcome).await;
        }
        let (id, numbers) = (server.clone(), waiting.results.numbers());
        let dropped = self.host.run(move |host| {
            if let Some(last) = waiting.last {
                host.store.drop_alerts(&id, last)?;
            }
            host.store.drop_executions(&numbers)
        });
        dropped.await
    }

    async fn post(&self, account: &AccountTarget, request: Dm1Request) -> Dm1Input {
        let origin = request.to.origin();
        let mut more = HeaderMap::new();
        more.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let name = HeaderName::from_static(MacHeader::NAME);
        if let Some(mac) = request.mac {
            match HeaderValue::from_str(&mac) {
                Ok(value) => more.insert(&name, value),
                Err(error) => {
                    return Dm1Input::SendFailed(Cause::Tree(storage(&error)));
                }
            };
        }
        let accept = [Encoding::Wbxml, Encoding::Xml].map(Encoding::media_type);
        let call = Call {
            method: Method::POST,
            url: request.to,
            content_type: Some(request.content_type),
            accept: accept.join(", "),
            dev_id: None,
            cookie: None,
            login: None,
            body: request.body,
        };
        let target = account.session(origin);
        match self.https.call_with(&target, &call, &more).await {
            Ok((response, headers)) => {
                let mac = headers.get(&name).and_then(|value| value.to_str().ok());
                Dm1Input::Response(Dm1Response {
                    status: response.status,
                    content_type: response.content_type,
                    retry_after: response.retry_after,
                    mac: mac.map(str::to_owned),
                    body: response.body,
                })
            }
            Err(cause) => Dm1Input::SendFailed(cause),
        }
    }
}

/// The alerts that a session took along.
struct Waiting {
    alerts: usize,
    answered: usize,
    /// Number of the last one of the queue.
    last: Option<u64>,
    results: ExecAlerts,
    /// The Package 0 that it answers.
    notified: Option<OwedNotification>,
}

fn report(server: &SrvId, outcome: Outcome, still_owed: bool) -> SessionReport {
    SessionReport {
        server: server.clone(),
        outcome,
        still_owed,
        repair: None,
    }
}

/// M20: one of both did not believe the other, after every attempt.
fn is_exhausted(outcome: &Outcome) -> bool {
    let Outcome::Dm1(outcome) = outcome else {
        return false;
    };
    matches!(
        **outcome,
        Dm1Outcome::NotBelieved | Dm1Outcome::ServerNotProven
    )
}

/// The outcome in the words of both generations.
fn told(outcome: Dm1Outcome) -> Outcome {
    match outcome {
        Dm1Outcome::Ended {
            server_proven: true,
        } => Outcome::Ended,
        Dm1Outcome::Lost(cause) => Outcome::Lost(cause),
        Dm1Outcome::Cancelled => Outcome::Cancelled,
        Dm1Outcome::NoAccount => Outcome::NoAccount,
        other => Outcome::Dm1(Box::new(other)),
    }
}

/// A generic alert as DM 1.x has it (§1.4). Data that DM 2.0 wraps for what DM 1.x says as it is, like the result code of an execution, is unwrapped.
fn generic(alert: &omadm_dm2::Alert, correlator: Option<&str>, layout: &TreeLayout) -> Alert {
    let at = alert.source.as_deref().and_then(|source| {
        let uri = ClientUri::parse(source).ok()?;
        layout.loc_uri(&uri.exact()?)
    });
    let data = alert.data.as_ref().map(|data| {
        match data.member(AlertData::DM1X).unwrap_or(data.as_json()) {
            Json::Text(text) => text.to_string(),
            other => other.to_compact(),
        }
    });
    let item = Item {
        source: at.map(|uri| Location::new(uri.to_string())),
        meta: Meta {
            r#type: Some(alert.alert_type.as_str().to_owned()),
            format: Some("chr".into()),
            mark: alert.mark.as_ref().map(|mark| mark.as_str().to_owned()),
            ..Meta::default()
        },
        data: Some(Data::Text(data.unwrap_or_default())),
        ..Item::default()
    };
    Alert {
        cmd_id: None,
        code: Some(AlertCode::GENERIC_ALERT),
        correlator: correlator.map(str::to_owned),
        items: vec![item],
    }
}

fn storage(error: &dyn std::error::Error) -> TreeError {
    TreeError::Storage(error.to_string().into())
}

use std::time::Instant;

use http::Method;
use omadm_bootstrap::{DeviceView as _, SessionSet};
use omadm_dm2::Alert;
use omadm_dm2::package0::ServerId;
use omadm_mo::json::Json;
use omadm_mo::{ServerUri, SrvId, TreeError, TreeVersion};
use omadm_session::client::{
    Cause, ClientSession, Effect, Input, Opening, Outcome, Request, SessionEvent, SessionReason,
    UploadMethod,
};

use super::account_target::AccountTarget;
use super::alert_room::fitting;
use super::executions::ExecAlerts;
use super::{Engine, entropy};
use crate::https::Call;
use crate::observer::ClientEvent;
use crate::store::{ExecReport, OwedNotification};

/// How a session went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionReport {
    /// The server.
    pub server: SrvId,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether a completion is still owed to that server.
    pub still_owed: bool,
    /// How the session with the account's former credentials ended that followed a refusal of the new ones; none where there was none (D82).
    pub repair: Option<Outcome>,
}

/// What a session is opened for.
#[derive(PartialEq)]
enum Occasion {
    /// Whatever waits for the server, at its `SrvURI`.
    Usual,
    /// The results of executions that are due at this address, and nothing else that waits.
    Results(ServerUri),
    /// With a former session set it is there to be repaired, and nothing that waits for the server goes along (D82).
    Repair(SessionSet),
}

impl Engine {
    /// The servers that are owed a BootstrapComplete, in the order of their accounts.
    pub(crate) async fn owed(&self) -> Result<Vec<SrvId>, TreeError> {
        let accounts = self
            .host
            .run(|host| host.store.snapshot()?.accounts())
            .await?;
        Ok(accounts
            .into_iter()
            .filter(|account| account.owed.is_some())
            .map(|account| account.srv_id)
            .collect())
    }

    /// One DM session with a server, from Package#1 to its end; it answers the Notification that waits for one (D04, D86). What stays owed
    /// afterwards gets its next time (D60).
    pub(crate) async fn session(&self, server: &SrvId) -> Result<SessionReport, TreeError> {
        self.session_at(server, None).await
    }

    /// The same at another address than `SrvURI`: an asynchronous EXEC's ServerURI, which gets the results that are due there; no other alert, and
    /// no answer to a Notification.
    pub(super) async fn session_at(
        &self,
        server: &SrvId,
        to: Option<ServerUri>,
    ) -> Result<SessionReport, TreeError> {
        let _alone = self.in_session.lock().await;
        if to.is_none() && self.speaks_dm1(server).await? {
            return self.dm1_session(server).await;
        }
        let elsewhere = to.is_some();
        let occasion = to.map_or(Occasion::Usual, Occasion::Results);
        let (mut report, shadow) = self.session_on(server, occasion).await?;
        let refused = !elsewhere && is_refused_for_good(&report.outcome);
        if let Some(since) = shadow.filter(|_| refused) {
            let id = server.clone();
            let due = self
                .host
                .run(move |host| host.store.session_refused(&id, since));
            if let Some(shadow) = due.await? {
                let occasion = Occasion::Repair(shadow.set);
                let (repair, _) = self.session_on(server, occasion).await?;
                report.repair = Some(repair.outcome);
            }
        }
        Ok(report)
    }

    /// The session itself, and since when a shadow of the account is kept.
    async fn session_on(
        &self,
        server: &SrvId,
        occasion: Occasion,
    ) -> Result<(SessionReport, Option<TreeVersion>), TreeError> {
        let repairs = matches!(occasion, Occasion::Repair(_));
        let room = self.alert_room.of(server);
        let (id, config, live) = (
            server.clone(),
            self.config.clone(),
            self.host.live().clone(),
        );
        let opened = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            let Some(account) = view.account(&id)?.filter(|one| !one.is_dm1()) else {
                return Ok(None);
            };
            let former = match &occasion {
                Occasion::Repair(former) => Some(former),
                Occasion::Usual | Occasion::Results(_) => None,
            };
            let Some(target) = AccountTarget::of(&view, &account, former, &config)? else {
                return Ok(None);
            };
            let shadow = view.shadow(&id)?.map(|shadow| shadow.since);
            let usual = occasion == Occasion::Usual;
            let mut queued = if usual {
                host.store.queued_alerts(&id)?
            } else {
                Vec::new()
            };
            let mut results = match &occasion {
                Occasion::Usual => ExecAlerts::at(host, &id, None)?,
                Occasion::Results(to) => ExecAlerts::at(host, &id, Some(to))?,
                Occasion::Repair(_) => ExecAlerts::default(),
            };
            // What does not fit waits for the next session.
            let waiting = queued.iter().map(|alert| alert.json.as_str());
            let fitting = fitting(waiting.chain(results.json()), room);
            queued.truncate(fitting);
            results.keep(fitting - queued.len());
            let waiting = queued.iter().map(|alert| alert.json.as_str());
            let octets = waiting.clone().map(str::len).sum::<usize>();
            let alerts = waiting
                .chain(results.json())
                .filter_map(|alert| read_alert(alert, &config))
                .collect();
            let notified = if usual {
                host.store
                    .owed_notification(&ServerId::Account(id.clone()))?
            } else {
                None
            };
            let (to, reason) = match occasion {
                Occasion::Usual => (None, SessionReason::Client),
                Occasion::Results(to) => (Some(to), SessionReason::Client),
                Occasion::Repair(former) => (Some(former.srv_uri), SessionReason::Repair),
            };
            let opening = Opening {
                reason: notified.as_ref().map_or(reason, OwedNotification::reason),
                to,
                server: id,
                alerts,
                report_type: config.report_type,
                browser: config.browser.is_some(),
                live,
                limits: config.limits,
            };
            let session = ClientSession::start(opening, host.registry.clone(), &view);
            Ok(Some((
                session,
                target,
                account.provenance.event_id,
                queued
                    .last()
                    .map(|alert| (alert.number, queued.len(), octets)),
                notified,
                shadow,
                results,
            )))
        });
        let Some((mut session, target, event_id, last_alert, mut notified, shadow, results)) =
            opened.await?
        else {
            self.forget_notification(server).await?;
            self.forget_executions(server).await?;
            let report = SessionReport {
                server: server.clone(),
                outcome: Outcome::NoAccount,
                still_owed: false,
                repair: None,
            };
            return Ok((report, None));
        };
        let limit = self.config.session_timeout;
        let end = Instant::now() + limit;
        let (mut retry_after, mut delivered) = (None, false);
        let mut removals = self.card_removals();
        let outcome = loop {
            let Some(effect) = session.poll_effect() else {
                break Outcome::Cancelled;
            };
            let input = match effect {
                Effect::Finish(outcome) => break outcome,
                effect if is_remote(&effect) && Instant::now() >= end => {
                    Input::SendFailed(Cause::SessionTooLong(limit))
                }
                Effect::Report(event) => {
                    if matches!(event, SessionEvent::AlertsDelivered { .. }) {
                        delivered = true;
                        if let Some(notified) = notified.take() {
                            let id = ServerId::Account(server.clone());
                            self.settle_notification(id, notified.number, None).await?;
                        }
                        let (id, numbers) = (server.clone(), results.numbers());
                        self.host
                            .run(move |host| {
                                if let Some((last, ..)) = last_alert {
                                    host.store.drop_alerts(&id, last)?;
                                }
                                host.store.drop_executions(&numbers)
                            })
                            .await?;
                    }
                    self.tell(&ClientEvent::Session(event));
                    continue;
                }
                Effect::Show(id, uri) => Input::ShowDone(id, self.show(&target, uri).await),
                Effect::Permit(id, to) => {
                    let place = target.repository(to.origin());
                    Input::PermitDone(id, self.https.permits(&place).await)
                }
                Effect::Send(request) => {
                    let sent = self.send(&target, request);
                    self.unless_removed(server, &mut removals, sent, Input::Cancel)
                        .await
                }
                Effect::Fetch(id, from) => {
                    let fetched = async { Input::FetchDone(id, self.get(&target, from).await) };
                    self.unless_removed(server, &mut removals, fetched, Input::Cancel)
                        .await
                }
                Effect::Upload(id, method, to, media_type, body) => {
                    let method = match method {
                        UploadMethod::Put => Method::PUT,
                        UploadMethod::Post => Method::POST,
                    };
                    let sent = self.upload(&self.https, &target, method, to, media_type, body);
                    let sent = async { Input::UploadDone(id, sent.await.map(|_| ())) };
                    self.unless_removed(server, &mut removals, sent, Input::Cancel)
                        .await
                }
                Effect::ReadLive(id, roots) => {
                    Input::ReadLiveDone(id, self.host.read_live(roots).await)
                }
                Effect::Apply(id, plan) => Input::ApplyDone(id, self.host.apply(plan).await),
                Effect::Exec(id, at, to) => {
                    let wanted = ExecReport {
                        to,
                        correlator: None,
                    };
                    Input::ExecDone(id, self.host.exec(server, at, wanted).await)
                }
            };
            if let Input::Response(response) = &input {
                retry_after = response.retry_after;
            }
            session = self
                .host
                .run(move |host| {
                    session.handle_input(&host.store.snapshot()?, input);
                    Ok(session)
                })
                .await?;
        };
        self.note_address(server, &outcome).await?;
        if let Some(notified) = notified {
            let id = ServerId::Account(server.clone());
            self.notification_failed(id, notified, retry_after).await?;
        }
        if !delivered {
            self.note_alerts_too_large(server, last_alert, &outcome)
                .await?;
            self.note_exec_alerts(results, &outcome).await?;
        }
        if repairs {
            let report = SessionReport {
                server: server.clone(),
                outcome,
                still_owed: false,
                repair: None,
            };
            return Ok((report, None));
        }
        let [jitter] = entropy().unwrap_or([128]);
        let (id, now) = (server.clone(), self.now());
        let owed = self
            .host
            .run(move |host| {
                host.store
                    .completion_failed(&id, &event_id, now, jitter, retry_after)
            })
            .await?;
        if let Some(next) = owed.as_ref().and_then(|owed| owed.not_before) {
            self.tell(&ClientEvent::RetryIn {
                server: server.clone(),
                millis: next.millis_since(now),
            });
        }
        let report = SessionReport {
            server: server.clone(),
            outcome,
            still_owed: owed.is_some(),
            repair: None,
        };
        Ok((report, shadow))
    }

    /// Keeps, for whoever asks why, which rule of policy kept the last session from its server.
    pub(super) async fn note_address(
        &self,
        server: &SrvId,
        outcome: &Outcome,
    ) -> Result<(), TreeError> {
        let rule = match outcome {
            Outcome::Lost(Cause::Forbidden(rule)) => Some(rule.name().as_bytes()),
            _ => None,
        };
        let name = forbidden_fact(server);
        self.host
            .run(move |host| {
                if host.store.fact(&name)?.as_deref() == rule {
                    return Ok(());
                }
                host.store.set_fact(&name, rule)
            })
            .await
    }

    async fn send(&self, account: &AccountTarget, request: Request) -> Input {
        let origin = request.to.origin();
        let call = Call {
            method: Method::POST,
            url: request.to,
            content_type: Some(request.content_type),
            accept: request.accept.to_owned(),
            dev_id: Some(self.config.dev_id.clone()),
            cookie: request.cookie,
            login: account.login.clone().filter(|_| origin == account.home),
            body: request.body,
        };
        match self.https.call(&account.session(origin), &call).await {
            Ok(response) => Input::Response(response),
            Err(cause) => Input::SendFailed(cause),
        }
    }

    /// SHOW: the browser is started where policy lets it go; how its UI session goes on is its own matter.
    async fn show(&self, account: &AccountTarget, uri: ServerUri) -> Result<(), Cause> {
        let Some(browser) = self.config.browser.clone() else {
            return Err(Cause::Browser("there is none".to_owned()));
        };
        self.https
            .permits(&account.repository(uri.origin()))
            .await?;
        let started = tokio::task::spawn_blocking(move || browser(&uri)).await;
        match started {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Cause::Browser(error.to_string())),
            Err(error) => Err(Cause::Browser(error.to_string())),
        }
    }
}

/// Where the rule lies that kept the last session with a server from its address.
pub(crate) fn forbidden_fact(server: &SrvId) -> String {
    format!("forbidden-address.{}", server.as_str())
}

/// Whether somebody on the network is waited for, who may take as long as a timeout allows.
const fn is_remote(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Send(_)
            | Effect::Fetch(..)
            | Effect::Upload(..)
            | Effect::Show(..)
            | Effect::Permit(..)
    )
}

/// D82: the credentials or the address themselves were refused, not merely out of reach.
const fn is_refused_for_good(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Lost(Cause::ServerNotTrusted(_) | Cause::HandshakeRefused(_)) => true,
        Outcome::Refused {
            status,
            retry_after,
            after_first_answer: false,
            ..
        } => matches!((*status, retry_after), (401, _) | (403, None)),
        _ => false,
    }
}

/// A queued alert as it was stored; one that cannot be read any more is passed over, and dropped with the others.
pub(super) fn read_alert(text: &str, config: &super::EngineConfig) -> Option<Alert> {
    let json = Json::read(text.as_bytes(), config.limits).ok()?;
    match Alert::read(&json, "$") {
        Ok(alert) => Some(alert),
        Err(error) => {
            tracing::warn!(%error, "a queued alert cannot be read");
            None
        }
    }
}

use http::Method;
use omadm_bootstrap::{DeviceView as _, SessionSet};
use omadm_dm2::package0::ServerId;
use omadm_dm2::{Alert, media_type};
use omadm_mo::json::Json;
use omadm_mo::{NodeAddress, ServerUri, SrvId, TreeError, TreeVersion};
use omadm_session::client::{
    Cause, ClientSession, Effect, Fetched, Input, Opening, Outcome, Request, SessionEvent,
    SessionReason, UploadMethod,
};

use super::account_target::AccountTarget;
use super::{Engine, entropy};
use crate::https::{Call, accept_mo};
use crate::observer::ClientEvent;
use crate::store::OwedNotification;

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
        let _alone = self.in_session.lock().await;
        let (mut report, shadow) = self.session_with(server, None).await?;
        if let Some(since) = shadow.filter(|_| is_refused_for_good(&report.outcome)) {
            let id = server.clone();
            let due = self
                .host
                .run(move |host| host.store.session_refused(&id, since));
            if let Some(shadow) = due.await? {
                let (repair, _) = self.session_with(server, Some(shadow.set)).await?;
                report.repair = Some(repair.outcome);
            }
        }
        Ok(report)
    }

    /// The session itself, and since when a shadow of the account is kept. With a former session set it is there to be repaired, and nothing that waits
    /// for the server goes along (D82).
    async fn session_with(
        &self,
        server: &SrvId,
        former: Option<SessionSet>,
    ) -> Result<(SessionReport, Option<TreeVersion>), TreeError> {
        let repairs = former.is_some();
        let (id, config, live) = (
            server.clone(),
            self.config.clone(),
            self.host.live().clone(),
        );
        let opened = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            let Some(account) = view.account(&id)? else {
                return Ok(None);
            };
            let Some(target) = AccountTarget::of(&view, &account, former.as_ref(), &config)? else {
                return Ok(None);
            };
            let shadow = view.shadow(&id)?.map(|shadow| shadow.since);
            let queued = match &former {
                Some(_) => Vec::new(),
                None => host.store.queued_alerts(&id)?,
            };
            let alerts = queued
                .iter()
                .filter_map(|alert| read_alert(&alert.json, &config))
                .collect();
            let notified = match &former {
                Some(_) => None,
                None => host
                    .store
                    .owed_notification(&ServerId::Account(id.clone()))?,
            };
            let usual = if former.is_some() {
                SessionReason::Repair
            } else {
                SessionReason::Client
            };
            let opening = Opening {
                reason: notified.as_ref().map_or(usual, OwedNotification::reason),
                to: former.map(|former| former.srv_uri),
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
                queued.last().map(|alert| alert.number),
                notified,
                shadow,
            )))
        });
        let Some((mut session, target, event_id, last_alert, mut notified, shadow)) =
            opened.await?
        else {
            self.forget_notification(server).await?;
            let report = SessionReport {
                server: server.clone(),
                outcome: Outcome::NoAccount,
                still_owed: false,
                repair: None,
            };
            return Ok((report, None));
        };
        let mut retry_after = None;
        let outcome = loop {
            let Some(effect) = session.poll_effect() else {
                break Outcome::Cancelled;
            };
            let input = match effect {
                Effect::Finish(outcome) => break outcome,
                Effect::Report(event) => {
                    let delivered = matches!(event, SessionEvent::AlertsDelivered { .. });
                    if let Some(notified) = notified.take_if(|_| delivered) {
                        let id = ServerId::Account(server.clone());
                        self.settle_notification(id, notified.number, None).await?;
                    }
                    if let (true, Some(last)) = (delivered, last_alert) {
                        let id = server.clone();
                        self.host
                            .run(move |host| host.store.drop_alerts(&id, last))
                            .await?;
                    }
                    self.tell(&ClientEvent::Session(event));
                    continue;
                }
                Effect::Show(uri) => {
                    if let Some(browser) = &self.config.browser {
                        browser(&uri);
                    }
                    continue;
                }
                Effect::Send(request) => self.send(&target, request).await,
                Effect::Fetch(id, from) => Input::FetchDone(id, self.get(&target, from).await),
                Effect::Upload(id, method, to, body) => {
                    Input::UploadDone(id, self.upload(&target, method, to, body).await)
                }
                Effect::ReadLive(id, roots) => {
                    let read = self.host.run(move |host| Ok(host.read_live(&roots))).await;
                    Input::ReadLiveDone(id, read.map_err(Cause::from).and_then(|read| read))
                }
                Effect::Apply(id, plan) => Input::ApplyDone(id, self.host.apply(plan).await),
                Effect::Exec(id, at) => Input::ExecDone(id, self.exec(at).await),
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
        if let Some(notified) = notified {
            let id = ServerId::Account(server.clone());
            self.notification_failed(id, notified, retry_after).await?;
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

    async fn send(&self, account: &AccountTarget, request: Request) -> Input {
        let origin = request.to.origin();
        let call = Call {
            method: Method::POST,
            url: request.to,
            content_type: Some(request.content_type),
            accept: request.accept.to_owned(),
            dev_id: Some(self.config.dev_id.clone()),
            cookie: request.cookie,
            basic: account.basic.clone().filter(|_| origin == account.home),
            body: request.body,
        };
        match self.https.call(&account.session(origin), &call).await {
            Ok(response) => Input::Response(response),
            Err(cause) => Input::SendFailed(cause),
        }
    }

    async fn get(&self, account: &AccountTarget, from: ServerUri) -> Result<Fetched, Cause> {
        let call = self.repository_call(account, Method::GET, from, None, Vec::new());
        let response = self
            .https
            .call(&account.repository(call.url.origin()), &call)
            .await?;
        match response.status {
            200..300 => Ok(Fetched {
                content_type: response.content_type,
                body: response.body,
            }),
            status => Err(Cause::Status(status)),
        }
    }

    async fn upload(
        &self,
        account: &AccountTarget,
        method: UploadMethod,
        to: ServerUri,
        body: Vec<u8>,
    ) -> Result<(), Cause> {
        let method = if method == UploadMethod::Put {
            Method::PUT
        } else {
            Method::POST
        };
        let call = self.repository_call(account, method, to, Some(media_type::MO), body);
        let response = self
            .https
            .call(&account.repository(call.url.origin()), &call)
            .await?;
        if (200..300).contains(&response.status) {
            Ok(())
        } else {
            Err(Cause::Status(response.status))
        }
    }

    /// D05: the DevID goes to the host of `SrvURI` alone.
    pub(super) fn repository_call(
        &self,
        account: &AccountTarget,
        method: Method,
        url: ServerUri,
        content_type: Option<&'static str>,
        body: Vec<u8>,
    ) -> Call {
        let at_home = url.origin() == account.home;
        let dev_id = (url.host() == account.home.host).then(|| self.config.dev_id.clone());
        let basic = account.basic.clone().filter(|_| at_home);
        Call {
            method,
            url,
            content_type,
            accept: format!("{}, */*;q=0.1", accept_mo()),
            dev_id,
            cookie: None,
            basic,
            body,
        }
    }

    async fn exec(&self, at: NodeAddress) -> Result<omadm_mo::ExecOutcome, Cause> {
        let done = self.host.run(move |host| Ok(host.exec(&at))).await;
        done.map_err(Cause::from)?
    }
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
fn read_alert(text: &str, config: &super::EngineConfig) -> Option<Alert> {
    let json = Json::read(text.as_bytes(), config.limits).ok()?;
    match Alert::read(&json, "$") {
        Ok(alert) => Some(alert),
        Err(error) => {
            tracing::warn!(%error, "a queued alert cannot be read");
            None
        }
    }
}

use std::sync::Arc;
use std::time::Instant;

use omadm_client::{ClientEvent, ClientObserver, Exchange};
use omadm_server::model::{EventKind, StoredEvent};
use omadm_session::client::SessionEvent;
use omadm_session::client::dm1::Dm1SessionEvent;

/// Whose line it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// The DM Client.
    Client,
    /// The DM Server's durable record.
    Server,
    /// Whoever operates the server and handles the device.
    Operator,
    /// The demo itself: the heading of what follows.
    Step,
    /// An HTTP exchange between them, with `--trace`.
    Wire,
}

/// One line of the timeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Milliseconds since the start of the demo.
    pub at_ms: u128,
    /// Whose.
    pub who: Who,
    /// What happened, in the words of the standard. May run over several lines for an exchange.
    pub what: String,
}

/// Collects what both ends tell and hands it on as it happens.
#[derive(Clone)]
pub struct Timeline {
    start: Instant,
    trace: bool,
    out: Arc<dyn Fn(Line) + Send + Sync>,
}

impl Timeline {
    pub(super) fn new(trace: bool, out: Arc<dyn Fn(Line) + Send + Sync>) -> Self {
        Self {
            start: Instant::now(),
            trace,
            out,
        }
    }

    pub(super) fn say(&self, who: Who, what: impl Into<String>) {
        (self.out)(Line {
            at_ms: self.start.elapsed().as_millis(),
            who,
            what: what.into(),
        });
    }

    pub(super) fn server_event(&self, event: &StoredEvent) {
        self.say(Who::Server, server_words(&event.event.kind));
    }
}

impl ClientObserver for Timeline {
    fn event(&self, event: &ClientEvent) {
        self.say(Who::Client, client_words(event));
    }

    fn wants_exchanges(&self) -> bool {
        self.trace
    }

    fn exchange(&self, exchange: &Exchange) {
        let mut text = format!(
            "exchange {} on connection {}: {} {} -> {}",
            exchange.number, exchange.connection, exchange.method, exchange.url, exchange.status
        );
        for (arrow, body) in [(">", &exchange.request), ("<", &exchange.response)] {
            for line in body.iter().flat_map(|body| body.lines()) {
                text.push_str(&format!("\n{arrow} {line}"));
            }
        }
        self.say(Who::Wire, text);
    }
}

fn client_words(event: &ClientEvent) -> String {
    match event {
        ClientEvent::Fetching { url } => {
            format!("asks for its DM Bootstrap: GET {url} (client-initiated)")
        }
        ClientEvent::NothingThere { url, .. } => format!("{url} has no DM Bootstrap for it now"),
        ClientEvent::Held { detail, .. } => format!("is held until an operator decides: {detail}"),
        ClientEvent::Delivered { method, octets } => {
            format!("receives a DM Bootstrap: {octets} octets, {method}")
        }
        ClientEvent::Skipped(item) => format!("skips {}: {}", item.uri, item.reason.sentence()),
        ClientEvent::Refused(refusal) => format!(
            "refuses the DM Bootstrap: {refusal} {}",
            refusal.cause.action()
        ),
        ClientEvent::Applied { servers } => {
            let servers: Vec<_> = servers.iter().map(omadm_mo::SrvId::as_str).collect();
            format!(
                "installs it in one transaction; BootstrapComplete is owed to {}",
                servers.join(", ")
            )
        }
        ClientEvent::CardsChecked(decision) => {
            format!("looks at its cards: {}", decision.to_string().trim_end())
        }
        ClientEvent::AlreadyApplied => {
            "has applied this DM Bootstrap before; its completion is still owed".to_owned()
        }
        ClientEvent::PushAwaitsConsent { source } => {
            format!("keeps the DM Bootstrap that {source} pushed, and asks for consent")
        }
        ClientEvent::WapPush(event) => event.to_string(),
        ClientEvent::PushTurnedAway { from, refusal, .. } => {
            format!("turns {from} away, who wanted to push a DM Bootstrap: {refusal}")
        }
        ClientEvent::FetchAgainIn { url, millis } => {
            format!("asks {url} again in {} s", millis / 1000)
        }
        ClientEvent::RetryIn { server, millis } => {
            format!("tries {server} again in {} s", millis / 1000)
        }
        ClientEvent::ChangeReported { client, to, .. } => {
            format!("reports a change below {client} to {to}")
        }
        ClientEvent::ReportFailed {
            client,
            cause,
            dropped,
            ..
        } => {
            let then = if *dropped { "drops it" } else { "tries again" };
            format!("could not report a change below {client}: {cause}; {then}")
        }
        ClientEvent::Session(event) => session_words(event),
        ClientEvent::Dm1Session(event) => dm1_words(event),
        ClientEvent::NotificationAccepted {
            carrier,
            notification,
        } => {
            format!(
                "accepts a DM Notification of {} by {carrier}",
                notification.server
            )
        }
        ClientEvent::Triggered { carrier, trigger } => {
            format!(
                "accepts a Package 0 of {} by {carrier}, for session {:X}",
                trigger.server, trigger.session
            )
        }
        ClientEvent::NotificationIgnored { carrier, cause, .. } => {
            format!("ignores a DM Notification by {carrier}: {cause}")
        }
        ClientEvent::NotificationGivenUp { server, .. } => {
            format!("gives up what a DM Notification of {server} asked for")
        }
    }
}

fn session_words(event: &SessionEvent) -> String {
    match event {
        SessionEvent::Started {
            server,
            bootstrap_complete: true,
        } => {
            format!(
                "opens a DM session with {server}: Package#1 with urn:oma:at:dm:2.0:BootstrapComplete"
            )
        }
        SessionEvent::Started { server, .. } => {
            format!("opens a DM session with {server}: Package#1")
        }
        SessionEvent::CompletionAcknowledged { server } => {
            format!("BootstrapComplete acknowledged by {server} (2xx); the owed flag is cleared")
        }
        SessionEvent::AlertsDelivered { count: 0 } => {
            "Package#1 was answered with Package#2".to_owned()
        }
        SessionEvent::AlertsDelivered { count } => {
            format!("{count} queued alerts delivered; Package#2 received")
        }
        SessionEvent::Command { text, status, .. } => {
            format!(
                "executes {text}: status {} {}",
                status.get(),
                status.explain().name
            )
        }
        SessionEvent::Ended(outcome) => format!("DM session over: {outcome}"),
    }
}

fn dm1_words(event: &Dm1SessionEvent) -> String {
    match event {
        Dm1SessionEvent::Started {
            server,
            event: true,
        } => format!("opens a DM 1.x session with {server}: package 1 with the bootstrap event"),
        Dm1SessionEvent::Started { server, .. } => {
            format!("opens a DM 1.x session with {server}: package 1")
        }
        Dm1SessionEvent::EventSettled { server, state } => {
            format!(
                "bootstrap event answered by {server}: {}",
                state.node_value()
            )
        }
        Dm1SessionEvent::Reverted { server } => {
            format!("fell back to its former credentials for {server}")
        }
        Dm1SessionEvent::AlertAnswered { status, .. } => format!("an alert is answered: {status}"),
        Dm1SessionEvent::Command {
            name,
            targets,
            status,
        } => {
            let command: Vec<_> = std::iter::once(name)
                .chain(targets)
                .map(String::as_str)
                .collect();
            format!("executes {}: status {status}", command.join(" "))
        }
        Dm1SessionEvent::Ended(outcome) => format!("DM 1.x session over: {outcome}"),
    }
}

fn server_words(event: &EventKind) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    match event {
        EventKind::DeviceRegistered => "registers the device".to_owned(),
        EventKind::NotifySet { addresses, .. } => {
            format!("calls the device at {} from now on", addresses.join(", "))
        }
        EventKind::CredentialAdded { proof, .. } => format!("makes a credential known: {proof}"),
        EventKind::CredentialRevoked { .. } => "revokes a credential".to_owned(),
        EventKind::RotationQueued { scope, reason, .. } => {
            format!("queues a new secret, scope {scope}, because of: {reason}")
        }
        EventKind::SecretRotated { scope, .. } => {
            format!("the new secret is in use, scope {scope}")
        }
        EventKind::RotationFailed { scope, status, .. } => {
            format!("the device did not store the new secret, scope {scope}: {status}")
        }
        EventKind::Rebootstrapped {
            method, recovered, ..
        } if recovered.is_empty() => {
            format!(
                "the device was bootstrapped again: method {}",
                known(method)
            )
        }
        EventKind::Rebootstrapped {
            method, recovered, ..
        } => format!(
            "the device was bootstrapped again: method {}; replaced secrets came back and count: {}",
            known(method),
            recovered.join(", ")
        ),
        EventKind::CredentialHeld {
            cause: Some(cause), ..
        } => format!("a DM 1.x credential does not count, {cause}; it waits for an operator"),
        EventKind::CredentialHeld { .. } => {
            "a replaced credential came without BootstrapComplete; it waits for an operator"
                .to_owned()
        }
        EventKind::CredentialAccepted { scope, .. } => {
            format!("an operator lets a replaced secret count again, scope {scope}")
        }
        EventKind::CredentialRejected { scope, .. } => {
            format!("an operator leaves out what waited for him, scope {scope}")
        }
        EventKind::EscrowEnded { scope, .. } => {
            format!("a secret left escrow, scope {scope}")
        }
        EventKind::BootstrapDrafted {
            profile, method, ..
        } => {
            format!(
                "drafts a DM Bootstrap from profile {profile}, {method}; document sealed and stored"
            )
        }
        EventKind::BootstrapExported { .. } => "the operator takes the document away".to_owned(),
        EventKind::BootstrapPushed {
            carrier, address, ..
        } => format!("brings the DM Bootstrap to the device: {carrier} to {address}"),
        EventKind::BootstrapDelivered { .. } => "the device has the DM Bootstrap".to_owned(),
        EventKind::BootstrapPushFailed { detail, .. } => {
            format!("the DM Bootstrap did not get there: {detail}")
        }
        EventKind::BootstrapFetched { .. } => "the DM Bootstrap was fetched".to_owned(),
        EventKind::BootstrapCompleted { method, kind, .. } => {
            format!(
                "BootstrapComplete is durable: method {}, kind {}",
                known(method),
                known(kind)
            )
        }
        EventKind::BootstrapEnded { state, cause, .. } => {
            format!("the DM Bootstrap ended: {state} ({})", known(cause))
        }
        EventKind::BootstrapRefused { cause, .. } => {
            format!("the device refused the DM Bootstrap: {cause}")
        }
        EventKind::SessionStarted { causes, .. } => {
            format!("DM session began: {}", causes.join(", "))
        }
        EventKind::SessionSuperseded { .. } => "an older DM session was superseded".to_owned(),
        EventKind::CommandQueued { command, .. } => format!("{command} was queued"),
        EventKind::CommandSent { command, uri, .. } => {
            format!("{command} {} was sent", uri.as_deref().unwrap_or_default())
        }
        EventKind::CommandUnanswered { command, uri, .. } => format!(
            "{command} {} got no answer: its outcome is unknown",
            uri.as_deref().unwrap_or_default()
        ),
        EventKind::CommandHeld { command, uri, .. } => format!(
            "{command} {} waits for an operator: its outcome is unknown",
            uri.as_deref().unwrap_or_default()
        ),
        EventKind::CommandReleased { command, .. } => format!("{command} was released"),
        EventKind::CommandCancelled { command, .. } => format!("{command} was cancelled"),
        EventKind::NotificationReceipt { outcome, .. } => {
            format!("the SMSC says of the Notification: {outcome}")
        }
        EventKind::NotificationQueued { address, .. } => {
            format!("calls the device by a DM Notification to {address}")
        }
        EventKind::NotificationSent { outcome, .. } => format!("DM Notification: {outcome}"),
        EventKind::NotificationAnswered { .. } => "the DM Notification is answered".to_owned(),
        EventKind::CommandAnswered {
            command,
            uri,
            status,
            ..
        } => {
            format!(
                "{command} {} was answered: {status}",
                uri.as_deref().unwrap_or_default()
            )
        }
        EventKind::AlertReceived { alert_type, .. } => format!("alert received: {alert_type}"),
        EventKind::SessionEnded { .. } => "DM session ended with END".to_owned(),
        EventKind::SessionAborted { reason, .. } => format!("DM session aborted: {reason}"),
        EventKind::ObjectStored {
            path,
            owner,
            octets,
            ..
        } => format!("{owner} stored {path} in the data repository: {octets} octets"),
        EventKind::ObjectRemoved { path } => format!("{path} left the data repository"),
        EventKind::RequestRefused { status, detail, .. } => {
            format!("refused with {status}: {detail}")
        }
        EventKind::HandshakeRefused { detail, .. } => format!("TLS handshake refused: {detail}"),
        EventKind::DeviceHeld { claimed, .. } => {
            format!("{claimed} has no record: it waits for an operator")
        }
        EventKind::DeviceAdmitted { by, .. } => format!("the device is let in by {by}"),
        EventKind::DeviceRejected { claimed, .. } => format!("an operator rejected {claimed}"),
        EventKind::DeviceAllowed { pattern, .. } => format!("{pattern} may come in"),
        EventKind::DeviceDisallowed { .. } => "an entry left the allow-list".to_owned(),
        EventKind::WaitingExpired { claimed, .. } => format!("{claimed} waited too long"),
        EventKind::DeviceTriggered { source, .. } => format!("{source} tells of the device"),
    }
}

use omadm_bootstrap::{BootstrapFailureCause, Utc};
use omadm_mo::DevId;
use serde::{Deserialize, Serialize};

/// Something that happened to a device or at the server: the one catalogue that log, API, metrics and webhooks read. Append-only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Ties the events of one exchange together, and the log lines about it; 16 hexadecimal digits.
    pub correlation: String,
}

/// What happened. The names are stable; members may be added, never taken away. Never holds a secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case"
)]
pub enum EventKind {
    /// The operator registered the device.
    DeviceRegistered,
    /// A device without record waits for an operator from now on.
    DeviceHeld {
        /// Names it among those that wait.
        waiting: String,
        /// The DevID it claims.
        claimed: String,
        /// The certificate's SHA-256.
        fingerprint: String,
        /// The certificate's subject, for people.
        subject: String,
        /// The CA that vouches for the claim; none where the certificate proves possession of its key alone.
        vouched_by: Option<String>,
    },
    /// A device that asked for its bootstrap was let in.
    DeviceAdmitted {
        /// `allow-list`, `maker` or `operator`.
        by: String,
        /// The certificate's SHA-256, which is registered for it.
        fingerprint: String,
        /// The CA that vouches for the claim.
        vouched_by: Option<String>,
        /// Since when it had waited.
        waited_since: Option<String>,
    },
    /// An operator rejected a device that waited.
    DeviceRejected {
        /// Names it among those that wait.
        waiting: String,
        /// The DevID it claims.
        claimed: String,
        /// The certificate's SHA-256.
        fingerprint: String,
        /// Why, in the operator's words.
        why: Option<String>,
    },
    /// An operator put a DevID or pattern on the allow-list, or gave its entry another profile.
    DeviceAllowed {
        /// Names the entry.
        id: String,
        /// The DevID or pattern.
        pattern: String,
        /// The certificate's SHA-256; none where a CA has to vouch.
        fingerprint: Option<String>,
        /// The profile.
        profile: String,
    },
    /// An operator took an entry off the allow-list.
    DeviceDisallowed {
        /// Named the entry.
        id: String,
    },
    /// No operator decided in time on a device that waited, or the time of its rejection is over: it is forgotten.
    WaitingExpired {
        /// Named it among those that wait.
        waiting: String,
        /// The DevID it claims.
        claimed: String,
        /// The certificate's SHA-256.
        fingerprint: String,
        /// `waiting` or `rejected`.
        state: String,
    },
    /// A point of sale, a portal, the network or a voice system told the server of the device (B-28).
    DeviceTriggered {
        /// `point-of-sale`, `self-service`, `network`, `voice` or `other`.
        source: String,
        /// What the source calls itself or its case.
        reference: Option<String>,
        /// Where the device is reached.
        address: Option<String>,
        /// The bootstrap that it started.
        bootstrap: String,
    },
    /// An operator set where and when the device is called.
    NotifySet {
        /// Push addresses in the order in which they are tried.
        addresses: Vec<String>,
        /// Whether a queued command calls the device.
        on_queue: bool,
    },
    /// A credential was made known for the device.
    CredentialAdded {
        /// `certificate`, `bootstrap-code`, `psk`, `http-user` or `notification`.
        proof: String,
        /// The certificate's SHA-256, for people to compare.
        fingerprint: Option<String>,
        /// The PSK identity or the HTTP user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A credential opens nothing any more.
    CredentialRevoked {
        /// The certificate's SHA-256.
        fingerprint: Option<String>,
        /// The PSK identity or the HTTP user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A new secret is to be brought to the device by a command.
    RotationQueued {
        /// The queued command; empty with DM 1.x, where the session itself brings the secret.
        id: String,
        /// `session`, `notification` or `dm1`.
        scope: String,
        /// `certificate`, `psk`, `http-user`, `notification` or `dm1-account`.
        proof: String,
        /// The certificate's SHA-256.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// The PSK identity or the HTTP user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// `operator`, `bootstrap`, `recovery`, or `retry` of one that the device could not fetch.
        reason: String,
    },
    /// A secret that was brought by a command, or registered by an operator beside the one of its name, is in use from now on.
    SecretRotated {
        /// `session`, `notification`, or `device` for what an operator registered.
        scope: String,
        /// `certificate`, `psk`, `http-user` or `notification`.
        proof: String,
        /// The certificate's SHA-256.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// The PSK identity or the HTTP user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The device did not store the new secret; the former one goes on being in use.
    RotationFailed {
        /// The queued command.
        id: String,
        /// `session` or `notification`.
        scope: String,
        /// The status that answered it.
        status: u16,
    },
    /// A device that was bootstrapped before completed a bootstrap.
    Rebootstrapped {
        /// The record whose document it applied; none where the server had none.
        bootstrap: Option<String>,
        /// By which method, as it said.
        method: Option<String>,
        /// The device's EventId.
        event_id: Option<String>,
        /// Scopes in which this brought back secrets that had been replaced: `session`, `bootstrap`, `notification`. What had replaced them is dead.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        recovered: Vec<String>,
    },
    /// A device came with a secret that does not count, as one that had been replaced, without reporting a bootstrap: it waits for an operator.
    CredentialHeld {
        /// The certificate's SHA-256.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// The PSK identity, the HTTP user or the DM 1.x account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Of a DM 1.x account: `without-event`, `two-holders`, `other-device`, `revoked` or `replayable`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
        /// The DevID that another device claims.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claimed: Option<String>,
    },
    /// An operator let a secret count again that had been replaced.
    CredentialAccepted {
        /// `session`, `bootstrap`, `notification` or `dm1`.
        scope: String,
        /// The certificate's SHA-256.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// The PSK identity, the HTTP user or the DM 1.x account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// An operator left out what waited for him, or took an acceptance back.
    CredentialRejected {
        /// `dm1`.
        scope: String,
        /// The DM 1.x account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// An operator decided that no card, image or URL brings this secret back once it is replaced.
    EscrowEnded {
        /// `session`, `bootstrap` or `notification`.
        scope: String,
        /// The certificate's SHA-256.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// The PSK identity or the HTTP user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A bootstrap was made for the device.
    BootstrapDrafted {
        /// The record.
        bootstrap: String,
        /// Its profile.
        profile: String,
        /// Its method.
        method: String,
    },
    /// An operator took the document away, to bring it to the device as a factory image or on a card.
    BootstrapExported {
        /// The record.
        bootstrap: String,
    },
    /// A try to bring a bootstrap to its device begins.
    BootstrapPushed {
        /// The record.
        bootstrap: String,
        /// `direct`, or `notification` upon which the device fetches.
        carrier: String,
        /// Where to.
        address: String,
        /// The try's number, from 1.
        attempt: u32,
    },
    /// The device has the pushed document, durably.
    BootstrapDelivered {
        /// The record.
        bootstrap: String,
    },
    /// A try did not bring it there.
    BootstrapPushFailed {
        /// The record.
        bootstrap: String,
        /// The try's number.
        attempt: u32,
        /// The cause's code.
        cause: String,
        /// What exactly came in the way.
        detail: String,
        /// When it is tried again; none where it is not.
        retry_at: Option<String>,
    },
    /// The device fetched its document for the first time.
    BootstrapFetched {
        /// The record.
        bootstrap: String,
    },
    /// The device reported BootstrapComplete.
    BootstrapCompleted {
        /// The record; none where the server had none open.
        bootstrap: Option<String>,
        /// How the device was bootstrapped, as it said.
        method: Option<String>,
        /// First or again, as it said.
        kind: Option<String>,
        /// The device's EventId.
        event_id: Option<String>,
    },
    /// A bootstrap ended without completion.
    BootstrapEnded {
        /// The record.
        bootstrap: String,
        /// `failed`, `expired` or `superseded`.
        state: String,
        /// The cause's code.
        cause: Option<String>,
    },
    /// The device refused the document it fetched.
    BootstrapRefused {
        /// The record.
        bootstrap: String,
        /// The cause's code.
        cause: String,
        /// The failing item of the document.
        item: Option<String>,
        /// The node or server concerned.
        uri: Option<String>,
        /// What exactly the device found.
        detail: Option<String>,
    },
    /// A DM session began.
    SessionStarted {
        /// The session-cause alerts.
        causes: Vec<String>,
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
    },
    /// A running session ended because the device opened another.
    SessionSuperseded {
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// Commands of it whose outcome is unknown (D02): name and parameters with one blank between them, which none of them holds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outcome_unknown: Vec<String>,
    },
    /// An operator queued a command.
    CommandQueued {
        /// The queued command.
        id: String,
        /// The command's name.
        command: String,
        /// Its parameters.
        parameters: Vec<String>,
    },
    /// A command stood in an answer to the device.
    CommandSent {
        /// The queued command; none for one that the server sent by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The session.
        session: Option<String>,
        /// The command's name.
        command: String,
        /// Its first parameter.
        uri: Option<String>,
        /// How often it was sent, this time included: more than once where an earlier answer to the device, or its own, was lost (D02).
        sends: u32,
    },
    /// A command was answered.
    CommandAnswered {
        /// The command's name.
        command: String,
        /// Its first parameter: a ClientURI or ServerURI.
        uri: Option<String>,
        /// The status code.
        status: u16,
        /// From the package that carried it to its answer.
        duration_ms: u64,
        /// The queued command; none for one that the server sent by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// `Status.URI`: where an HGET stored its data.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        uris: Vec<String>,
    },
    /// The outcome of a command is unknown: its session ended without its status, or the device left it out. A queued one goes again.
    CommandUnanswered {
        /// The command's name.
        command: String,
        /// Its first parameter.
        uri: Option<String>,
        /// From the answer in which it was sent until that was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
        /// The queued command; none for one that the server sent by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The session it was sent in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
    },
    /// The outcome of an EXEC is unknown: it waits for an operator (D02).
    CommandHeld {
        /// The queued command.
        id: String,
        /// The session it was sent in.
        session: Option<String>,
        /// The command's name.
        command: String,
        /// Its first parameter.
        uri: Option<String>,
        /// From the answer in which it was sent until its session was over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// An operator let a held command be sent again.
    CommandReleased {
        /// The queued command.
        id: String,
        /// The command's name.
        command: String,
        /// Its first parameter.
        uri: Option<String>,
    },
    /// An operator took a command back.
    CommandCancelled {
        /// The queued command.
        id: String,
        /// The command's name.
        command: String,
        /// Its first parameter.
        uri: Option<String>,
    },
    /// A generic alert came.
    AlertReceived {
        /// Its AlertType.
        alert_type: String,
        /// Its SourceURI.
        source: Option<String>,
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// Its TargetURI.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        /// Its Mark.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<String>,
        /// Its DataType.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_type: Option<String>,
        /// Its Data; of one longer than 4 KiB in compact form, the beginning of that as a string.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<serde_json::Value>,
        /// How many octets its Data has in compact form, where `data` is not the whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_octets: Option<usize>,
    },
    /// The session ended as the protocol has it.
    SessionEnded {
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
    },
    /// The session ended otherwise.
    SessionAborted {
        /// Why, as a sentence.
        reason: String,
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
    },
    /// A DM Notification is about to leave.
    NotificationQueued {
        /// `udp`, `https`, `sms` or `file`.
        carrier: String,
        /// Its NOTIFICATION-ID.
        notification_id: u16,
        /// Where to.
        address: String,
        /// The server whose account it names.
        srv_id: String,
        /// Whether it carries a digest.
        authenticated: bool,
        /// Of DM 1.x: the secret that it is proved with, `current`, `pending` or `boot`; `resync` for the default nonce.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<String>,
    },
    /// It left, or could not.
    NotificationSent {
        /// `udp`, `https`, `sms` or `file`.
        carrier: String,
        /// Its NOTIFICATION-ID.
        notification_id: u16,
        /// Where to.
        address: String,
        /// `sent` where nobody tells whether it arrived, `taken` where the receiver has it, else why it did not leave, as a sentence.
        outcome: String,
        /// Whether the SMSC is to tell what becomes of it: a `notification-receipt` then follows, though the server be started anew before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        receipt_awaited: bool,
        /// How long its carrier took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// The SMSC told what became of it, or nothing for days.
    NotificationReceipt {
        /// `sms`.
        carrier: String,
        /// Its NOTIFICATION-ID.
        notification_id: u16,
        /// Where to.
        address: String,
        /// `delivered`, else why the device did not get it, or why that is not known, as a sentence.
        outcome: String,
    },
    /// The device opened a session because of it.
    NotificationAnswered {
        /// Its NOTIFICATION-ID.
        notification_id: u16,
        /// The carrier it went by.
        carrier: String,
        /// From the event that it is about to leave until the device's Package#1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// An object was stored in the device's part of the data repository.
    ObjectStored {
        /// The path below `/repo/`.
        path: String,
        /// `device` or `operator`: who stored it.
        owner: String,
        /// Its `Content-Type`.
        media_type: String,
        /// Its length.
        octets: u64,
    },
    /// An operator removed an object of the device from the data repository.
    ObjectRemoved {
        /// The path below `/repo/`.
        path: String,
    },
    /// A request was refused.
    RequestRefused {
        /// The URI's path.
        path: String,
        /// The HTTP status it got; of a DM 1.x message that was answered, that of its `SyncHdr`.
        status: u16,
        /// The cause's code where it has one.
        cause: Option<String>,
        /// The DevID the request claimed.
        claimed: Option<String>,
        /// The IP address it came from.
        #[serde(default)]
        from: Option<String>,
        /// SHA-256 of the certificate it came with.
        fingerprint: Option<String>,
        /// The certificate's subject, for people.
        subject: Option<String>,
        /// What is wrong, as a sentence.
        detail: String,
    },
    /// No TLS connection came about, for a reason that concerns a device's credential.
    HandshakeRefused {
        /// The TLS profile of the listener.
        profile: String,
        /// The cause's code.
        cause: String,
        /// The PSK identity that the peer named, control characters escaped. Anybody can name it.
        identity: String,
        /// Where it came from: IP address and port.
        from: String,
        /// What is wrong, as a sentence.
        detail: String,
    },
}

/// An event with its place in the log.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredEvent {
    /// Its global position, given afterwards; none until then. Consumers resume after the last position they saw.
    pub position: Option<u64>,
    /// The device; none where no record names it.
    pub dev_id: Option<DevId>,
    /// Its number among the device's events; from 1, dense.
    pub seq: u64,
    /// When.
    pub at: Utc,
    /// What.
    pub event: Event,
}

/// How far the global positions are behind the events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventLag {
    /// The last position given; 0 before the first.
    pub position: u64,
    /// Events that have none yet.
    pub waiting: u64,
    /// When the one that waits longest happened.
    pub since: Option<Utc>,
}

impl EventKind {
    /// The cause it carries.
    #[must_use]
    pub fn cause(&self) -> Option<BootstrapFailureCause> {
        match self {
            Self::BootstrapEnded { cause, .. } | Self::RequestRefused { cause, .. } => {
                cause.as_deref().and_then(BootstrapFailureCause::from_code)
            }
            Self::BootstrapRefused { cause, .. } | Self::HandshakeRefused { cause, .. } => {
                BootstrapFailureCause::from_code(cause)
            }
            _ => None,
        }
    }
}

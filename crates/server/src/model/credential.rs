use omadm_bootstrap::Utc;
pub use omadm_bootstrap::generation::Generation;
use omadm_mo::DevId;

use super::{CommandId, RecordId};

/// One credential of one device (D71, D83).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// The device it belongs to.
    pub dev_id: DevId,
    /// By what it is recognised.
    pub proof: CredentialProof,
    /// What it opens.
    pub scope: CredentialScope,
    /// Which generation it is.
    pub generation: Generation,
    /// When it became that; none where an earlier version wrote it.
    pub since: Option<Utc>,
    /// Whether a card, image or URL can bring it back after it was replaced.
    pub escrowed: bool,
    /// The bootstrap record of its account: the one it was issued in, or the one whose account it was rotated for. None for one that the operator
    /// registered.
    pub record: Option<RecordId>,
    /// The command that brings it to the device; none where it stands in a bootstrap document.
    pub command: Option<CommandId>,
    /// When it was made known.
    pub added_at: Utc,
    /// After this it is refused; none for the certificate's own validity alone.
    pub expires_at: Option<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<Utc>,
    /// When it was last used, to the hour.
    pub used_at: Option<Utc>,
    /// Since when it waits for an operator, who decides whether it counts again.
    pub held_at: Option<Utc>,
    /// Wrong tries left (bootstrap codes, D81); none where they are not counted.
    pub tries_left: Option<u8>,
    /// The certificate's serial number where the server's CA issued it: hexadecimal. Its revocation is then listed in the CRL.
    pub serial: Option<String>,
    /// The secret that the server needs again, sealed for [`CredentialProof::seal_context`]: the PSK, the HTTP password, the bootstrap code; `Data` and
    /// `Secret` of `Auth/Noti`, and of a certificate that a rotation brings; a registered certificate with an empty `Secret`. None for other certificates,
    /// and for codes of older versions, which Digest does not open.
    pub sealed: Option<Vec<u8>>,
}

/// A PSK as TLS needs it ahead of any request. Holds nothing that opens a door by itself, so it has a `Debug`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PskRow {
    /// The device it belongs to.
    pub dev_id: DevId,
    /// Its identity.
    pub identity: String,
    /// Which key of the identity it is.
    pub nr: u32,
    /// Its key, sealed as in [`Credential`].
    pub sealed: Vec<u8>,
}

/// A certificate of the server's CA that opens nothing any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevokedCertificate {
    /// Its serial number: hexadecimal.
    pub serial: String,
    /// When it was revoked.
    pub at: Utc,
}

/// By what a credential is recognised. Holds nothing that opens a door by itself, so it has a `Debug`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CredentialProof {
    /// SHA-256 of the leaf certificate's DER.
    Certificate([u8; 32]),
    /// A bootstrap code (D81), kept as salted SHA-256: HTTP user = DevID, password = the code.
    BootstrapCode {
        /// 16 random octets.
        salt: [u8; 16],
        /// SHA-256 of salt and code.
        hash: [u8; 32],
    },
    /// A pre-shared key (RFC 4279), found by its identity, which no other device has.
    Psk {
        /// 1 to 128 octets of UTF-8 (D44), compared octet by octet (D71).
        identity: String,
        /// Which key of the identity: 0 for the first, higher for what replaces it. All that the server issues are the first of an identity of their own; a
        /// device from elsewhere may go on under its identity while its key is replaced, and so have two.
        nr: u32,
    },
    /// An HTTP password (Basic, Digest), found by its user name, which no other device has.
    HttpUser {
        /// 1 to 128 visible ASCII characters.
        user: String,
    },
    /// What the server proves its Notifications with (`Auth/Noti`). No device is found by it.
    Notification {
        /// 16 random octets that tell it from the others.
        id: [u8; 16],
    },
    /// The account of a device that speaks DM 1.x, found by the name of its client's credential, which no other device has. Its row stands for both
    /// directions: what is sealed in it holds every secret and nonce of both.
    Dm1Account {
        /// `AAuthName` of the client's credential: 1 to 128 octets without control characters.
        user: String,
    },
}

/// What a credential opens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CredentialScope {
    /// The bootstrap URI; the session URI only where the issued account has no `Auth/Trsp` (D83).
    Bootstrap,
    /// The session URI.
    Session,
    /// Both: what the operator registers.
    Device,
    /// No door of the server's: its own proof in Notifications.
    Notification,
    /// Sessions of DM 1.x, and nothing of DM 2.0.
    Dm1,
}

impl Credential {
    /// One that an operator or the admission gives a device: in use, outside any bootstrap.
    pub(crate) const fn current(
        dev_id: DevId,
        proof: CredentialProof,
        scope: CredentialScope,
        at: Utc,
    ) -> Self {
        Self::new(dev_id, proof, scope, Generation::Current, at)
    }

    /// One made known at this time, which stands by itself: of no record and no command, without end, and with no secret that the server needs again.
    #[must_use]
    pub const fn new(
        dev_id: DevId,
        proof: CredentialProof,
        scope: CredentialScope,
        generation: Generation,
        at: Utc,
    ) -> Self {
        Self {
            dev_id,
            proof,
            scope,
            generation,
            since: Some(at),
            escrowed: false,
            record: None,
            command: None,
            added_at: at,
            expires_at: None,
            revoked_at: None,
            used_at: None,
            held_at: None,
            tries_left: None,
            serial: None,
            sealed: None,
        }
    }
}

impl CredentialProof {
    /// The stable name of its kind in store, API and events.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::BootstrapCode { .. } => "bootstrap-code",
            Self::Psk { .. } => "psk",
            Self::HttpUser { .. } => "http-user",
            Self::Notification { .. } => "notification",
            Self::Dm1Account { .. } => "dm1-account",
        }
    }

    /// The name it is found by: PSK identity, HTTP user, account name. None for the kinds that have none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Psk { identity: name, .. }
            | Self::HttpUser { user: name }
            | Self::Dm1Account { user: name } => Some(name),
            Self::Certificate(_) | Self::BootstrapCode { .. } | Self::Notification { .. } => None,
        }
    }

    /// What the secret of this credential is sealed for: this device, this kind, this name or hash.
    #[must_use]
    pub fn seal_context(&self, dev_id: &DevId) -> Vec<u8> {
        let mut context = format!("credential/{}/{dev_id}/", self.kind()).into_bytes();
        match self {
            Self::Certificate(fingerprint) => context.extend(fingerprint),
            Self::BootstrapCode { salt, hash } => context.extend(salt.iter().chain(hash)),
            Self::Psk { identity, nr } => context.extend(psk_octets(identity, *nr)),
            Self::HttpUser { user } | Self::Dm1Account { user } => context.extend(user.as_bytes()),
            Self::Notification { id } => context.extend(id),
        }
        context
    }
}

/// Identity and number of a pre-shared key: the identity alone for the first; an identity has no NUL.
pub(crate) fn psk_octets(identity: &str, nr: u32) -> Vec<u8> {
    let mut octets = identity.as_bytes().to_vec();
    if nr > 0 {
        octets.push(0);
        octets.extend(nr.to_string().into_bytes());
    }
    octets
}

impl CredentialScope {
    /// Every scope there is.
    pub const ALL: [Self; 5] = [
        Self::Bootstrap,
        Self::Session,
        Self::Device,
        Self::Notification,
        Self::Dm1,
    ];

    /// The stable name in store and API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Session => "session",
            Self::Device => "device",
            Self::Notification => "notification",
            Self::Dm1 => "dm1",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

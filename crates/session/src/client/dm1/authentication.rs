//! Who speaks, in both directions: `dm1x.md` §3.2, M15 to M22.

use omadm_bootstrap::EventId;
use omadm_dm1::credential::{
    CredentialType, MacHeader, Nonce, UserHash, basic, basic_matches, derive,
};
use omadm_dm1::syncml::{Chal, Cred, Data, Meta, StatusCode, SyncHdr};
use omadm_mo::Secret;

use super::account_facts::AppAuth;

/// Credentials that are judged in one session and direction: the first and two after challenges (M20).
const ATTEMPTS: u8 = 3;

/// Makes the nonces of one session (M15).
pub(super) struct NonceMaker {
    entropy: Secret,
    made: u64,
}

/// How the client proves itself to the server.
pub(super) struct ClientProof {
    auth: Option<AppAuth>,
    /// Whether the channel is TLS: nothing else carries a basic credential (M19).
    tls: bool,
    /// What is presented; none until it is known what the server wants.
    used: Option<CredentialType>,
    nonce: Option<Nonce>,
    /// 212 came: no credential is sent any more.
    accepted: bool,
    judged: u8,
}

/// Why a challenge is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// M20, or there is nothing to answer it with.
    Exhausted,
    /// M19.
    Weaker,
}

/// How the server proves itself.
pub(super) struct ServerProof {
    auth: Option<AppAuth>,
    tls: bool,
    /// What a digest may be made with: the stored nonce and the one before it (M17), or the last one of this session.
    nonces: Vec<Nonce>,
    /// The server was told 212.
    accepted: bool,
    /// It has proven itself in this session.
    proven: bool,
    /// It has used a MAC: every message of it needs one from now on (§3.4).
    mac: bool,
    challenges: u8,
    /// The nonce its last credential was made with.
    matched: Option<Nonce>,
}

/// What a message of the server proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing more is due: accepted for the session, or the transport proves it.
    Settled,
    /// A credential that is right.
    Right,
    /// No credential.
    Missing,
    /// A wrong credential.
    Wrong,
    /// A wrong or missing MAC after right ones: the session ends (M22).
    Broken,
    /// The account has no credential for the server, and the channel is open.
    Unprovable,
}

impl NonceMaker {
    pub(super) fn new(entropy: [u8; 32]) -> Self {
        Self {
            entropy: Secret::new(entropy.to_vec()),
            made: 0,
        }
    }

    pub(super) fn next(&mut self) -> Nonce {
        self.made += 1;
        Nonce::of_entropy(&derive(
            &self.entropy,
            &[b"nonce", &self.made.to_be_bytes()],
        ))
    }

    /// Names the event of an account that falls back to its former set (M25).
    pub(super) fn event(&self) -> EventId {
        EventId::of(derive(&self.entropy, &[b"event"]))
    }

    pub(super) fn session(&self) -> [u8; 2] {
        derive(&self.entropy, &[b"session"])
    }
}

impl ClientProof {
    pub(super) fn new(auth: Option<AppAuth>, tls: bool, last: Option<CredentialType>) -> Self {
        // Unasked only what the account or the session before it says (§3.2/1).
        let used = auth.as_ref().and_then(|auth| {
            let last = last.filter(|last| *last >= auth.kind);
            auth.preferred.then_some(auth.kind).or(last)
        });
        let used = used.filter(|used| *used > CredentialType::Basic || tls);
        Self {
            nonce: auth.as_ref().and_then(|auth| auth.nonce.clone()),
            auth,
            tls,
            used,
            accepted: false,
            judged: 0,
        }
    }

    /// `Source/LocName` of our messages.
    pub(super) fn user(&self) -> Option<&str> {
        self.auth.as_ref().map(|auth| &*auth.name)
    }

    /// The type that is in use.
    pub(super) const fn used(&self) -> Option<CredentialType> {
        self.used
    }

    /// `Cred` of the next message: in each until 212 (M18).
    pub(super) fn cred(&self) -> Option<Cred> {
        let (auth, used) = (self.auth.as_ref()?, self.used?);
        if self.accepted {
            return None;
        }
        let data = match used {
            CredentialType::Basic => {
                let credential = basic(&auth.name, &auth.secret);
                String::from_utf8_lossy(credential.expose()).into_owned()
            }
            CredentialType::Md5 => {
                UserHash::new(&auth.name, &auth.secret).md5(self.nonce.as_ref()?)
            }
            CredentialType::Mac => return None,
        };
        Some(Cred {
            meta: Meta {
                r#type: Some(used.as_str().into()),
                format: Some("b64".into()),
                ..Meta::default()
            },
            data: Data::Text(data),
        })
    }

    /// The transport header of the next message, where the credential is a MAC.
    pub(super) fn mac(&self, body: &[u8]) -> Option<MacHeader> {
        let (auth, CredentialType::Mac) = (self.auth.as_ref()?, self.used?) else {
            return None;
        };
        Some(MacHeader {
            username: auth.name.clone(),
            mac: UserHash::new(&auth.name, &auth.secret).mac(self.nonce.as_ref()?, body),
        })
    }

    /// Whether the next message carries a proof.
    fn proves(&self) -> bool {
        match self.used {
            Some(CredentialType::Basic) => !self.accepted,
            Some(CredentialType::Md5) => !self.accepted && self.nonce.is_some(),
            Some(CredentialType::Mac) => self.nonce.is_some(),
            None => false,
        }
    }

    /// The server took our message. What comes back is the nonce to store for the next session, if there is one (M16, M18).
    pub(super) fn taken(&mut self, code: StatusCode, chal: Option<&Chal>) -> Option<Nonce> {
        let next = next_nonce(chal)?;
        let mac = self.used == Some(CredentialType::Mac);
        if code == StatusCode::AUTHENTICATED && !mac {
            return self.auth.is_some().then_some(next);
        }
        self.nonce = Some(next.clone());
        mac.then_some(next)
    }

    /// Notes a 212.
    pub(super) fn accept(&mut self) {
        // A MAC proves each message by itself, whatever the server says.
        self.accepted = self.used != Some(CredentialType::Mac);
    }

    /// Makes ready to answer 401 or 407 with the type it asks for (M19), within the attempts (M20).
    pub(super) fn challenged(&mut self, chal: Option<&Chal>) -> Result<(), Unanswered> {
        if self.proves() {
            self.judged += 1;
        }
        let Some(auth) = self.auth.as_ref().filter(|_| self.judged < ATTEMPTS) else {
            return Err(Unanswered::Exhausted);
        };
        let asked = chal.and_then(|chal| chal.meta.r#type.as_deref());
        let asked = match asked {
            Some(asked) => CredentialType::of(asked).ok_or(Unanswered::Exhausted)?,
            None => return Err(Unanswered::Exhausted),
        };
        if asked < auth.kind || self.used.is_some_and(|used| asked < used) {
            return Err(Unanswered::Weaker);
        }
        if asked == CredentialType::Basic && !self.tls {
            return Err(Unanswered::Weaker);
        }
        self.accepted = false;
        self.used = Some(asked);
        // Of the latest challenge, even of a server that has not proven itself; it is not stored (M18).
        self.nonce = next_nonce(chal).or_else(|| self.nonce.take());
        if self.proves() {
            Ok(())
        } else {
            Err(Unanswered::Exhausted)
        }
    }
}

impl ServerProof {
    pub(super) fn new(auth: Option<AppAuth>, tls: bool, previous: Option<Nonce>) -> Self {
        let stored = auth.as_ref().and_then(|auth| auth.nonce.clone());
        Self {
            auth,
            tls,
            nonces: stored.into_iter().chain(previous).collect(),
            accepted: false,
            proven: false,
            mac: false,
            challenges: 0,
            matched: None,
        }
    }

    /// Whether it has proven itself in this session.
    pub(super) const fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether its messages need a MAC from now on.
    pub(super) const fn demands_mac(&self) -> bool {
        self.mac
    }

    /// Whether the MAC over the octets of an answer is right; none where it has none. Before the document is parsed (M22).
    pub(super) fn mac(&mut self, header: Option<&str>, body: &[u8]) -> Option<bool> {
        let auth = self.auth.as_ref()?;
        let header = header?;
        let Ok(header) = MacHeader::read(header) else {
            return Some(false);
        };
        let hash = UserHash::new(&auth.name, &auth.secret);
        let matched = first_match(&self.nonces, |nonce| {
            hash.mac_matches(nonce, body, &header.mac)
        });
        let right = matched.is_some() && header.username == auth.name;
        self.matched = matched.filter(|_| right);
        Some(right)
    }

    /// What a message proves. `mac` is what [`Self::mac`] said of its octets.
    pub(super) fn judge(&mut self, header: &SyncHdr, mac: Option<bool>) -> Judgement {
        let judgement = self.look(header, mac);
        match judgement {
            Judgement::Right => {
                self.proven = true;
                self.mac |= mac == Some(true);
            }
            Judgement::Settled => self.proven = true,
            Judgement::Wrong | Judgement::Broken | Judgement::Missing | Judgement::Unprovable => {
                self.proven = false;
            }
        }
        judgement
    }

    fn look(&mut self, header: &SyncHdr, mac: Option<bool>) -> Judgement {
        let Some(auth) = &self.auth else {
            return if self.tls {
                Judgement::Settled
            } else {
                Judgement::Unprovable
            };
        };
        if self.mac {
            return if mac == Some(true) {
                Judgement::Right
            } else {
                Judgement::Broken
            };
        }
        if self.accepted {
            return Judgement::Settled;
        }
        if let Some(right) = mac {
            return if right {
                Judgement::Right
            } else {
                Judgement::Wrong
            };
        }
        let Some(cred) = &header.cred else {
            return Judgement::Missing;
        };
        let kind = match cred.meta.r#type.as_deref() {
            Some(named) => CredentialType::of(named),
            None => Some(auth.kind),
        };
        let data = cred.data.text().unwrap_or_default();
        let right = match kind {
            Some(kind) if kind < auth.kind => false,
            Some(CredentialType::Basic) => basic_matches(&auth.name, &auth.secret, data),
            Some(CredentialType::Md5) => {
                let hash = UserHash::new(&auth.name, &auth.secret);
                self.matched = first_match(&self.nonces, |nonce| hash.md5_matches(nonce, data));
                self.matched.is_some()
            }
            Some(CredentialType::Mac) | None => false,
        };
        if right {
            Judgement::Right
        } else {
            Judgement::Wrong
        }
    }

    /// Whether it has an attempt left (M20).
    pub(super) const fn may_try_again(&self) -> bool {
        self.challenges < ATTEMPTS - 1
    }

    /// The challenge that goes with 401 and 407: a digest made with another nonce than this one is wrong from now on.
    pub(super) fn challenge(&mut self, nonces: &mut NonceMaker) -> Option<Chal> {
        let kind = self.auth.as_ref()?.kind;
        self.challenges = self.challenges.saturating_add(1);
        let nonce = (kind > CredentialType::Basic).then(|| nonces.next());
        if let Some(nonce) = &nonce {
            self.nonces = vec![nonce.clone()];
        }
        Some(chal(kind, nonce.as_ref()))
    }

    /// The server's proof is answered: the status of its header, and with it the nonce for the next time, to be stored with the one it used before the
    /// message leaves (M17).
    pub(super) fn accept(&mut self, nonces: &mut NonceMaker) -> (StatusCode, Option<HandOver>) {
        if !self.mac {
            self.accepted = true;
        }
        let code = if self.mac {
            StatusCode::OK
        } else {
            StatusCode::AUTHENTICATED
        };
        let Some(used) = self.matched.take() else {
            return (code, None);
        };
        let next = nonces.next();
        let kind = if self.mac {
            CredentialType::Mac
        } else {
            CredentialType::Md5
        };
        self.nonces = vec![next.clone()];
        let hand_over = HandOver {
            chal: chal(kind, Some(&next)),
            next,
            used,
        };
        (code, Some(hand_over))
    }
}

/// A nonce for the server's next credential.
#[derive(Clone, Debug)]
pub(super) struct HandOver {
    pub(super) chal: Chal,
    pub(super) next: Nonce,
    /// The one that it used: valid until the new one was.
    pub(super) used: Nonce,
}

/// Every nonce is tried, whichever matches.
fn first_match(nonces: &[Nonce], matches: impl Fn(&Nonce) -> bool) -> Option<Nonce> {
    nonces.iter().fold(None, |found, nonce| {
        let this = matches(nonce);
        found.or_else(|| this.then(|| nonce.clone()))
    })
}

fn next_nonce(chal: Option<&Chal>) -> Option<Nonce> {
    let text = chal?.meta.next_nonce.as_deref()?;
    Nonce::of_base64(text).ok()
}

fn chal(kind: CredentialType, nonce: Option<&Nonce>) -> Chal {
    Chal {
        meta: Meta {
            r#type: Some(kind.as_str().into()),
            format: Some("b64".into()),
            next_nonce: nonce.map(Nonce::base64),
            ..Meta::default()
        },
    }
}

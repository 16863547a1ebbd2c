//! The server's own proof to the client (§3.2/5, M06, M17, M18, M21).

use omadm_bootstrap::generation::{Decision, Generation};
use omadm_dm1::credential::{CredentialType, MacHeader, Nonce, UserHash, basic};
use omadm_dm1::syncml::{Cred, Data, Message, Meta, StatusCode, SyncHdr};

use super::generations::settle;
use super::opening::Reported;
use super::proof::{Match, hashed};
use super::step::{Direction, Dm1Event};
use super::turn::{Turn, secret_hash, status_of_header};
use super::{KeptSecret, ServerSide};

/// Creds of ours that a client evaluates in one session (M20).
const PROOFS: u32 = 3;

/// What the client makes of our last message's credential.
pub(super) enum Accepted {
    /// It says nothing against it.
    Yes,
    /// It challenged it: nothing of the message was carried out.
    Challenged,
    /// It challenged the last one that there is.
    Never,
}

/// A proof beside the message.
pub(super) struct MacProof {
    hash: UserHash,
    nonce: Nonce,
    user: String,
}

impl MacProof {
    /// Value of the header over these octets.
    pub(super) fn over(&self, body: &[u8]) -> Option<String> {
        let header = MacHeader {
            username: self.user.clone(),
            mac: self.hash.mac(&self.nonce, body),
        };
        Some(header.value())
    }
}

impl Turn<'_> {
    /// A device that reports a bootstrap, and proves itself with a secret that a bootstrap brings, holds our secret and nonce of that bootstrap too, whatever of
    /// ours was replaced since (§6.5/2, §6.5/4). Nothing but our right proof makes it acknowledge the event: without a command from us it does not even challenge a
    /// wrong one.
    pub(super) fn heed(&mut self, event: Option<Reported>, found: Match) {
        let used = self.client_secrets.get(found.secret);
        let is_brought = used.is_some_and(|kept| kept.standing.escrowed);
        let boot = |kept: &KeptSecret| {
            kept.standing.generation == Generation::Boot && !kept.standing.revoked
        };
        let from_boot = match event {
            None => false,
            Some(Reported::New) => is_brought,
            Some(Reported::Known) => is_brought && self.server_secrets.iter().any(boot),
        };
        self.state.server.from_boot |= from_boot;
        if event == Some(Reported::New) && from_boot {
            let side = self.account.server.as_ref();
            self.delta.server_nonce = side.and_then(|side| side.boot_nonce.clone());
        }
    }

    /// Which of our secrets a session begins with: the one of the generation that the client proved itself with, and what the client is known to have
    /// stored (M21). Within the session nothing of that changes: a new secret takes effect in later ones.
    pub(super) fn choose_generation(&mut self) {
        let is_there = |kept: &KeptSecret| kept.is_replacement() && !kept.standing.coming;
        let is_stored = self.server_secrets.iter().any(is_there);
        self.state.server.from_pending |= is_stored && !self.state.server.from_boot;
    }

    /// Reads the status of our last header: what is accepted counts from now on.
    pub(super) fn our_proof(&mut self, read: &Message) -> Accepted {
        let status = status_of_header(read, self.state.msg_id).filter(|_| !self.state.opens());
        let Some((status, code)) = status.and_then(|status| Some((status, status.code?))) else {
            return Accepted::Yes;
        };
        let given = status
            .chal
            .as_ref()
            .and_then(|chal| chal.meta.next_nonce.as_deref());
        let given = given.and_then(|text| Nonce::of_base64(text).ok());
        match code {
            StatusCode::INVALID_CREDENTIALS | StatusCode::CREDENTIALS_MISSING => {
                self.challenged(given)
            }
            StatusCode::OK | StatusCode::AUTHENTICATED => {
                self.state.server.is_done |= code == StatusCode::AUTHENTICATED;
                self.accepted(given);
                Accepted::Yes
            }
            _ => Accepted::Yes,
        }
    }

    fn challenged(&mut self, given: Option<Nonce>) -> Accepted {
        let proof = &mut self.state.server;
        proof.challenges += 1;
        proof.is_done = false;
        proof.used = None;
        if self.account.server.is_none() || proof.challenges >= PROOFS {
            self.delta.events.push(Dm1Event::ServerRefused);
            return Accepted::Never;
        }
        // First the stored nonce, then the client's, then the next generation (M21).
        proof.rank = proof.challenges - 1;
        if let Some(given) = given {
            proof.nonce = Some(given.base64());
            proof.by_challenge = true;
        }
        Accepted::Challenged
    }

    fn accepted(&mut self, given: Option<Nonce>) {
        let Some(used) = self.state.server.used.take() else {
            return;
        };
        let last = self.state.server.nonce.take();
        let by_challenge = std::mem::take(&mut self.state.server.by_challenge);
        let last = last.and_then(|text| Nonce::of_base64(&text).ok());
        let kept = match given {
            Some(given) => {
                self.state.server.nonce = Some(given.base64());
                Some(given)
            }
            // Without a new one the client expects the same again (M17); one that a challenge brought is not kept by it.
            None => last.filter(|_| !by_challenge),
        };
        self.delta.server_nonce = kept.or_else(|| self.delta.server_nonce.take());
        let is_it = |kept: &KeptSecret| secret_hash(&kept.secret) == used;
        let Some(at) = self.server_secrets.iter().position(is_it) else {
            return;
        };
        let decision = match self.server_secrets[at].standing.generation {
            Generation::Current => return,
            Generation::Pending => Decision::Promote,
            Generation::Boot => Decision::Recover,
        };
        settle(&mut self.server_secrets, decision, at);
        let direction = Direction::Server;
        self.delta.events.push(match decision {
            Decision::Promote => Dm1Event::Promoted(direction),
            _ => Dm1Event::Recovered(direction),
        });
        self.delta.server_secrets = Some(self.server_secrets.clone());
    }

    /// Puts our credential into a header, or prepares what goes beside the message. Until the client said 212 it is in every message.
    pub(super) fn cred_for(&mut self, header: &mut SyncHdr) -> Option<MacProof> {
        let server = self.account.server.as_ref()?;
        if self.state.server.is_done {
            return None;
        }
        let kept = self.own_secret()?;
        let nonce = self.own_nonce(server, &kept);
        let secret = kept.secret;
        let user = server.user.clone();
        let form = self.account.model.quirks.nonce;
        let mut mac = None;
        match (server.credential, nonce) {
            (CredentialType::Basic, _) if self.message.channel.encrypted => {
                let proof = basic(&user, &secret);
                let text = String::from_utf8_lossy(proof.expose()).into_owned();
                header.cred = Some(cred(CredentialType::Basic, text));
            }
            (CredentialType::Md5, Some(nonce)) => {
                let proof = UserHash::new(&user, &secret).md5(&hashed(&nonce, form));
                header.cred = Some(cred(CredentialType::Md5, proof));
                self.state.server.nonce = Some(nonce.base64());
            }
            (CredentialType::Mac, Some(nonce)) => {
                mac = Some(MacProof {
                    hash: UserHash::new(&user, &secret),
                    nonce: hashed(&nonce, form),
                    user: user.clone(),
                });
                self.state.server.nonce = Some(nonce.base64());
            }
            // Without a nonce that the client knows, it asks for the proof.
            _ => return None,
        }
        header.source.name = Some(user);
        self.state.server.used = Some(secret_hash(&secret));
        mac
    }

    /// The secret to prove ourselves with: that which came by the same bootstrap as the client's, else that of the generation which the client proved itself
    /// with; then the next (M21).
    fn own_secret(&self) -> Option<KeptSecret> {
        let first = match (self.state.server.from_pending, self.state.server.from_boot) {
            (true, _) => Generation::Pending,
            (false, true) => Generation::Boot,
            (false, false) => Generation::Current,
        };
        let order = [Generation::Pending, Generation::Current, Generation::Boot];
        let live = |kept: &&KeptSecret| !kept.standing.revoked && !kept.previous;
        // What waits for the device to use a bootstrap counts beside the client's secret of that bootstrap alone.
        let waits = |kept: &KeptSecret| {
            kept.brought.is_some() && kept.standing.generation == Generation::Pending
        };
        let of = |generation| {
            let live = self.server_secrets.iter().filter(live);
            let mut here = live.filter(|kept| !waits(kept));
            here.find(move |kept| kept.standing.generation == generation)
        };
        let others = order.into_iter().filter(|generation| *generation != first);
        let mut ranked: Vec<_> = std::iter::once(first)
            .chain(others)
            .filter_map(of)
            .collect();
        if self.state.server.from_boot {
            // Where this direction was never replaced, what was provisioned is in use; what is pending is not on a device that was reset.
            ranked.sort_by_key(|kept| kept.standing.generation == Generation::Pending);
        }
        if let Some(bootstrap) = &self.state.server.bootstrap {
            let beside = |kept: &&KeptSecret| live(kept) && kept.is_of(bootstrap);
            if let Some(beside) = self.server_secrets.iter().find(beside) {
                ranked.retain(|kept| *kept != beside);
                ranked.insert(0, beside);
            }
        }
        let at = usize::try_from(self.state.server.rank).unwrap_or_default();
        let kept = ranked.get(at).or_else(|| ranked.last())?;
        Some((*kept).clone())
    }

    fn own_nonce(&self, server: &ServerSide, kept: &KeptSecret) -> Option<Nonce> {
        let given = self.state.server.nonce.as_deref();
        if let Some(given) = given.and_then(|text| Nonce::of_base64(text).ok()) {
            return Some(given);
        }
        let (stored, boot) = (server.nonce.clone(), server.boot_nonce.clone());
        let generation = kept.standing.generation;
        let brought = kept.brought.as_ref().and_then(|by| by.nonce.clone());
        if brought.is_some() && (self.state.server.from_boot || generation != Generation::Current) {
            brought
        } else if self.state.server.from_boot || generation == Generation::Boot {
            boot.or(stored)
        } else {
            stored.or(boot)
        }
    }
}

fn cred(credential: CredentialType, proof: String) -> Cred {
    Cred {
        meta: Meta {
            r#type: Some(credential.as_str().to_owned()),
            format: Some("b64".to_owned()),
            ..Meta::default()
        },
        data: Data::Text(proof),
    }
}

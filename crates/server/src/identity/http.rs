//! HTTP Basic and Digest: what a request offers by its `Authorization`, and the HTTP users that the records know (D71).

use aws_lc_rs::digest::{SHA256, digest};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use omadm_bootstrap::{BootstrapFailureCause as Cause, Utc};
use omadm_dm2::http_auth::{Authorization, Challenge, DigestAlgorithm, DigestChallenge};
use omadm_mo::{DevId, Secret};
use subtle::ConstantTimeEq as _;

use super::alive;
use super::nonce::{Nonces, Taken};
use super::tries::WrongTries;
use crate::entropy::random;
use crate::exchange::{Head, Refusal};
use crate::model::{Credential, CredentialProof};
use crate::node::Node;
use crate::seal::SealingKeys;

/// The realm of every challenge.
const REALM: &str = "omadm";
const DECOY: &[u8] = b"credential/decoy";

/// What a node needs to challenge and to judge the answers.
pub(crate) struct HttpAuth {
    nonces: Nonces,
    wrong: WrongTries,
    /// A sealed password that nobody has: what an unknown user is compared with, so that it takes as long as a known one.
    decoy: Option<Vec<u8>>,
}

impl HttpAuth {
    pub(crate) fn new(sealing_key: &Secret, sealing: &SealingKeys, now: Utc) -> Self {
        let password = random::<32>().unwrap_or([0x5a; 32]).to_vec();
        Self {
            nonces: Nonces::new(sealing_key, now),
            wrong: WrongTries::default(),
            decoy: sealing.seal(DECOY, &Secret::new(password)).ok(),
        }
    }
}

/// What the `Authorization` of a request offers.
pub(super) struct Offer<'a> {
    head: &'a Head,
    authorization: Authorization,
}

impl<'a> Offer<'a> {
    /// Reads it; none where there is none, 401 where it cannot be judged.
    pub(super) fn read(node: &Node, head: &'a Head) -> Result<Option<Self>, Refusal> {
        let mut values = head.headers.get_all(http::header::AUTHORIZATION).iter();
        let (value, more) = (values.next(), values.next());
        let Some(value) = value else {
            return Ok(None);
        };
        if more.is_some() {
            return Err(challenge(
                node,
                head,
                "the request has more than one Authorization header",
            ));
        }
        if head.peer.is_none() {
            return Err(challenge(
                node,
                head,
                "HTTP credentials are taken over TLS alone",
            ));
        }
        let authorization = Authorization::read(value.to_str().unwrap_or_default())
            .map_err(|error| challenge(node, head, &error.to_string()))?;
        if let Authorization::Digest(digest) = &authorization
            && (digest.realm != REALM || digest.uri != head.target)
        {
            let detail = format!(
                "the Digest is for {:?} in the realm {:?}, this is {:?} in {REALM:?}",
                digest.uri, digest.realm, head.target
            );
            return Err(challenge(node, head, &detail));
        }
        let offer = Self {
            head,
            authorization,
        };
        for user in offer.users() {
            if let Some(seconds) = node.http_auth.wrong.wait(user, head.from, head.now) {
                let detail = "this user was tried wrongly too often from this address";
                return Err(Refusal::plain(StatusCode::TOO_MANY_REQUESTS, detail)
                    .with_header(RETRY_AFTER, HeaderValue::from(seconds)));
            }
        }
        Ok(Some(offer))
    }

    /// The users it may be of: more than one where Basic does not say which.
    pub(super) fn users(&self) -> Vec<&str> {
        match &self.authorization {
            Authorization::Basic(pairs) => pairs.iter().map(|pair| pair.user.as_str()).collect(),
            Authorization::Digest(digest) => vec![&digest.user],
        }
    }

    /// The password that it tells for this user; none where it is a Digest.
    pub(super) fn password(&self, user: &str) -> Option<&Secret> {
        match &self.authorization {
            Authorization::Basic(pairs) => pairs
                .iter()
                .find(|pair| pair.user == user)
                .map(|pair| &pair.password),
            Authorization::Digest(_) => None,
        }
    }

    /// Whether it is of one who knows this password; compared in constant time.
    pub(super) fn knows(&self, user: &str, password: &Secret) -> bool {
        let Authorization::Digest(made) = &self.authorization else {
            let hash = |secret: &Secret| digest(&SHA256, secret.expose());
            return self
                .password(user)
                .is_some_and(|told| hash(told).as_ref().ct_eq(hash(password).as_ref()).into());
        };
        made.user == user && made.is_made_with(password, self.head.method.as_str())
    }

    /// Takes the nonce and counter of a right Digest: each counts once. 401 with a fresh nonce where they do not count.
    pub(super) fn count(&self, node: &Node) -> Result<(), Refusal> {
        let Authorization::Digest(digest) = &self.authorization else {
            return Ok(());
        };
        let head = self.head;
        if head.counted.get().is_some() {
            return Ok(());
        }
        match node
            .http_auth
            .nonces
            .take(&digest.nonce, digest.nc, head.now)
        {
            Taken::Now => {
                let _first = head.counted.set(());
                Ok(())
            }
            Taken::Stale => Err(challenged(
                node,
                head,
                "the nonce of the Digest is over, or its counter was there",
                true,
            )),
        }
    }

    /// 401 for a wrong user or password: the same whatever is wrong. `known` has the event under its name.
    pub(super) fn wrong(&self, node: &Node, known: Option<&DevId>) -> Refusal {
        let head = self.head;
        for user in self.users() {
            node.http_auth.wrong.count(user, head.from, head.now);
        }
        let user = self.users().first().copied().unwrap_or_default();
        let detail = format!("wrong HTTP user, password or bootstrap code (user {user:?})");
        let mut refusal = challenged(node, head, &detail, false);
        refusal.about = known.cloned();
        refusal.recorded = true;
        refusal
    }
}

/// How an offer was judged by the HTTP users.
pub(super) enum Judged {
    /// It is of this credential's holder.
    Right(Box<Credential>),
    /// It is of no HTTP user; the device where the user is known.
    Wrong(Option<DevId>),
}

/// Judges an offer by the HTTP users that the records know. 403 where it is right and opens nothing any more.
pub(super) async fn check(node: &Node, offer: &Offer<'_>) -> Result<Judged, Refusal> {
    let mut holder = None;
    for user in offer.users() {
        let proof = CredentialProof::HttpUser {
            user: user.to_owned(),
        };
        let found = node.store.credential(&proof).await?;
        let (context, sealed) = match &found {
            Some(credential) => (
                proof.seal_context(&credential.dev_id),
                credential.sealed.as_ref(),
            ),
            None => (DECOY.to_vec(), node.http_auth.decoy.as_ref()),
        };
        let password = sealed.and_then(|sealed| node.sealing.open(&context, sealed).ok());
        if found.is_some() && password.is_none() {
            tracing::error!(user, "the password of this HTTP user cannot be opened");
        }
        let right = password.is_some_and(|password| offer.knows(user, &password));
        let Some(credential) = found else {
            continue;
        };
        if right {
            alive(node, &credential, "HTTP user", offer.head.now)?;
            offer.count(node)?;
            return Ok(Judged::Right(Box::new(credential)));
        }
        holder = Some(credential.dev_id);
    }
    Ok(Judged::Wrong(holder))
}

/// 401 with the challenges, the strongest first.
pub(super) fn challenge(node: &Node, head: &Head, detail: &str) -> Refusal {
    challenged(node, head, detail, false)
}

fn challenged(node: &Node, head: &Head, detail: &str, stale: bool) -> Refusal {
    let mut refusal = Refusal::of(
        StatusCode::UNAUTHORIZED,
        Cause::CredentialMissing,
        None,
        detail,
    );
    refusal.recorded = false;
    let digests = match node.http_auth.nonces.make(head.now) {
        Ok(nonce) => DigestAlgorithm::ALL
            .map(|algorithm| {
                Challenge::Digest(DigestChallenge {
                    realm: REALM.to_owned(),
                    nonce: nonce.clone(),
                    opaque: None,
                    algorithm,
                    stale,
                })
            })
            .to_vec(),
        Err(error) => {
            tracing::error!(%error, "no nonce could be made");
            Vec::new()
        }
    };
    let basic = Challenge::Basic {
        realm: REALM.to_owned(),
    };
    digests
        .iter()
        .chain([&basic])
        .filter_map(|challenge| HeaderValue::try_from(challenge.write()).ok())
        .fold(refusal, |refusal, value| {
            refusal.with_header(WWW_AUTHENTICATE, value)
        })
}

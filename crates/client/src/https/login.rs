//! Answers to HTTP challenges (D45, D81): the strongest scheme that is offered and allowed, and without being asked again at the same place.

use http::HeaderValue;
use omadm_dm2::http_auth::{Challenge, basic};
use omadm_mo::{Origin, Secret};
use omadm_session::client::Cause;

use super::pool::{Call, Https};
use crate::engine::entropy;

/// User and password for a server's HTTP challenge.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// Whether HTTP Basic may be answered, which tells the server the password.
    pub(crate) allow_basic: bool,
}

/// The challenge that was answered last. Further requests of the same user to the same origin answer it ahead.
pub(super) struct Answered {
    origin: Origin,
    user: String,
    challenge: Challenge,
    /// Requests made with its nonce.
    nc: u32,
}

/// Challenges answered for one request at most: the first, and one that says that the nonce was stale.
const ANSWERS: u32 = 2;

impl Https {
    /// The `Authorization` that answers what was answered before at the same origin, without being asked.
    pub(super) async fn ahead(&self, call: &Call) -> Result<Option<HeaderValue>, Cause> {
        let Some(login) = &call.login else {
            return Ok(None);
        };
        let mut answered = self.answered.lock().await;
        answered
            .as_mut()
            .filter(|answered| answered.serves(login, call))
            .map(|answered| answered.answer(login, call))
            .transpose()
    }

    /// The `Authorization` with which the request goes out again: once for a challenge, once more where it says that the nonce was stale. None where the
    /// answer of this status stands.
    pub(super) async fn answer(
        &self,
        call: &Call,
        status: u16,
        challenges: Vec<Challenge>,
        answers: &mut u32,
    ) -> Result<Option<HeaderValue>, Cause> {
        let Some(login) = call.login.as_ref().filter(|_| status == 401) else {
            return Ok(None);
        };
        let challenge = login.choose(challenges).filter(|challenge| {
            let stale = matches!(challenge, Challenge::Digest(digest) if digest.stale);
            *answers == 0 || (stale && *answers < ANSWERS)
        });
        let mut kept = self.answered.lock().await;
        *kept = challenge.map(|challenge| Answered::new(challenge, login, call));
        *answers += 1;
        kept.as_mut()
            .map(|answered| answered.answer(login, call))
            .transpose()
    }
}

impl Login {
    /// The strongest of these challenges that may be answered.
    fn choose(&self, challenges: Vec<Challenge>) -> Option<Challenge> {
        let mut all = challenges.into_iter();
        all.find(|challenge| self.allow_basic || !matches!(challenge, Challenge::Basic { .. }))
    }
}

impl Answered {
    fn new(challenge: Challenge, login: &Login, call: &Call) -> Self {
        Self {
            origin: call.url.origin(),
            user: login.user.clone(),
            challenge,
            nc: 0,
        }
    }

    /// Whether it is answered ahead for this call: never at another origin.
    fn serves(&self, login: &Login, call: &Call) -> bool {
        self.origin == call.url.origin()
            && self.user == login.user
            && self.nc < u32::MAX
            && (login.allow_basic || !matches!(self.challenge, Challenge::Basic { .. }))
    }

    /// The `Authorization` of one more request.
    fn answer(&mut self, login: &Login, call: &Call) -> Result<HeaderValue, Cause> {
        let unwritable = |why: &dyn std::fmt::Display| {
            Cause::Unreachable(format!("the HTTP credential cannot be written: {why}"))
        };
        let line = match &self.challenge {
            Challenge::Basic { .. } => basic(&login.user, &login.password),
            Challenge::Digest(digest) => {
                let cnonce: [u8; 16] = entropy().map_err(|error| unwritable(&error))?;
                let cnonce = cnonce.map(|octet| format!("{octet:02x}")).concat();
                self.nc += 1;
                let answer = digest.answer(
                    &login.user,
                    &login.password,
                    call.method.as_str(),
                    &call.url.path_and_query(),
                    &cnonce,
                    self.nc,
                );
                Secret::from(answer.write())
            }
        };
        let mut value =
            HeaderValue::from_bytes(line.expose()).map_err(|error| unwritable(&error))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

//! Who is asked for the PIN of a pushed bootstrap (`dm1x.md` §5.4, §5.7): a program, or whatever the embedder shows to people. Without anybody a push waits
//! until somebody looks at it.

use std::sync::Arc;

use omadm_bootstrap::Utc;
use omadm_dm1::bootstrap_mac::BootstrapProfileKind;
use omadm_mo::{Secret, TreeError};

use super::wap_push::{AGAIN_SECS, DroppedPush, PinOutcome};
use super::{Engine, program};
use crate::policy::AskedProgram;
use crate::store::WaitingWapPush;

/// What is asked. Nothing of the document is among it: it is not read before its proof is right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PinRequest {
    /// The push's number.
    pub number: u64,
    /// Whom it says it is from; nothing proves that.
    pub from: String,
    /// `cp` or `dm`.
    pub profile: &'static str,
    /// When it came.
    pub at: Utc,
    /// How many PINs may be tried, this one included.
    pub tries_left: u8,
}

/// What was answered.
#[derive(Clone, PartialEq, Eq)]
pub enum PinAnswer {
    /// This is the PIN.
    Pin(Secret),
    /// The push is not wanted: it is dropped.
    Declined,
    /// Nobody was there: it goes on waiting, and somebody is asked again later.
    Later,
}

/// Asks; may take its time.
pub(crate) type AskPin = Arc<dyn Fn(&PinRequest) -> PinAnswer + Send + Sync>;

impl PinRequest {
    /// That of a push.
    #[must_use]
    pub fn of(push: &WaitingWapPush) -> Self {
        Self {
            number: push.number,
            from: push.from.clone(),
            profile: match push.pushed.profile {
                BootstrapProfileKind::Cp => "cp",
                BootstrapProfileKind::Dm => "dm",
            },
            at: push.at,
            tries_left: push.tries_left,
        }
    }

    /// As JSON: `number`, `from`, `profile`, `time`, `tries_left`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "number": self.number,
            "from": self.from,
            "profile": self.profile,
            "time": self.at.to_string(),
            "tries_left": self.tries_left,
        })
        .to_string()
    }
}

/// The program that policy names: exit code 0 and the PIN on standard output, or 1 where the push is not wanted. Any other end is nobody's.
pub(crate) fn of_command(command: AskedProgram) -> AskPin {
    Arc::new(
        move |request| match program::ask(&command, request.to_json(), command.timeout) {
            Ok(said) => answer(&said),
            Err(error) => {
                tracing::warn!(program = command.program, %error, "nobody could be asked for a PIN");
                PinAnswer::Later
            }
        },
    )
}

fn answer(said: &program::Said) -> PinAnswer {
    let typed = said.text.as_deref().unwrap_or_default().trim();
    match said.code {
        Some(0) if !typed.is_empty() => PinAnswer::Pin(Secret::from(typed.to_owned())),
        Some(1) => PinAnswer::Declined,
        _ => PinAnswer::Later,
    }
}

impl Engine {
    /// Decides on the pushed bootstraps that wait: what is proved is applied, for the rest somebody is asked. Answers when there is more to do.
    pub(super) async fn decide_wap_pushes(&self) -> Result<Option<Utc>, TreeError> {
        let waiting = self.host.run(|host| host.store.wap_pushes()).await?;
        let mut next = None;
        for number in waiting.into_iter().map(|push| push.number) {
            let alone = self.in_wap_push.lock().await;
            // Somebody else may have decided on it while the one before was asked about.
            let Some(push) = self.waiting_wap_push(number).await? else {
                continue;
            };
            let now = self.now();
            let again = push.asked.map(|at| at.plus_secs(AGAIN_SECS));
            let later = again.filter(|at| *at > now && at.millis_since(now) <= AGAIN_SECS * 1000);
            match push.proof {
                None if push.is_expired(now) => {
                    self.give_up(push, DroppedPush::Expired).await?;
                }
                _ if later.is_some() => next = next.into_iter().chain(later).min(),
                Some(proof) => {
                    // What it came to is told, and remembered where it was refused.
                    let _told = self.apply_wap_push(push, proof).await?;
                }
                None => {
                    drop(alone);
                    self.ask_for_pin(push).await?;
                }
            }
        }
        Ok(next)
    }

    /// Nothing is held meanwhile: whoever knows the PIN may give it another way.
    async fn ask_for_pin(&self, mut push: WaitingWapPush) -> Result<(), TreeError> {
        let Some(ask) = self.config.ask_pin.clone() else {
            return Ok(());
        };
        loop {
            let (request, ask) = (PinRequest::of(&push), Arc::clone(&ask));
            let number = push.number;
            let answer = self.host.run(move |_| Ok(ask(&request))).await?;
            if let PinAnswer::Pin(pin) = answer {
                match self.answer_wap_push(number, &pin).await? {
                    PinOutcome::Wrong(tries_left) => push.tries_left = tries_left,
                    _ => return Ok(()),
                }
                continue;
            }
            let _alone = self.in_wap_push.lock().await;
            let found = self.waiting_wap_push(number).await?;
            let Some(mut push) = found.filter(|push| push.proof.is_none()) else {
                return Ok(());
            };
            if answer == PinAnswer::Declined {
                self.give_up(push, DroppedPush::Declined).await?;
                return Ok(());
            }
            push.asked = Some(self.now());
            return self.note(&push).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{PinAnswer, answer};
    use crate::engine::program::Said;

    #[test]
    fn a_program_gives_the_pin_declines_or_is_nobody() {
        let said = |code, text: &str| {
            answer(&Said {
                code,
                text: Some(text.to_owned()),
            })
        };
        let pin = PinAnswer::Pin(Secret::from("1234".to_owned()));
        assert!(said(Some(0), " 1234\r\n") == pin);
        assert!(said(Some(1), "1234") == PinAnswer::Declined);
        for (code, text) in [(Some(0), "\n"), (Some(2), "1234"), (None, "1234")] {
            assert!(said(code, text) == PinAnswer::Later);
        }
    }
}

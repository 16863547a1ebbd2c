//! `omadm client pushes`: bootstraps of DM 1.x that came by WAP push and wait for their PIN.

use std::io::BufRead as _;
use std::path::PathBuf;

use clap::Args;
use omadm_client::store::WaitingWapPush;
use omadm_client::{Client as DmClient, PinAnswer, PinOutcome, PinRequest};
use omadm_mo::{Secret, SrvId};
use serde::Deserialize;

use super::client::{Device, settle};
use super::client_asked::{Answering, Asked};
use super::{heard, read_text, say};
use crate::failure::{Explain as _, Failure};

/// What waits, and what is done with it.
#[derive(Args)]
pub(crate) struct Pushes {
    #[command(flatten)]
    device: Device,
    /// Give the PIN of the push with this number: from --pin-file, else typed
    #[arg(long, value_name = "NUMBER", conflicts_with = "discard")]
    answer: Option<u64>,
    /// File that holds the PIN
    #[arg(long, requires = "answer")]
    pin_file: Option<PathBuf>,
    /// Drop the push with this number
    #[arg(long, value_name = "NUMBER")]
    discard: Option<u64>,
}

impl Pushes {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let asked = match (self.answer, self.discard) {
            (Some(number), _) => Asked::Answer {
                number,
                pin: self.pin(number).await?,
            },
            (None, Some(number)) => Asked::Discard(number),
            (None, None) => Asked::Pushes,
        };
        self.device.ask(asked).await
    }

    /// The PIN of a push: from the file, else from who sits at the terminal.
    async fn pin(&self, number: u64) -> Result<Secret, Failure> {
        if let Some(file) = &self.pin_file {
            return Ok(Secret::from(read_text(file)?.trim().to_owned()));
        }
        let (listed, lines) = heard(self.device.ask_for(Asked::Pushes, true)).await;
        listed?;
        let waiting = lines.iter().filter_map(|line| Waiting::read(line));
        let waiting = waiting.into_iter().find(|one| one.number == number);
        typed(&waiting.ok_or_else(|| not_there(number))?).ok_or_else(|| {
            Failure::new(
                TRIED,
                "none was typed",
                "type it, or name a file with --pin-file",
            )
        })
    }
}

/// What `--json` says of a push, as far as it is asked about.
#[derive(Deserialize)]
struct Waiting {
    number: u64,
    from: String,
    profile: String,
    tries_left: u8,
}

const TRIED: &str = "the PIN could not be tried";

impl Waiting {
    fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    fn of(request: &PinRequest) -> Self {
        Self {
            number: request.number,
            from: request.from.clone(),
            profile: request.profile.to_owned(),
            tries_left: request.tries_left,
        }
    }
}

pub(super) fn list(client: &DmClient, json: bool) -> Result<(), Failure> {
    let waiting = client
        .wap_pushes()
        .explain("the pushes cannot be read", "")?;
    if json {
        for push in &waiting {
            say(PinRequest::of(push).to_json())?;
        }
        return Ok(());
    }
    if waiting.is_empty() {
        return say("no pushed bootstrap waits");
    }
    for push in &waiting {
        say(line(push))?;
    }
    Ok(())
}

pub(super) async fn discard(client: &DmClient, number: u64, json: bool) -> Result<(), Failure> {
    let what = "the push could not be dropped";
    if !client.discard_wap_push(number).await.explain(what, "")? {
        return Err(not_there(number));
    }
    if json {
        return say(serde_json::json!({ "number": number, "discarded": true }));
    }
    say(format!("push {number}: dropped"))
}

fn line(push: &WaitingWapPush) -> String {
    let request = PinRequest::of(push);
    let waits = match push.proof {
        None => format!("waits for its PIN, tries left: {}", push.tries_left),
        Some(proof) => format!("proved ({}), applied at the next start", proof.as_str()),
    };
    format!(
        "push {}: {} bootstrap of {} at {}, says it is from {}; {waits}",
        request.number,
        request.profile,
        octets(push),
        request.at,
        request.from
    )
}

fn octets(push: &WaitingWapPush) -> String {
    format!("{} octets", push.pushed.document.len())
}

pub(super) async fn answer(
    client: &DmClient,
    number: u64,
    pin: &Secret,
    json: bool,
    by: Answering,
) -> Result<(), Failure> {
    let what = "the pushed bootstrap was not applied";
    let outcome = client.answer_wap_push(number, pin).await;
    match outcome.explain(TRIED, "")? {
        PinOutcome::Applied(done) => {
            let servers: Vec<_> = done.servers.iter().map(SrvId::as_str).collect();
            if json {
                say(serde_json::json!({ "number": number, "bootstrapped": servers }))?;
            } else {
                say(format!("bootstrapped: {}", servers.join(", ")))?;
            }
            match by {
                Answering::Alone => settle(client, json).await,
                Answering::Running => Ok(()),
            }
        }
        PinOutcome::Refused(refusal) => {
            let todo = refusal.cause.action();
            Err(Failure::new(what, refusal, todo))
        }
        PinOutcome::Wrong(left) => Err(Failure::new(
            what,
            "the PIN is wrong",
            format!("ask the sender for it and try again; tries left: {left}"),
        )),
        PinOutcome::Dropped => Err(Failure::new(
            what,
            "the PIN is wrong, and it was the last try; the push is dropped",
            "ask the sender for another push",
        )),
        PinOutcome::NotThere => Err(not_there(number)),
    }
}

fn not_there(number: u64) -> Failure {
    Failure::new(
        "there is nothing to decide",
        format!("no push {number} waits for a PIN"),
        "`omadm client pushes` shows those that wait; each waits for a day",
    )
}

/// Asks whoever sits at the terminal. An empty line is nobody.
pub(crate) fn prompt(request: &PinRequest) -> PinAnswer {
    typed(&Waiting::of(request)).map_or(PinAnswer::Later, |pin| match pin.expose() {
        b"no" => PinAnswer::Declined,
        _ => PinAnswer::Pin(pin),
    })
}

#[expect(clippy::print_stderr, reason = "a question to a person")]
fn typed(request: &Waiting) -> Option<Secret> {
    eprintln!(
        "A bootstrap was pushed that says it is from {} (push {}, profile {}). Nothing of it was read. Its PIN ({} tries left; no: drop it; empty: later):",
        request.from, request.number, request.profile, request.tries_left
    );
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    let pin = line.trim();
    (!pin.is_empty()).then(|| Secret::from(pin.to_owned()))
}

//! `omadm client pushes`: bootstraps of DM 1.x that came by WAP push and wait for their PIN.

use std::io::BufRead as _;
use std::path::PathBuf;

use clap::Args;
use omadm_client::store::WaitingWapPush;
use omadm_client::{Client as DmClient, PinAnswer, PinOutcome, PinRequest};
use omadm_mo::{Secret, SrvId};

use super::client::{Device, settle};
use super::{read_text, say};
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
        let json = self.device.json;
        let client = self.device.open(&[], None)?;
        match (self.answer, self.discard) {
            (Some(number), _) => {
                let what = "the PIN could not be tried";
                let waiting = client.wap_pushes().explain(what, "")?;
                let push = waiting.iter().find(|one| one.number == number);
                let push = push.ok_or_else(|| not_there(number))?;
                let pin = match &self.pin_file {
                    Some(file) => Secret::from(read_text(file)?.trim().to_owned()),
                    None => typed(&PinRequest::of(push)).ok_or_else(|| {
                        Failure::new(
                            what,
                            "none was typed",
                            "type it, or name a file with --pin-file",
                        )
                    })?,
                };
                let outcome = client.answer_wap_push(number, &pin).await;
                answered(&client, number, outcome.explain(what, "")?, json).await
            }
            (None, Some(number)) => {
                let what = "the push could not be dropped";
                if !client.discard_wap_push(number).await.explain(what, "")? {
                    return Err(not_there(number));
                }
                if json {
                    return say(serde_json::json!({ "number": number, "discarded": true }));
                }
                say(format!("push {number}: dropped"))
            }
            (None, None) => list(&client, json),
        }
    }
}

fn list(client: &DmClient, json: bool) -> Result<(), Failure> {
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

async fn answered(
    client: &DmClient,
    number: u64,
    outcome: PinOutcome,
    json: bool,
) -> Result<(), Failure> {
    let what = "the pushed bootstrap was not applied";
    match outcome {
        PinOutcome::Applied(done) => {
            let servers: Vec<_> = done.servers.iter().map(SrvId::as_str).collect();
            if json {
                say(serde_json::json!({ "number": number, "bootstrapped": servers }))?;
            } else {
                say(format!("bootstrapped: {}", servers.join(", ")))?;
            }
            settle(client, json).await
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
    typed(request).map_or(PinAnswer::Later, |pin| match pin.expose() {
        b"no" => PinAnswer::Declined,
        _ => PinAnswer::Pin(pin),
    })
}

#[expect(clippy::print_stderr, reason = "a question to a person")]
fn typed(request: &PinRequest) -> Option<Secret> {
    eprintln!(
        "A bootstrap was pushed that says it is from {} (push {}, profile {}). Nothing of it was read. Its PIN ({} tries left; no: drop it; empty: later):",
        request.from, request.number, request.profile, request.tries_left
    );
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    let pin = line.trim();
    (!pin.is_empty()).then(|| Secret::from(pin.to_owned()))
}

//! What came of the cards, for people and for `--json`.

use std::collections::BTreeSet;

use omadm_bootstrap::plan::{EntryOutcome, Preview, PreviewAction, ReaderState, SwitchOnDecision};
use omadm_client::{CardCheck, Client};
use serde_json::{Value, json};

use super::say;
use crate::failure::{Explain as _, Failure};

/// A line a reader, entry and account.
pub(super) fn tell(cards: &CardCheck) -> Result<(), Failure> {
    match cards {
        CardCheck::Off => say("cards: none looked at: no reader, or smartcard bootstrap is off"),
        CardCheck::Done(decision) if decision.readers.is_empty() => {
            say("cards: none looked at: there is no PC/SC service, or no reader")?;
            say_decision(decision)
        }
        CardCheck::Done(decision) => say_decision(decision),
        CardCheck::Failed(refusal) => say(format!("cards: nothing was applied: {refusal}")),
    }
}

/// The same for machines; null where no card was looked at.
pub(super) fn body(cards: &CardCheck) -> Value {
    match cards {
        CardCheck::Off => Value::Null,
        CardCheck::Done(decision) => decision_body(decision),
        CardCheck::Failed(refusal) => json!({ "refused": refusal.cause.code() }),
    }
}

/// What the cards would change now.
pub(super) async fn preview(client: &Client, as_json: bool) -> Result<(), Failure> {
    let shown = client.preview_cards().await;
    let shown = shown.explain("the cards cannot be previewed", "look at the device's log")?;
    let Some((decision, preview)) = shown else {
        return if as_json {
            say(Value::Null)
        } else {
            tell(&CardCheck::Off)
        };
    };
    if as_json {
        let mut body = decision_body(&decision);
        body["changes"] = lines(&preview)
            .map(|(verb, uri)| json!([verb, uri]))
            .collect();
        return say(body);
    }
    say_decision(&decision)?;
    for (verb, uri) in lines(&preview) {
        say(format!("would {verb} {uri}"))?;
    }
    Ok(())
}

fn lines(preview: &Preview) -> impl Iterator<Item = (&'static str, &str)> {
    preview.lines.iter().map(|line| {
        let verb = match line.action {
            PreviewAction::Add => "add",
            PreviewAction::Replace => "replace",
            PreviewAction::Remove => "remove",
            PreviewAction::Rename => "rename",
        };
        (verb, line.uri.as_str())
    })
}

fn say_decision(decision: &SwitchOnDecision) -> Result<(), Failure> {
    for line in decision.to_string().lines() {
        say(format!("card: {line}"))?;
    }
    for action in actions(decision) {
        say(format!("  do: {action}"))?;
    }
    Ok(())
}

/// What to do about what could not be read or is refused, each once.
fn actions(decision: &SwitchOnDecision) -> BTreeSet<&'static str> {
    let readers = decision.readers.iter().filter_map(|one| match &one.state {
        ReaderState::Undetermined(trouble) => Some(trouble.action()),
        ReaderState::Rejected(reason) => Some(reason.action()),
        _ => None,
    });
    let entries = decision
        .entries
        .iter()
        .filter_map(|one| match &one.outcome {
            EntryOutcome::Refused(refusal) => Some(refusal.cause.action()),
            EntryOutcome::Unreadable(trouble) => Some(trouble.action()),
            _ => None,
        });
    readers.chain(entries).collect()
}

fn decision_body(decision: &SwitchOnDecision) -> Value {
    let readers = decision.readers.iter().map(|one| {
        let card = one.card.as_ref().map(ToString::to_string);
        json!({ "reader": one.reader.as_str(), "card": card, "found": one.state.to_string() })
    });
    let entries = decision.entries.iter().map(|one| {
        json!({
            "reader": one.reader.as_str(),
            "oid": one.oid.to_string(),
            "path": one.path.to_string(),
            "generation": one.format.map(omadm_bootstrap::ProfileFormat::generation),
            "format": one.format.map(omadm_bootstrap::ProfileFormat::node_value),
            "sha256": one.digest.map(|digest| digest.to_hex()),
            "outcome": one.outcome.to_string(),
        })
    });
    let accounts = decision.accounts.iter();
    let accounts =
        accounts.map(|one| json!({ "server": one.srv_id.as_str(), "fate": one.fate.to_string() }));
    json!({
        "readers": readers.collect::<Vec<_>>(),
        "entries": entries.collect::<Vec<_>>(),
        "accounts": accounts.collect::<Vec<_>>(),
        "applied": decision.servers.iter().map(omadm_mo::SrvId::as_str).collect::<Vec<_>>(),
        "removed": decision.removed().map(omadm_mo::SrvId::as_str).collect::<Vec<_>>(),
        "in_doubt": decision.is_in_doubt(),
        "actions": actions(decision),
    })
}

//! `omadm client status`: what the device has, what it owes, and why it has no bootstrap.

use omadm_bootstrap::{Account, CompletionState, ProfileFormat};
use omadm_client::{Client, FetchAnswer, FetchAttempt, LastRefusal};
use omadm_session::client::AddressRule;

use super::say;
use crate::failure::{Explain as _, Failure};

pub(super) async fn status(client: &Client, json: bool) -> Result<(), Failure> {
    let what = "the state of the device cannot be read";
    let accounts = client.accounts().explain(what, "")?;
    let attempts = client.fetch_attempts().await.explain(what, "")?;
    let seeks = client.seeks_bootstrap().await.explain(what, "")?;
    let refusal = client.last_refusal().explain(what, "")?;
    if json {
        let mut told = Vec::new();
        for account in &accounts {
            told.push(account_json(client, account)?);
        }
        return say(serde_json::json!({
            "accounts": told,
            "seeks_bootstrap": seeks,
            "fetches": attempts.iter().map(attempt_json).collect::<Vec<_>>(),
            "last_refusal": refusal,
        }));
    }
    if accounts.is_empty() {
        say("no DM Account")?;
    }
    for account in &accounts {
        let provenance = &account.provenance;
        say(format!(
            "{}  bootstrapped {} time(s), last {} from {}, {}",
            account.srv_id, provenance.seq, provenance.method, provenance.source, provenance.format
        ))?;
        let owed = account.owed.as_ref().map(|owed| {
            let next = owed
                .not_before
                .map_or_else(|| "at once".to_owned(), |at| at.to_string());
            format!("owed, {} attempt(s), next {next}", owed.attempts)
        });
        if account.is_dm1() {
            let state = state_of(client, account)?;
            say(format!("  DM 1.x, by {}", profile(provenance.format)))?;
            let told = owed.unwrap_or_else(|| in_words(state).to_owned());
            say(format!("  bootstrap event {}: {told}", state.node_value()))?;
        } else {
            let owed = owed.unwrap_or_else(|| "acknowledged".to_owned());
            say(format!("  BootstrapComplete {owed}"))?;
        }
        if let Some(rule) = forbidden(client, account)? {
            say(format!(
                "  no session: the device's policy forbids the server's address: {rule}"
            ))?;
            say(format!("  do: {}", rule.action()))?;
        }
    }
    if seeks && attempts.is_empty() {
        say("no bootstrap server was asked yet")?;
    }
    for attempt in &attempts {
        tell(attempt)?;
    }
    if let Some(refusal) = refusal.filter(|one| !is_among(one, &attempts)) {
        say(format!(
            "last bootstrap refused at {}: {}",
            refusal.at, refusal.sentence
        ))?;
        details(&refusal)?;
    }
    if seeks && !attempts.is_empty() {
        say("`omadm client bootstrap` asks at once")?;
    }
    Ok(())
}

fn state_of(client: &Client, account: &Account) -> Result<CompletionState, Failure> {
    let state = client.completion_state(&account.srv_id);
    let state = state.explain("the state of the device cannot be read", "")?;
    Ok(state.unwrap_or_else(|| account.state()))
}

const fn profile(format: ProfileFormat) -> &'static str {
    match format {
        ProfileFormat::Cp => "a client provisioning document",
        ProfileFormat::Dm => "a DM message",
        ProfileFormat::Dm2 => "a document of DM 2.0",
    }
}

const fn in_words(state: CompletionState) -> &'static str {
    match state {
        CompletionState::Pending => "owed to the server",
        CompletionState::Acked => "the server acknowledged it",
        CompletionState::Unsupported => "the server cannot take it; nothing is sent any more",
        CompletionState::Reverted => {
            "the server was met with the former credentials alone; the account is as it was before the last bootstrap"
        }
    }
}

fn tell(attempt: &FetchAttempt) -> Result<(), Failure> {
    let (at, next) = (attempt.at, attempt.next);
    let answer = match &attempt.answer {
        FetchAnswer::Awaited => "it gave no answer before the device was cut off",
        FetchAnswer::Nothing => "it has nothing for this device now",
        FetchAnswer::Later => "it wants to be asked later",
        FetchAnswer::Held { .. } => "it holds the device until an operator decides",
        FetchAnswer::Refused(refusal) => refusal.sentence.as_str(),
    };
    say(format!("{}  asked at {at}: {answer}", attempt.url))?;
    match &attempt.answer {
        FetchAnswer::Refused(refusal) => details(refusal)?,
        FetchAnswer::Held { detail } => say(format!("  it says: {detail}"))?,
        _ => {}
    }
    let failures = attempt.failures;
    let failed = (failures > 0).then(|| format!(", {failures} failure(s) in a row"));
    say(format!("  next: {next}{}", failed.unwrap_or_default()))
}

fn details(refusal: &LastRefusal) -> Result<(), Failure> {
    for (label, text) in [
        ("cause", Some(&refusal.cause)),
        ("item", refusal.item.as_ref()),
        ("uri", refusal.uri.as_ref()),
        ("found", refusal.detail.as_ref()),
        ("do", Some(&refusal.action)),
    ] {
        if let Some(text) = text {
            say(format!("  {label}: {text}"))?;
        }
    }
    Ok(())
}

/// Whether what is said of a fetch says it already.
fn is_among(refusal: &LastRefusal, attempts: &[FetchAttempt]) -> bool {
    attempts.iter().any(|one| match &one.answer {
        FetchAnswer::Refused(told) => {
            (&told.cause, &told.detail) == (&refusal.cause, &refusal.detail)
        }
        _ => false,
    })
}

fn forbidden(client: &Client, account: &Account) -> Result<Option<AddressRule>, Failure> {
    let rule = client.forbidden_address(&account.srv_id);
    rule.explain("the state of the device cannot be read", "")
}

fn account_json(client: &Client, account: &Account) -> Result<serde_json::Value, Failure> {
    let queued = client.queued_alerts(&account.srv_id);
    let queued = queued.explain("the alerts cannot be read", "")?.len();
    let provenance = &account.provenance;
    let owed = account.owed.as_ref();
    let forbidden = forbidden(client, account)?;
    Ok(serde_json::json!({
        "server": account.srv_id.as_str(),
        "bootstrap_state": state_of(client, account)?.node_value(),
        "method": provenance.method.name(),
        "source": provenance.source.to_string(),
        "generation": provenance.format.generation(),
        "format": provenance.format.node_value(),
        "seq": provenance.seq,
        "bootstrap_complete_owed": owed.is_some(),
        "attempts": owed.map(|owed| owed.attempts),
        "next": owed.and_then(|owed| owed.not_before).map(|at| at.to_string()),
        "queued_alerts": queued,
        "forbidden_address": forbidden.map(|rule| serde_json::json!({
            "why": rule.to_string(), "policy_key": rule.key().map(|key| format!("network.{key}")), "do": rule.action(),
        })),
    }))
}

fn attempt_json(attempt: &FetchAttempt) -> serde_json::Value {
    let (answer, refusal) = match &attempt.answer {
        FetchAnswer::Awaited => ("awaited", None),
        FetchAnswer::Nothing => ("nothing", None),
        FetchAnswer::Later => ("later", None),
        FetchAnswer::Held { .. } => ("held", None),
        FetchAnswer::Refused(refusal) => ("refused", Some(refusal)),
    };
    serde_json::json!({
        "url": attempt.url,
        "at": attempt.at.to_string(),
        "failures": attempt.failures,
        "next": attempt.next.to_string(),
        "answer": answer,
        "refusal": refusal,
    })
}

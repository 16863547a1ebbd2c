//! `omadm client switch-on` and `omadm client factory-reset`.

use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;
use omadm_client::{ConsentRequest, FactoryImage, FactoryReset, NoBootstrap};
use omadm_mo::SrvId;

use super::client::{Device, Start};
use super::{client_cards, say};
use crate::failure::{Explain as _, Failure};

/// Takes everything a server or bootstrap left.
#[derive(Args)]
pub(crate) struct Reset {
    #[command(flatten)]
    device: Device,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// A start, once.
#[derive(Args)]
pub(crate) struct SwitchOn {
    #[command(flatten)]
    start: Start,
    /// Only tell what the cards would change, and change nothing
    #[arg(long)]
    preview: bool,
}

/// What a device does at its start, once.
pub(crate) async fn switch_on(switch_on: SwitchOn) -> Result<(), Failure> {
    let json = switch_on.start.json();
    let client = switch_on.start.open()?;
    if switch_on.preview {
        return client_cards::preview(&client, json).await;
    }
    let what = "the device was not bootstrapped";
    let done = client.switch_on().await.explain(what, "")?;
    let told = match &done.factory {
        FactoryImage::None => "none".to_owned(),
        FactoryImage::Before(hash) => format!("applied before ({})", hash.to_hex()),
        FactoryImage::Applied(done) => format!("applied: {}", names(&done.servers)),
        FactoryImage::Refused(refusal) => format!("refused: {refusal}"),
    };
    if json {
        let fetched = done.fetched.as_ref().map(Result::is_ok);
        let cards = client_cards::body(&done.cards);
        say(serde_json::json!({ "factory_image": told, "cards": cards, "fetched": fetched }))?;
    } else {
        say(format!("factory image: {told}"))?;
        client_cards::tell(&done.cards)?;
    }
    match (&done.factory, done.fetched) {
        (_, Some(Ok(done))) if !json => say(format!("fetched: {}", names(&done.servers)))?,
        (FactoryImage::Refused(refusal), None | Some(Err(NoBootstrap::NoSource))) => {
            return Err(Failure::new(
                "the factory image was refused",
                refusal,
                refusal.cause.action(),
            ));
        }
        (_, Some(Err(problem))) => return Err(super::client::not_fetched(&problem)),
        _ => {}
    }
    super::client::settle(&client, json).await
}

pub(crate) async fn factory_reset(reset: Reset) -> Result<(), Failure> {
    let what = "the device was not reset";
    let json = reset.device.json;
    let client = reset.device.open(&[], None)?;
    let before = client.before_factory_reset().await.explain(what, "")?;
    if !reset.yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new(
                what,
                "nobody is there to be asked: standard input is no terminal",
                "give --yes",
            ));
        }
        say(told("This takes away", &before))?;
        say("Key, certificate, DevInfo and policy stay. Type yes to go on:")?;
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        read.explain("the answer could not be read", "give --yes")?;
        if answer.trim() != "yes" {
            return Err(Failure::new(
                what,
                "the answer was not yes",
                "nothing was changed",
            ));
        }
    }
    let gone = client
        .factory_reset()
        .await
        .explain(what, "everything is as before")?;
    if json {
        let accounts: Vec<_> = gone.accounts.iter().map(SrvId::as_str).collect();
        return say(serde_json::json!({
            "accounts": accounts,
            "instances": gone.instances,
            "subscriptions": gone.subscriptions,
            "alerts": gone.alerts,
            "factory_image": gone.factory_image.map(|hash| hash.to_hex()),
        }));
    }
    say(told("removed", &gone))?;
    say("kept: key, certificate, DevInfo, policy")?;
    if gone.factory_image.is_some() {
        say("the factory image is applied again at the next start")?;
    }
    Ok(())
}

/// Asks whoever sits at the terminal whether a bootstrap may be applied.
#[expect(clippy::print_stderr, reason = "a question to a person")]
pub(crate) fn prompt(request: &ConsentRequest) -> bool {
    eprintln!(
        "A bootstrap ({}) from {} brings",
        request.method, request.source
    );
    for (server, permissions) in &request.servers {
        eprintln!("  the DM Server {server}, which asks to manage");
        for moid in permissions {
            eprintln!("    {moid}");
        }
    }
    for line in &request.changes.lines {
        let counts = (line.added.len(), line.changed.len(), line.removed.len());
        eprintln!(
            "  {}: {} values new, {} changed, {} gone",
            line.uri, counts.0, counts.1, counts.2
        );
    }
    eprintln!("Type yes to agree:");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && answer.trim() == "yes"
}

fn told(verb: &str, reset: &FactoryReset) -> String {
    format!(
        "{verb}: {} DM Accounts ({}), {} instances, {} subscriptions, {} alerts, downloads",
        reset.accounts.len(),
        names(&reset.accounts),
        reset.instances,
        reset.subscriptions,
        reset.alerts
    )
}

fn names(servers: &[SrvId]) -> String {
    let names: Vec<_> = servers.iter().map(SrvId::as_str).collect();
    names.join(", ")
}

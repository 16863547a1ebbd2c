use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use omadm_mo::{Format, Value};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{CallBody, CommandBody, NewCommands};
use omadm_session::server::queue::told;
use serde::Serialize;

use super::{Asked as _, say_json};
use crate::command::{read_text, say};
use crate::failure::{Explain as _, Failure};

/// How often it is asked whether a command was answered.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(super) struct Send {
    /// Its DevID
    dev_id: String,
    /// What is to be done: get, set, add, delete or exec with MOID/instance/path, or a command as it stands in a Package#2
    #[arg(required = true, value_name = "COMMAND")]
    words: Vec<String>,
    /// Format of the value: chr, int, bool, bin, b64, float, date, time, xml or null
    #[arg(long, default_value = "chr")]
    format: String,
    /// File that holds the value; with --format bin as it is
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Wait so many seconds until the device answered, and print the status and what a GET brought
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Do not call the device: it gets the command when it comes by itself
    #[arg(long)]
    no_notify: bool,
}

/// A command that was queued, and how the device was called for it.
#[derive(Serialize)]
struct Queued {
    #[serde(flatten)]
    command: CommandBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<CallBody>,
}

impl Send {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let (dev_id, wait) = (self.dev_id.clone(), self.wait);
        let notify = self.no_notify.then_some(false);
        let words = self.neutral()?;
        let name = told(&words).join(" ");
        let new = NewCommands {
            command: Some(words),
            notify,
            ..NewCommands::default()
        };
        let queued = api
            .queue(&dev_id, &new)
            .await
            .asked(format!("{name} was not queued for {dev_id}"))?;
        let call = queued.call;
        if let Some(call) = call.as_ref().filter(|_| !json) {
            say(called(call))?;
        }
        let Some(queued) = queued.commands.into_iter().next() else {
            return Err(Failure::new(
                format!("{name} was not queued"),
                "the server's answer names no command",
                "let --api name the operator address of an omadm server",
            ));
        };
        let Some(seconds) = wait else {
            return if json {
                say_json(&Queued {
                    command: queued,
                    call,
                })
            } else {
                tell(&queued, json)
            };
        };
        wait_for(api, &dev_id, &queued.id, seconds, json).await
    }

    /// The words that the server takes.
    fn neutral(self) -> Result<Vec<String>, Failure> {
        let mut words = self.words;
        let given = match &self.value_file {
            Some(file) => Some(value_of(file, &self.format)?),
            None => None,
        };
        let (name, takes_value) = match words.first().map(String::as_str) {
            Some("get") => ("read", false),
            Some("delete") => ("remove", false),
            Some("set") => ("replace", true),
            Some("add") => ("add", true),
            Some("exec") => ("execute", true),
            Some("raw") => {
                if let Some(text) = words.get_mut(1)
                    && !text.trim_start().starts_with('<')
                {
                    *text = read_text(Path::new(text))?;
                }
                ("raw", false)
            }
            _ => return Ok(words),
        };
        let value = given.or_else(|| (words.len() > 2).then(|| words.remove(2)));
        if let Some(first) = words.first_mut() {
            name.clone_into(first);
        }
        match value {
            Some(value) if takes_value => words.splice(2..2, [self.format, value]).for_each(drop),
            Some(value) => words.push(value),
            None if name == "add" => words.push("node".to_owned()),
            None if name == "replace" && self.format == "null" => words.push(self.format),
            None => {}
        }
        Ok(words)
    }
}

/// What a file holds, in the form of its format.
fn value_of(file: &Path, format: &str) -> Result<String, Failure> {
    if format == Format::Bin.name() {
        let octets = std::fs::read(file).explain(
            format!("{} cannot be read", file.display()),
            "check the path",
        )?;
        return Ok(Value::bin(octets).to_text().to_string());
    }
    read_text(file)
}

/// How the device was called, in a line.
fn called(call: &CallBody) -> String {
    let at = |text: &Option<String>| {
        let text = text.as_ref();
        text.map(|text| format!(" {text}")).unwrap_or_default()
    };
    match call.outcome.as_str() {
        "failed" => format!(
            "not called: {}{}",
            call.detail.as_deref().unwrap_or("the Notification failed"),
            call.action
                .as_ref()
                .map(|action| format!(" ({action})"))
                .unwrap_or_default()
        ),
        outcome => format!("called{}: {outcome}", at(&call.address)),
    }
}

/// Waits until a queued command was answered with success, and tells it.
pub(super) async fn wait_for(
    api: &ApiClient,
    dev_id: &str,
    id: &str,
    seconds: u64,
    json: bool,
) -> Result<(), Failure> {
    let queued = show(api, dev_id, id).await?;
    let command = wait(api, queued, Duration::from_secs(seconds)).await?;
    tell(&command, json)?;
    judge(&command)
}

/// Asks until the command rests, or the time is over.
async fn wait(
    api: &ApiClient,
    mut command: CommandBody,
    patience: Duration,
) -> Result<CommandBody, Failure> {
    let until = Instant::now() + patience;
    while !command.rests() && Instant::now() < until {
        tokio::time::sleep(LOOK.min(until.saturating_duration_since(Instant::now()))).await;
        command = show(api, &command.device, &command.id).await?;
    }
    Ok(command)
}

async fn show(api: &ApiClient, dev_id: &str, id: &str) -> Result<CommandBody, Failure> {
    let what = format!("command {id} of {dev_id} cannot be shown");
    api.command(dev_id, id).await.asked(what)
}

/// Who waits wants the command to have succeeded.
fn judge(command: &CommandBody) -> Result<(), Failure> {
    let what = command.command.join(" ");
    match (command.state.as_str(), command.status) {
        ("answered", Some(200..=299 | 304)) => Ok(()),
        ("answered", status) => Err(Failure::new(
            what,
            format!("the device answered {}", status.unwrap_or_default()),
            "see what it says about the status, and queue it again",
        )),
        ("held", _) => Err(Failure::new(
            what,
            "its outcome is unknown: the session was over before its answer came",
            format!(
                "`omadm device release {0} {1}` sends it again, `omadm device cancel {0} {1}` takes it back",
                command.device, command.id
            ),
        )),
        (state, _) => Err(Failure::new(
            what,
            format!("the device has not answered yet; the command is {state}"),
            format!(
                "it stays queued; see `omadm device command {} {}`",
                command.device, command.id
            ),
        )),
    }
}

pub(super) async fn one(
    api: &ApiClient,
    dev_id: &str,
    id: &str,
    json: bool,
) -> Result<(), Failure> {
    tell(&show(api, dev_id, id).await?, json)
}

pub(super) async fn list(api: &ApiClient, dev_id: &str, json: bool) -> Result<(), Failure> {
    let mut before = None;
    loop {
        let page = api
            .commands(dev_id, before)
            .await
            .asked(format!("the commands of {dev_id} cannot be listed"))?;
        for command in &page.commands {
            if json {
                say_json(command)?;
            } else {
                say(line(command))?;
            }
        }
        before = page.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

pub(super) async fn cancel(
    api: &ApiClient,
    dev_id: &str,
    id: &str,
    json: bool,
) -> Result<(), Failure> {
    let what = format!("command {id} of {dev_id} was not cancelled");
    tell(&api.cancel_command(dev_id, id).await.asked(what)?, json)
}

pub(super) async fn release(
    api: &ApiClient,
    dev_id: &str,
    id: &str,
    json: bool,
) -> Result<(), Failure> {
    let what = format!("command {id} of {dev_id} was not released");
    let released = api.release_command(dev_id, id).await.asked(what)?;
    if json {
        return say_json(&released);
    }
    if let Some(call) = &released.call {
        say(called(call))?;
    }
    tell(&released.command, json)
}

fn tell(command: &CommandBody, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(command);
    }
    say(line(command))?;
    for uri in &command.uris {
        say(format!("  at {uri}"))?;
    }
    match &command.result {
        Some(result) => say(serde_json::to_string_pretty(result)
            .explain("the result cannot be printed", "use --json")?),
        None => Ok(()),
    }
}

/// A command in one line.
fn line(command: &CommandBody) -> String {
    let status = command
        .status
        .map(|status| format!(" {status}"))
        .unwrap_or_default();
    let sends = match command.sends {
        0 | 1 => String::new(),
        sends => format!(", sent {sends} times"),
    };
    format!(
        "{}  {}  {}{status}{sends}  {}",
        command.id,
        command.queued_at,
        command.state,
        command.command.join(" ")
    )
}

//! The command queue of a device: queue, list, show, cancel, release.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_bootstrap::EventId;
use omadm_dm2::Command;
use omadm_mo::DevId;
use omadm_session::server::MAX_OCTETS;
use omadm_session::server::queue::{DeviceLayout, NeutralCommand, told};
use serde::Deserialize;

use super::answer::{JsonBody, Parameters, Refused};
use super::devices::{PAGE, dev_id, registered, unknown};
use super::notify_at::{call_body, calls};
use super::types::{CommandBody, CommandPage, CommandReleased, NewCommands};
use crate::dm1_service;
use crate::entropy::{correlation, random};
use crate::generations::{Book, take_back};
use crate::model::{
    BootstrapState, CommandChange, CommandId, CommandState, DmGeneration, EventKind, ExchangeDelta,
    QueuedCommand,
};
use crate::node::{Node, event};
use crate::notification_service::{call, parse_addresses};
use crate::problem::{Problem, ProblemBody};
use crate::session_service::queue::{Spoken, spoken, spoken1, title};
use crate::store::CommitError;

/// How often a change is made again after other commits of the device came between.
const RETRIES: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

/// Queues commands for a device, which gets them in its next session, or in the one that runs. Where its record says so, the device is called.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/commands", tag = "commands", params(("dev_id" = String, Path)), request_body = NewCommands,
    responses((status = 201, body = CommandPage), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn queue(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
    JsonBody(new): JsonBody<NewCommands>,
) -> Result<(StatusCode, Json<CommandPage>), Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let mut queued = Vec::new();
    let speaks = speaks(&node, &dev_id).await?;
    let notify = new.notify;
    let mut only_in = None;
    for (nr, words) in wanted(new)?.into_iter().enumerate() {
        let id = CommandId(EventId::of(random()?));
        expressible(&node, &speaks, &id, &words, nr)?;
        only_in = only_in.or_else(|| said_only_in(&node, &speaks, &id, &words));
        queued.push((id, words));
    }
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let limit = node.config.limits.open_commands;
        if usize::try_from(device.open_commands).unwrap_or(usize::MAX) + queued.len() > limit {
            let detail = format!(
                "{dev_id} has {} open commands; with these it would have more than {limit}",
                device.open_commands
            );
            return Err(Problem::new(StatusCode::CONFLICT, detail)
                .advising("Wait until the device answered some, or cancel some.")
                .into());
        }
        let calls = calls(&device.notify, notify)?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        for (id, words) in &queued {
            let mut parameters = told(words);
            let command = if parameters.is_empty() {
                String::new()
            } else {
                parameters.remove(0)
            };
            let kind = EventKind::CommandQueued {
                id: id.to_string(),
                command,
                parameters,
            };
            delta.events.push(event(kind, &correlation));
            delta.commands.push(CommandChange::Add {
                id: id.clone(),
                words: words.clone(),
            });
        }
        match node.store.commit(delta).await {
            Ok(_) => {}
            Err(CommitError::Conflict) => continue,
            Err(error) => return Err(error.into()),
        }
        tracing::info!(correlation, device = %dev_id, commands = queued.len(), "commands queued");
        let mut commands = Vec::with_capacity(queued.len());
        for (id, _) in &queued {
            let found = node.store.command(&dev_id, id).await?;
            commands.extend(found.map(|command| body(&dev_id, &command)));
        }
        let called = if calls {
            let to = parse_addresses(&device.notify.addresses).unwrap_or_default();
            Some(call(&node, &dev_id, to, only_in, &correlation).await)
        } else {
            None
        };
        let page = CommandPage {
            commands,
            next: None,
            call: called.as_ref().map(call_body),
        };
        return Ok((StatusCode::CREATED, Json(page)));
    }
    Err(CommitError::Conflict.into())
}

/// Lists a device's commands, newest first, without their results.
#[utoipa::path(get, path = "/api/v1/devices/{dev_id}/commands", tag = "commands",
    params(("dev_id" = String, Path), ("before" = Option<u64>, Query, description = "the number (`nr`) before the page"),
        ("limit" = Option<usize>, Query, description = "1 to 100")),
    responses((status = 200, body = CommandPage), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<CommandPage>, Refused> {
    let dev_id = dev_id(&device)?;
    if node.store.device(&dev_id).await?.is_none() {
        return Err(unknown(&dev_id));
    }
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = node.store.commands_of(&dev_id, query.before, limit).await?;
    let last = found.last().filter(|_| found.len() == limit);
    Ok(Json(CommandPage {
        next: last.map(|command| command.nr),
        commands: found.iter().map(|command| body(&dev_id, command)).collect(),
        call: None,
    }))
}

/// Shows a command with its result.
#[utoipa::path(get, path = "/api/v1/devices/{dev_id}/commands/{id}", tag = "commands", params(("dev_id" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = CommandBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path((device, id)): Path<(String, String)>,
) -> Result<Json<CommandBody>, Refused> {
    let dev_id = dev_id(&device)?;
    let found = find(&node, &dev_id, &id).await?;
    Ok(Json(body(&dev_id, &found)))
}

/// Takes a command back that is queued or held. One that was cancelled before stays so. With a rotation that never left, its secret is revoked.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/commands/{id}/cancel", tag = "commands", params(("dev_id" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = CommandBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn cancel(
    State(node): State<Arc<Node>>,
    Path((device, id)): Path<(String, String)>,
) -> Result<Json<CommandBody>, Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let cancelled = decide(&node, &dev_id, &id, Decision::Cancel, &correlation).await?;
    Ok(Json(body(&dev_id, &cancelled)))
}

/// Lets a held EXEC be sent again: the operator knows, or does not mind, that it may have been executed before. Where the device's record says so, it is called.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/commands/{id}/release", tag = "commands", params(("dev_id" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = CommandReleased), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn release(
    State(node): State<Arc<Node>>,
    Path((device, id)): Path<(String, String)>,
) -> Result<Json<CommandReleased>, Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let released = decide(&node, &dev_id, &id, Decision::Release, &correlation).await?;
    let found = node.store.device(&dev_id).await?;
    let notify = found.map(|device| device.notify).unwrap_or_default();
    let called = if calls(&notify, None)? {
        let to = parse_addresses(&notify.addresses).unwrap_or_default();
        let speaks = speaks(&node, &dev_id).await?;
        let only_in = said_only_in(&node, &speaks, &released.id, &released.words);
        Some(call(&node, &dev_id, to, only_in, &correlation).await)
    } else {
        None
    };
    Ok(Json(CommandReleased {
        command: body(&dev_id, &released),
        call: called.as_ref().map(call_body),
    }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Cancel,
    Release,
}

impl Decision {
    /// What becomes of a command in this state; none where nothing has to.
    fn of(self, command: &QueuedCommand) -> Result<Option<CommandState>, Refused> {
        let refused = |detail: &str, action: &str| {
            let problem = Problem::new(
                StatusCode::CONFLICT,
                format!("command {} {detail}", command.id),
            );
            Err(problem.advising(action).into())
        };
        match (self, command.state) {
            (Self::Cancel, CommandState::Cancelled) => Ok(None),
            (Self::Cancel, CommandState::Queued | CommandState::Held) => {
                Ok(Some(CommandState::Cancelled))
            }
            (Self::Release, CommandState::Held) => Ok(Some(CommandState::Queued)),
            (Self::Cancel, CommandState::Sent) => refused(
                "was sent, and its answer is due",
                "Wait for the answer, or until the session is over: 15 minutes without a package.",
            ),
            (_, CommandState::Answered) => {
                refused("was answered", "Queue it again if it has to be repeated.")
            }
            (Self::Release, _) => refused(
                "is not held",
                "Only an EXEC whose outcome is unknown waits for a release.",
            ),
        }
    }
}

async fn decide(
    node: &Node,
    dev_id: &DevId,
    id: &str,
    decision: Decision,
    correlation: &str,
) -> Result<QueuedCommand, Refused> {
    for _again in 0..RETRIES {
        let device = registered(node, dev_id).await?;
        let mut command = find(node, dev_id, id).await?;
        let Some(state) = decision.of(&command)? else {
            return Ok(command);
        };
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        command.state = state;
        let id = command.id.to_string();
        let (name, uri) = title(&command.words);
        let kind = match decision {
            Decision::Cancel => {
                command.ended_at = Some(delta.at);
                let book = Book::read(node, &device).await?;
                take_back(&book, &command, &mut delta, correlation);
                EventKind::CommandCancelled {
                    id,
                    command: name,
                    uri,
                }
            }
            Decision::Release => EventKind::CommandReleased {
                id,
                command: name,
                uri,
            },
        };
        delta.events.push(event(kind, correlation));
        delta
            .commands
            .push(CommandChange::Update(Box::new(command.clone())));
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, command = %command.id, state = state.name(), "command decided");
                return Ok(command);
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

async fn find(node: &Node, dev_id: &DevId, id: &str) -> Result<QueuedCommand, Refused> {
    let parsed = EventId::parse(id)
        .map_err(|_| Refused::bad(format!("{id:?} names no command: 32 hexadecimal digits do")))?;
    let found = node.store.command(dev_id, &CommandId(parsed)).await?;
    found.ok_or_else(|| Refused::missing(format!("{dev_id} has no command {id}")))
}

/// The commands of a request as they are sent, each checked.
fn wanted(new: NewCommands) -> Result<Vec<Vec<String>>, Refused> {
    let (commands, several) = match (new.command, new.commands) {
        (Some(command), None) => (vec![command], false),
        (None, Some(commands)) if !commands.is_empty() => (commands, true),
        _ => {
            return Err(Refused::bad(
                "give either `command`, or `commands` with at least one",
            ));
        }
    };
    let mut read = Vec::with_capacity(commands.len());
    for (nr, words) in commands.iter().enumerate() {
        let at = if several {
            format!("commands[{nr}]: ")
        } else {
            String::new()
        };
        let read_words: Vec<_> = words.iter().map(String::as_str).collect();
        let words = match NeutralCommand::read(&read_words) {
            Some(Err(error)) => return Err(Refused::bad(format!("{at}{error}"))),
            Some(Ok(_)) => words.clone(),
            None => of_dm2(&read_words, &at)?,
        };
        let octets: usize = words.iter().map(String::len).sum();
        if octets > MAX_OCTETS {
            return Err(Refused::bad(format!(
                "{at}the command has {octets} octets; {MAX_OCTETS} is the limit"
            )));
        }
        read.push(words);
    }
    Ok(read)
}

/// A command of DM 2.0, as it is written there.
fn of_dm2(words: &[&str], at: &str) -> Result<Vec<String>, Refused> {
    let command = Command::read(words).map_err(|error| Refused::bad(format!("{at}{error}")))?;
    if command == Command::End {
        return Err(Refused::bad(format!(
            "{at}END cannot be queued: the server ends a session by itself when no command is left"
        )));
    }
    Ok(command.write())
}

/// What a device speaks.
struct Speaks {
    /// Where it keeps its objects, where it has an account of DM 1.x.
    dm1: Option<DeviceLayout>,
    /// It has an account of DM 2.0, or none of DM 1.x.
    dm2: bool,
}

async fn speaks(node: &Node, dev_id: &DevId) -> Result<Speaks, Refused> {
    let credentials = node.store.credentials(dev_id).await?;
    let Some(row) = dm1_service::account_row(&credentials) else {
        return Ok(Speaks {
            dm1: None,
            dm2: true,
        });
    };
    let account = dm1_service::Account::open(node, row)?;
    let records = node.store.bootstraps_of(dev_id).await?;
    Ok(Speaks {
        dm1: Some(dm1_service::layout(&node.registry, &account.device_model())),
        dm2: records
            .iter()
            .any(|record| !record.is_dm1() && record.state == BootstrapState::Completed),
    })
}

/// 422 where no generation that the device speaks has a word for the command: it would never leave.
fn expressible(
    node: &Node,
    speaks: &Speaks,
    id: &CommandId,
    words: &[String],
    nr: usize,
) -> Result<(), Refused> {
    let in_dm1 = speaks.dm1.as_ref();
    let in_dm1 = in_dm1.map(|layout| spoken1(words, layout).map(drop));
    let said = match in_dm1 {
        Some(said) if matches!(said, Spoken::As(())) || !speaks.dm2 => said,
        _ => spoken(node, id, words).map(drop),
    };
    match said {
        Spoken::As(()) => Ok(()),
        Spoken::NotExpressible(cause) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let problem = Problem::new(status, format!("command {}: {cause}", nr + 1));
            Err(problem.advising(cause.advice()).into())
        }
        Spoken::Unreadable => Err(Refused::bad(format!("command {} cannot be read", nr + 1))),
    }
}

/// The only generation that has a word for the command, of a device with accounts of both: a session of the other would not take it.
fn said_only_in(
    node: &Node,
    speaks: &Speaks,
    id: &CommandId,
    words: &[String],
) -> Option<DmGeneration> {
    let layout = speaks.dm1.as_ref().filter(|_| speaks.dm2)?;
    let in_dm1 = matches!(spoken1(words, layout), Spoken::As(_));
    let in_dm2 = matches!(spoken(node, id, words), Spoken::As(_));
    match (in_dm1, in_dm2) {
        (true, false) => Some(DmGeneration::Dm1),
        (false, true) => Some(DmGeneration::Dm2),
        _ => None,
    }
}

fn body(dev_id: &DevId, command: &QueuedCommand) -> CommandBody {
    CommandBody {
        id: command.id.to_string(),
        nr: command.nr,
        device: dev_id.to_string(),
        command: told(&command.words),
        state: command.state.name().to_owned(),
        sends: command.sends,
        session: command.session.clone(),
        status: command.status,
        result: command.result.as_deref().map(|text| {
            serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text))
        }),
        uris: command.uris.clone(),
        queued_at: command.queued_at.to_string(),
        sent_at: command.sent_at.map(|at| at.to_string()),
        ended_at: command.ended_at.map(|at| at.to_string()),
    }
}

//! The commands as the client executes them (`dm20.md` §5.2), with the statuses of D24.
//!
//! A command either has its status at once, or names an effect it waits for; its answer resumes it.

mod dac;
mod default;
mod delete;
mod exec;
mod hget;
mod read;
mod subscribe;

pub(super) use default::plan_missing;
pub(super) use subscribe::report;

use omadm_bootstrap::Account;
use omadm_bootstrap::plan::TreePlan;
use omadm_dm2::{Command, Status, StatusCode};
use omadm_mo::client_uri::ResolveError;
use omadm_mo::json::JsonLimits;
use omadm_mo::{
    ClientUri, ExecOutcome, ManagedObjectError, Node, NodeAddress, Scheme, ServerUri, TreeError,
};

use super::effect::{Cause, Effect, EffectId, Fetched, UploadMethod};
use super::rights::ServerSight;

/// How far a command got.
#[expect(clippy::large_enum_variant, reason = "one a command")]
pub(super) enum Progress {
    /// This is its status.
    Done(Status),
    /// 200, and the session goes on at another URI.
    Continue(ServerUri),
    /// It waits for this effect.
    Wait(MakeEffect, Need),
}

/// An effect without its id.
pub(super) enum MakeEffect {
    Fetch(ServerUri),
    Upload(UploadMethod, ServerUri, &'static str, Vec<u8>),
    Apply(TreePlan),
    Exec(NodeAddress, Option<ServerUri>),
    Permit(ServerUri),
    Show(ServerUri),
}

/// Under which circumstances a command runs.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// Where packages go now.
    pub(super) current: Option<&'a ServerUri>,
    /// The server's last `OMADM-Accept`.
    pub(super) omadm_accept: Option<&'a str>,
    /// Whether there is a browser component.
    pub(super) browser: bool,
    /// Bounds of documents.
    pub(super) limits: JsonLimits,
}

/// What a waiting command does with the answer.
#[derive(Debug)]
pub(super) enum Need {
    /// Begins, now that live values are known.
    Live,
    /// HGET plans what was fetched.
    Fetched,
    /// HPUT and HPOST map the repository's answer.
    Uploaded,
    /// HGET has this status once applied; the fetched body serves to plan again.
    Stored(Fetched, Status),
    /// DELETE is done once applied.
    Deleted,
    /// EXEC maps the plug-in's answer.
    Executed,
    /// CONT, EXEC, DEFAULT and SUB go on where policy permits the address.
    Permitted,
    /// DEFAULT, SUB and UNSUB are done once applied.
    Remembered,
    /// SHOW is done once the browser started.
    Shown,
}

/// The answer to an effect.
pub(super) enum Answer {
    Live(Result<Vec<(NodeAddress, Node)>, Cause>),
    Fetched(Result<Fetched, Cause>),
    Uploaded(Result<(), Cause>),
    Applied(Result<(), Cause>),
    Executed(Result<ExecOutcome, Cause>),
    Permitted(Result<(), Cause>),
    Shown(Result<(), Cause>),
}

impl MakeEffect {
    pub(super) fn with(self, id: EffectId) -> Effect {
        match self {
            Self::Fetch(from) => Effect::Fetch(id, from),
            Self::Upload(method, to, media_type, body) => {
                Effect::Upload(id, method, to, media_type, body)
            }
            Self::Apply(plan) => Effect::Apply(id, plan),
            Self::Exec(node, report) => Effect::Exec(id, node, report),
            Self::Permit(address) => Effect::Permit(id, address),
            Self::Show(address) => Effect::Show(id, address),
        }
    }
}

/// Begins a command.
pub(super) fn begin(sight: &ServerSight<'_>, command: &Command, terms: Terms<'_>) -> Progress {
    match command {
        Command::Get { clients } => {
            Progress::Done(read::get(sight, clients.as_slice(), terms.limits))
        }
        Command::HPut { server, clients } => {
            read::upload(sight, UploadMethod::Put, server, clients.as_slice(), terms)
        }
        Command::HPost { server, clients } => {
            read::upload(sight, UploadMethod::Post, server, clients.as_slice(), terms)
        }
        Command::HGet { server, client } => match hget::permitted(sight, client.as_ref()) {
            Ok(()) => Progress::Wait(MakeEffect::Fetch(server.clone()), Need::Fetched),
            Err(code) => done(code),
        },
        Command::Delete { client } => delete::delete(sight, client),
        Command::Exec { client, server } => match (exec::executable(sight, client), server) {
            (Err(code), _) => done(code),
            (Ok(at), None) => Progress::Wait(MakeEffect::Exec(at, None), Need::Executed),
            (Ok(_), Some(server)) => ask(terms, server),
        },
        Command::Cont { server } => ask(terms, server),
        Command::Show { .. } if !terms.browser => done(StatusCode::NOT_IMPLEMENTED),
        Command::Show { server } => Progress::Wait(MakeEffect::Show(server.clone()), Need::Shown),
        Command::Default { server, moid } => match default::permitted(sight, moid) {
            Ok(()) => Progress::Wait(MakeEffect::Permit(server.clone()), Need::Permitted),
            Err(code) => done(code),
        },
        Command::Sub { server, client } => match subscribe::permitted(sight, client, terms) {
            Ok(_) => Progress::Wait(MakeEffect::Permit(server.clone()), Need::Permitted),
            Err(code) => done(code),
        },
        Command::Unsub { client } => subscribe::unsubscribe(sight, client),
        Command::End => done(StatusCode::OK),
    }
}

/// Goes on with a command whose effect was answered.
pub(super) fn resume(
    sight: &ServerSight<'_>,
    command: &Command,
    need: Need,
    answer: Answer,
    terms: Terms<'_>,
) -> Progress {
    match (need, answer, command) {
        (
            _,
            Answer::Live(Err(cause))
            | Answer::Executed(Err(cause))
            | Answer::Permitted(Err(cause @ Cause::Forbidden(_))),
            _,
        ) => done(local_status(&cause)),
        // SHOW has no other status for it (D18).
        (_, Answer::Shown(Err(_)), _) => done(StatusCode::FAILED),
        (_, Answer::Fetched(Err(cause)) | Answer::Uploaded(Err(cause)), _) => {
            done(repository_status(&cause))
        }
        (Need::Fetched, Answer::Fetched(Ok(fetched)), Command::HGet { client, .. }) => {
            hget::store(sight, client.as_ref(), fetched, terms.limits)
        }
        (Need::Stored(_, status), Answer::Applied(Ok(())), _) => Progress::Done(status),
        (
            Need::Stored(fetched, _),
            Answer::Applied(Err(Cause::Stale)),
            Command::HGet { client, .. },
        ) => hget::store(sight, client.as_ref(), fetched, terms.limits),
        (Need::Deleted, Answer::Applied(Err(Cause::Stale)), Command::Delete { client }) => {
            delete::delete(sight, client)
        }
        (Need::Permitted, Answer::Permitted(_), _)
        | (Need::Remembered, Answer::Applied(Err(Cause::Stale)), _) => {
            permitted(sight, command, terms)
        }
        (_, Answer::Applied(Err(cause)), _) => done(local_status(&cause)),
        (Need::Executed, Answer::Executed(Ok(outcome)), Command::Exec { server, .. }) => {
            // With a ServerURI the report is asynchronous even where the execution is over (§5.2).
            let later = outcome == ExecOutcome::Later || server.is_some();
            done(if later {
                StatusCode::ACCEPTED
            } else {
                StatusCode::OK
            })
        }
        (Need::Uploaded, Answer::Uploaded(Ok(())), _)
        | (Need::Deleted | Need::Remembered, Answer::Applied(Ok(())), _)
        | (Need::Shown, Answer::Shown(Ok(())), _) => done(StatusCode::OK),
        // The machine pairs needs and answers; anything else is its own mistake and the command's failure.
        _ => done(StatusCode::FAILED),
    }
}

/// What a command does once its address is permitted, and again where the tree changed under it.
fn permitted(sight: &ServerSight<'_>, command: &Command, terms: Terms<'_>) -> Progress {
    match command {
        Command::Cont { server } => Progress::Continue(server.clone()),
        Command::Exec {
            client,
            server: Some(server),
        } => match exec::executable(sight, client) {
            Ok(at) => Progress::Wait(MakeEffect::Exec(at, Some(server.clone())), Need::Executed),
            Err(code) => done(code),
        },
        Command::Default { server, moid } => default::remember(sight, server, moid),
        Command::Sub { server, client } => subscribe::subscribe(sight, server, client, terms),
        Command::Unsub { client } => subscribe::unsubscribe(sight, client),
        _ => done(StatusCode::FAILED),
    }
}

/// The ClientURIs a command looks at.
pub(super) fn client_uris(command: &Command) -> Box<dyn Iterator<Item = &ClientUri> + '_> {
    match command {
        Command::Get { clients }
        | Command::HPut { clients, .. }
        | Command::HPost { clients, .. } => Box::new(clients.iter()),
        Command::Delete { client } | Command::Exec { client, .. } => {
            Box::new(std::iter::once(client))
        }
        Command::HGet { client, .. } => Box::new(client.iter()),
        Command::Sub { client, .. } => Box::new(std::iter::once(client.uri())),
        _ => Box::new(std::iter::empty()),
    }
}

/// Where packages are to go: never to a weaker scheme (D19), and only where policy permits.
fn ask(terms: Terms<'_>, server: &ServerUri) -> Progress {
    let now = terms.current.map(ServerUri::scheme);
    if server.scheme() == Scheme::Http && now != Some(Scheme::Http) {
        done(StatusCode::FORBIDDEN)
    } else {
        Progress::Wait(MakeEffect::Permit(server.clone()), Need::Permitted)
    }
}

/// A change of the server's own account entry.
fn remembered(sight: &ServerSight<'_>, accounts: Vec<Account>) -> Progress {
    let mut plan = TreePlan::at(sight.view.version());
    plan.accounts = accounts;
    Progress::Wait(MakeEffect::Apply(plan), Need::Remembered)
}

const fn done(code: StatusCode) -> Progress {
    Progress::Done(Status::new(code))
}

/// The nodes of a ClientURI for this server, each as it is come to: 403 where the Perm list does not name the MOID, 404 where nothing fits (D69). What an
/// earlier node gave counts only if no error comes after it.
fn matches<'a>(
    sight: &'a ServerSight<'_>,
    uri: &'a ClientUri,
) -> Result<impl Iterator<Item = Result<NodeAddress, StatusCode>>, StatusCode> {
    if !sight.permits(&uri.moid) {
        return Err(StatusCode::FORBIDDEN);
    }
    let nodes = uri.matches(sight.view, sight);
    Ok(nodes.map(|at| {
        at.map_err(|error| match error {
            ResolveError::Tree(error) => tree_status(&error),
            _ => StatusCode::NOT_FOUND,
        })
    }))
}

/// All of [`matches`].
fn resolve(sight: &ServerSight<'_>, uri: &ClientUri) -> Result<Vec<NodeAddress>, StatusCode> {
    matches(sight, uri)?.collect()
}

fn tree_status(error: &TreeError) -> StatusCode {
    if *error == TreeError::NoRoom {
        StatusCode::NO_ROOM
    } else {
        StatusCode::FAILED
    }
}

/// What went wrong on the device itself.
fn local_status(cause: &Cause) -> StatusCode {
    match cause {
        Cause::Tree(error) => tree_status(error),
        Cause::Stale => StatusCode::CONFLICT,
        Cause::Forbidden(_) => StatusCode::FORBIDDEN,
        Cause::ManagedObject(refused) => refusal_status(*refused),
        _ => StatusCode::FAILED,
    }
}

/// Why a plug-in refused, as a status.
pub(super) const fn refusal_status(refused: ManagedObjectError) -> StatusCode {
    match refused {
        ManagedObjectError::NoSuchNode => StatusCode::NOT_FOUND,
        ManagedObjectError::NotAllowed => StatusCode::NOT_ALLOWED,
        ManagedObjectError::BadValue => StatusCode::BAD_REQUEST,
        ManagedObjectError::Busy => StatusCode::CONFLICT,
        ManagedObjectError::Device => StatusCode::FAILED,
    }
}

/// What went wrong with the data repository (D24): its 4xx is the status, 401, 407, 5xx and no answer are 502.
fn repository_status(cause: &Cause) -> StatusCode {
    match cause {
        Cause::Status(http) => StatusCode::of_repository(*http),
        Cause::TooLarge(_) => StatusCode::TOO_LARGE,
        Cause::Forbidden(_) => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_GATEWAY,
    }
}

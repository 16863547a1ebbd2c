//! The commands as the client executes them (`dm20.md` §5.2), with the statuses of D24.
//!
//! A command either has its status at once, or names an effect it waits for; its answer resumes it.

mod dac;
mod delete;
mod exec;
mod hget;
mod read;

use omadm_bootstrap::plan::TreePlan;
use omadm_dm2::{Command, Status, StatusCode};
use omadm_mo::client_uri::ResolveError;
use omadm_mo::json::JsonLimits;
use omadm_mo::{ClientUri, ExecOutcome, Node, NodeAddress, Scheme, ServerUri, TreeError};

use super::effect::{Cause, Effect, EffectId, Fetched, UploadMethod};
use super::rights::ServerSight;

/// How far a command got.
pub(super) enum Progress {
    /// This is its status.
    Done(Status),
    /// 200, and the session goes on at another URI.
    Continue(ServerUri),
    /// The browser goes there, where there is one.
    Show(ServerUri),
    /// It waits for this effect.
    Wait(MakeEffect, Need),
}

/// An effect without its id.
pub(super) enum MakeEffect {
    Fetch(ServerUri),
    Upload(UploadMethod, ServerUri, Vec<u8>),
    Apply(TreePlan),
    Exec(NodeAddress),
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
}

/// The answer to an effect.
pub(super) enum Answer {
    Live(Result<Vec<(NodeAddress, Node)>, Cause>),
    Fetched(Result<Fetched, Cause>),
    Uploaded(Result<(), Cause>),
    Applied(Result<(), Cause>),
    Executed(Result<ExecOutcome, Cause>),
}

impl MakeEffect {
    pub(super) fn with(self, id: EffectId) -> Effect {
        match self {
            Self::Fetch(from) => Effect::Fetch(id, from),
            Self::Upload(method, to, body) => Effect::Upload(id, method, to, body),
            Self::Apply(plan) => Effect::Apply(id, plan),
            Self::Exec(node) => Effect::Exec(id, node),
        }
    }
}

/// Begins a command. `current` is where packages go now.
pub(super) fn begin(
    sight: &ServerSight<'_>,
    command: &Command,
    current: Option<&ServerUri>,
    limits: JsonLimits,
) -> Progress {
    match command {
        Command::Get { clients } => Progress::Done(read::get(sight, clients.as_slice(), limits)),
        Command::HPut { server, clients } => {
            read::upload(sight, UploadMethod::Put, server, clients.as_slice())
        }
        Command::HPost { server, clients } => {
            read::upload(sight, UploadMethod::Post, server, clients.as_slice())
        }
        Command::HGet { server, client } => match hget::permitted(sight, client.as_ref()) {
            Ok(()) => Progress::Wait(MakeEffect::Fetch(server.clone()), Need::Fetched),
            Err(code) => done(code),
        },
        Command::Delete { client } => delete::delete(sight, client),
        Command::Exec {
            client,
            server: None,
        } => exec::exec(sight, client),
        Command::Cont { server } => cont(current, server),
        Command::Show { server } => Progress::Show(server.clone()),
        Command::End => done(StatusCode::OK),
        Command::Exec {
            server: Some(_), ..
        }
        | Command::Default { .. }
        | Command::Sub { .. }
        | Command::Unsub { .. } => done(StatusCode::NOT_IMPLEMENTED),
    }
}

/// Goes on with a command whose effect was answered.
pub(super) fn resume(
    sight: &ServerSight<'_>,
    command: &Command,
    need: Need,
    answer: Answer,
    limits: JsonLimits,
) -> Progress {
    match (need, answer, command) {
        (_, Answer::Live(Err(cause)) | Answer::Executed(Err(cause)), _) => {
            done(local_status(&cause))
        }
        (_, Answer::Fetched(Err(cause)) | Answer::Uploaded(Err(cause)), _) => {
            done(repository_status(&cause))
        }
        (Need::Fetched, Answer::Fetched(Ok(fetched)), Command::HGet { client, .. }) => {
            hget::store(sight, client.as_ref(), fetched, limits)
        }
        (Need::Stored(_, status), Answer::Applied(Ok(())), _) => Progress::Done(status),
        (
            Need::Stored(fetched, _),
            Answer::Applied(Err(Cause::Stale)),
            Command::HGet { client, .. },
        ) => hget::store(sight, client.as_ref(), fetched, limits),
        (Need::Deleted, Answer::Applied(Err(Cause::Stale)), Command::Delete { client }) => {
            delete::delete(sight, client)
        }
        (_, Answer::Applied(Err(cause)), _) => done(local_status(&cause)),
        (Need::Executed, Answer::Executed(Ok(ExecOutcome::Later)), _) => done(StatusCode::ACCEPTED),
        (Need::Uploaded, Answer::Uploaded(Ok(())), _)
        | (Need::Deleted, Answer::Applied(Ok(())), _)
        | (Need::Executed, Answer::Executed(Ok(ExecOutcome::Done)), _) => done(StatusCode::OK),
        // The machine pairs needs and answers; anything else is its own mistake and the command's failure.
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
        _ => Box::new(std::iter::empty()),
    }
}

/// D19: never to a weaker scheme.
fn cont(current: Option<&ServerUri>, server: &ServerUri) -> Progress {
    let weaker =
        server.scheme() == Scheme::Http && current.is_none_or(|uri| uri.scheme() == Scheme::Https);
    if weaker {
        done(StatusCode::FORBIDDEN)
    } else {
        Progress::Continue(server.clone())
    }
}

const fn done(code: StatusCode) -> Progress {
    Progress::Done(Status::new(code))
}

/// The nodes of a ClientURI for this server: 403 where the Perm list does not name the MOID, 404 where nothing fits (D69).
fn resolve(sight: &ServerSight<'_>, uri: &ClientUri) -> Result<Vec<NodeAddress>, StatusCode> {
    if !sight.permits(&uri.moid) {
        return Err(StatusCode::FORBIDDEN);
    }
    uri.resolve(sight.view, sight).map_err(|error| match error {
        ResolveError::Tree(error) => tree_status(&error),
        _ => StatusCode::NOT_FOUND,
    })
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
    use omadm_mo::ManagedObjectError as Refused;
    match cause {
        Cause::Tree(error) => tree_status(error),
        Cause::Stale => StatusCode::CONFLICT,
        Cause::Forbidden => StatusCode::FORBIDDEN,
        Cause::ManagedObject(refused) => match refused {
            Refused::NoSuchNode => StatusCode::NOT_FOUND,
            Refused::NotAllowed => StatusCode::NOT_ALLOWED,
            Refused::BadValue => StatusCode::BAD_REQUEST,
            Refused::Busy => StatusCode::CONFLICT,
            Refused::Device => StatusCode::FAILED,
        },
        _ => StatusCode::FAILED,
    }
}

/// What went wrong with the data repository (D24): its 4xx is the status, 401, 407, 5xx and no answer are 502.
fn repository_status(cause: &Cause) -> StatusCode {
    match cause {
        Cause::Status(http) => StatusCode::of_repository(*http),
        Cause::TooLarge(_) => StatusCode::TOO_LARGE,
        Cause::Forbidden => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_GATEWAY,
    }
}

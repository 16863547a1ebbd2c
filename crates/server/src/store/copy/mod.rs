//! Copies one store into another, of the same back end or the other: device by device, resumable, verified. Rows move as they stand; nothing sealed is opened.
//!
//! Until everything was read back and compared, the target's deployment is nobody's, so that no server starts on half a copy.

mod admit;
mod engine;
mod error;
pub(super) mod postgres;
mod report;
pub(super) mod side;
pub(super) mod sqlite;
pub(super) mod table;
mod verify;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

pub use self::error::CopyError;
pub use self::report::{CopyReport, Difference, DifferenceKind, Phase, Progress, TableReport};

pub(super) use self::admit::is_unfinished;

use self::engine::Engine;
use self::postgres::PostgresSide;
use self::side::Side;
use self::sqlite::SqliteSide;
use super::StoreError;
use super::address::StoreAddress;
use super::sqlite::direct::canonical;

/// Differences that are named at most.
pub const DIFFERENCES: usize = 20;

/// How a copy works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopyOptions {
    /// Devices that are written in one transaction. Default 128.
    pub page: usize,
    /// Writes every device, even where source and target agree. Default false.
    pub all: bool,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            page: 128,
            all: false,
        }
    }
}

type OnProgress = dyn FnMut(Progress) -> ControlFlow<()> + Send;

/// Copies the store `from` into the store `to`.
///
/// The source may be in use: what is copied is its state at the beginning, and a second run brings what changed since. The target must not be; an SQLite
/// file is made where there is none, a database has to be migrated. Devices on which both agree already are skipped, so a copy that ended early goes on
/// where it was. `progress` is called after each page of devices, and ends the copy by `Break`. A copy goes on although its caller is dropped.
///
/// # Errors
/// [`CopyError`]. A target that is not empty and not an earlier copy of this source is refused unchanged.
pub async fn copy(
    from: &StoreAddress,
    to: &StoreAddress,
    options: &CopyOptions,
    progress: impl FnMut(Progress) -> ControlFlow<()> + Send + 'static,
) -> Result<CopyReport, CopyError> {
    if is_same(from, to) {
        return Err(CopyError::SameStore(from.to_string()));
    }
    let mut source = source(from).await.map_err(CopyError::Source)?;
    let mut target = target(to).await.map_err(CopyError::Target)?;
    let options = CopyOptions {
        page: options.page.max(1),
        ..*options
    };
    let copied = tokio::task::spawn_blocking(move || {
        Engine {
            source: &mut *source,
            target: &mut *target,
            options,
            progress: Box::new(progress),
            total: 0,
        }
        .run()
    });
    copied
        .await
        .map_err(|_| CopyError::Target(StoreError::Closed))?
}

async fn source(address: &StoreAddress) -> Result<Box<dyn Side>, StoreError> {
    match address {
        StoreAddress::StateDirectory => Err(unnamed(address)),
        StoreAddress::Sqlite(path) => {
            let path = path.clone();
            let side = blocking(move || SqliteSide::source(&path)).await?;
            Ok(Box::new(side))
        }
        StoreAddress::Postgres(address) => Ok(Box::new(PostgresSide::source(address).await?)),
    }
}

async fn target(address: &StoreAddress) -> Result<Box<dyn Side>, StoreError> {
    match address {
        StoreAddress::StateDirectory => Err(unnamed(address)),
        StoreAddress::Sqlite(path) => {
            let path = path.clone();
            let side = blocking(move || SqliteSide::target(&path)).await?;
            Ok(Box::new(side))
        }
        StoreAddress::Postgres(address) => Ok(Box::new(PostgresSide::target(address).await?)),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Closed)?
}

fn unnamed(address: &StoreAddress) -> StoreError {
    StoreError::Address(
        address.to_string(),
        "a copy needs the path of the file".to_owned(),
    )
}

fn is_same(one: &StoreAddress, other: &StoreAddress) -> bool {
    match (one, other) {
        (StoreAddress::Sqlite(one), StoreAddress::Sqlite(other)) => {
            one == other || canonical(one).is_some_and(|one| Some(one) == canonical(other))
        }
        _ => one == other,
    }
}

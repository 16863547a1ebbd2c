//! Which store a node works on, and that it is the store of the node's deployment: records without the keys they were made with serve nobody, and two
//! CAs over one store would each refuse the other's devices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use omadm_tls::Fingerprint;

use crate::model::Deployment;
use crate::seal::KeyId;
use crate::server::StartError;
use crate::state_dir::{StateDir, StoreKind};
use crate::store::address::StoreAddress;
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{Store, StoreError, is_unfinished_copy};

/// A store that is open.
pub(crate) struct OpenStore {
    store: Arc<dyn Store>,
    /// As operators know it.
    name: String,
    /// None where an embedder gave it: then the embedder knows where the records are.
    kind: Option<StoreKind>,
}

/// What was done about the store before there was a state directory.
pub(crate) enum Outside {
    /// It is open.
    Open(OpenStore),
    /// It is this file, or the one of the state directory, and needs what the state directory remembers.
    Later(Option<PathBuf>),
}

/// Opens the store where that needs no state directory, so that what is wrong with it is found before one is made. The rest is left to [`settle`].
pub(crate) async fn open_outside(
    given: Option<Arc<dyn Store>>,
    address: &StoreAddress,
    state_dir: &Path,
) -> Result<Outside, StoreError> {
    if let Some(store) = given {
        return Ok(Outside::Open(OpenStore {
            store,
            name: "the store".to_owned(),
            kind: None,
        }));
    }
    match address {
        StoreAddress::Postgres(address) => {
            let store = PostgresStore::open(address, &PostgresOptions::default()).await?;
            Ok(Outside::Open(OpenStore {
                store: Arc::new(store),
                name: address.to_string(),
                kind: Some(StoreKind::Postgres),
            }))
        }
        StoreAddress::Sqlite(path) if path.exists() => open_file(path).map(Outside::Open),
        // A state directory that is there may miss the file; one that is not made yet has to be empty.
        StoreAddress::Sqlite(path) if StateDir::is_made(state_dir) || lies_in(path, state_dir) => {
            Ok(Outside::Later(Some(path.clone())))
        }
        StoreAddress::Sqlite(path) => open_file(path).map(Outside::Open),
        StoreAddress::StateDirectory => Ok(Outside::Later(None)),
    }
}

/// Refuses a store that has a deployment where no state directory is yet: one made now would have other keys. Nothing is made before this, since the
/// admin token is shown on the first start alone.
pub(crate) async fn allow_first_start(
    outside: &Outside,
    state_dir: &Path,
) -> Result<(), StartError> {
    let opened = match outside {
        Outside::Open(opened) if !StateDir::is_made(state_dir) => opened,
        Outside::Open(_) | Outside::Later(_) => return Ok(()),
    };
    match opened.store.deployment().await? {
        None => Ok(()),
        Some(theirs) if is_unfinished_copy(&theirs) => {
            Err(StartError::UnfinishedCopy(opened.name.clone()))
        }
        Some(theirs) => {
            let found = format!(
                "it serves CA {}, and {} is no state directory yet, so it would get a CA of its own",
                print(&theirs.ca),
                state_dir.display()
            );
            Err(foreign(opened, state_dir, &found).into())
        }
    }
}

/// Opens the store where it is not open yet, and claims it for the keys of the state directory.
pub(crate) async fn settle(
    outside: Outside,
    state: &StateDir,
    sealing_key: KeyId,
) -> Result<Arc<dyn Store>, StartError> {
    let remembered = state.store_kind()?;
    let opened = match outside {
        Outside::Open(opened) => opened,
        Outside::Later(path) => open_in(state, path, remembered)?,
    };
    if let (Some(wanted), Some(remembered)) = (opened.kind, remembered)
        // A file of an earlier version has no deployment yet.
        && (wanted, remembered) != (StoreKind::Sqlite, StoreKind::Sqlite)
        && opened.store.deployment().await?.is_none()
    {
        let action = format!(
            "{} holds none of them; name the right store, or copy them there first: omadm store copy",
            opened.name
        );
        return Err(elsewhere(state, remembered, action));
    }
    let ours = Deployment {
        ca: state.ca_fingerprint().to_hex(),
        sealing_key: sealing_key.to_string(),
    };
    let theirs = opened.store.claim(ours.clone()).await?;
    if is_unfinished_copy(&theirs) {
        return Err(StartError::UnfinishedCopy(opened.name));
    }
    if theirs.ca != ours.ca {
        let found = format!(
            "it serves CA {}, the CA of {} is {}",
            print(&theirs.ca),
            state.path().display(),
            print(&ours.ca)
        );
        return Err(foreign(&opened, state.path(), &found).into());
    }
    if theirs.sealing_key != ours.sealing_key {
        let found = format!(
            "its documents are sealed with key {}, the key of {} is {}",
            theirs.sealing_key,
            state.path().display(),
            ours.sealing_key
        );
        return Err(foreign(&opened, state.path(), &found).into());
    }
    if let Some(kind) = opened.kind {
        state.remember_store_kind(kind)?;
    }
    Ok(opened.store)
}

fn open_in(
    state: &StateDir,
    path: Option<PathBuf>,
    remembered: Option<StoreKind>,
) -> Result<OpenStore, StartError> {
    let path = path.unwrap_or_else(|| state.store_path());
    match remembered {
        Some(StoreKind::Postgres) => {
            let action = "say --store postgres://…; to go back to SQLite, copy them first (omadm store copy) and name the file: --store sqlite:…";
            Err(elsewhere(state, StoreKind::Postgres, action.to_owned()))
        }
        Some(StoreKind::Sqlite) if !path.exists() => {
            let why = format!(
                "it is missing, although {} has had its records in such a file; bring it back, or say where it is: --store sqlite:…",
                state.path().display()
            );
            Err(StoreError::Corrupt(path.display().to_string(), why).into())
        }
        Some(StoreKind::Sqlite) | None => Ok(open_file(&path)?),
    }
}

fn open_file(path: &Path) -> Result<OpenStore, StoreError> {
    Ok(OpenStore {
        store: Arc::new(SqliteStore::open(path, &SqliteOptions::default())?),
        name: path.display().to_string(),
        kind: Some(StoreKind::Sqlite),
    })
}

/// Whether a file would stand in this folder, which need not be there yet.
fn lies_in(file: &Path, folder: &Path) -> bool {
    let real = |path: &Path| {
        let found = path.canonicalize().or_else(|_| std::path::absolute(path));
        found.unwrap_or_else(|_| path.to_owned())
    };
    let around = file.parent().filter(|it| !it.as_os_str().is_empty());
    real(around.unwrap_or_else(|| Path::new("."))).starts_with(real(folder))
}

fn elsewhere(state: &StateDir, kind: StoreKind, action: String) -> StartError {
    StartError::RecordsElsewhere {
        state_dir: state.path().to_owned(),
        kind,
        action,
    }
}

fn foreign(opened: &OpenStore, state_dir: &Path, found: &str) -> StoreError {
    let why = format!(
        "{found}. To add a node to that deployment, copy the state directory of one of its nodes, all but server.sqlite, to {}; else name another store",
        state_dir.display()
    );
    StoreError::Foreign(opened.name.clone(), why)
}

/// A fingerprint as it is shown everywhere.
fn print(hex: &str) -> String {
    hex.parse::<Fingerprint>()
        .map_or_else(|_| hex.to_owned(), |print| print.to_string())
}

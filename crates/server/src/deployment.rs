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
use crate::store::{Store, StoreError};

/// A store that is open.
pub(crate) struct OpenStore {
    store: Arc<dyn Store>,
    /// As operators know it.
    name: String,
    /// None where an embedder gave it: then the embedder knows where the records are.
    kind: Option<StoreKind>,
}

/// Opens the store where it lies outside of the state directory and is there already. The rest is left to [`settle`], behind the state directory.
pub(crate) async fn open_outside(
    given: Option<Arc<dyn Store>>,
    address: &StoreAddress,
) -> Result<Option<OpenStore>, StoreError> {
    if let Some(store) = given {
        return Ok(Some(OpenStore {
            store,
            name: "the store".to_owned(),
            kind: None,
        }));
    }
    match address {
        StoreAddress::Postgres(address) => {
            let store = PostgresStore::open(address, &PostgresOptions::default()).await?;
            Ok(Some(OpenStore {
                store: Arc::new(store),
                name: address.to_string(),
                kind: Some(StoreKind::Postgres),
            }))
        }
        StoreAddress::Sqlite(path) if path.exists() => open_file(path).map(Some),
        StoreAddress::Sqlite(_) | StoreAddress::StateDirectory => Ok(None),
    }
}

/// Refuses a store that has a deployment where no state directory is yet: one made now would have other keys. Nothing is made before this, since the
/// admin token is shown on the first start alone.
pub(crate) async fn allow_first_start(
    opened: Option<&OpenStore>,
    state_dir: &Path,
) -> Result<(), StoreError> {
    let Some(opened) = opened.filter(|_| !StateDir::is_made(state_dir)) else {
        return Ok(());
    };
    match opened.store.deployment().await? {
        None => Ok(()),
        Some(theirs) => {
            let found = format!(
                "it serves CA {}, and {} is no state directory yet, so it would get a CA of its own",
                print(&theirs.ca),
                state_dir.display()
            );
            Err(foreign(opened, state_dir, &found))
        }
    }
}

/// Opens the store where it is not open yet, and claims it for the keys of the state directory.
pub(crate) async fn settle(
    opened: Option<OpenStore>,
    address: &StoreAddress,
    state: &StateDir,
    sealing_key: KeyId,
) -> Result<Arc<dyn Store>, StartError> {
    let remembered = state.store_kind()?;
    let opened = match opened {
        Some(opened) => opened,
        None => open_in(state, address, remembered)?,
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
    address: &StoreAddress,
    remembered: Option<StoreKind>,
) -> Result<OpenStore, StartError> {
    let path: PathBuf = match address {
        StoreAddress::Sqlite(path) => path.clone(),
        StoreAddress::StateDirectory | StoreAddress::Postgres(_) => state.store_path(),
    };
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

//! Makes or upgrades the schema of a store because an operator asks for it.

use super::StoreError;
use super::address::StoreAddress;
use super::postgres;
use super::sqlite::SqliteOptions;
use super::sqlite::direct::{look_into, newest_schema, open_to_write};

pub use super::postgres::Migrated;

/// Brings the store to this program's schema; makes an SQLite file where there is none. With `dry_run` it only tells.
///
/// # Errors
/// [`StoreError`]; nothing is changed then.
pub async fn migrate(address: &StoreAddress, dry_run: bool) -> Result<Migrated, StoreError> {
    let path = match address {
        StoreAddress::Postgres(address) if dry_run => {
            return newer(address, postgres::schema(address).await?);
        }
        StoreAddress::Postgres(address) => return postgres::migrate(address).await,
        StoreAddress::Sqlite(path) => path.clone(),
        StoreAddress::StateDirectory => {
            let why = "a schema needs the path of the file".to_owned();
            return Err(StoreError::Address(address.to_string(), why));
        }
    };
    let work = move || {
        let options = SqliteOptions::default();
        let to = newest_schema();
        let from = if path.exists() {
            look_into(&path, &options)?.1
        } else {
            0
        };
        if from > to {
            return Err(StoreError::Newer(path.display().to_string(), from));
        }
        if !dry_run {
            drop(open_to_write(&path, &options)?);
        }
        Ok(Migrated { from, to })
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Closed)?
}

fn newer(
    address: &super::address::PostgresAddress,
    found: Migrated,
) -> Result<Migrated, StoreError> {
    if found.from > found.to {
        return Err(StoreError::Newer(address.to_string(), found.from));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Migrated, migrate};
    use crate::store::StoreError;
    use crate::store::address::StoreAddress;
    use crate::store::battery::SCHEMA;

    #[tokio::test]
    async fn a_dry_run_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.db");
        let address = StoreAddress::Sqlite(file.clone());
        let wanted = Migrated {
            from: 0,
            to: SCHEMA,
        };
        assert_eq!(migrate(&address, true).await.unwrap(), wanted);
        assert!(!file.exists());
        assert_eq!(migrate(&address, false).await.unwrap(), wanted);
        let again = Migrated {
            from: SCHEMA,
            to: SCHEMA,
        };
        assert_eq!(migrate(&address, false).await.unwrap(), again);
    }

    #[tokio::test]
    async fn a_file_of_another_program_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.db");
        std::fs::write(&file, b"mine").unwrap();
        let refused = migrate(&StoreAddress::Sqlite(file.clone()), false).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(..))));
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_database_is_told_before_it_is_made() {
        let database = omadm_lab::postgres::Database::fresh().unwrap();
        let address: StoreAddress = database.url().parse().unwrap();
        let wanted = Migrated {
            from: 0,
            to: SCHEMA,
        };
        assert_eq!(migrate(&address, true).await.unwrap(), wanted);
        assert_eq!(migrate(&address, false).await.unwrap(), wanted);
        let again = Migrated {
            from: SCHEMA,
            to: SCHEMA,
        };
        assert_eq!(migrate(&address, true).await.unwrap(), again);
    }
}

//! The database without the store's pool and tasks, for what looks at it or fills it as a whole: a copy, a check.

use tokio_postgres::{Client, Error};

use super::connect::connect;
use super::fault::fault;
use super::schema::{self, schema};
use crate::store::StoreError;
use crate::store::address::PostgresAddress;

/// What an error means for the store that is shown as `name`.
pub(in crate::store) fn store_error(name: &str, err: &Error) -> StoreError {
    fault(name, err).into_error()
}

/// A connection to read by, to a standby as well; the schema has to be this program's.
pub(in crate::store) async fn open_to_read(
    address: &PostgresAddress,
) -> Result<Client, StoreError> {
    let found = schema(address).await?;
    if found.from < found.to {
        return Err(StoreError::Unmigrated(
            address.to_string(),
            found.from,
            found.to,
        ));
    }
    if found.from > found.to {
        return Err(StoreError::Newer(address.to_string(), found.from));
    }
    connect(address).await
}

/// A connection to write by, to a database on which a server could work.
pub(in crate::store) async fn open_to_write(
    address: &PostgresAddress,
) -> Result<Client, StoreError> {
    let client = connect(address).await?;
    schema::check(&client, &address.to_string()).await?;
    Ok(client)
}

/// Whether a server could work on the database.
pub(in crate::store) async fn check(client: &Client, name: &str) -> Result<(), StoreError> {
    schema::check(client, name).await
}

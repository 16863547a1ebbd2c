use std::path::PathBuf;

use omadm_card::CardFileSetError;
use omadm_carrier::CarrierError;
use omadm_client::{ClientBuildError, DeviceDirError, ListenError, NoBootstrap};
use omadm_mo::ddf::DdfError;
use omadm_mo::{DevId, DevIdError, ServerUriError, TreeError};
use omadm_server::StartError;
use omadm_server::operator::client::ApiError;
use omadm_server::store::StoreError;

use crate::nodes::NodesError;
use crate::postgres::PrivatePostgresError;

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The server did not start.
    #[error("the DM Server did not start: {0}")]
    Server(#[from] StartError),
    /// The operator's API refused.
    #[error("the operator API: {0}")]
    Api(#[from] ApiError),
    /// The device's folder.
    #[error("the device's folder: {0}")]
    Device(#[from] DeviceDirError),
    /// The client was not made.
    #[error("the DM Client: {0}")]
    Client(#[from] ClientBuildError),
    /// No bootstrap.
    #[error("the bootstrap: {0}")]
    Bootstrap(#[from] NoBootstrap),
    /// The device does not listen.
    #[error("the device's bootstrap listener: {0}")]
    Listen(#[from] ListenError),
    /// The carrier of the document.
    #[error("the carrier: {0}")]
    Carrier(#[from] CarrierError),
    /// The files of the card.
    #[error("the card: {0}")]
    Card(#[from] CardFileSetError),
    /// The server made no document.
    #[error("the DM Server started no bootstrap of {0}")]
    NoRecord(DevId),
    /// The client's store.
    #[error("the DM Client's store: {0}")]
    Tree(#[from] TreeError),
    /// The server's store.
    #[error("the DM Server's store: {0}")]
    Store(#[from] StoreError),
    /// PostgreSQL did not start.
    #[error("PostgreSQL: {0}")]
    PrivatePostgres(#[from] PrivatePostgresError),
    /// The database refused.
    #[error("the database: {0}")]
    Database(String),
    /// What the demo made in the database could not be taken away again.
    #[error("{}the schema {schema} is left behind in the database: {why}", .first.as_ref().map(|first| format!("{first}; ")).unwrap_or_default())]
    LeftBehind {
        /// The schema.
        schema: String,
        /// Why it is still there.
        why: String,
        /// What had failed before.
        first: Option<Box<Self>>,
    },
    /// The caller wanted no more.
    #[error("it was stopped before its end")]
    Stopped,
    /// Several nodes cannot share an SQLite file, and without a node there is no demo.
    #[error("{0} nodes: one works on its own SQLite file, several share PostgreSQL")]
    NodesNeedPostgres(usize),
    /// Several nodes did not start.
    #[error("the DM Servers did not start: {0}")]
    Nodes(#[from] NodesError),
    /// A file.
    #[error("a file of the demo: {0}")]
    File(#[from] std::io::Error),
    /// The state directory was not empty, so that no admin token was made.
    #[error("{0} is not empty; the demo wants a folder of its own")]
    NotEmpty(PathBuf),
    /// The DevID.
    #[error(transparent)]
    DevId(#[from] DevIdError),
    /// The server's address.
    #[error(transparent)]
    Uri(#[from] ServerUriError),
    /// A DDF of the profiles.
    #[error(transparent)]
    Ddf(#[from] DdfError),
}

impl DemoError {
    /// What the operator can do about it: one sentence, or nothing.
    #[must_use]
    pub fn remedy(&self) -> String {
        let advice = match self {
            Self::LeftBehind { schema, .. } => {
                return format!("type in psql: DROP SCHEMA {schema} CASCADE");
            }
            Self::NodesNeedPostgres(_) => {
                "add --store temp-postgres or --store postgres://…, or let one node serve"
            }
            Self::Store(err) | Self::Nodes(NodesError::Store(err)) => err.remedy(),
            Self::Server(StartError::Store(err))
            | Self::Nodes(NodesError::Start(StartError::Store(err))) => err.remedy(),
            Self::Database(_) => "name a database in which this user may make a schema",
            Self::PrivatePostgres(_) => {
                "mend what it says, or name a database with --store postgres://…"
            }
            Self::File(_) | Self::NotEmpty(_) => {
                "make the temporary folder writable, or set TMPDIR"
            }
            Self::Bootstrap(_) | Self::Api(_) => "run it with --trace to see every exchange",
            Self::Stopped => "",
            Self::Server(_)
            | Self::Nodes(_)
            | Self::Device(_)
            | Self::Client(_)
            | Self::Listen(_)
            | Self::Carrier(_)
            | Self::Card(_)
            | Self::NoRecord(_)
            | Self::Tree(_)
            | Self::DevId(_)
            | Self::Uri(_)
            | Self::Ddf(_) => "run it with --log-filter debug to see more",
        };
        advice.to_owned()
    }

    /// This error, together with how the demo ended after it.
    pub(super) fn and(self, ended: Result<(), Self>) -> Self {
        match ended {
            Err(Self::LeftBehind { schema, why, .. }) => Self::LeftBehind {
                schema,
                why,
                first: Some(Box::new(self)),
            },
            _ => self,
        }
    }
}

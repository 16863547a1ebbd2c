use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use omadm_bootstrap::BootstrapMethod;
use omadm_client::{ClientBuildError, DeviceDirError, NoBootstrap};
use omadm_mo::ddf::DdfError;
use omadm_mo::{DevId, DevIdError, Secret, ServerUriError, TreeError};
use omadm_server::StartError;
use omadm_server::operator::client::{ApiClient, ApiError};
use omadm_server::store::StoreError;
use omadm_server::store::address::PostgresAddress;

use super::nodes::DemoNodes;
use super::{BootstrapRow, Line, Timeline, Who, device};
use crate::nodes::NodesError;
use crate::postgres::PrivatePostgresError;

/// What a demo shows.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// A folder that is empty or does not exist: state directory, profiles, device.
    pub folder: PathBuf,
    /// Which profile the device gets.
    pub profile: DemoProfile,
    /// Whether every HTTP exchange is shown.
    pub trace: bool,
    /// How many nodes serve. Of several, each exchange goes to the one after the one before.
    pub nodes: usize,
    /// Where the records are kept.
    pub store: DemoStore,
}

/// Where a demo keeps its records.
#[derive(Clone, Debug)]
pub enum DemoStore {
    /// In the SQLite file of its state directory.
    StateDirectory,
    /// In this PostgreSQL database, in a schema of its own that is dropped at the end.
    Postgres(Box<PostgresAddress>),
    /// In a PostgreSQL server that is started for it.
    PrivatePostgres,
}

/// The two profiles of the repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DemoProfile {
    /// DM Account alone: one connection.
    Minimal,
    /// Everything; its own `Auth/Trsp` takes a second connection.
    Full,
}

/// A demo under way: server running, device registered.
pub struct Demo {
    nodes: DemoNodes,
    operator_addr: SocketAddr,
    token: Secret,
    client: omadm_client::Client,
    dev_id: DevId,
    timeline: Timeline,
}

/// A server that the demo left running.
pub struct Kept {
    nodes: DemoNodes,
    operator_addr: SocketAddr,
    token: Secret,
}

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

const MINIMAL: &str = include_str!("../../../../profiles/minimal.toml");
const FULL: &str = include_str!("../../../../profiles/full.toml");
pub(super) const REPORTING_DDF: &str = include_str!("../../../../profiles/ddf/reporting-1.0.ddf");

/// How often the server's event log is looked at.
const LOOK: Duration = Duration::from_millis(2);

impl DemoProfile {
    /// Its name at the server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Full => "full",
        }
    }
}

impl Demo {
    /// Starts the server on ephemeral ports and registers the device. `out` gets the timeline as it happens. Where it fails, or `stop` is ready first,
    /// what ran is ended, and what was made in PostgreSQL is gone.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start(
        options: DemoOptions,
        out: Arc<dyn Fn(Line) + Send + Sync>,
        stop: impl Future<Output = ()>,
    ) -> Result<Self, DemoError> {
        let mut stop = std::pin::pin!(stop);
        let timeline = Timeline::new(options.trace, out);
        write_profiles(&options.folder.join("profiles"))?;
        let nodes = DemoNodes::start(
            &options.folder,
            options.nodes,
            &options.store,
            &timeline,
            &mut stop,
        )
        .await?;
        let registered = tokio::select! {
            biased;
            () = stop => Err(DemoError::Stopped),
            registered = registered(&options, &nodes, &timeline) => registered,
        };
        match registered {
            Ok(Registered {
                operator_addr,
                token,
                client,
                dev_id,
            }) => Ok(Self {
                nodes,
                operator_addr,
                token,
                client,
                dev_id,
                timeline,
            }),
            Err(err) => Err(err.and(nodes.end().await)),
        }
    }

    /// Runs the bootstrap and its DM session; ends the demo where that fails, or `stop` is ready first.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
    ) -> Result<(Self, BootstrapRow), DemoError> {
        let done = tokio::select! {
            biased;
            () = stop => Err(DemoError::Stopped),
            done = self.bootstrap() => done,
        };
        match done {
            Ok(row) => Ok((self, row)),
            Err(err) => Err(err.and(self.end().await)),
        }
    }

    async fn bootstrap(&self) -> Result<BootstrapRow, DemoError> {
        let store = Arc::clone(self.nodes.first()?.store());
        let timeline = self.timeline.clone();
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let watcher = tokio::spawn(async move {
            let mut position = 0;
            loop {
                let last = *stopped.borrow();
                for event in store.events_after(position, 100).await.unwrap_or_default() {
                    position = event.position.unwrap_or(position);
                    timeline.server_event(&event);
                }
                if last {
                    return;
                }
                if let Ok(Err(_given_up)) = tokio::time::timeout(LOOK, stopped.changed()).await {
                    return;
                }
            }
        });
        // The registration's own events belong before the story.
        self.nodes.flush().await?;
        tokio::time::sleep(LOOK * 2).await;
        let before = self.nodes.commits();
        let start = Instant::now();
        let done = self.client.bootstrap().await;
        let settled = match &done {
            Ok(_) => self.client.settle().await,
            Err(_) => Ok(Vec::new()),
        };
        let duration = start.elapsed();
        let commits = self.nodes.commits() - before;
        let (connections, exchanges) = self.client.counts().await;
        self.nodes.flush().await?;
        stop.send_replace(true);
        let _joined = watcher.await;
        done?;
        settled?;
        let records = self
            .nodes
            .first()?
            .store()
            .bootstraps_of(&self.dev_id)
            .await?;
        let record = records.first();
        let owed = self
            .client
            .accounts()?
            .iter()
            .any(|account| account.owed.is_some());
        Ok(BootstrapRow {
            method: record
                .map_or(BootstrapMethod::ClientInitiated, |record| record.method)
                .name()
                .to_owned(),
            device: self.dev_id.to_string(),
            account: record
                .map(|record| record.srv_id.to_string())
                .unwrap_or_default(),
            state: record
                .map_or("missing", |record| record.state.name())
                .to_owned(),
            owed,
            duration_ms: duration.as_millis().try_into().unwrap_or(u64::MAX),
            exchanges,
            connections,
            commits,
        })
    }

    /// Ends the demo and its nodes.
    ///
    /// # Errors
    /// [`DemoError`] where the server's last marks could not be written.
    pub async fn end(self) -> Result<(), DemoError> {
        self.nodes.end().await
    }

    /// Leaves the server running.
    #[must_use]
    pub fn keep(self) -> Kept {
        Kept {
            nodes: self.nodes,
            operator_addr: self.operator_addr,
            token: self.token,
        }
    }
}

impl Kept {
    /// Where devices come in.
    #[must_use]
    pub fn device_addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.nodes.port()))
    }

    /// Where operators come in.
    #[must_use]
    pub const fn operator_addr(&self) -> SocketAddr {
        self.operator_addr
    }

    /// The admin token, to be shown once.
    #[must_use]
    pub const fn admin_token(&self) -> &Secret {
        &self.token
    }

    /// Ends the server.
    ///
    /// # Errors
    /// [`DemoError`] where its last marks could not be written.
    pub async fn end(self) -> Result<(), DemoError> {
        self.nodes.end().await
    }
}

/// What the device is, and how it is reached by operators.
struct Registered {
    operator_addr: SocketAddr,
    token: Secret,
    client: omadm_client::Client,
    dev_id: DevId,
}

async fn registered(
    options: &DemoOptions,
    nodes: &DemoNodes,
    timeline: &Timeline,
) -> Result<Registered, DemoError> {
    let server = nodes.first()?;
    let first = server
        .first_start
        .as_ref()
        .ok_or_else(|| DemoError::NotEmpty(options.folder.clone()))?;
    let host = server.operator_addr.ip().to_string();
    let api = ApiClient::new(
        host,
        server.operator_addr.port(),
        server.ca_certificate(),
        &first.token,
    )?;
    let dev_id = DevId::parse("IMEI:493005100592800")?;
    let observer = Arc::new(timeline.clone());
    let client = device::make(
        &options.folder.join("device"),
        &dev_id,
        options.profile.name(),
        &api,
        (server.ca_certificate(), nodes.port()),
        observer,
    )
    .await?;
    timeline.say(
        Who::Client,
        format!("{dev_id}: made its key, got its certificate, knows the bootstrap URL"),
    );
    Ok(Registered {
        operator_addr: server.operator_addr,
        token: first.token.clone(),
        client,
        dev_id,
    })
}

fn write_profiles(folder: &Path) -> Result<(), std::io::Error> {
    std::fs::create_dir_all(folder.join("ddf"))?;
    std::fs::write(folder.join("minimal.toml"), MINIMAL)?;
    std::fs::write(folder.join("full.toml"), FULL)?;
    std::fs::write(folder.join("ddf/reporting-1.0.ddf"), REPORTING_DDF)
}

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use omadm_mo::Secret;
use omadm_server::operator::client::ApiClient;

use super::dm1;
use super::event_log::EventLog;
use super::nodes::DemoNodes;
use super::options::write_profiles;
use super::stage::Stage;
use super::{DemoError, DemoGeneration, DemoMethod, DemoOptions, DemoRow, Line, Timeline};

/// A demo under way: the server runs.
pub struct Demo {
    nodes: DemoNodes,
    operators: Operators,
    options: DemoOptions,
    timeline: Timeline,
}

/// A server that the demo left running.
pub struct Kept {
    nodes: DemoNodes,
    operators: Operators,
}

/// The operators' side.
struct Operators {
    address: SocketAddr,
    token: Secret,
    api: ApiClient,
}

impl Demo {
    /// Starts the server on ephemeral ports. `out` gets the timeline as it happens. Where it fails, or `stop` is ready first, what ran is ended, and what was
    /// made in PostgreSQL is gone.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start(
        options: DemoOptions,
        out: Arc<dyn Fn(Line) + Send + Sync>,
        stop: impl Future<Output = ()>,
    ) -> Result<Self, DemoError> {
        let timeline = Timeline::new(options.trace, out);
        write_profiles(&options.folder.join("profiles"))?;
        let nodes = DemoNodes::start(
            &options.folder,
            options.nodes,
            &options.store,
            &timeline,
            stop,
        )
        .await?;
        match Operators::of(&nodes, &options) {
            Ok(operators) => Ok(Self {
                nodes,
                operators,
                options,
                timeline,
            }),
            Err(err) => Err(err.and(nodes.end().await)),
        }
    }

    /// Shows the bootstraps and their DM sessions; ends the demo where one cannot be shown, or `stop` is ready first.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
    ) -> Result<(Self, Vec<DemoRow>), DemoError> {
        let done = tokio::select! {
            biased;
            () = stop => Err(DemoError::Stopped),
            done = self.steps() => done,
        };
        match done {
            Ok(rows) => Ok((self, rows)),
            Err(err) => Err(err.and(self.end().await)),
        }
    }

    async fn steps(&self) -> Result<Vec<DemoRow>, DemoError> {
        let store = self.nodes.first()?.store();
        let stage = Stage {
            nodes: &self.nodes,
            api: &self.operators.api,
            options: &self.options,
            timeline: &self.timeline,
            log: EventLog::watch(store, &self.timeline),
        };
        if self.options.generation == DemoGeneration::Dm1 {
            return dm1::steps(&stage).await;
        }
        let mut rows = Vec::new();
        let mut devices = Vec::new();
        for (number, method) in self.options.shown().enumerate() {
            let device = stage.device(method, number).await?;
            rows.push(stage.first(method, &device).await?);
            devices.push((method, device));
        }
        if self.options.is_whole() {
            let by = |wanted| {
                let mut devices = devices.iter();
                devices.find(move |(method, _)| *method == wanted)
            };
            if let Some((_, device)) = by(DemoMethod::Client) {
                rows.push(stage.again(device).await?);
            }
            if let Some((_, device)) = by(DemoMethod::Smartcard) {
                rows.push(stage.card_removed(device).await?);
            }
        }
        Ok(rows)
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
            operators: self.operators,
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
        self.operators.address
    }

    /// The admin token, to be shown once.
    #[must_use]
    pub const fn admin_token(&self) -> &Secret {
        &self.operators.token
    }

    /// Ends the server.
    ///
    /// # Errors
    /// [`DemoError`] where its last marks could not be written.
    pub async fn end(self) -> Result<(), DemoError> {
        self.nodes.end().await
    }
}

impl Operators {
    fn of(nodes: &DemoNodes, options: &DemoOptions) -> Result<Self, DemoError> {
        let server = nodes.first()?;
        let first = server.first_start.as_ref();
        let token = first.map(|first| first.token.clone());
        let token = token.ok_or_else(|| DemoError::NotEmpty(options.folder.clone()))?;
        let address = server.operator_addr;
        let host = address.ip().to_string();
        let api = ApiClient::new(host, address.port(), server.ca_certificate(), &token)?;
        Ok(Self {
            address,
            token,
            api,
        })
    }
}

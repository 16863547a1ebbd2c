use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use omadm_lab::balancer::Balancer;
use omadm_lab::nodes::{copy_state, state_dir, wanted_nodes};
use omadm_lab::postgres::Database;
use omadm_mo::Secret;
use omadm_server::operator::client::ApiClient;
use omadm_tls::pem;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::binary::{Ended, Omadm, omadm};
use super::{PATIENCE, Running, Signal, profiles};

thread_local! {
    /// The database of each state directory, for as long as the test's thread lives: a server that is started again finds its records.
    static DATABASES: RefCell<BTreeMap<PathBuf, Database>> = const { RefCell::new(BTreeMap::new()) };
}

/// A server with the profiles of the repository: one `omadm serve` on ephemeral ports. With `OMADM_TEST_NODES=2` it is two over one PostgreSQL behind
/// balancers, and each exchange of a device, each connection of an operator, goes to the other one than the one before.
pub struct Server {
    nodes: Vec<Running>,
    state: PathBuf,
    /// What the first node printed until it was ready.
    pub greeting: String,
    /// Port of the device side.
    pub device_port: u16,
    /// Port of the operator side.
    pub operator_port: u16,
    /// The admin token, where this was the first start.
    pub token: Option<String>,
    /// Dropped with their runtime.
    _balancers: Option<(Runtime, [Balancer; 2])>,
}

/// A process that is ready.
struct Node {
    process: Running,
    greeting: String,
    device_port: u16,
    operator_port: u16,
}

impl Server {
    /// The command line of a server of one node on a state directory.
    #[must_use]
    pub fn command(state: &Path) -> Omadm {
        omadm([
            "serve",
            "--devices",
            "127.0.0.1:0",
            "--operators",
            "127.0.0.1:0",
        ])
        .arg("--state")
        .arg(state)
        // By the environment, so that a test can name others by the argument.
        .env("OMADM_PROFILES", profiles(""))
    }

    /// Starts one and waits until it listens. The second node's state directory is a copy beside the first one's, named with `-2`.
    ///
    /// # Errors
    /// With everything it wrote, where it does not come up; where there is no PostgreSQL for two nodes.
    pub fn start(state: &Path) -> io::Result<Self> {
        Self::start_with(state, &[])
    }

    /// Starts one whose nodes get these further arguments.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(state: &Path, arguments: &[&str]) -> io::Result<Self> {
        match wanted_nodes()? {
            1 => {
                let node = Node::start(state, Self::command(state).args(arguments))?;
                Ok(Self::of(state, vec![node]))
            }
            number => Self::start_several(number, state, arguments),
        }
    }

    /// Starts one of one node, whatever was asked for: where a test is about the files of one process.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_one(state: &Path) -> io::Result<Self> {
        Self::start_one_with(state, &[])
    }

    /// The same, with further arguments.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_one_with(state: &Path, arguments: &[&str]) -> io::Result<Self> {
        let command = Self::command(state).args(arguments);
        Ok(Self::of(state, vec![Node::start(state, command)?]))
    }

    /// Starts one of one node over a PostgreSQL: a process without the page cache of an embedded store.
    ///
    /// # Errors
    /// As [`Self::start`]; where there is no PostgreSQL.
    pub fn start_one_on_postgres(state: &Path) -> io::Result<Self> {
        let command = Self::command(state).env("OMADM_STORE", &database(state)?);
        Ok(Self::of(state, vec![Node::start(state, command)?]))
    }

    fn start_several(number: usize, state: &Path, arguments: &[&str]) -> io::Result<Self> {
        let url = database(state)?;
        let runtime = Runtime::new()?;
        let nowhere = vec![SocketAddr::from(([127, 0, 0, 1], 9)); number];
        let devices = runtime.block_on(Balancer::start(nowhere.clone()))?;
        let operators = runtime.block_on(Balancer::start(nowhere))?;
        let public = format!("localhost:{}", devices.address().port());
        let mut nodes = Vec::new();
        for index in 0..number {
            let own = state_dir(state, index);
            if index > 0 {
                copy_state(state, &own)?;
            }
            let command = Self::command(&own)
                .args(["--exchanges-per-connection", "1"])
                .args(["--public-server", &public])
                .args(arguments)
                .env("OMADM_STORE", &url);
            let node = Node::start(&own, command)?;
            devices.replace(index, ([127, 0, 0, 1], node.device_port).into());
            operators.replace(index, ([127, 0, 0, 1], node.operator_port).into());
            nodes.push(node);
        }
        let mut server = Self::of(state, nodes);
        server.device_port = devices.address().port();
        server.operator_port = operators.address().port();
        server._balancers = Some((runtime, [devices, operators]));
        Ok(server)
    }

    /// As its first node told.
    fn of(state: &Path, nodes: Vec<Node>) -> Self {
        let first = nodes.first();
        let greeting = first.map(|node| node.greeting.clone()).unwrap_or_default();
        let token = greeting
            .lines()
            .find_map(|line| line.strip_prefix("admin token:"))
            .map(|token| token.trim().to_owned());
        Self {
            device_port: first.map_or(0, |node| node.device_port),
            operator_port: first.map_or(0, |node| node.operator_port),
            token,
            greeting,
            state: state.to_owned(),
            nodes: nodes.into_iter().map(|node| node.process).collect(),
            _balancers: None,
        }
    }

    /// Everything in its store, as text.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn records(state: &Path) -> io::Result<String> {
        let all = DATABASES.with_borrow(|databases| {
            let database = databases.get(state)?;
            Some(database.execute("SELECT database_to_xml(true, false, '')"))
        });
        match all {
            Some(all) => all.map_err(io::Error::other),
            None => {
                let file = std::fs::read(state.join("server.sqlite"))?;
                Ok(String::from_utf8_lossy(&file).into_owned())
            }
        }
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The process id of each node.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.nodes.iter().map(Running::id).collect()
    }

    /// Sends a signal to each node.
    ///
    /// # Errors
    /// Where one is gone already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.nodes.iter().try_for_each(|node| node.signal(signal))
    }

    /// Its CA certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.state.join("ca.crt")
    }

    /// The bootstrap URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}/bootstrap", self.device_port)
    }

    /// An `omadm device …` command line that speaks to it with this token.
    #[must_use]
    pub fn operator(&self, token: &str, arguments: &[&str]) -> Omadm {
        self.reached(omadm(["device"]).args(arguments), token)
    }

    /// What happened to a device, oldest first, as `omadm device show` tells it.
    ///
    /// # Panics
    /// Where it tells something else.
    #[must_use]
    pub fn events_of(&self, token: &str, dev_id: &str) -> Vec<Value> {
        let shown = self.operator(token, &["--json", "show", dev_id]);
        let shown: Value = serde_json::from_str(&shown.run().good().stdout).unwrap_or_default();
        let events = shown["events"].as_array();
        assert!(events.is_some(), "{shown}");
        let events = events.into_iter().flatten();
        events.map(|event| event["what"].clone()).collect()
    }

    /// A command line that speaks to its operator API with this token.
    #[must_use]
    pub fn reached(&self, command: Omadm, token: &str) -> Omadm {
        command
            .env(
                "OMADM_API",
                format!("https://127.0.0.1:{}", self.operator_port),
            )
            .env("OMADM_CA", self.ca())
            .env("OMADM_TOKEN", token)
    }

    /// A client of its operator API.
    ///
    /// # Errors
    /// Where CA certificate or token cannot be used.
    pub fn api(&self, token: &str) -> io::Result<ApiClient> {
        let ca =
            pem::certificates(&std::fs::read_to_string(self.ca())?).map_err(io::Error::other)?;
        let ca = ca
            .first()
            .ok_or_else(|| io::Error::other("the CA file holds no certificate"))?;
        let token = Secret::from(token.to_owned());
        ApiClient::new("127.0.0.1", self.operator_port, ca, &token).map_err(io::Error::other)
    }

    /// Ends it as a service manager does, each node at once; tells what all of them wrote, one after the other, and the worst code.
    ///
    /// # Errors
    /// With everything it wrote, where it does not end.
    pub fn end(self) -> io::Result<Ended> {
        for node in &self.nodes {
            node.signal(Signal::Term)?;
        }
        let mut all = Ended {
            code: Some(0),
            stdout: String::new(),
            stderr: String::new(),
        };
        for node in self.nodes {
            let ended = node.wait(PATIENCE)?;
            if ended.code != Some(0) {
                all.code = ended.code;
            }
            all.stdout.push_str(&ended.stdout);
            all.stderr.push_str(&ended.stderr);
        }
        Ok(all)
    }
}

impl Node {
    fn start(state: &Path, command: Omadm) -> io::Result<Self> {
        // The fingerprint comes last but for the token, and both in one go on a first start.
        let first = !state.join("ca.crt").exists();
        let last = if first {
            "shown this once"
        } else {
            "CA fingerprint:"
        };
        let mut process = command.start()?;
        let greeting = process.until(last, PATIENCE)?;
        let port = |label: &str| {
            let line = greeting.lines().find(|line| line.starts_with(label));
            let address = line.and_then(|line| line.split("https://").nth(1));
            address
                .and_then(|address| address.split('/').next()?.rsplit(':').next()?.parse().ok())
                .ok_or_else(|| io::Error::other(format!("no {label} in {greeting}")))
        };
        Ok(Self {
            device_port: port("devices:")?,
            operator_port: port("operators:")?,
            greeting,
            process,
        })
    }
}

/// The URL of the database of this state directory, made and migrated where there is none.
fn database(state: &Path) -> io::Result<String> {
    let known = DATABASES.with_borrow(|databases| databases.get(state).map(Database::url));
    if let Some(url) = known {
        return Ok(url);
    }
    let database = Database::fresh().map_err(io::Error::other)?;
    let url = database.url();
    let _made = omadm(["store", "migrate", &url]).run().good();
    DATABASES.with_borrow_mut(|databases| databases.insert(state.to_owned(), database));
    Ok(url)
}

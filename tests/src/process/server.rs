use std::io;
use std::path::{Path, PathBuf};

use omadm_mo::Secret;
use omadm_server::operator::client::ApiClient;
use omadm_tls::pem;

use super::binary::{Ended, Omadm, omadm};
use super::{PATIENCE, Running, Signal, profiles};

/// An `omadm serve` on ephemeral ports with the profiles of the repository.
#[derive(Debug)]
pub struct Server {
    process: Running,
    state: PathBuf,
    /// What it printed until it was ready.
    pub greeting: String,
    /// Port of the device side.
    pub device_port: u16,
    /// Port of the operator side.
    pub operator_port: u16,
    /// The admin token, where this was the first start.
    pub token: Option<String>,
}

impl Server {
    /// The command line of a server on a state directory.
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
        .arg("--profiles")
        .arg(profiles(""))
    }

    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// With everything it wrote, where it does not come up.
    pub fn start(state: &Path) -> io::Result<Self> {
        Self::start_with(state, Self::command(state))
    }

    /// Starts one by this command line.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(state: &Path, command: Omadm) -> io::Result<Self> {
        let mut process = command.start()?;
        // The fingerprint comes last but for the token, and both in one go on a first start.
        let first = !state.join("ca.crt").exists();
        let last = if first {
            "shown this once"
        } else {
            "CA fingerprint:"
        };
        let greeting = process.until(last, PATIENCE)?;
        let port = |label: &str| {
            let line = greeting.lines().find(|line| line.starts_with(label));
            let address = line.and_then(|line| line.split("https://").nth(1));
            address
                .and_then(|address| address.split('/').next()?.rsplit(':').next()?.parse().ok())
                .ok_or_else(|| io::Error::other(format!("no {label} in {greeting}")))
        };
        let token = greeting
            .lines()
            .find_map(|line| line.strip_prefix("admin token:"))
            .map(|token| token.trim().to_owned());
        Ok(Self {
            device_port: port("devices:")?,
            operator_port: port("operators:")?,
            token,
            greeting,
            state: state.to_owned(),
            process,
        })
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
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
        omadm(["device"])
            .args(arguments)
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

    /// Ends it as a service manager does.
    ///
    /// # Errors
    /// With everything it wrote, where it does not end.
    pub fn end(self) -> io::Result<Ended> {
        self.process.signal(Signal::Term)?;
        self.process.wait(PATIENCE)
    }
}

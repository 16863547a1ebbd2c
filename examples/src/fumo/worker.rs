use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

use omadm_client::{Client, NodeText};
use omadm_mo::standard::dm_acc;
use omadm_mo::{Moid, ServerUri, SrvId, TreeError};
use sha2::{Digest as _, Sha256};

use super::firmware::Fumo;
use super::installer::Installer;
use super::object::MOID;
use super::record::{RecordError, move_durably};
use super::result_code::ResultCode;
use super::state::{FumoState, Operation, StateEvent};

/// What one step of the work brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// No operation goes on.
    Nothing,
    /// The operation goes on from this state.
    Reached(FumoState),
    /// The operation is over; its result waits for the server.
    Ended(Operation, ResultCode),
}

/// Why the work cannot go on. The environment is at fault; the operation goes on after the next start.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The client's store.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Fumo {
    /// Does what servers ask for until a package was installed: the device is to start anew then, with [`Fumo::firmware`]. What an earlier start of the
    /// device left unfinished is finished first. May be dropped at any time, as by a power cut.
    ///
    /// # Errors
    /// [`WorkError`].
    pub async fn run(&self, client: &Client, installer: &Installer) -> Result<(), WorkError> {
        loop {
            self.work().await;
            let step = self.step(client, installer).await?;
            tracing::info!(?step, "firmware");
            if let Step::Ended(operation, ResultCode::SUCCESS) = step
                && operation.installs()
            {
                return Ok(());
            }
        }
    }

    /// One step of the operation that goes on. Each is written down as a whole, so that a power cut lies before it or after it.
    ///
    /// # Errors
    /// [`WorkError`]; the step is then still to be done.
    pub async fn step(&self, client: &Client, installer: &Installer) -> Result<Step, WorkError> {
        let record = self.record();
        let Some(operation) = record.operation else {
            return Ok(Step::Nothing);
        };
        match record.state {
            FumoState::Downloading => self.download(client, operation).await,
            FumoState::Downloaded => self.check().await,
            FumoState::ReadyToUpdate => {
                let Some(version) = self.version().await else {
                    return self.end(StateEvent::Lost, ResultCode::FAILED_VALIDATION);
                };
                self.change(|record| {
                    record.take(StateEvent::Begun);
                    record.installing = version;
                })?;
                self.install(installer).await
            }
            FumoState::Updating => match installer.was_done(&self.package()) {
                Some(true) => self.end(StateEvent::Installed { kept: false }, ResultCode::SUCCESS),
                Some(false) => self.install(installer).await,
                None => {
                    let kept = self.package().exists();
                    self.end(StateEvent::NotInstalled { kept }, ResultCode::UPDATE_FAILED)
                }
            },
            // No operation goes on in these: the record was tampered with.
            _ => self.end(StateEvent::Lost, ResultCode::UNDEFINED),
        }
    }

    async fn download(&self, client: &Client, operation: Operation) -> Result<Step, WorkError> {
        let record = self.record();
        let failed = |code| self.end(StateEvent::NotArrived, code);
        let Ok(url) = ServerUri::parse(record.url()) else {
            return failed(ResultCode::BAD_URL);
        };
        let Some(server) = server_of(client, &url).await? else {
            return failed(ResultCode::CLIENT_ERROR);
        };
        let downloaded = client.download(&server, &url, |_| ControlFlow::Continue(()));
        let file = match downloaded.await {
            Ok(downloaded) => downloaded.file,
            Err(error) => {
                tracing::warn!(%error, "the package does not arrive");
                return failed(ResultCode::of_download(&error));
            }
        };
        let arrived = move_durably(&file, &self.package());
        let as_told = match arrived {
            Ok(()) => self.is_as_told().await,
            Err(error) => Err(error),
        };
        match as_told {
            Ok(true) if operation.installs() => self.reach(StateEvent::Arrived),
            Ok(true) => self.end(StateEvent::Arrived, ResultCode::SUCCESS),
            Ok(false) => failed(ResultCode::CORRUPTED),
            Err(error) => {
                tracing::warn!(%error, "the package cannot be kept");
                failed(ResultCode::of_file(&error))
            }
        }
    }

    async fn check(&self) -> Result<Step, WorkError> {
        match self.is_as_told().await {
            Ok(true) => self.reach(StateEvent::Accepted),
            Ok(false) => self.end(StateEvent::Rejected, ResultCode::CORRUPTED),
            Err(error) => {
                tracing::warn!(%error, "the package cannot be checked");
                self.end(StateEvent::Rejected, ResultCode::FAILED_VALIDATION)
            }
        }
    }

    async fn install(&self, installer: &Installer) -> Result<Step, WorkError> {
        let (installer, package) = (installer.clone(), self.package());
        let version = self.record().installing;
        let done = blocking(move || installer.install(&package, &version)).await;
        match done {
            Ok(kept) => self.end(StateEvent::Installed { kept }, ResultCode::SUCCESS),
            Err(error) => {
                tracing::warn!(%error, "the package is not installed");
                let kept = self.package().exists();
                self.end(StateEvent::NotInstalled { kept }, error.code())
            }
        }
    }

    /// What the package will be called once it is installed: as the server told, else the beginning of its digest.
    async fn version(&self) -> Option<String> {
        let told = self.record().pkg_version;
        if !told.is_empty() {
            return Some(told);
        }
        let digest = self.digest().await.ok()?;
        Some(digest.chars().take(16).collect())
    }

    fn reach(&self, event: StateEvent) -> Result<Step, WorkError> {
        let state = self.change(|record| {
            record.take(event);
            record.state
        })?;
        Ok(Step::Reached(state))
    }

    /// Ends the operation with this event: its state, its result and what follows for the firmware, as a whole. A package that the new state does not have
    /// any more is removed first.
    fn end(&self, event: StateEvent, code: ResultCode) -> Result<Step, WorkError> {
        if matches!(
            event,
            StateEvent::NotArrived | StateEvent::Rejected | StateEvent::Lost
        ) && let Err(error) = self.drop_package()
        {
            tracing::warn!(%error, "a package stays that is of no use");
        }
        let operation = self.change(|record| {
            if record.take(event) && matches!(event, StateEvent::Installed { .. }) {
                record.firmware = Some(record.installing.clone());
            }
            let operation = record.operation;
            record.end(code);
            operation
        })?;
        Ok(operation.map_or(Step::Nothing, |operation| Step::Ended(operation, code)))
    }

    /// Whether the package is the one whose digest the server told, where it told one.
    async fn is_as_told(&self) -> io::Result<bool> {
        let (told, is) = (self.record().digest, self.digest().await?);
        Ok(told.is_empty() || told.eq_ignore_ascii_case(&is))
    }

    async fn digest(&self) -> io::Result<String> {
        let file = self.package();
        blocking(move || sha256(&file)).await
    }
}

/// Whose credential the download takes: the server whose sessions are held at the package's origin, else the first one that may use the MO.
async fn server_of(client: &Client, url: &ServerUri) -> Result<Option<SrvId>, TreeError> {
    let moid = Moid::parse(MOID).ok();
    let mut accounts = client.accounts()?;
    accounts.retain(|account| moid.as_ref().is_some_and(|moid| account.permits(moid)));
    for instance in client.tree().await? {
        if instance.at.moid != dm_acc::moid() {
            continue;
        }
        let at_home = instance.nodes.iter().any(|node| match &node.value {
            NodeText::Text(text) if node.path.is(&["SrvURI"]) => {
                ServerUri::parse(text).is_ok_and(|home| home.origin() == url.origin())
            }
            _ => false,
        });
        let account = accounts.iter().find(|one| one.miid == instance.at.miid);
        if let Some(account) = account.filter(|_| at_home) {
            return Ok(Some(account.srv_id.clone()));
        }
    }
    Ok(accounts.into_iter().next().map(|account| account.srv_id))
}

fn sha256(file: &Path) -> io::Result<String> {
    let (mut open, mut hash) = (std::fs::File::open(file)?, Sha256::new());
    let mut octets = vec![0; 64 << 10];
    loop {
        match open.read(&mut octets)? {
            0 => break,
            read => hash.update(&octets[..read]),
        }
    }
    let digest = hash.finalize();
    Ok(digest.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// Runs something that blocks; where it panics, that is its failure.
async fn blocking<R: Send + 'static, E: From<io::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<R, E> + Send + 'static,
) -> Result<R, E> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

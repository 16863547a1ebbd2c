use omadm_bootstrap::{DeviceView as _, Utc};
use omadm_mo::{Miid, Moid, NodeAddress, NodeName, NodePath, ServerUri, SrvId, TreeError};
use serde::{Deserialize, Serialize};

use super::device_write::WriteTxn;
use super::storage_error::{damaged, tree_error};
use super::{TreeStore, alerts, facts};

/// Begins the names of the executions; the number follows.
const NAME: &str = "client/exec/";
/// Counts them.
const COUNT: &str = "client/execs";

/// Most of them that run or wait to be reported. One EXEC more is 507.
const MOST: usize = 64;

/// An EXEC whose result the server is owed by an alert (`dm20.md` §5.4).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) number: u64,
    server: String,
    report_to: Option<String>,
    /// Of an `Exec` of DM 1.x: its alert says it again (`dm1x.md` §1.4).
    #[serde(default)]
    pub(crate) correlator: Option<String>,
    moid: String,
    miid: String,
    path: Vec<String>,
    pub(crate) state: ExecutionState,
    /// Failed attempts to deliver the alert.
    pub(crate) attempts: u32,
    pub(crate) not_before: Option<Utc>,
}

/// How a server wants to be told of an execution's result.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ExecReport {
    /// Where, whatever comes of it; none for `SrvURI`, and only of one that takes long.
    pub(crate) to: Option<ServerUri>,
    /// What an `Exec` of DM 1.x is known by.
    pub(crate) correlator: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum ExecutionState {
    /// The plug-in was told, or is about to be.
    Running,
    /// It is over; the alert as JSON.
    Ended(String),
}

impl Execution {
    fn new(number: u64, server: &SrvId, at: &NodeAddress, wanted: &ExecReport) -> Self {
        let path = at.path.names().iter();
        Self {
            number,
            server: server.as_str().to_owned(),
            report_to: wanted.to.as_ref().map(ServerUri::to_string),
            correlator: wanted.correlator.clone(),
            moid: at.moid.as_str().to_owned(),
            miid: at.miid.as_str().to_owned(),
            path: path.map(|name| name.as_str().to_owned()).collect(),
            state: ExecutionState::Running,
            attempts: 0,
            not_before: None,
        }
    }

    /// The server that sent the EXEC; none where the record is damaged.
    pub(crate) fn server(&self) -> Option<SrvId> {
        SrvId::parse(&self.server).ok()
    }

    /// The executed node.
    pub(crate) fn at(&self) -> Option<NodeAddress> {
        let names = self.path.iter().map(|name| NodeName::parse(name).ok());
        let path: NodePath = names.collect::<Option<_>>()?;
        let root = NodeAddress::root(Moid::parse(&self.moid).ok()?, Miid::parse(&self.miid).ok()?);
        Some(root.with_path(path))
    }

    /// Where the alert goes; none for `SrvURI`.
    pub(crate) fn report_to(&self) -> Option<ServerUri> {
        ServerUri::parse(self.report_to.as_deref()?).ok()
    }

    fn name(number: u64) -> String {
        format!("{NAME}{number:016x}")
    }
}

impl TreeStore {
    /// Notes that a node is about to be executed for a server. [`TreeError::NoRoom`] where [`MOST`] wait.
    pub(crate) fn begin_execution(
        &self,
        server: &SrvId,
        at: &NodeAddress,
        wanted: &ExecReport,
    ) -> Result<u64, TreeError> {
        let begun = self.write_aside(|tables| {
            if facts::named(&tables.facts, NAME)?.len() >= MOST {
                return Err(TreeError::NoRoom);
            }
            let number = facts::count(&mut tables.facts, COUNT)?;
            put(tables, &Execution::new(number, server, at, wanted))?;
            Ok(Some(number))
        })?;
        begun.ok_or_else(|| TreeError::Storage("nothing was written".into()))
    }

    /// What is running or waits to be reported, in the order of the commands.
    pub(crate) fn executions(&self) -> Result<Vec<Execution>, TreeError> {
        let stored = facts::named(&self.snapshot()?.facts, NAME)?;
        let read = |octets: &Vec<u8>| serde_json::from_slice(octets);
        let all: Result<_, _> = stored.iter().map(read).collect();
        all.map_err(|_| damaged("an execution"))
    }

    /// Notes how an execution stands now. One that was dropped meanwhile stays so.
    pub(crate) fn note_execution(&self, execution: &Execution) -> Result<(), TreeError> {
        self.write_aside(|tables| {
            let name = Execution::name(execution.number);
            if facts::read(&tables.facts, &name)?.is_none() {
                return Ok(None);
            }
            put(tables, execution).map(Some)
        })
        .map(|_| ())
    }

    /// The alert of this execution is known now.
    pub(crate) fn end_execution(&self, number: u64, alert: &str) -> Result<(), TreeError> {
        let found = self.executions()?;
        let running =
            |one: &&Execution| one.number == number && one.state == ExecutionState::Running;
        let Some(execution) = found.iter().find(running) else {
            return Ok(());
        };
        let ended = ExecutionState::Ended(alert.to_owned());
        self.note_execution(&Execution {
            state: ended,
            ..execution.clone()
        })
    }

    /// Nobody is owed these any more.
    pub(crate) fn drop_executions(&self, numbers: &[u64]) -> Result<(), TreeError> {
        self.write_aside(|tables| {
            for number in numbers {
                facts::remove(&mut tables.facts, &Execution::name(*number))?;
            }
            Ok((!numbers.is_empty()).then_some(()))
        })
        .map(|_| ())
    }

    /// Moves alerts of executions into the queue of their server: no session is opened for them any more, the next one takes them along (D07).
    pub(crate) fn queue_executions(&self, executions: &[Execution]) -> Result<(), TreeError> {
        self.write_aside(|tables| {
            for execution in executions {
                facts::remove(&mut tables.facts, &Execution::name(execution.number))?;
                let (Some(server), ExecutionState::Ended(alert)) =
                    (execution.server(), &execution.state)
                else {
                    continue;
                };
                if tables.account(&server)?.is_some() {
                    alerts::put(tables, &server, alert)?;
                }
            }
            Ok((!executions.is_empty()).then_some(()))
        })
        .map(|_| ())
    }
}

/// What runs for this server, or waits to be reported to it, goes.
pub(super) fn forget(tables: &mut WriteTxn<'_>, server: &SrvId) -> Result<(), TreeError> {
    for stored in facts::named(&tables.facts, NAME)? {
        let execution: Execution =
            serde_json::from_slice(&stored).map_err(|_| damaged("an execution"))?;
        if execution.server == server.as_str() {
            facts::remove(&mut tables.facts, &Execution::name(execution.number))?;
        }
    }
    Ok(())
}

fn put(tables: &mut WriteTxn<'_>, execution: &Execution) -> Result<(), TreeError> {
    let json =
        serde_json::to_vec(execution).map_err(|why| TreeError::Storage(why.to_string().into()))?;
    let name = Execution::name(execution.number);
    tables
        .facts
        .insert(name.as_bytes(), json.as_slice())
        .map_err(tree_error)?;
    Ok(())
}

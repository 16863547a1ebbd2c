use std::path::Path;
use std::sync::Arc;

use omadm_server::DmServer;
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};

use super::counted_store::CountedStore;
use super::step::tell;
use super::{Fault, Server, Steps};

/// The program `kill_server`: STATE DEVICE-PORT OPERATOR-PORT STEP. Runs the DM Server until it is killed; tells `ready`, `at STEP`.
///
/// # Errors
/// Where the arguments are wrong, or the server does not start.
pub fn run(arguments: &[String]) -> Result<(), Fault> {
    let [state, devices, operators, step] = arguments else {
        return Err("STATE DEVICE-PORT OPERATOR-PORT STEP".into());
    };
    let steps = Arc::new(Steps::of(step));
    let config = Server::config(Path::new(state), [devices.parse()?, operators.parse()?]);
    let store = SqliteStore::open(Server::store(Path::new(state)), &SqliteOptions::default())?;
    let store = CountedStore::new(store, Arc::clone(&steps));
    let server = DmServer::new(config)
        .with_store(Arc::new(store))
        .with_observer(steps);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let _running = server.start().await?;
        tell("ready")?;
        std::future::pending().await
    })
}

use std::path::Path;
use std::sync::Arc;

use omadm_server::DmServer;
use omadm_server::store::Store;
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};

use super::counted_store::{CountedStore, CountedUses};
use super::step::tell;
use super::{Fault, Nodes, Server, Steps};

/// The program `kill_server`: STATE DEVICE-PORT OPERATOR-PORT STEP [BALANCER-PORT DATABASE-URL]. Runs the DM Server, or a node of several, until it is killed;
/// tells `ready`, `at STEP`.
///
/// # Errors
/// Where the arguments are wrong, or the server does not start.
pub fn run(arguments: &[String]) -> Result<(), Fault> {
    let (state, ports, step, shared) = match arguments {
        [state, devices, operators, step] => (state, [devices, operators], step, None),
        [state, devices, operators, step, balancer, url] => {
            (state, [devices, operators], step, Some((balancer, url)))
        }
        _ => {
            let usage = "STATE DEVICE-PORT OPERATOR-PORT STEP [BALANCER-PORT DATABASE-URL]";
            return Err(usage.into());
        }
    };
    let (state, ports) = (Path::new(state), [ports[0].parse()?, ports[1].parse()?]);
    let steps = Arc::new(Steps::of(step));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (config, store) = match shared {
            None => {
                let file = Server::store(state);
                let store = SqliteStore::open(file, &SqliteOptions::default())?;
                let store: Arc<dyn Store> = Arc::new(store);
                (Server::config(state, ports), store)
            }
            Some((balancer, url)) => {
                let config = Nodes::config(state, ports, balancer.parse()?);
                (config, Nodes::store(url).await?)
            }
        };
        let store = CountedStore::new(store, CountedUses(Arc::clone(&steps)));
        let server = DmServer::new(config)
            .with_store(Arc::new(store))
            .with_observer(steps);
        let _running = server.start().await?;
        tell("ready")?;
        std::future::pending().await
    })
}

//! A load balancer as several DM Server nodes have one before them: it forwards TCP and knows nothing of TLS or HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// After an accept that failed (too many open files, for instance).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A TCP forwarder on loopback that gives its connections to the nodes in turn: the n-th (from 0) to node n mod their number. A node that is taken out or
/// does not take the TCP connection is passed over for the one after it. Where none takes it, the connection is closed. Dropping the balancer closes its
/// port and every connection.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    nodes: Nodes,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a free port of 127.0.0.1 for connections to these nodes.
    ///
    /// # Errors
    /// Where the operating system gives no port.
    pub async fn start(nodes: Vec<SocketAddr>) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let nodes = nodes.into_iter().map(|address| Node {
            address,
            out: false,
            connections: 0,
        });
        let nodes = Nodes(Arc::new(Mutex::new(nodes.collect())));
        Ok(Self {
            address,
            nodes: nodes.clone(),
            task: tokio::spawn(accept(socket, nodes)),
        })
    }

    /// Where it listens: what clients take for the server.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives a node another address, as a restarted one has. Connections that stand stay. An index without node changes nothing.
    pub fn replace(&self, index: usize, address: SocketAddr) {
        self.change(index, |node| node.address = address);
    }

    /// Gives a node no further connections. Those that stand stay. An index without node changes nothing.
    pub fn take_out(&self, index: usize) {
        self.change(index, |node| node.out = true);
    }

    /// Gives a node connections again. An index without node changes nothing.
    pub fn put_back(&self, index: usize) {
        self.change(index, |node| node.out = false);
    }

    /// How many connections each node has taken, by its index.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let nodes = self.nodes.lock();
        nodes.iter().map(|node| node.connections).collect()
    }

    fn change(&self, index: usize, how: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.lock().get_mut(index) {
            how(node);
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // The connections are in the task's set and end with it.
        self.task.abort();
    }
}

#[derive(Debug)]
struct Node {
    address: SocketAddr,
    out: bool,
    connections: u64,
}

#[derive(Clone, Debug)]
struct Nodes(Arc<Mutex<Vec<Node>>>);

impl Nodes {
    fn lock(&self) -> MutexGuard<'_, Vec<Node>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to the first node from `turn` on that takes one.
    async fn connect(&self, turn: usize) -> Option<TcpStream> {
        let number = self.lock().len();
        for index in (0..number).map(|further| (turn + further) % number) {
            let address = {
                let nodes = self.lock();
                let node = nodes.get(index).filter(|node| !node.out);
                node.map(|node| node.address)
            };
            let Some(address) = address else { continue };
            if let Ok(stream) = TcpStream::connect(address).await {
                if let Some(node) = self.lock().get_mut(index) {
                    node.connections += 1;
                }
                return Some(stream);
            }
        }
        None
    }

    async fn forward(self, mut client: TcpStream, turn: usize) {
        let Some(mut node) = self.connect(turn).await else {
            return;
        };
        let _nagle = (client.set_nodelay(true), node.set_nodelay(true));
        // An end of one side is passed on while the other still speaks; a failure ends both.
        let _octets = copy_bidirectional(&mut client, &mut node).await;
    }
}

async fn accept(socket: TcpListener, nodes: Nodes) {
    let mut connections = JoinSet::new();
    let mut turn = 0_usize;
    loop {
        match socket.accept().await {
            Ok((client, _)) => {
                connections.spawn(nodes.clone().forward(client, turn));
                turn = (turn + 1) % nodes.lock().len().max(1);
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A node that says its name, then gives back what it got once the client has ended its side.
    async fn node(name: u8) -> (SocketAddr, JoinHandle<()>) {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                running.spawn(async move {
                    stream.write_all(&[name]).await.unwrap();
                    let mut all = Vec::new();
                    let _ended = stream.read_to_end(&mut all).await;
                    let _gone = stream.write_all(&all).await;
                });
            }
        });
        (address, task)
    }

    /// The name of the node that a new connection gets to; none where it is closed.
    async fn asked(balancer: &Balancer) -> Option<u8> {
        let mut stream = TcpStream::connect(balancer.address()).await.unwrap();
        stream.read_u8().await.ok()
    }

    async fn end(node: JoinHandle<()>) {
        node.abort();
        assert!(node.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn connections_go_to_the_nodes_in_turn() {
        let (a, b) = (node(b'a').await.0, node(b'b').await.0);
        let balancer = Balancer::start(vec![a, b]).await.unwrap();
        for expected in [b'a', b'b', b'a', b'b', b'a'] {
            assert_eq!(asked(&balancer).await, Some(expected));
        }
        assert_eq!(balancer.counts(), [3, 2]);
    }

    #[tokio::test]
    async fn a_node_that_refuses_is_passed_over_until_it_is_replaced() {
        let (a, dies) = (node(b'a').await.0, node(b'b').await);
        let balancer = Balancer::start(vec![a, dies.0]).await.unwrap();
        end(dies.1).await;
        for _ in 0..4 {
            assert_eq!(asked(&balancer).await, Some(b'a'));
        }
        assert_eq!(balancer.counts(), [4, 0]);
        balancer.replace(1, node(b'c').await.0);
        assert_eq!(asked(&balancer).await, Some(b'a'));
        assert_eq!(asked(&balancer).await, Some(b'c'));
        assert_eq!(balancer.counts(), [5, 1]);
    }

    #[tokio::test]
    async fn a_node_taken_out_keeps_its_connections_and_gets_no_further_ones() {
        let (a, b) = (node(b'a').await.0, node(b'b').await.0);
        let balancer = Balancer::start(vec![a, b]).await.unwrap();
        let mut stands = TcpStream::connect(balancer.address()).await.unwrap();
        assert_eq!(stands.read_u8().await.unwrap(), b'a');
        balancer.take_out(0);
        for _ in 0..3 {
            assert_eq!(asked(&balancer).await, Some(b'b'));
        }
        stands.write_all(b"still here").await.unwrap();
        stands.shutdown().await.unwrap();
        let mut back = Vec::new();
        stands.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"still here", "after the half-close of the client");
        balancer.put_back(0);
        assert_eq!(asked(&balancer).await, Some(b'a'));
        assert_eq!(balancer.counts(), [2, 3]);
    }

    #[tokio::test]
    async fn without_a_node_a_connection_is_closed() {
        let (a, dies) = (node(b'a').await.0, node(b'b').await);
        let balancer = Balancer::start(vec![a, dies.0]).await.unwrap();
        balancer.take_out(0);
        end(dies.1).await;
        assert_eq!(asked(&balancer).await, None);
        assert_eq!(
            asked(&Balancer::start(Vec::new()).await.unwrap()).await,
            None
        );
        assert_eq!(balancer.counts(), [0, 0]);
    }

    #[tokio::test]
    async fn dropped_it_closes_its_port_and_its_connections() {
        let balancer = Balancer::start(vec![node(b'a').await.0]).await.unwrap();
        let address = balancer.address();
        let mut stands = TcpStream::connect(address).await.unwrap();
        assert_eq!(stands.read_u8().await.unwrap(), b'a');
        drop(balancer);
        assert!(stands.read_u8().await.is_err());
        assert!(TcpStream::connect(address).await.is_err());
    }
}

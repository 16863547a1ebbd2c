//! A TCP proxy before the database that loses what is said of a COMMIT.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_postgres::config::{Config, Host};

/// As the driver sends it: a simple query.
const COMMIT: &[u8] = b"COMMIT\0";

/// What becomes of the next COMMIT.
pub(super) enum Loss {
    /// The database carries it out; then the connection is cut instead of the answer.
    Answer,
    /// The connection is cut at both ends before it arrives.
    Commit,
    /// The connection is cut, and the database gets it so much later.
    Late(Duration),
    /// The database carries it out; nothing is heard any more, and nothing is cut.
    Silence,
    /// As `Commit`; the near end is cut when the second channel says so.
    Waiting(oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// What the proxy's tasks share.
#[derive(Default)]
struct Shared {
    next: Option<Loss>,
    lost: u32,
}

/// A proxy on a port of its own.
pub(super) struct Proxy(Arc<Mutex<Shared>>);

impl Proxy {
    /// Starts it before the server of `url`; gives the URL through it.
    pub(super) async fn start(url: &str) -> (Self, String) {
        let config: Config = url.parse().unwrap();
        let [Host::Tcp(host)] = config.get_hosts() else {
            panic!("the server is not reached over TCP")
        };
        let server = format!("{host}:{}", config.get_ports().first().unwrap_or(&5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = listener.local_addr().unwrap();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let tasks = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&tasks)));
            }
        });
        let (login, rest) = url.rsplit_once('@').unwrap();
        let database = rest.split_once('/').unwrap().1;
        (Self(shared), format!("{login}@{near}/{database}"))
    }

    /// Does so to the next COMMIT, once.
    pub(super) fn lose(&self, loss: Loss) {
        self.0.lock().unwrap().next = Some(loss);
    }

    /// Loses the next COMMIT; tells when the far end is cut, and cuts the near one when told.
    pub(super) fn lose_and_wait(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (cut, is_cut) = oneshot::channel();
        let (go_on, goes_on) = oneshot::channel();
        self.lose(Loss::Waiting(cut, goes_on));
        (is_cut, go_on)
    }

    /// How many COMMITs were lost.
    pub(super) fn lost(&self) -> u32 {
        self.0.lock().unwrap().lost
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, shared: Arc<Mutex<Shared>>) {
    let (mut said, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            octets = client.read(&mut said) => {
                let Some(octets) = octets.ok().filter(|octets| *octets > 0) else { return };
                let said = &said[..octets];
                let loss = if said.windows(COMMIT.len()).any(|it| it == COMMIT) {
                    let mut shared = shared.lock().unwrap();
                    let loss = shared.next.take();
                    shared.lost += u32::from(loss.is_some());
                    loss
                } else {
                    None
                };
                match loss {
                    None => server.write_all(said).await.unwrap_or_default(),
                    Some(Loss::Commit) => return,
                    Some(Loss::Answer) => {
                        server.write_all(said).await.unwrap();
                        let _answer = server.read(&mut answered).await.unwrap();
                        return;
                    }
                    Some(Loss::Late(time)) => {
                        drop(client);
                        tokio::time::sleep(time).await;
                        server.write_all(said).await.unwrap();
                        let _answer = server.read(&mut answered).await.unwrap();
                        return;
                    }
                    Some(Loss::Silence) => {
                        server.write_all(said).await.unwrap();
                        let _answer = server.read(&mut answered).await.unwrap();
                        // Until the near end gives it up.
                        while client.read(&mut answered).await.is_ok_and(|octets| octets > 0) {}
                        return;
                    }
                    Some(Loss::Waiting(cut, goes_on)) => {
                        drop(server);
                        cut.send(()).unwrap();
                        goes_on.await.unwrap();
                        return;
                    }
                }
            }
            octets = server.read(&mut answered) => {
                let Some(octets) = octets.ok().filter(|octets| *octets > 0) else { return };
                if client.write_all(&answered[..octets]).await.is_err() {
                    return;
                }
            }
        }
    }
}

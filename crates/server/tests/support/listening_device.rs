//! A device that listens for pushed bootstraps and answers as it is told: real TLS on loopback, HTTP/1.1 written by hand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, ClientTrust, Fingerprint, Identity, LiveClientTrust,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A push as it came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The certificate of who pushed.
    pub(crate) by: Option<Fingerprint>,
}

/// What the device does about a push.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, further headers with their line ends, body.
    Answer(u16, &'static str, String),
    /// Says nothing.
    Silence,
    /// Closes the connection.
    Close,
    /// This status, and a body without end.
    Endless(u16),
}

pub(crate) struct ListeningDevice {
    pub(crate) address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    connections: Arc<Mutex<usize>>,
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::Answer(status, "", String::new())
}

pub(crate) fn problem(status: u16, cause: &str) -> Reply {
    let body = format!(r#"{{"title":"It is so.","cause":"{cause}"}}"#);
    Reply::Answer(status, "Content-Type: application/problem+json\r\n", body)
}

impl ListeningDevice {
    /// Answers the first push with the first reply, and so on; the last one stays.
    pub(crate) async fn start(identity: &Identity, replies: Vec<Reply>) -> Self {
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[]).unwrap();
        let trust = Arc::new(LiveClientTrust::new(nobody));
        let acceptor = Acceptor::new(AcceptorConfig::new(identity.clone(), trust)).unwrap();
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let device = Self {
            address: socket.local_addr().unwrap(),
            came: Arc::default(),
            connections: Arc::default(),
        };
        let (came, connections) = (Arc::clone(&device.came), Arc::clone(&device.connections));
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                *connections.lock().unwrap() += 1;
                let (acceptor, came, replies) =
                    (acceptor.clone(), Arc::clone(&came), replies.clone());
                tokio::spawn(async move {
                    let Ok(accepted) = acceptor.accept(stream).await else {
                        return;
                    };
                    let by = accepted.peer.fingerprint();
                    let mut stream = accepted.stream;
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(octet) = stream.read_u8().await else {
                            return;
                        };
                        head.push(octet);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(':')?;
                        let named = name.eq_ignore_ascii_case("content-length");
                        named.then(|| value.trim().parse().unwrap())
                    });
                    let mut body = vec![0; length.unwrap_or(0)];
                    stream.read_exact(&mut body).await.unwrap();
                    let number = {
                        let mut came = came.lock().unwrap();
                        came.push(Came { head, body, by });
                        came.len()
                    };
                    let reply = replies.get(number - 1).or_else(|| replies.last()).unwrap();
                    answer(stream, reply).await;
                });
            }
        });
        device
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/bootstrap", self.address)
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn answer(mut stream: omadm_tls::AcceptedStream, reply: &Reply) {
    match reply {
        Reply::Answer(status, headers, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} Told\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            );
            let _gone = stream.write_all(text.as_bytes()).await;
            let _gone = stream.flush().await;
        }
        Reply::Silence => tokio::time::sleep(Duration::from_secs(600)).await,
        Reply::Close => {
            let _gone = stream.shutdown().await;
        }
        Reply::Endless(status) => {
            let head = format!("HTTP/1.1 {status} Told\r\n\r\n");
            let _gone = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        }
    }
}

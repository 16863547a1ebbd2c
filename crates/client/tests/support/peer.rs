//! A DM Server and data repository that misbehaves as it is told: real TLS on loopback, HTTP/1.1 written by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, ClientTrust, DevelopmentCa, LiveClientTrust,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{LOOPBACK, ca};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What the peer does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers as HTTP does.
    Answer(Answer),
    /// Says nothing, and holds the connection.
    Silence,
    /// Closes the connection.
    Close,
    /// Promises the whole body, sends the first half and closes.
    Half(Answer),
    /// Promises the whole body, sends the first half and says nothing more.
    Stall(Answer),
    /// Promises a gigabyte of MO data and sends blanks as long as they are taken.
    Gigabyte,
    /// Sends an octet of the body now and then, so that it never ends in time.
    Drip(Answer),
    /// Sends a body without end and without length.
    Endless,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

type Handler = Box<dyn FnMut(&Asked) -> Reply + Send>;

/// The peer at its port.
pub(crate) struct Peer {
    pub(crate) port: u16,
    pub(crate) ca: Arc<DevelopmentCa>,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
    handler: Arc<Mutex<Handler>>,
}

pub(crate) fn status(status: u16) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

/// 200 with MO data.
pub(crate) fn document(json: &Value) -> Answer {
    status(200)
        .with("Content-Type", "application/vnd.oma.dm.mo+json")
        .body(json.to_string())
}

/// 200 with a Package#2.
pub(crate) fn commands(commands: &Value) -> Answer {
    status(200)
        .with("Content-Type", "application/vnd.oma.dm.request+json")
        .body(json!({ "CMD": commands }).to_string())
}

impl Answer {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn is_package1(&self) -> bool {
        self.header("Content-Type") == Some("application/vnd.oma.dm.initiation+json")
    }

    pub(crate) fn is_package3(&self) -> bool {
        self.header("Content-Type") == Some("application/vnd.oma.dm.response+json")
    }

    /// AlertTypes of a package.
    pub(crate) fn alerts(&self) -> Vec<String> {
        let json = self.json();
        let alerts = json["Alert"].as_array().cloned().unwrap_or_default();
        alerts
            .iter()
            .map(|alert| alert["AlertType"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Status numbers of a Package#3.
    pub(crate) fn codes(&self) -> Vec<u64> {
        let json = self.json();
        let statuses = json["Status"].as_array().unwrap();
        statuses
            .iter()
            .map(|status| status["sc"].as_u64().unwrap())
            .collect()
    }
}

impl Peer {
    /// A peer that ends every session at once and answers 404 to all else.
    pub(crate) async fn start() -> Self {
        let (ca, _) = ca();
        Self::with_ca(Arc::new(ca)).await
    }

    /// Another peer of the same CA, on another port.
    pub(crate) async fn beside(&self) -> Self {
        Self::with_ca(Arc::clone(&self.ca)).await
    }

    async fn with_ca(ca: Arc<DevelopmentCa>) -> Self {
        let (_, validity) = super::ca();
        let identity = ca
            .issue_server(&["localhost", "127.0.0.1"], validity)
            .unwrap();
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[]).unwrap();
        let config = AcceptorConfig::new(identity, Arc::new(LiveClientTrust::new(nobody)));
        let acceptor = Acceptor::new(config).unwrap();
        let socket = TcpListener::bind(LOOPBACK).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let peer = Self {
            port,
            ca,
            asked: Arc::default(),
            connections: Arc::default(),
            handler: Arc::new(Mutex::new(Box::new(ending))),
        };
        let (asked, connections, handler) = (
            Arc::clone(&peer.asked),
            Arc::clone(&peer.connections),
            Arc::clone(&peer.handler),
        );
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                *connections.lock().unwrap() += 1;
                let (acceptor, asked, handler) =
                    (acceptor.clone(), Arc::clone(&asked), Arc::clone(&handler));
                tokio::spawn(async move {
                    if let Ok(accepted) = acceptor.accept(stream).await {
                        let mut stream = accepted.stream;
                        while let Some(request) = read(&mut stream).await {
                            asked.lock().unwrap().push(request.clone());
                            let reply = (handler.lock().unwrap())(&request);
                            if write(&mut stream, reply).await.is_none() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        peer
    }

    /// `https://127.0.0.1:port/` and this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }

    /// From now on requests are answered so.
    pub(crate) fn does(&self, handler: impl FnMut(&Asked) -> Reply + Send + 'static) {
        *self.handler.lock().unwrap() = Box::new(handler);
    }

    /// From now on the next Package#1 gets these commands, any other package END, and repository requests what the closure says.
    pub(crate) fn says(
        &self,
        list: Value,
        mut repository: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) {
        let mut list = Some(list);
        self.does(move |asked| match asked {
            asked if asked.is_package1() => list
                .take()
                .map_or_else(|| ending(asked), |list| commands(&list).into()),
            asked if asked.is_package3() => ending(asked),
            asked => repository(asked),
        });
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Requests that were no packages.
    pub(crate) fn repository(&self) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|one| !one.is_package1() && !one.is_package3());
        asked
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub(crate) fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }
}

/// END to packages, 404 to all else.
pub(crate) fn ending(asked: &Asked) -> Reply {
    if asked.is_package1() || asked.is_package3() {
        commands(&json!([["END"]])).into()
    } else {
        status(404).into()
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut asked = Asked {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    let length = asked
        .header("Content-Length")
        .and_then(|text| text.parse().ok());
    asked.body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}

/// None where the connection is not to go on.
async fn write(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) -> Option<()> {
    match reply {
        Reply::Answer(answer) => {
            let mut octets = head(&answer);
            octets.extend_from_slice(&answer.body);
            stream.write_all(&octets).await.ok()?;
            stream.flush().await.ok()
        }
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            None
        }
        Reply::Close => {
            let _closed = stream.shutdown().await;
            None
        }
        Reply::Half(answer) => {
            let mut octets = head(&answer);
            octets.extend_from_slice(&answer.body[..answer.body.len() / 2]);
            stream.write_all(&octets).await.ok()?;
            stream.flush().await.ok()?;
            let _closed = stream.shutdown().await;
            None
        }
        Reply::Stall(answer) => {
            let mut octets = head(&answer);
            octets.extend_from_slice(&answer.body[..answer.body.len() / 2]);
            stream.write_all(&octets).await.ok()?;
            stream.flush().await.ok()?;
            tokio::time::sleep(Duration::from_secs(600)).await;
            None
        }
        Reply::Gigabyte => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oma.dm.mo+json\r\n";
            let head = format!("{head}Content-Length: {}\r\n\r\n", 1 << 30);
            stream.write_all(head.as_bytes()).await.ok()?;
            for _ in 0..1 << 18 {
                stream.write_all(&[b' '; 4096]).await.ok()?;
            }
            Some(())
        }
        Reply::Drip(answer) => {
            stream.write_all(&head(&answer)).await.ok()?;
            for octet in answer.body {
                stream.write_all(&[octet]).await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Some(())
        }
        Reply::Endless => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oma.dm.mo+json\r\n\r\n";
            stream.write_all(head).await.ok()?;
            loop {
                stream.write_all(&[b' '; 4096]).await.ok()?;
            }
        }
    }
}

fn head(answer: &Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Said\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", answer.body.len()));
    head.into_bytes()
}

//! How a command reaches the DM Client that holds its device: a socket in a folder of the device's own, which nobody but its owner may enter.
//!
//! One question a connection, as JSON, to the end of the stream; then the answer, likewise.

use std::convert::Infallible;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use omadm_client::Client as DmClient;
use omadm_mo::Secret;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::client_asked::{Answering, Question};
use super::{heard, say};
use crate::failure::{Explain as _, Failure};

/// Longest question in octets; the value of a leaf may be in it.
const LONGEST: u64 = 4 << 20;
/// How long whoever asks may take over asking, or over reading the answer: others wait meanwhile.
const SILENCE: Duration = Duration::from_secs(5);

/// Where a running client is asked; gone once it is dropped.
pub(super) struct Door {
    listener: UnixListener,
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    lines: Vec<String>,
    failure: Option<Failure>,
}

impl Door {
    /// Opens it. The caller holds the device's store, so what a client that was killed left there is nobody's.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = file_of(dir);
        let folder = file.parent().unwrap_or(dir);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&file)?;
        Ok(Self { listener, file })
    }

    /// Answers, one after the other.
    pub(super) async fn answer(&self, client: &DmClient) -> Infallible {
        loop {
            let asked = match self.listener.accept().await {
                Ok((stream, _)) => answer(stream, client).await,
                Err(error) => {
                    // None can be taken up now, for want of descriptors perhaps.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Err(error)
                }
            };
            if let Err(error) = asked {
                tracing::debug!(%error, "a command was not answered");
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.file);
    }
}

/// Has the client answer that runs with this folder; none where none does.
pub(super) async fn ask(dir: &Path, question: &Question) -> Option<Result<(), Failure>> {
    let stream = UnixStream::connect(file_of(dir)).await.ok()?;
    let answer = exchange(stream, question).await.explain(
        "the running DM Client did not answer",
        "it is of another version, or ended meanwhile: look at `omadm client run`",
    );
    Some(answer.and_then(|answer| {
        answer.lines.iter().try_for_each(say)?;
        answer.failure.map_or(Ok(()), Err)
    }))
}

async fn exchange(mut stream: UnixStream, question: &Question) -> io::Result<Answer> {
    let question = Secret::new(serde_json::to_vec(question)?);
    stream.write_all(question.expose()).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(serde_json::from_slice(&answer)?)
}

async fn answer(mut stream: UnixStream, client: &DmClient) -> io::Result<()> {
    let mut octets = Vec::new();
    let mut asking = (&mut stream).take(LONGEST);
    let read = timeout(SILENCE, asking.read_to_end(&mut octets)).await;
    let question = Secret::new(octets);
    read??;
    let question: Question = serde_json::from_slice(question.expose())?;
    let (done, lines) = heard(question.answer(client, Answering::Running)).await;
    let failure = done.err();
    let answer = serde_json::to_vec(&Answer { lines, failure })?;
    timeout(SILENCE, async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    })
    .await?
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join("run").join("client.sock")
}

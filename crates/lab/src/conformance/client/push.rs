//! The kit's end of a direct push (`dm20.md` §14.6, D56): it posts DM Bootstraps to the listener of the client under test.

use std::time::Duration;

use http::Method;
use omadm_mo::ServerUri;
use omadm_tls::{CertificateDer, Connector, ConnectorConfig, Fingerprint, Identity, ServerTrust};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::conformance::transcript::Transcript;
use crate::conformance::verdict::Verdict;
use crate::conformance::wire::{Answer, Ask, Wire, dial, target};

/// Octets of an answer that are read where the rest of a document was awaited.
const ANSWER_OCTETS: u64 = 16 << 10;

/// In whose name something is pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    /// The bootstrap server that the client knows.
    Trusted,
    /// One of the same name whose certificate is of a CA that the client does not know.
    Stranger,
    /// One without a certificate.
    Nobody,
}

/// Who pushes, and to whom.
pub(super) struct Pusher {
    /// Where the client takes pushes; none where nobody said.
    pub(super) to: Option<ServerUri>,
    pub(super) trusted: Identity,
    pub(super) stranger: Identity,
    /// By what the client is recognised: nobody else gets a document.
    pub(super) device: Vec<Fingerprint>,
    pub(super) limit: Duration,
}

impl Pusher {
    fn to(&self) -> Result<&ServerUri, Verdict> {
        self.to.as_ref().ok_or_else(|| {
            Verdict::not_tested("needs --push-to, the URL where the client takes pushed bootstraps")
        })
    }

    fn connector(&self, caller: Caller) -> Result<Connector, Verdict> {
        let fault = |why: String| Verdict::inconclusive(format!("the kit cannot push: {why}"));
        let nobody: [CertificateDer<'_>; 0] = [];
        let trust = ServerTrust::anchors(&nobody).map_err(|why| fault(why.to_string()))?;
        let mut config = ConnectorConfig::new(trust.with_fingerprints(&self.device));
        config.identity = match caller {
            Caller::Trusted => Some(self.trusted.clone()),
            Caller::Stranger => Some(self.stranger.clone()),
            Caller::Nobody => None,
        };
        Connector::new(config).map_err(|why| fault(why.to_string()))
    }

    /// Posts a body. The inner error says why there was no answer.
    pub(super) async fn push(
        &self,
        transcript: &Transcript,
        caller: Caller,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<Result<Answer, String>, Verdict> {
        let (to, connector) = (self.to()?, self.connector(caller)?);
        let origin = to.origin();
        let wire = Wire::open(&origin, &connector, transcript.clone(), self.limit);
        let mut wire = match wire.await {
            Ok(wire) => wire,
            Err(why) => {
                transcript.note(format!("push to {to}: {why}"));
                return Ok(Err(why));
            }
        };
        let ask = Ask::new(Method::POST, to)
            .header("content-type", media_type)
            .body(body);
        Ok(wire.send(ask).await)
    }

    /// Begins to post: the head, and half of the body. The client waits for the rest.
    pub(super) async fn begin(
        &self,
        transcript: &Transcript,
        media_type: &str,
        body: &[u8],
    ) -> Result<Begun<impl AsyncRead + AsyncWrite + Unpin + use<>>, Verdict> {
        let (to, connector) = (self.to()?, self.connector(Caller::Trusted)?);
        let lost = |why: String| Verdict::inconclusive(format!("push to {to}: {why}"));
        let stream = dial(&to.origin(), self.limit).await.map_err(lost)?;
        let stream = connector.connect(stream, to.host()).await;
        let mut stream = stream.map_err(|why| lost(why.to_string()))?;
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            target(to),
            to.authority(),
            body.len()
        );
        let (half, rest) = body.split_at(body.len() / 2);
        let begun = [head.as_bytes(), half].concat();
        let sent = async {
            stream.write_all(&begun).await?;
            stream.flush().await
        };
        sent.await.map_err(|why| lost(why.to_string()))?;
        transcript.note(format!(
            "push to {to}: {} of {} octets, then nothing",
            half.len(),
            body.len()
        ));
        Ok(Begun {
            stream,
            rest: rest.to_vec(),
            limit: self.limit,
        })
    }
}

/// A push whose body is not all there.
pub(super) struct Begun<S> {
    stream: S,
    rest: Vec<u8>,
    limit: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Begun<S> {
    /// Sends the rest and waits until it was answered, whatever with.
    pub(super) async fn finish(mut self) {
        let done = async {
            self.stream.write_all(&self.rest).await?;
            self.stream.flush().await?;
            let mut answer = Vec::new();
            self.stream
                .take(ANSWER_OCTETS)
                .read_to_end(&mut answer)
                .await
        };
        let _answered = timeout(self.limit, done).await;
    }
}

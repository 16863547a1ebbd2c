use http::{HeaderMap, Response};
use hyper::body::Incoming;
use omadm_session::client::Cause;
use tokio::time::timeout;

use super::connection::Connection;
use super::pool::{Call, Https, build};
use super::target::Target;

/// A connection on which a body comes; the body ends with it.
pub(crate) struct Streaming(#[expect(dead_code, reason = "kept open, not used")] Connection);

impl Https {
    /// Sends a request on a connection of its own, beside that of a session, and gives the head of the answer. The body is the caller's to bound and to
    /// time. A 401 challenge is answered once where the call has a password (D70).
    pub(crate) async fn begin(
        &self,
        target: &Target,
        call: &Call,
        more: &HeaderMap,
    ) -> Result<(Response<Incoming>, Streaming), Cause> {
        let (first, connection) = self.begin_once(target, call, None, more).await?;
        let Some((user, password)) = call.basic.as_ref().filter(|_| first.status() == 401) else {
            return Ok((first, connection));
        };
        drop((first, connection));
        self.begin_once(target, call, Some((user, password)), more)
            .await
    }

    async fn begin_once(
        &self,
        target: &Target,
        call: &Call,
        basic: Option<(&String, &omadm_mo::Secret)>,
        more: &HeaderMap,
    ) -> Result<(Response<Incoming>, Streaming), Cause> {
        let options = self.options();
        let mut request = build(call, basic)?;
        request.headers_mut().extend(
            more.iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let mut open = Connection::open(target, 0, *options).await?;
        let limit = options.read_timeout;
        match timeout(limit, open.begin(request)).await {
            Ok(answer) => Ok((answer?, Streaming(open))),
            Err(_elapsed) => Err(Cause::Unreachable(format!("no answer within {limit:?}"))),
        }
    }
}

use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Incoming;
use omadm_session::client::Cause;
use tokio::time::timeout;

use super::connection::Connection;
use super::pool::{Call, Https, build, challenges};
use super::target::Target;

/// A connection on which a body comes; the body ends with it.
pub(crate) struct Streaming(#[expect(dead_code, reason = "kept open, not used")] Connection);

impl Https {
    /// Sends a request on a connection of its own, beside that of a session, and gives the head of the answer. The body is the caller's to bound and to
    /// time. A 401 challenge is answered as in a session (D70).
    pub(crate) async fn begin(
        &self,
        target: &Target,
        call: &Call,
        more: &HeaderMap,
    ) -> Result<(Response<Incoming>, Streaming), Cause> {
        let mut authorization = self.ahead(call).await?;
        let mut answers = 0;
        loop {
            let (head, connection) = self.begin_once(target, call, authorization, more).await?;
            let status = head.status().as_u16();
            authorization = self
                .answer(call, status, challenges(head.headers()), &mut answers)
                .await?;
            if authorization.is_none() {
                return Ok((head, connection));
            }
        }
    }

    async fn begin_once(
        &self,
        target: &Target,
        call: &Call,
        authorization: Option<HeaderValue>,
        more: &HeaderMap,
    ) -> Result<(Response<Incoming>, Streaming), Cause> {
        let options = self.options();
        let request = build(call, authorization, more)?;
        let mut open = Connection::open(target, 0, *options).await?;
        let limit = options.read_timeout;
        match timeout(limit, open.begin(request)).await {
            Ok(answer) => Ok((answer?, Streaming(open))),
            Err(_elapsed) => Err(Cause::Unreachable(format!("no answer within {limit:?}"))),
        }
    }
}

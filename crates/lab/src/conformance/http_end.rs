//! The server's end of HTTP, for the kit that is a server and for the proxy.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::wire::{Answer, Ask};

/// Headers that belong to a connection.
const HOP: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// The request, read whole.
pub(super) async fn read(request: Request<Incoming>) -> Ask {
    let (head, body) = request.into_parts();
    let method: Method = head.method;
    let headers = head.headers.iter();
    let headers = headers.filter(|(name, _)| !HOP.contains(&name.as_str()));
    Ask {
        method,
        target: head
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: headers
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default(),
    }
}

/// The answer, to be sent.
pub(super) fn write(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    for (name, value) in &answer.headers {
        if !HOP.contains(&name.as_str()) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

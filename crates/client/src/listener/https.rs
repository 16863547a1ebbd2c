use std::time::Duration;

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use omadm_dm1::trigger;
use omadm_dm2::media_type::is_type;
use omadm_dm2::package0;
use tokio::time::timeout;

use super::MAX_OCTETS;
use super::inbox::{Call, Inbox};
use super::tls_server::{Answer, Caller, Service, plain, text, with};

pub(super) const CARRIER: &str = "https";
/// Where a Notification is posted.
pub const NOTIFICATION_PATH: &str = "/notification";
/// For a body.
const READ: Duration = Duration::from_secs(10);

/// Takes Notifications of either generation by POST: 202 for every one of the right type and size, before it is judged, so that an answer proves nothing (D40).
impl Service for Inbox {
    const NAME: &'static str = "Notification";
    const LIFE: Duration = Duration::from_secs(30);

    async fn answer(&self, _: &Caller, request: Request<&mut Incoming>) -> Answer {
        if request.uri().path() != NOTIFICATION_PATH {
            return plain(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            let post = HeaderValue::from_static("POST");
            return with(plain(StatusCode::METHOD_NOT_ALLOWED), ALLOW, post);
        }
        let headers = request.headers();
        let given = text(headers, &CONTENT_TYPE);
        let call = if is_type(given, package0::MEDIA_TYPE) {
            Call::Notification
        } else if is_type(given, trigger::MEDIA_TYPE) {
            Call::Trigger
        } else {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        };
        let announced = text(headers, &CONTENT_LENGTH).parse::<usize>();
        if announced.is_ok_and(|octets| octets > MAX_OCTETS) {
            self.too_long(CARRIER);
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let body = Limited::new(request.into_body(), MAX_OCTETS).collect();
        match timeout(READ, body).await {
            Ok(Ok(body)) => {
                if self.put(call(body.to_bytes().to_vec()), CARRIER) {
                    return plain(StatusCode::ACCEPTED);
                }
                let soon = HeaderValue::from_static("1");
                with(plain(StatusCode::SERVICE_UNAVAILABLE), RETRY_AFTER, soon)
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                self.too_long(CARRIER);
                plain(StatusCode::PAYLOAD_TOO_LARGE)
            }
            Ok(Err(_)) => plain(StatusCode::BAD_REQUEST),
            Err(_) => plain(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

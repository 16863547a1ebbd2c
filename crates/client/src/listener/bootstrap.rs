//! Direct push (`dm20.md` §14.6, D56): trusted servers POST a DM Bootstrap over mutual TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use omadm_bootstrap::{BootstrapFailureCause as Failure, BootstrapSource, Refusal};
use omadm_dm2::media_type;
use omadm_mo::{Fault, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::tls_server::{Answer, Caller, Service, plain, text, with};
use crate::engine::{Engine, NotTaken, Pushed, problem_document};

/// Where a DM Bootstrap is posted.
pub const BOOTSTRAP_PATH: &str = "/bootstrap";
/// For a body.
const READ: Duration = Duration::from_secs(20);
/// Seconds after which somebody who found the device at work may ask again.
const SOON: HeaderValue = HeaderValue::from_static("10");

/// Where pushed documents are handed in: one at a time, so that their number bounds no memory.
#[derive(Clone)]
pub(super) struct PushDesk {
    engine: Arc<Engine>,
    place: Arc<Semaphore>,
    queue: mpsc::Sender<Handed>,
}

struct Handed {
    document: Secret,
    source: BootstrapSource,
    /// Free again once it is decided, whether its sender waits or not.
    place: OwnedSemaphorePermit,
    done: oneshot::Sender<Result<Pushed, NotTaken>>,
}

impl PushDesk {
    /// A desk, and the work on what is handed in: it goes on where a sender goes away.
    pub(super) fn new(engine: Arc<Engine>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, mut handed) = mpsc::channel::<Handed>(1);
        let worker = Arc::clone(&engine);
        let work = async move {
            while let Some(one) = handed.recv().await {
                let outcome = worker.pushed(one.document, one.source).await;
                drop(one.place);
                // Who sent it may be gone; it comes again where it has to know (D88).
                let _told = one.done.send(outcome);
            }
        };
        let desk = Self {
            engine,
            place: Arc::new(Semaphore::new(1)),
            queue,
        };
        (desk, work)
    }

    /// Somebody who is not to be served further.
    fn turn_away(&self, caller: &Caller, status: StatusCode, refusal: &Refusal) -> Answer {
        self.engine.turned_away(caller.from, refusal);
        problem(status, refusal)
    }

    async fn take(
        &self,
        caller: &Caller,
        request: Request<&mut Incoming>,
    ) -> Result<Answer, Answer> {
        let trusted = self.engine.may_push(caller.peer.certificates()).await;
        let source = trusted
            .map_err(|refusal| self.turn_away(caller, status_of(refusal.cause), &refusal))?;
        if !media_type::is_mo(text(request.headers(), &CONTENT_TYPE)) {
            let refusal = Failure::NotMoSerialization.refusal();
            let refusal = refusal.because("the request's Content-Type is none of a DM Bootstrap");
            return Err(self.turn_away(caller, StatusCode::UNSUPPORTED_MEDIA_TYPE, &refusal));
        }
        let most = self.engine.config.limits.octets;
        let too_big = || {
            let refusal = Failure::DocumentTooBig.refusal();
            let refusal = refusal.because(format!("at most {most} octets are read"));
            self.turn_away(caller, StatusCode::PAYLOAD_TOO_LARGE, &refusal)
        };
        let announced = text(request.headers(), &CONTENT_LENGTH).parse::<usize>();
        if announced.is_ok_and(|octets| octets > most) {
            return Err(too_big());
        }
        let Ok(place) = Arc::clone(&self.place).try_acquire_owned() else {
            return Err(busy());
        };
        let body = Limited::new(request.into_body(), most).collect();
        let document = match timeout(READ, body).await {
            Ok(Ok(body)) => Secret::new(body.to_bytes().to_vec()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_big()),
            Ok(Err(_)) => return Err(plain(StatusCode::BAD_REQUEST)),
            Err(_) => return Err(plain(StatusCode::REQUEST_TIMEOUT)),
        };
        let (done, outcome) = oneshot::channel();
        let handed = Handed {
            document,
            source,
            place,
            done,
        };
        let unavailable = || {
            let refusal = Failure::StorageFailed.refusal();
            problem(StatusCode::SERVICE_UNAVAILABLE, &refusal)
        };
        self.queue.send(handed).await.map_err(|_| unavailable())?;
        match outcome.await.map_err(|_| unavailable())? {
            Ok(Pushed::Applied(_) | Pushed::AwaitsConsent) => Ok(plain(StatusCode::ACCEPTED)),
            Err(NotTaken::Busy) => Err(busy()),
            Err(NotTaken::Refused(refusal)) => Err(problem(status_of(refusal.cause), &refusal)),
        }
    }
}

impl Service for PushDesk {
    const NAME: &'static str = "bootstrap";
    const LIFE: Duration = Duration::from_secs(60);

    async fn answer(&self, caller: &Caller, request: Request<&mut Incoming>) -> Answer {
        if request.uri().path() != BOOTSTRAP_PATH {
            return plain(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            let post = HeaderValue::from_static("POST");
            return with(plain(StatusCode::METHOD_NOT_ALLOWED), ALLOW, post);
        }
        self.take(caller, request)
            .await
            .unwrap_or_else(|refused| refused)
    }
}

/// D56: 400 for what lies at the content, 403 at policy or trust, 413, 503 at the device itself.
const fn status_of(cause: Failure) -> StatusCode {
    match (cause, cause.fault()) {
        (Failure::DocumentTooBig, _) => StatusCode::PAYLOAD_TOO_LARGE,
        (_, Fault::Content) => StatusCode::BAD_REQUEST,
        (_, Fault::Environment) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    }
}

fn busy() -> Answer {
    problem(StatusCode::CONFLICT, &Failure::DeviceBusy.refusal())
}

fn problem(status: StatusCode, refusal: &Refusal) -> Answer {
    let mut answer = plain(status);
    *answer.body_mut() = Full::new(Bytes::from(problem_document(refusal)));
    let answer = with(
        answer,
        CONTENT_TYPE,
        HeaderValue::from_static(media_type::PROBLEM),
    );
    match status {
        StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => with(answer, RETRY_AFTER, SOON),
        _ => answer,
    }
}

use std::sync::Arc;

use http::Method;
use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{BootstrapFailureCause as Failure, ChannelSecurity, Refusal};
use omadm_dm2::media_type;
use omadm_mo::ServerUri;
use omadm_mo::json::{Json, JsonLimits};
use omadm_session::client::{Cause, REDIRECTS, Response};

use super::client_initiated::NotFetched;
use super::{Engine, NoBootstrap, Source, problem_document};
use crate::https::{Call, Credential, Login, Reach, Target, accept_mo};
use crate::observer::ClientEvent;

/// When a server is asked again that says 202 without saying when, in seconds.
const UNSAID_SECS: u32 = 1800;
/// Types that say nothing of what they are.
const ANY: [&str; 3] = [
    "application/octet-stream",
    "application/vnd.wap.wbxml",
    "text/plain",
];
/// Longest text of a server that is kept, in characters.
const DETAIL: usize = 512;

/// A document as a server gave it.
pub(super) struct Document<'a> {
    pub(super) document: Vec<u8>,
    pub(super) channel: ChannelSecurity,
    /// The source that it came from in the end, after redirects.
    pub(super) from: &'a Source,
    /// The address there.
    pub(super) url: ServerUri,
}

impl Engine {
    /// Asks one source for the document (D55). A redirect leads to one of `sources` alone.
    pub(super) async fn fetch<'a>(
        &self,
        source: &'a Source,
        sources: &'a [Source],
    ) -> Result<Document<'a>, NotFetched> {
        self.tell(&ClientEvent::Fetching {
            url: source.url.to_string(),
        });
        let (mut source, mut url) = (source, source.url.clone());
        for _ in 0..=REDIRECTS {
            let (target, call) = (
                self.fetch_target(source),
                self.fetch_call(source, url.clone()),
            );
            let response = self
                .https
                .call(&target, &call)
                .await
                .map_err(|cause| unreachable(&cause, &url))?;
            match response.status {
                307 | 308 => {
                    (source, url) = redirected(source, sources, &url, &response)?;
                }
                200 if is_document(&response) => {
                    let channel = if call.login.is_some() {
                        ChannelSecurity::TlsWithBootstrapCode
                    } else {
                        ChannelSecurity::MutualTls
                    };
                    return Ok(Document {
                        document: response.body,
                        channel,
                        from: source,
                        url,
                    });
                }
                202 if is_held(&response) => return Err(self.held(&response, &url)),
                status @ (204 | 202) => {
                    let unsaid = (status == 202).then_some(UNSAID_SECS);
                    let retry_after = response.retry_after.or(unsaid);
                    self.tell(&ClientEvent::NothingThere {
                        url: url.to_string(),
                        retry_after,
                    });
                    return Err(NotFetched {
                        problem: NoBootstrap::Nothing { retry_after },
                        retry_after,
                    });
                }
                _ => {
                    return Err(NotFetched {
                        problem: refused(&response, &url).into(),
                        retry_after: response.retry_after,
                    });
                }
            }
        }
        Err(Failure::PeerMisbehaved
            .refusal()
            .on(&source.url)
            .because("too many redirects")
            .into())
    }

    /// The server holds the device until an operator decides, and said so.
    fn held(&self, response: &Response, url: &ServerUri) -> NotFetched {
        let detail = told(response, "detail").unwrap_or_default();
        let detail: String = detail.chars().take(DETAIL).collect();
        let retry_after = response.retry_after.unwrap_or(UNSAID_SECS);
        self.tell(&ClientEvent::Held {
            url: url.to_string(),
            retry_after,
            detail: detail.clone(),
        });
        NotFetched {
            problem: NoBootstrap::Held {
                retry_after,
                detail,
            },
            retry_after: Some(retry_after),
        }
    }

    /// Tells the bootstrap server why its document was refused: a problem document, our own addition. A server that does not know it may
    /// answer what it likes; the refusal stands either way.
    pub(super) async fn report_refusal(&self, source: &Source, url: ServerUri, refusal: &Refusal) {
        let call = Call {
            method: Method::POST,
            content_type: Some(media_type::PROBLEM),
            body: problem_document(refusal),
            ..self.fetch_call(source, url)
        };
        match self.https.call(&self.fetch_target(source), &call).await {
            Ok(response) => tracing::debug!(status = response.status, "refusal reported"),
            Err(cause) => tracing::info!(%cause, "the refusal could not be reported"),
        }
    }

    fn fetch_target(&self, source: &Source) -> Target {
        Target {
            origin: source.url.origin(),
            credential: self.fetch_credential(source),
            trust: source.trust.clone(),
            reach: Reach::Any,
        }
    }

    /// D78: `Auth/Bootstrap` of the account that names the source, else the device identity.
    fn fetch_credential(&self, source: &Source) -> Option<Arc<Credential>> {
        let own = source.credential.clone();
        own.or_else(|| self.config.identity.clone())
    }

    /// The bootstrap code stands in for a credential (D81).
    fn fetch_call(&self, source: &Source, url: ServerUri) -> Call {
        let code = self.config.bootstrap_code.clone();
        let code = code.filter(|_| self.fetch_credential(source).is_none());
        Call {
            method: Method::GET,
            url,
            content_type: None,
            accept: self.accept_bootstrap(),
            dev_id: Some(self.config.dev_id.clone()),
            cookie: None,
            login: code.map(|password| Login {
                user: self.config.dev_id.to_string(),
                password,
                allow_basic: self.config.allow_http_basic,
            }),
            body: Vec::new(),
        }
    }
}

impl Engine {
    /// The types of both generations, or of DM 2.0 alone where policy turns the other one off (D09, `dm1x.md` §5.6).
    fn accept_bootstrap(&self) -> String {
        let mut accept = accept_mo();
        if self.config.policy.dm1 {
            for format in [Dm1Format::Dm, Dm1Format::Cp] {
                accept.push_str(", ");
                accept.push_str(format.media_type());
            }
        }
        accept
    }
}

/// D08, D55: a redirect is followed to a known source only, and that source's trust holds there.
fn redirected<'a>(
    current: &'a Source,
    sources: &'a [Source],
    from: &ServerUri,
    response: &Response,
) -> Result<(&'a Source, ServerUri), Refusal> {
    let location = response.location.as_deref().unwrap_or_default();
    let to = from.join(location).map_err(|error| {
        Failure::PeerMisbehaved
            .refusal()
            .on(from)
            .because(format!("redirect: {error}"))
    })?;
    let known = std::iter::once(current)
        .chain(sources)
        .find(|source| source.url.origin() == to.origin());
    match known {
        Some(source) => Ok((source, to)),
        None => Err(Failure::SourceNotTrusted
            .refusal()
            .on(to)
            .because("redirected there")),
    }
}

/// The bytes have to be of a type of D09 or of DM 1.x; a server that names no type is believed. One of a type that says nothing is taken where its first octets
/// are those of DM 1.x. Of which generation it is, its content tells (M23): a server may have named the other one.
fn is_document(response: &Response) -> bool {
    let Some(named) = response.content_type.as_deref() else {
        return true;
    };
    let is_dm1 = |format: Dm1Format| media_type::is_type(named, format.media_type());
    let is_any = || ANY.iter().any(|any| media_type::is_type(named, any));
    media_type::is_mo(named)
        || [Dm1Format::Dm, Dm1Format::Cp].into_iter().any(is_dm1)
        || (is_any() && Dm1Format::of_document(&response.body).is_some())
}

/// A member of the problem document that a server answered with.
fn told(response: &Response, name: &str) -> Option<String> {
    let problem = Json::read(&response.body, JsonLimits::default()).ok()?;
    let text = problem.member(name).and_then(Json::as_text)?;
    Some(text.to_owned())
}

/// Whether the answer says that an operator has to decide.
fn is_held(response: &Response) -> bool {
    let cause = told(response, "cause");
    cause.and_then(|code| Failure::from_code(&code)) == Some(Failure::AwaitingApproval)
}

fn unreachable(cause: &Cause, url: &ServerUri) -> Refusal {
    let failure = match cause {
        Cause::ServerNotTrusted(_) => Failure::ServerNotTrusted,
        Cause::HandshakeRefused(_) => Failure::HandshakeRefused,
        Cause::TooLarge(_) => Failure::DocumentTooBig,
        Cause::Forbidden(_) => Failure::ChannelNotSecure,
        _ => Failure::ServerUnreachable,
    };
    failure.refusal().on(url).because(cause)
}

/// An error answer: the cause that our server names in its problem document, else what the status says.
fn refused(response: &Response, url: &ServerUri) -> Refusal {
    let named = told(response, "cause").and_then(|code| Failure::from_code(&code));
    let cause = named.unwrap_or(match response.status {
        401 => Failure::CredentialMissing,
        403 => Failure::CredentialRefused,
        200 => Failure::PeerMisbehaved,
        status if status >= 500 => Failure::ServerFailed,
        _ => Failure::ServerRefused,
    });
    let media_type = response.content_type.as_deref().unwrap_or_default();
    let detail = match told(response, "detail") {
        Some(detail) => format!(": {detail}"),
        None if response.status == 200 => format!(" with {media_type}, which is no DM Bootstrap"),
        None => String::new(),
    };
    cause
        .refusal()
        .on(url)
        .because(format!("HTTP {}{detail}", response.status))
}

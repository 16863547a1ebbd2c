//! What a server's commands bring from and to data repositories (HGET, HPUT, HPOST, SUB, DEFAULT).

use http::Method;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};
use omadm_dm2::media_type;
use omadm_mo::ServerUri;
use omadm_session::client::{Cause, Fetched, REDIRECTS, redirected};

use super::Engine;
use super::account_target::AccountTarget;
use super::fetched::Known;
use crate::https::{Call, Https, Target, accept_mo};

impl Engine {
    /// HTTP GET for an HGET or a DEFAULT. What was fetched from there before, and is still at hand, is asked for by its ETag. Redirects are followed as D08 has
    /// it for packages, and each place is one that the server might have named itself: by address policy, credential (D78) and DevID (D05).
    pub(super) async fn get(
        &self,
        account: &AccountTarget,
        from: ServerUri,
    ) -> Result<Fetched, Cause> {
        let (mut url, mut hops) = (from, 0);
        loop {
            let known = self.fetched.known(&account.server, &url);
            let mut more = HeaderMap::new();
            let etag = known
                .as_ref()
                .map(|known| HeaderValue::from_str(&known.etag));
            if let Some(Ok(etag)) = etag {
                more.insert(IF_NONE_MATCH, etag);
            }
            let call = self.repository_call(account, Method::GET, url, None, Vec::new());
            let place = account.repository(call.url.origin());
            let (response, headers) = self.https.call_with(&place, &call, &more).await?;
            let next = redirected(&call.url, response.status, response.location.as_deref());
            url = match (response.status, known, next) {
                (200..300, ..) => {
                    let fetched = Fetched {
                        content_type: response.content_type,
                        body: response.body,
                    };
                    self.fetched
                        .note(&account.server, &call.url, kept(&headers, &fetched));
                    return Ok(fetched);
                }
                (304, Some(known), _) => return Ok(known.fetched()),
                (_, _, Some(next)) if hops < REDIRECTS => next,
                (status, ..) => return Err(Cause::Status(status)),
            };
            hops += 1;
        }
    }

    /// What is requested where, for a download from this URL.
    pub(super) fn download_place(&self, account: &AccountTarget, url: ServerUri) -> (Target, Call) {
        let call = self.repository_call(account, Method::GET, url, None, Vec::new());
        let place = account.repository(call.url.origin());
        let accept = "*/*".to_owned();
        (place, Call { accept, ..call })
    }

    /// Sends MO data; answers the media type it was taken in. A 415 whose `OMADM-Accept` names another type that there is is answered by one more try (D06).
    /// Redirects are followed as [`Self::get`] follows them.
    pub(super) async fn upload(
        &self,
        https: &Https,
        account: &AccountTarget,
        method: Method,
        to: ServerUri,
        media_type: &'static str,
        body: Vec<u8>,
    ) -> Result<&'static str, Cause> {
        let mut call = self.repository_call(account, method, to, Some(media_type), body);
        let (mut taken, mut hops) = (media_type, 0);
        loop {
            let place = account.repository(call.url.origin());
            let answer = https.call(&place, &call).await?;
            let next = redirected(&call.url, answer.status, answer.location.as_deref());
            match (answer.status, answer.omadm_accept.as_deref(), next) {
                (200..300, ..) => return Ok(taken),
                (_, _, Some(next)) if hops < REDIRECTS => {
                    hops += 1;
                    let (method, kind) = (call.method, call.content_type);
                    call = self.repository_call(account, method, next, kind, call.body);
                }
                (415, Some(accept), _) if taken == media_type => {
                    let others = media_type::MO_READ.into_iter();
                    let other = others
                        .filter(|one| *one != media_type)
                        .find(|one| media_type::accepts(accept, one));
                    taken = match other {
                        Some(other) => other,
                        None if media_type::mo_for(Some(accept)).is_none() => {
                            return Err(Cause::Status(406));
                        }
                        None => return Err(Cause::Status(415)),
                    };
                    call.content_type = Some(taken);
                }
                (status, ..) => return Err(Cause::Status(status)),
            }
        }
    }

    /// D05: the DevID goes to the host of `SrvURI` alone.
    pub(super) fn repository_call(
        &self,
        account: &AccountTarget,
        method: Method,
        url: ServerUri,
        content_type: Option<&'static str>,
        body: Vec<u8>,
    ) -> Call {
        let at_home = url.origin() == account.home;
        let dev_id = (url.host() == account.home.host).then(|| self.config.dev_id.clone());
        let login = account.login.clone().filter(|_| at_home);
        Call {
            method,
            url,
            content_type,
            accept: format!("{}, */*;q=0.1", accept_mo()),
            dev_id,
            cookie: None,
            login,
            body,
        }
    }
}

/// What may be asked for by its ETag the next time; nothing of what is not to be stored (RFC 9111 §5.2.2.5).
fn kept(headers: &HeaderMap, fetched: &Fetched) -> Option<Known> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let control = text(CACHE_CONTROL).unwrap_or_default();
    let mut directives = control.split(',');
    if directives.any(|one| one.trim().eq_ignore_ascii_case("no-store")) {
        return None;
    }
    Some(Known::new(text(ETAG)?, fetched))
}

//! The HTTP binding of DM 1.x (§1.9, M09, M10).

use ::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use ::http::{Method, StatusCode};
use axum::body::Body;
use bytes::Bytes;
use omadm_bootstrap::EventData;
use omadm_dm1::credential::derive;
use omadm_dm1::syncml::Encoding;
use omadm_dm2::media_type::{MediaType, is_type};
use omadm_mo::Secret;
use omadm_session::server::dm1::{Dm1Limits, Dm1Reply, ServerFacts, identify};

use super::message::{Advanced, Incoming, advance_once};
use crate::exchange::{Answer, DM1_PATH, Head, Refusal, of_commit};
use crate::node::Node;
use crate::store::CommitError;

/// How often a message is advanced again after another commit of the device came between.
const RETRIES: usize = 3;
/// Carries the MAC (§3.4).
const MAC_HEADER: HeaderName = HeaderName::from_static("x-syncml-hmac");
/// Parameter of the query that carries the token of `RespURI` (M02).
const TOKEN: &str = "s";

/// Answers one message.
pub(crate) async fn exchange(
    node: &Node,
    head: &Head,
    body: Body,
    kept: &mut Bytes,
) -> Result<Answer, Refusal> {
    head.allow(&[Method::POST], "POST")?;
    let coded = head.headers.get_all(CONTENT_ENCODING).iter();
    if let Some(coding) = coded.into_iter().find(|coding| {
        !coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    }) {
        let detail = format!("DM 1.x messages are not coded, this one is {coding:?}");
        return Err(Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).told());
    }
    let token = token_of(&head.target);
    // A session that was begun goes on.
    let _place = match token {
        Some(_) => None,
        None => Some(node.enter()?),
    };
    let server = server_facts(node, head);
    let body = head
        .read_body(node, body, server.limits.markup.octets)
        .await
        .map_err(Refusal::told)?;
    kept.clone_from(&body);
    let has_length = [CONTENT_LENGTH, TRANSFER_ENCODING];
    if body.is_empty()
        && !has_length
            .iter()
            .any(|name| head.headers.contains_key(name))
    {
        let detail = "a POST without Content-Length has no body";
        return Err(Refusal::plain(StatusCode::LENGTH_REQUIRED, detail).told());
    }
    let encoding = encoding_of(head.content_type(), &body).map_err(Refusal::told)?;
    let identified = identify(&body, encoding, server.limits.markup).map_err(|refusal| {
        let status = StatusCode::from_u16(refusal.http_status());
        let status = status.unwrap_or(StatusCode::BAD_REQUEST);
        Refusal::plain(status, refusal.to_string()).told()
    })?;
    let mac = head.headers.get(MAC_HEADER);
    let incoming = Incoming {
        server: &server,
        identified: &identified,
        body: &body,
        mac: mac.and_then(|value| value.to_str().ok()),
        token,
    };
    for _again in 0..=RETRIES {
        if let Advanced::Answer(reply) = advance_once(node, head, &incoming).await? {
            return Ok(answer(reply));
        }
    }
    Err(of_commit(node, CommitError::Conflict))
}

fn answer(reply: Dm1Reply) -> Answer {
    let mut answer = Answer::ok(reply.encoding.media_type(), Bytes::from(reply.body));
    let unkept = HeaderValue::from_static("no-store");
    answer.headers.push((CACHE_CONTROL, unkept));
    let mac = reply.mac.and_then(|mac| HeaderValue::from_str(&mac).ok());
    answer.headers.extend(mac.map(|mac| (MAC_HEADER, mac)));
    answer
}

fn server_facts(node: &Node, head: &Head) -> ServerFacts {
    let key: [u8; 32] = derive(node.state.sealing_key(), &[b"omadm DM 1.x sessions"]);
    let mut limits = Dm1Limits::default();
    limits.markup.octets = limits.markup.octets.min(node.config.limits.body_octets);
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let endpoint = match host {
        // Without TLS nothing vouches for the name of the server: it is the one that the client knows.
        Some(host) if head.peer.is_none() && is_authority(host) => {
            format!("http://{host}{DM1_PATH}")
        }
        _ if head.peer.is_none() => format!("http://{}{DM1_PATH}", node.public_server),
        _ => format!("https://{}{DM1_PATH}", node.public_server),
    };
    ServerFacts {
        key: Secret::new(key.to_vec()),
        endpoint,
        limits,
        event_types: EventData::ALERT_TYPES.map(str::to_owned).to_vec(),
        keep_alerts: true,
        policy: node.config.generations,
    }
}

fn is_authority(host: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_alphanumeric() || b".-_:[]".contains(&octet);
    (1..=255).contains(&host.len()) && host.bytes().all(known)
}

/// The token that `RespURI` gave, where the request was made to it.
fn token_of(target: &str) -> Option<&str> {
    let (_, query) = target.split_once('?')?;
    let mut fields = query.split('&').filter_map(|field| field.split_once('='));
    fields
        .find(|(name, _)| *name == TOKEN)
        .map(|(_, value)| value)
}

/// By the media type; where that is absent or says nothing, by the first octet (M13).
fn encoding_of(content_type: &str, body: &[u8]) -> Result<Encoding, Refusal> {
    let named = [Encoding::Xml, Encoding::Wbxml].into_iter();
    let mut named = named.filter(|encoding| is_type(content_type, encoding.media_type()));
    if let Some(encoding) = named.next() {
        return Ok(encoding);
    }
    let generic = [
        "",
        "application/octet-stream",
        "application/xml",
        "text/xml",
        "application/vnd.wap.wbxml",
    ];
    let says_nothing = content_type.trim().is_empty()
        || generic.iter().any(|generic| is_type(content_type, generic));
    let read = Encoding::of_body(body).filter(|_| says_nothing);
    read.ok_or_else(|| {
        let [xml, wbxml] = [Encoding::Xml, Encoding::Wbxml].map(Encoding::media_type);
        let known = MediaType::parse(content_type)
            .is_some_and(|read| !read.is_utf8() && [xml, wbxml].contains(&read.essence().as_str()));
        let detail = if known {
            format!("{content_type:?} names a character set other than utf-8")
        } else {
            format!("{content_type:?} is neither {xml} nor {wbxml}")
        };
        Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    })
}

#[cfg(test)]
mod tests {
    use omadm_dm1::syncml::Encoding;

    use super::{encoding_of, is_authority, token_of};

    #[test]
    fn a_body_is_read_by_its_type_and_else_by_its_first_octet() {
        for (content_type, body, expected) in [
            (
                "application/vnd.syncml.dm+xml",
                &b"\x02"[..],
                Some(Encoding::Xml),
            ),
            (
                "Application/vnd.syncml.DM+WBXML; charset=utf-8",
                b"<",
                Some(Encoding::Wbxml),
            ),
            ("", b"<", Some(Encoding::Xml)),
            ("application/octet-stream", b"\x02", Some(Encoding::Wbxml)),
            (
                "text/xml; charset=utf-8",
                b"\xef\xbb\xbf<",
                Some(Encoding::Xml),
            ),
            ("application/json", b"<", None),
            ("", b"{", None),
            ("", b"", None),
        ] {
            let read = encoding_of(content_type, body).ok();
            assert_eq!(read, expected, "{content_type}");
        }
    }

    #[test]
    fn a_foreign_character_set_is_told_as_such() {
        let told = |content_type| {
            let refused = encoding_of(content_type, b"<").unwrap_err();
            refused.problem.detail
        };
        let foreign = told("application/vnd.syncml.dm+xml; charset=utf-16");
        assert!(foreign.contains("character set"), "{foreign}");
        let other = told("text/html; charset=utf-16");
        assert!(other.contains("neither"), "{other}");
    }

    #[test]
    fn the_token_is_found_in_any_query() {
        assert_eq!(token_of("/dm/1.x"), None);
        assert_eq!(token_of("/dm/1.x?mode=Maintenance&Platform=WoA"), None);
        assert_eq!(token_of("/dm/1.x?mode=Machine&s=5f&x"), Some("5f"));
    }

    #[test]
    fn a_host_is_no_place_for_anything_else() {
        assert!(is_authority("dm.example.com:8080") && is_authority("[::1]:80"));
        for other in ["", "a/b", "a b", "a\"", "a?b", "u@h"] {
            assert!(!is_authority(other), "{other}");
        }
    }
}

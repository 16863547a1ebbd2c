use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use omadm_dm2::Document;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;
use serde::Serialize;

/// Longest body that is kept, in characters.
const LONGEST: usize = 4096;

/// One HTTP exchange as it is reported. Credentials and secrets are not in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Exchange {
    /// Method and target, then a line for each header; a line of words for what is not HTTP.
    pub request: Vec<String>,
    /// The request's body.
    pub sent: String,
    /// The status, then a line for each header; empty where no answer came.
    pub answer: Vec<String>,
    /// The answer's body.
    pub received: String,
}

/// The exchanges since it was last taken. Clones write into the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript(Arc<Mutex<Vec<Exchange>>>);

impl Transcript {
    pub(super) fn add(&self, exchange: Exchange) {
        self.lock().push(exchange);
    }

    /// What is no HTTP exchange: a datagram, a call of the hook, a ClientHello.
    pub(super) fn note(&self, line: impl Into<String>) {
        self.add(Exchange {
            request: vec![line.into()],
            sent: String::new(),
            answer: Vec::new(),
            received: String::new(),
        });
    }

    /// The same once more, where it is not there already.
    pub(super) fn recall(&self, exchange: &Exchange) {
        let mut all = self.lock();
        if !all.contains(exchange) {
            all.push(exchange.clone());
        }
    }

    pub(super) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Exchange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// First line and headers. What authenticates is left out.
pub(super) fn head(first: String, headers: &HeaderMap) -> Vec<String> {
    let mut lines = vec![first];
    for (name, value) in headers {
        let secret = ["authorization", "cookie", "set-cookie"].contains(&name.as_str());
        let value = match value.to_str() {
            _ if secret => "•••",
            Ok(value) => value,
            Err(_) => "(not ASCII)",
        };
        lines.push(format!("{name}: {value}"));
    }
    lines
}

/// A datagram in hex.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A body with its secrets masked, where it is a document of DM 2.0, and cut.
pub(super) fn body(octets: &[u8]) -> String {
    let text = match Document::read(octets, JsonLimits::default()) {
        Ok(document) => omadm_dm2::mask(document.json(), &MoRegistry::standard()).to_compact(),
        Err(_) => String::from_utf8_lossy(octets).into_owned(),
    };
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((at, _)) => format!("{}… ({} octets)", &text[..at], octets.len()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_secrets_are_masked_and_long_bodies_are_cut() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Basic c2VjcmV0".parse().unwrap());
        headers.insert("accept", "text/plain".parse().unwrap());
        let lines = head("GET /".to_owned(), &headers).join("|");
        assert_eq!(lines, "GET /|authorization: •••|accept: text/plain");
        let document = br#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"a","Auth":{"Trsp":{"Data":"AA==","Secret":"c2VjcmV0"}}}}}]"#;
        let shown = body(document);
        assert!(
            shown.contains("SrvID") && !shown.contains("c2VjcmV0"),
            "{shown}"
        );
        assert!(body(&[b'x'; 5000]).ends_with("(5000 octets)"));
    }
}

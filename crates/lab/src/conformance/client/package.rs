//! What the client sent: a package, and what became of a Package#2.

use http::{HeaderMap, HeaderValue};
use omadm_tls::Fingerprint;
use serde_json::Value;

use super::listen::Arrived;
use crate::conformance::transcript::{Exchange, body, head};
use crate::conformance::wire::{Answer, Ask};

/// A package of the client.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) ask: Ask,
    pub(super) leaf: Option<Fingerprint>,
    /// The body; null where it is no JSON.
    pub(super) json: Value,
}

impl Package {
    pub(super) fn of(arrived: &Arrived) -> Self {
        Self {
            ask: arrived.ask.clone(),
            leaf: arrived.leaf,
            json: serde_json::from_slice(&arrived.ask.body).unwrap_or_default(),
        }
    }

    pub(super) fn is_response(&self) -> bool {
        self.json.get("Status").is_some()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.ask.header_value(name)
    }

    /// Whether it holds an alert of this type.
    pub(super) fn has_alert(&self, alert_type: &str) -> bool {
        self.alert(alert_type).is_some()
    }

    pub(super) fn alert(&self, alert_type: &str) -> Option<&Value> {
        let mut alerts = self.json["Alert"].as_array()?.iter();
        alerts.find(|alert| alert["AlertType"] == alert_type)
    }

    /// As it is reported, without an answer.
    pub(super) fn exchange(&self) -> Exchange {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.ask.headers {
            if let (Ok(name), Ok(value)) = (
                name.parse::<http::header::HeaderName>(),
                HeaderValue::from_str(value),
            ) {
                headers.append(name, value);
            }
        }
        Exchange {
            request: head(self.first_line(), &headers),
            sent: body(&self.ask.body),
            answer: Vec::new(),
            received: String::new(),
        }
    }

    /// The answer to it, where the package itself is reported already.
    pub(super) fn answered(&self, answer: &Answer) -> Exchange {
        Exchange {
            request: vec![format!("answer to {}", self.first_line())],
            sent: String::new(),
            answer: head(answer.status.to_string(), &answer.headers),
            received: body(&answer.body),
        }
    }

    fn first_line(&self) -> String {
        format!("{} {}", self.ask.method, self.ask.target)
    }
}

/// What became of a Package#2.
pub(super) struct Done {
    /// The members of `Status`.
    pub(super) statuses: Vec<Value>,
    pub(super) package: Package,
    /// What was sent to the repository meanwhile, or fetched from it.
    pub(super) transfers: Vec<Ask>,
}

impl Done {
    /// The code of the n-th status; 0 where there is none.
    pub(super) fn code(&self, index: usize) -> u64 {
        let status = self.statuses.get(index);
        status.and_then(|status| status["sc"].as_u64()).unwrap_or(0)
    }

    /// Whether the n-th command was done.
    pub(super) fn is_done(&self, index: usize) -> bool {
        (200..300).contains(&self.code(index))
    }

    /// Whether the n-th command was refused.
    pub(super) fn is_refused(&self, index: usize) -> bool {
        self.code(index) >= 400
    }

    pub(super) fn shown(&self) -> String {
        let codes = self.statuses.iter().map(|status| status["sc"].to_string());
        format!("status {}", codes.collect::<Vec<_>>().join(", "))
    }

    /// The items that the n-th GET brought, wherever they stand (D12).
    pub(super) fn items(&self, index: usize) -> Vec<&Value> {
        let own = self.statuses.get(index).map(|status| &status["Result"]);
        let own = own.and_then(Value::as_array);
        let beside = ["MOS", "MOData", "Result"].iter();
        let mut beside = beside.filter_map(|member| self.package.json[*member].as_array());
        own.or_else(|| beside.next())
            .into_iter()
            .flatten()
            .collect()
    }

    /// The value of the leaf that the n-th GET read.
    pub(super) fn leaf(&self, index: usize, name: &str) -> Option<&Value> {
        let items = self.items(index);
        items
            .first()
            .map(|item| &item["MOData"][name])
            .filter(|value| !value.is_null())
    }

    /// The first place that the n-th command named.
    pub(super) fn place(&self, index: usize) -> String {
        let status = self.statuses.get(index);
        let place = status.and_then(|status| status["URI"][0].as_str());
        place.unwrap_or_default().to_owned()
    }

    pub(super) fn transfer(&self, target: &str) -> Option<&Ask> {
        self.transfers.iter().find(|ask| ask.target == target)
    }
}

use omadm_bootstrap::{BootstrapMethod, DeviceView as _, Refusal, Utc, servers_of};
use omadm_dm2::{Alert, AlertData, AlertType, Mark};
use omadm_mo::json::Json;
use omadm_mo::{Secret, TreeError};
use serde::{Deserialize, Serialize};

use super::Engine;

/// The last bootstrap that was refused, kept until one is applied: so that the device can say why it has none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastRefusal {
    /// When.
    pub at: Utc,
    /// How the document came.
    pub method: BootstrapMethod,
    /// The cause's stable code.
    pub cause: String,
    /// What happened, as a sentence.
    pub sentence: String,
    /// What to do next.
    pub action: String,
    /// The failing item of the document.
    pub item: Option<String>,
    /// The node or server concerned.
    pub uri: Option<String>,
    /// What exactly was found.
    pub detail: Option<String>,
}

impl LastRefusal {
    /// The fact's name in the store.
    pub(crate) const FACT: &'static str = "last-refusal";

    pub(crate) fn of(refusal: &Refusal, method: BootstrapMethod, at: Utc) -> Self {
        Self {
            at,
            method,
            cause: refusal.cause.code().to_owned(),
            sentence: refusal.cause.sentence().to_owned(),
            action: refusal.cause.action().to_owned(),
            item: refusal.item.clone(),
            uri: refusal.uri.clone(),
            detail: refusal.detail.clone(),
        }
    }
}

/// A refusal as a problem document (RFC 9457): for who brought the document. It tells no value of it.
pub(crate) fn problem_document(refusal: &Refusal) -> Vec<u8> {
    let required = [
        ("title", refusal.cause.sentence()),
        ("cause", refusal.cause.code()),
    ];
    let optional = [
        ("item", &refusal.item),
        ("uri", &refusal.uri),
        ("detail", &refusal.detail),
    ];
    let required = required
        .into_iter()
        .map(|(name, text)| (name, text.to_owned()));
    let optional = optional
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.clone()?)));
    let members = required
        .chain(optional)
        .map(|(name, text)| (name.to_owned(), Json::Text(text)));
    Json::Object(members.collect()).to_compact().into_bytes()
}

/// AlertType of a refused bootstrap; our own, since DM 2.0 has none.
const REFUSED: &str = "urn:omadm:at:bootstrap-refused:1.0";

impl Engine {
    /// Queues an alert of a refusal for the servers that the document names and the device has accounts of: one of them brought it, or somebody else tries to
    /// take its place. Where it was fetched the bootstrap server was told already. The same refusal again, as at every start with the same image, is no news.
    pub(super) async fn alert_refusal(
        &self,
        document: &Secret,
        refusal: &Refusal,
        method: BootstrapMethod,
    ) -> Result<(), TreeError> {
        if !matches!(
            method,
            BootstrapMethod::Factory | BootstrapMethod::Smartcard
        ) {
            return Ok(());
        }
        let json = Json::read(document.expose(), self.config.limits).ok();
        let named = json.as_ref().map(servers_of).unwrap_or_default();
        let now = LastRefusal::of(refusal, method, self.now());
        let alert = alert(&now).write().to_compact();
        let queue = move |host: &super::Shared| {
            let last = host.store.fact(LastRefusal::FACT)?;
            let last = last.and_then(|text| serde_json::from_slice::<LastRefusal>(&text).ok());
            if last.is_some_and(|last| LastRefusal { at: now.at, ..last } == now) {
                return Ok(());
            }
            for account in host.store.snapshot()?.accounts()? {
                if named.iter().any(|name| name == account.srv_id.as_str()) {
                    host.store.queue_alert(&account.srv_id, &alert)?;
                }
            }
            Ok(())
        };
        self.host.run(queue).await
    }
}

fn alert(refusal: &LastRefusal) -> Alert {
    let required = [
        ("Method", refusal.method.node_value().to_owned()),
        ("Cause", refusal.cause.clone()),
        ("Time", refusal.at.to_basic()),
    ];
    let optional = [("Item", &refusal.item), ("URI", &refusal.uri)];
    let optional = optional
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.clone()?)));
    let members = required.into_iter().chain(optional);
    let members = members.map(|(name, text)| (name.to_owned(), Json::Text(text)));
    let data = AlertData::object([("BootstrapRefused", Json::Object(members.collect()))]);
    Alert::new(AlertType::new(REFUSED))
        .marked(Mark::Warning)
        .with_data("application/json", data)
}

use omadm_bootstrap::dm1::Dm1Document;
use omadm_bootstrap::plan::dm1::Dm1Rules;
use omadm_bootstrap::{BootstrapMethod, DeviceView as _, PayloadHash, Refusal, Utc, servers_of};
use omadm_dm2::{Alert, AlertData, AlertType, Mark};
use omadm_mo::json::Json;
use omadm_mo::{SrvId, TreeError};
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::store::TreeStore;

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

/// Which refusals of which documents were alerted.
const ALERTED: &str = "alerted-refusals";
/// How many of them are remembered.
const REMEMBERED: usize = 16;

impl Engine {
    /// Does what [`Self::alert_refusal`] does; that it cannot is told to nobody but the log.
    pub(super) async fn tell_servers(
        &self,
        document: &[u8],
        refusal: &Refusal,
        method: BootstrapMethod,
    ) {
        if let Err(error) = self.alert_refusal(document, refusal, method).await {
            tracing::warn!(%error, "no alert of the refusal could be queued");
        }
    }

    /// Queues an alert of a refusal for the servers that the document names and the device has accounts of: one of them brought it, or somebody else tries to
    /// take its place. Whoever handed it over and waits for an answer (a bootstrap server, a push over TLS) was told already. The same refusal again, as at every
    /// start with the same image or card, is no news until a bootstrap was applied.
    async fn alert_refusal(
        &self,
        document: &[u8],
        refusal: &Refusal,
        method: BootstrapMethod,
    ) -> Result<(), TreeError> {
        let named = self.named(document);
        let about = format!(
            "{} {}",
            PayloadHash::of(document).to_hex(),
            refusal.cause.code()
        );
        let alert = alert(&LastRefusal::of(refusal, method, self.now()));
        let alert = alert.write().to_compact();
        let queue = move |host: &super::Shared| {
            let told = host.store.fact(ALERTED)?;
            let told = told.and_then(|text| serde_json::from_slice::<Vec<String>>(&text).ok());
            let mut told = told.unwrap_or_default();
            if told.contains(&about) {
                return Ok(());
            }
            for account in host.store.snapshot()?.accounts()? {
                if named.contains(&account.srv_id) {
                    host.store.queue_alert(&account.srv_id, &alert)?;
                }
            }
            told.insert(0, about);
            told.truncate(REMEMBERED);
            let text = serde_json::to_vec(&told)
                .map_err(|error| TreeError::Storage(error.to_string().into()))?;
            host.store.set_fact(ALERTED, Some(&text))
        };
        self.host.run(queue).await
    }

    /// The servers whose accounts a document of either generation has; none where it cannot be read.
    fn named(&self, document: &[u8]) -> Vec<SrvId> {
        if let Ok(json) = Json::read(document, self.config.limits) {
            let names = servers_of(&json).into_iter();
            return names.filter_map(|name| SrvId::parse(&name).ok()).collect();
        }
        let rules = Dm1Rules::default();
        let read = Dm1Document::read(document, rules.app_srv, rules.limits);
        let accounts = read.map(|read| read.accounts).unwrap_or_default();
        accounts
            .into_iter()
            .map(|one| one.account.server_id)
            .collect()
    }
}

/// What was alerted is news again.
pub(super) fn forget_alerted(store: &TreeStore) -> Result<(), TreeError> {
    store.set_fact(ALERTED, None)
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

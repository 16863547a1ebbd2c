use std::ops::ControlFlow;
use std::sync::Arc;

use omadm_bootstrap::plan::{Preview, SwitchOnDecision};
use omadm_bootstrap::{
    Account, BootstrapMethod, BootstrapSource, ChannelSecurity, CompletionState, DeviceView as _,
    PushedBootstrap, Refusal,
};
use omadm_dm2::Alert;
use omadm_mo::standard::dm_acc::names;
use omadm_mo::standard::dm_acc1;
use omadm_mo::{Moid, NodeAddress, Secret, ServerUri, SrvId, TreeError, TreeView as _, Value};
use tokio::sync::watch;

use crate::download::{DownloadError, DownloadProgress, Downloaded};
use crate::engine::{
    Bootstrapped, Engine, FactoryReset, FetchAttempt, LastRefusal, MissingMo, NoBootstrap,
    Notified, PinOutcome, SessionReport, SwitchedOn, forbidden_fact,
};
use crate::listener::{self, ListenError, Listening, SmppListener};
use crate::policy::ListenAddresses;
use crate::store::WaitingWapPush;
use omadm_session::client::AddressRule;

/// A DM Client: one device's tree, its accounts and its sessions. Made by [`Client::builder`].
pub struct Client {
    pub(crate) engine: Arc<Engine>,
    pub(crate) listen: ListenAddresses,
    pub(crate) smpp: Option<SmppListener>,
}

impl Client {
    /// What the device does when it is switched on: the factory image is applied unless it was, the cards are checked, then, without an account, a bootstrap is fetched unless it is too early to ask again (D50, D55). The
    /// completion stays owed; [`Self::settle`] reports it.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn switch_on(&self) -> Result<SwitchedOn, TreeError> {
        self.engine.switch_on().await
    }

    /// Whether a bootstrap source is configured, by policy or [`crate::ClientBuilder::source`].
    #[must_use]
    pub fn has_source(&self) -> bool {
        !self.engine.config.sources.is_empty()
    }

    /// Takes away what bootstraps and servers left on the device: tree, accounts, subscriptions, alerts, Notifications, downloads and the mark of the factory
    /// image, which is applied again at the next start. Key, certificate, DevInfo and policy lie outside and stay.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails; everything is then as before.
    pub async fn factory_reset(self) -> Result<FactoryReset, TreeError> {
        self.engine.factory_reset().await
    }

    /// What [`Self::factory_reset`] would take away now.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn before_factory_reset(&self) -> Result<FactoryReset, TreeError> {
        self.engine.before_reset().await
    }

    /// What the cards in the readers would bring and what would be removed, were the device switched on now; nothing is changed. None where smartcard bootstrap
    /// is off: no card is touched then.
    ///
    /// # Errors
    /// [`Refusal`] where the store fails.
    pub async fn preview_cards(&self) -> Result<Option<(SwitchOnDecision, Preview)>, Refusal> {
        self.engine.preview_cards().await
    }

    /// Client-initiated bootstrap on command: asks the sources in order, whenever they were asked before, installs what one has, and leaves the completion
    /// owed. [`Self::settle`] reports it.
    ///
    /// # Errors
    /// [`NoBootstrap`]; the tree is as it was.
    pub async fn bootstrap(&self) -> Result<Bootstrapped, NoBootstrap> {
        self.engine.bootstrap().await
    }

    /// Installs a document that reached the device some other way. The caller vouches for source and channel.
    ///
    /// # Errors
    /// [`Refusal`]; the tree is as it was.
    pub async fn deliver(
        &self,
        document: Vec<u8>,
        method: BootstrapMethod,
        source: BootstrapSource,
        channel: ChannelSecurity,
    ) -> Result<Bootstrapped, Refusal> {
        let document = Secret::new(document);
        self.engine.deliver(document, method, source, channel).await
    }

    /// What installing this document would change, as if it came as a factory image; nothing is changed.
    ///
    /// # Errors
    /// [`Refusal`] where it would be refused.
    pub async fn preview(&self, document: Vec<u8>) -> Result<Preview, Refusal> {
        self.engine.preview(document).await
    }

    /// One DM session with a server.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn session(&self, server: &SrvId) -> Result<SessionReport, TreeError> {
        self.engine.session(server).await
    }

    /// Brings a large object of a server (firmware, software) into a file of the client's own folder `downloads` beside the store, which the caller moves
    /// or removes. A cut connection is taken up again by itself, an ended process where this is called again. `progress` may end it. Runs beside a session;
    /// of several, each waits for the one before.
    ///
    /// # Errors
    /// [`DownloadError`]; `status` tells what a command answers that needed it.
    pub async fn download(
        &self,
        server: &SrvId,
        url: &ServerUri,
        mut progress: impl FnMut(DownloadProgress) -> ControlFlow<()> + Send,
    ) -> Result<Downloaded, DownloadError> {
        self.engine.download(server, url, &mut progress).await
    }

    /// One DM session with every server that is owed a completion, whether its time has come or not; then what is owed outside of sessions: results of
    /// executions and reports of changes, each tried once.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn settle(&self) -> Result<Vec<SessionReport>, TreeError> {
        let mut reports = Vec::new();
        for server in self.engine.owed().await? {
            reports.push(self.engine.session(&server).await?);
        }
        self.engine.work_behind(true).await?;
        Ok(reports)
    }

    /// A local application needs the configuration of an MO that the device does not have: it is fetched from where a server left word by DEFAULT, and
    /// installed as that server's HGET would be. No server is told (`dm20.md` §5.2).
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn missing(&self, moid: &Moid) -> Result<MissingMo, TreeError> {
        self.engine.missing(moid).await
    }

    /// Runs as a daemon until `stop` holds true: reports what is owed by its schedule, asks for a bootstrap while there is no account with which a session could be held.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn run(&self, stop: watch::Receiver<bool>) -> Result<(), TreeError> {
        self.engine.run(stop).await
    }

    /// Takes Notifications and pushed bootstraps where the policy says, until what this gives is dropped; [`Self::run`] answers the former, and asks for the
    /// consent that a pushed bootstrap may need.
    ///
    /// # Errors
    /// [`ListenError`]; nothing listens then.
    pub async fn listen(&self) -> Result<Listening, ListenError> {
        listener::listen(&self.engine, &self.listen, self.smpp.as_ref()).await
    }

    /// Takes a Notification (Package#0) that reached the device some other way than by a listener. Where it is accepted, [`Self::run`] opens the
    /// session or fetches the bootstrap; without it, the next [`Self::session`] with that server answers it. Nothing is told to the sender.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails; the Notification then did not come.
    pub async fn notified(&self, octets: &[u8]) -> Result<Notified, TreeError> {
        self.engine.notified(octets.to_vec(), "host").await
    }

    /// The same of a Package 0 of DM 1.x, the body of its push (`dm1x.md` §7).
    ///
    /// # Errors
    /// [`TreeError`] where the store fails; the Package 0 then did not come.
    pub async fn triggered(&self, octets: &[u8]) -> Result<Notified, TreeError> {
        self.engine.triggered(octets.to_vec(), "host").await
    }

    /// Takes a WAP push of a bootstrap of DM 1.x that reached the device some other way than by a listener, where policy has them taken
    /// (`dm1x.md` §5.4). [`Self::run`] applies what is proved and asks for PINs; nothing is told to the sender.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails; the push then did not come.
    pub async fn wap_pushed(&self, pushed: PushedBootstrap, from: &str) -> Result<(), TreeError> {
        self.engine.wap_pushed(pushed, from.to_owned()).await
    }

    /// Pushed bootstraps that are not decided on, in the order in which they came.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub fn wap_pushes(&self) -> Result<Vec<WaitingWapPush>, TreeError> {
        self.engine.host.store().wap_pushes()
    }

    /// Gives the PIN of a pushed bootstrap that waits for it; where it is right, the document is processed.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails; the PIN may then have counted as wrong.
    pub async fn answer_wap_push(
        &self,
        number: u64,
        pin: &Secret,
    ) -> Result<PinOutcome, TreeError> {
        self.engine.answer_wap_push(number, pin).await
    }

    /// Drops a pushed bootstrap that waits; answers whether it did.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn discard_wap_push(&self, number: u64) -> Result<bool, TreeError> {
        self.engine.discard_wap_push(number).await
    }

    /// The accounts, in the order in which they came.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub fn accounts(&self) -> Result<Vec<Account>, TreeError> {
        self.engine.host.store().snapshot()?.accounts()
    }

    /// Alerts that wait for a server, as JSON.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub fn queued_alerts(&self, server: &SrvId) -> Result<Vec<String>, TreeError> {
        Ok(self
            .engine
            .host
            .store()
            .queued_alerts(server)?
            .into_iter()
            .map(|alert| alert.json)
            .collect())
    }

    /// Queues an alert for the next session with a server (D25). False where the device has no account of it.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub fn queue_alert(&self, server: &SrvId, alert: &Alert) -> Result<bool, TreeError> {
        Ok(self
            .engine
            .host
            .store()
            .queue_alert(server, &alert.write().to_compact())?
            .is_some())
    }

    /// Why the last bootstrap was refused; none once one was applied.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub fn last_refusal(&self) -> Result<Option<LastRefusal>, TreeError> {
        let fact = self.engine.host.store().fact(LastRefusal::FACT)?;
        Ok(fact.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// Where the report of a server's last bootstrap stands; none without an account.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub fn completion_state(&self, server: &SrvId) -> Result<Option<CompletionState>, TreeError> {
        let view = self.engine.host.store().snapshot()?;
        let Some(account) = view.account(server)? else {
            return Ok(None);
        };
        if account.owed.is_some() || !account.is_dm1() {
            return Ok(Some(account.state()));
        }
        let path = [names::EXT, names::BOOTSTRAP, names::STATE];
        let at = NodeAddress::root(dm_acc1::moid(), account.miid.clone());
        let told = view.leaf(&at.with_path(names::path(&path)))?;
        let told = told.as_ref().and_then(Value::as_text);
        let unsupported = told == Some(CompletionState::Unsupported.node_value());
        Ok(Some(match account.state() {
            CompletionState::Acked if account.dm1.reverted => CompletionState::Reverted,
            CompletionState::Acked if unsupported => CompletionState::Unsupported,
            state => state,
        }))
    }

    /// Which rule of policy kept the last session with a server from its address; none where the last one got further.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub fn forbidden_address(&self, server: &SrvId) -> Result<Option<AddressRule>, TreeError> {
        let fact = self.engine.host.store().fact(&forbidden_fact(server))?;
        let name = fact.and_then(|name| String::from_utf8(name).ok());
        Ok(name.and_then(|name| AddressRule::from_name(&name)))
    }

    /// What came of asking each bootstrap server since the last bootstrap that was applied, and when the device asks it again by itself (D55).
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn fetch_attempts(&self) -> Result<Vec<FetchAttempt>, TreeError> {
        self.engine.fetch_attempts().await
    }

    /// Whether the device asks for a bootstrap by itself: it has no account, or such alone as name a bootstrap server in `Auth/Bootstrap` and bring nothing
    /// to prove the device with in a session.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn seeks_bootstrap(&self) -> Result<bool, TreeError> {
        self.engine.seeks_bootstrap().await
    }

    /// TLS connections opened and HTTP exchanges made so far.
    pub async fn counts(&self) -> (u64, u64) {
        self.engine.https.counts().await
    }
}

//! Direct push (`dm20.md` §14.6, D56): who may push a document, and what becomes of it.

use std::net::SocketAddr;

use omadm_bootstrap::plan::BootstrapPlan;
use omadm_bootstrap::{
    BootstrapFailureCause as Failure, BootstrapMethod, BootstrapSource, ChannelSecurity,
    DeviceView as _, PayloadHash, Refusal,
};
use omadm_mo::{Secret, TreeError};
use omadm_tls::{CallerTrust, Identity, PeerCertificates, UnixTime};

use super::bootstrap::{Arrived, storage};
use super::consent::is_lifted_by_consent;
use super::{Bootstrapped, Engine, Source};
use crate::https::Credential;
use crate::observer::ClientEvent;
use crate::store::WaitingPush;

/// What became of a pushed document that was taken (202).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It is applied, or was before; the completion is owed.
    Applied(Bootstrapped),
    /// It lies durably on the device, and somebody is asked.
    AwaitsConsent,
}

/// Why a pushed document was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NotTaken {
    /// Another one is decided on (409).
    Busy,
    /// It is refused; the tree is as it was.
    Refused(Refusal),
}

const METHOD: BootstrapMethod = BootstrapMethod::ServerInitiated;

impl Engine {
    /// In whose name somebody may push who proved possession of this certificate: the first source that believes it (D61, D78).
    ///
    /// # Errors
    /// [`Refusal`] where no source does, or policy turns the method off.
    pub(crate) async fn may_push(
        &self,
        caller: Option<&PeerCertificates>,
    ) -> Result<BootstrapSource, Refusal> {
        if !self.config.policy.method(METHOD).enabled {
            return Err(Failure::MethodDisabled.refusal().because(METHOD));
        }
        let stranger = || Failure::SourceNotTrusted.refusal();
        let Some(caller) = caller else {
            return Err(stranger().because("it presented no certificate"));
        };
        let sources = self.sources().await.map_err(storage)?;
        let now = UnixTime::now();
        let mut last = "no bootstrap source is configured".to_owned();
        for source in &sources {
            match source.believes(caller, now) {
                Ok(()) => return Ok(origin(source)),
                Err(why) => last = why,
            }
        }
        let subject = caller.leaf().map_or("a certificate", |leaf| leaf.subject());
        Err(stranger().on(subject).because(last))
    }

    /// What the device proves itself with where it is the TLS server: its own certificate, else the one of an account's `Auth/Bootstrap` (D78).
    pub(crate) async fn listening_identity(&self) -> Result<Option<Identity>, TreeError> {
        let own = self.config.identity.as_deref();
        if let Some(identity) = own.and_then(Credential::identity) {
            return Ok(Some(identity.clone()));
        }
        let sources = self.sources().await?;
        let mut keys = sources.iter().filter_map(|one| one.credential.as_deref());
        Ok(keys.find_map(Credential::identity).cloned())
    }

    /// Tells who watches that somebody was turned away, a few times a minute.
    pub(crate) fn turned_away(&self, from: SocketAddr, refusal: &Refusal) {
        if let Some(unreported) = self.desk.turned_away.one_more() {
            self.tell(&ClientEvent::PushTurnedAway {
                from,
                refusal: refusal.clone(),
                unreported,
            });
        }
    }

    /// Takes a document that a trusted source pushed over mutual TLS: applied, or durably kept while somebody is asked.
    pub(crate) async fn pushed(
        &self,
        document: Secret,
        source: BootstrapSource,
    ) -> Result<Pushed, NotTaken> {
        let Ok(_alone) = self.in_bootstrap.try_lock() else {
            return Err(NotTaken::Busy);
        };
        let refused = NotTaken::Refused;
        let waiting = self.host.run(|host| host.store.waiting_push()).await;
        if let Some(waiting) = waiting.map_err(storage).map_err(refused)? {
            let again = waiting.hash() == PayloadHash::of(document.expose())
                && BootstrapSource::Server(waiting.source) == source;
            return if again {
                Ok(Pushed::AwaitsConsent)
            } else {
                Err(NotTaken::Busy)
            };
        }
        let arrived = self
            .arrived(document, METHOD, source, ChannelSecurity::MutualTls)
            .map_err(refused)?;
        let mut outcome = self.process(&arrived, false).await;
        if let Err(refusal) = &outcome
            && is_lifted_by_consent(refusal)
        {
            match self.ask_later(&arrived, refusal.clone()).await {
                Ok(None) => return Ok(Pushed::AwaitsConsent),
                Ok(Some(before)) => outcome = Ok(before),
                Err(refusal) => outcome = Err(refusal),
            }
        }
        let outcome = self.processed(&arrived, outcome).await;
        self.desk.bell.notify_one();
        outcome.map(Pushed::Applied).map_err(refused)
    }

    /// Keeps a document that consent alone is missing to; none, or what was applied before.
    async fn ask_later(
        &self,
        arrived: &Arrived,
        refusal: Refusal,
    ) -> Result<Option<Bootstrapped>, Refusal> {
        if self.config.consent.is_none() {
            return Err(refusal.because("nobody is there to be asked"));
        }
        let (planned, _) = self.plan(arrived, true).await?;
        if planned == BootstrapPlan::AlreadyApplied {
            self.tell(&ClientEvent::AlreadyApplied);
            let servers = self.owed().await.map_err(storage)?;
            return Ok(Some(Bootstrapped { servers }));
        }
        let waiting = WaitingPush {
            document: arrived.document.clone(),
            source: arrived.source.to_string(),
            event_id: arrived.event_id.clone(),
            at: arrived.at,
        };
        let kept = self
            .host
            .run(move |host| host.store.set_waiting_push(Some(&waiting)));
        kept.await.map_err(storage)?;
        self.tell(&ClientEvent::PushAwaitsConsent {
            source: arrived.source.to_string(),
        });
        self.desk.bell.notify_one();
        Ok(None)
    }

    /// Asks for the consent that a pushed document waits for, and applies it or tells its source that it was refused. It waits until that is done: a cut in
    /// between makes it be asked for again, unless the document was applied.
    pub(super) async fn decide_waiting_push(&self) -> Result<(), TreeError> {
        let waiting = self.host.run(|host| host.store.waiting_push()).await?;
        let Some(waiting) = waiting else {
            return Ok(());
        };
        let alone = self.in_bootstrap.lock().await;
        let accounts = self.host.run(|host| host.store.snapshot()?.accounts());
        let mut accounts = accounts.await?.into_iter();
        if !accounts.any(|account| account.provenance.event_id == waiting.event_id) {
            let arrived = Arrived {
                document: waiting.document,
                method: METHOD,
                source: BootstrapSource::Server(waiting.source),
                channel: ChannelSecurity::MutualTls,
                event_id: waiting.event_id,
                at: waiting.at,
                proof: None,
            };
            let sources = self.sources().await?;
            let source = sources.iter().find(|one| origin(one) == arrived.source);
            let outcome = match source {
                Some(_) => self.process(&arrived, true).await,
                None => Err(Failure::SourceNotTrusted.refusal().on(&arrived.source)),
            };
            let outcome = self.processed(&arrived, outcome).await;
            if let (Some(source), Err(refusal)) = (source, &outcome) {
                self.report_refusal(source, source.url.clone(), refusal)
                    .await;
            }
        }
        self.host
            .run(|host| host.store.set_waiting_push(None))
            .await?;
        drop(alone);
        Ok(())
    }
}

impl Source {
    /// Whether a caller is this source.
    ///
    /// # Errors
    /// Why it is not.
    fn believes(&self, caller: &PeerCertificates, now: UnixTime) -> Result<(), String> {
        let pin = self.trust.server_key.as_ref();
        if self.trust.anchors.is_empty() && pin.is_none() {
            return Err("the source is proved by a pre-shared key alone".to_owned());
        }
        let trust =
            CallerTrust::new(&self.trust.anchors, pin).map_err(|error| error.to_string())?;
        let named = self.push_names.as_ref();
        let names: Vec<&str> = named.map_or_else(
            || vec![self.url.host()],
            |names| names.iter().map(String::as_str).collect(),
        );
        let judged = trust.judge(caller, &names, now);
        judged.map_err(|distrust| distrust.to_string())
    }
}

fn origin(source: &Source) -> BootstrapSource {
    BootstrapSource::Server(source.url.origin().to_string())
}

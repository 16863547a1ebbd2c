use omadm_bootstrap::plan::dm1::{Dm1Delivery, Dm1Rules, plan_bootstrap, plan_either};
use omadm_bootstrap::plan::{BootstrapPlan, CredentialCheck, Delivery, Preview, preview};
use omadm_bootstrap::{
    BootstrapFailureCause as Failure, BootstrapMethod, BootstrapSource, ChannelSecurity, EventId,
    PushProof, Refusal, Utc,
};
use omadm_mo::{DevId, Secret, SrvId, TreeError};
use omadm_session::client::Cause;
use omadm_tls::Leaf;

use super::account_target::{identity, psk};
use super::consent::{ConsentRequest, is_lifted_by_consent};
use super::fetch_attempts::FetchAttempts;
use super::refusal::forget_alerted;
use super::{Engine, LastRefusal, entropy};
use crate::observer::ClientEvent;

/// A bootstrap that was applied, or had been before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootstrapped {
    /// The servers that are owed a BootstrapComplete.
    pub servers: Vec<SrvId>,
}

/// How often a plan is made again because the tree changed under it.
pub(super) const REPLANS: u8 = 3;

/// A document as it arrived.
#[derive(Clone)]
pub(super) struct Arrived {
    pub(super) document: Secret,
    pub(super) method: BootstrapMethod,
    pub(super) source: BootstrapSource,
    pub(super) channel: ChannelSecurity,
    pub(super) event_id: EventId,
    pub(super) at: Utc,
    /// What its MAC proves, where it came by WAP push: such a one is of DM 1.x (`dm1x.md` §5.4).
    pub(super) proof: Option<PushProof>,
}

/// What this build makes of the credentials in a document.
pub(crate) struct TlsCredentials {
    /// The device, where it is known.
    pub(crate) dev_id: Option<DevId>,
}

impl CredentialCheck for TlsCredentials {
    fn is_usable(&self, certificate: &[u8], private_key: &Secret) -> bool {
        identity(certificate, private_key).is_some()
    }

    fn names_another(&self, certificate: &[u8]) -> Option<String> {
        let leaf = Leaf::parse(certificate)?;
        let own = self.dev_id.as_ref()?.as_str();
        let (scheme, _) = own.split_once(':')?;
        let names = leaf.san_uris().iter().chain(leaf.subject_common_names());
        // A name of another kind says nothing of the DevID.
        let alike = |name: &&String| name.split_once(':').is_some_and(|(of, _)| of == scheme);
        let mut alike = names.filter(alike).peekable();
        let other = alike.peek().map(ToString::to_string);
        other.filter(|_| alike.all(|name| name != own))
    }

    fn check_psk(&self, identity: &[u8], key: &Secret) -> Result<(), String> {
        psk(identity, key).map(drop)
    }
}

impl Engine {
    /// The common processing of a delivered document (§14.6.1), whatever the method.
    pub(crate) async fn deliver(
        &self,
        document: Secret,
        method: BootstrapMethod,
        source: BootstrapSource,
        channel: ChannelSecurity,
    ) -> Result<Bootstrapped, Refusal> {
        let _alone = self.in_bootstrap.lock().await;
        let arrived = self.arrived(document, method, source, channel)?;
        let outcome = self.process(&arrived, true).await;
        self.processed(&arrived, outcome).await
    }

    /// Names a document that is here.
    pub(super) fn arrived(
        &self,
        document: Secret,
        method: BootstrapMethod,
        source: BootstrapSource,
        channel: ChannelSecurity,
    ) -> Result<Arrived, Refusal> {
        self.tell(&ClientEvent::Delivered {
            method,
            octets: document.len(),
        });
        let event_id = EventId::of(
            entropy().map_err(|error| Failure::StorageFailed.refusal().because(error))?,
        );
        Ok(Arrived {
            document,
            method,
            source,
            channel,
            event_id,
            at: self.now(),
            proof: None,
        })
    }

    /// Remembers and tells what came of a document.
    pub(super) async fn processed(
        &self,
        arrived: &Arrived,
        outcome: Result<Bootstrapped, Refusal>,
    ) -> Result<Bootstrapped, Refusal> {
        let method = arrived.method;
        match &outcome {
            Ok(_) => {
                if let Err(error) = self.forget_failures().await {
                    tracing::warn!(%error, "what failed before could not be forgotten");
                }
            }
            Err(refusal) => {
                let unanswered = arrived.proof.is_some()
                    || matches!(
                        method,
                        BootstrapMethod::Factory | BootstrapMethod::Smartcard
                    );
                if unanswered {
                    self.tell_servers(arrived.document.expose(), refusal, method)
                        .await;
                }
                self.remember(refusal, method).await;
                self.tell(&ClientEvent::Refused(refusal.clone()));
            }
        }
        outcome
    }

    /// Plans and applies; where it needs consent, `may_ask` says whether somebody is asked for it now.
    pub(super) async fn process(
        &self,
        arrived: &Arrived,
        may_ask: bool,
    ) -> Result<Bootstrapped, Refusal> {
        let mut consent = false;
        for _ in 0..=REPLANS {
            let planned = match self.plan(arrived, consent).await {
                Err(refusal) if may_ask && !consent && is_lifted_by_consent(&refusal) => {
                    let (planned, request) = self.plan(arrived, true).await?;
                    self.ask(request, refusal).await?;
                    consent = true;
                    planned
                }
                planned => planned?.0,
            };
            let planned = match planned {
                BootstrapPlan::AlreadyApplied => {
                    self.tell(&ClientEvent::AlreadyApplied);
                    return Ok(Bootstrapped {
                        servers: self.owed().await.map_err(storage)?,
                    });
                }
                BootstrapPlan::Apply(planned) => planned,
            };
            for item in planned.skipped {
                self.tell(&ClientEvent::Skipped(item));
            }
            match self.host.apply(planned.plan).await {
                Ok(_) => {
                    self.tell(&ClientEvent::Applied {
                        servers: planned.servers.clone(),
                    });
                    return Ok(Bootstrapped {
                        servers: planned.servers,
                    });
                }
                Err(Cause::Stale) => {}
                Err(Cause::Tree(error)) => return Err(storage(error)),
                Err(cause) => return Err(Failure::InvalidInstance.refusal().because(cause)),
            }
        }
        Err(Failure::StorageFailed
            .refusal()
            .because("the tree kept changing"))
    }

    /// Plans a document as the tree is now, and says what a decider would be asked.
    pub(super) async fn plan(
        &self,
        arrived: &Arrived,
        consent: bool,
    ) -> Result<(BootstrapPlan, ConsentRequest), Refusal> {
        let (policy, limits) = (self.config.policy.clone(), self.config.limits);
        let (arrived, credentials) = (arrived.clone(), self.credentials());
        let planned = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            let delivery = Delivery {
                document: arrived.document.expose(),
                method: arrived.method,
                source: arrived.source,
                channel: arrived.channel,
                at: Some(arrived.at),
                event_id: arrived.event_id,
                consent,
                after_reset: host.store.is_after_factory_reset()?,
                limits,
            };
            let rules = Dm1Rules::default();
            let registry = &host.registry;
            let planned = match arrived.proof {
                Some(proof) => {
                    let delivery = Dm1Delivery::proved(&delivery, proof);
                    plan_bootstrap(&view, registry, &policy, &rules, &delivery)
                }
                None => plan_either(&view, registry, &policy, &credentials, &rules, &delivery),
            };
            let planned = match planned {
                Ok(planned) => planned,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let mut request = ConsentRequest {
                method: delivery.method,
                source: delivery.source.to_string(),
                servers: Vec::new(),
                changes: Preview::default(),
            };
            if let BootstrapPlan::Apply(planned) = &planned
                && consent
            {
                request.changes = preview(&planned.plan, &view)?;
                let accounts = planned.plan.accounts.iter();
                let servers = accounts.map(|one| (one.srv_id.clone(), one.perm.clone()));
                request.servers = servers.collect();
            }
            Ok(Ok((planned, request)))
        });
        planned.await.map_err(storage)?
    }

    /// Asks whoever decides; the refusal stands where nobody does, or not for this.
    pub(super) async fn ask(
        &self,
        request: ConsentRequest,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        let Some(consent) = self.config.consent.clone() else {
            return Err(refusal.because("nobody is there to be asked"));
        };
        let asked = self.host.run(move |_| Ok(consent(&request))).await;
        if asked.map_err(storage)? {
            Ok(())
        } else {
            Err(Failure::ConsentRefused.refusal())
        }
    }

    /// What a document would change if it came as a factory image.
    pub(crate) async fn preview(&self, document: Vec<u8>) -> Result<Preview, Refusal> {
        let document = Secret::new(document);
        let event_id = EventId::of(
            entropy().map_err(|error| Failure::StorageFailed.refusal().because(error))?,
        );
        let (policy, limits, at) = (self.config.policy.clone(), self.config.limits, self.now());
        let credentials = self.credentials();
        let previewed = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            let delivery = Delivery {
                document: document.expose(),
                method: BootstrapMethod::Factory,
                source: BootstrapSource::FactoryImage,
                channel: ChannelSecurity::Local,
                at: Some(at),
                event_id,
                consent: false,
                after_reset: false,
                limits,
            };
            let rules = Dm1Rules::default();
            let planned = plan_either(
                &view,
                &host.registry,
                &policy,
                &credentials,
                &rules,
                &delivery,
            );
            Ok(match planned {
                Ok(BootstrapPlan::Apply(planned)) => Ok(preview(&planned.plan, &view)?),
                Ok(BootstrapPlan::AlreadyApplied) => Ok(Preview::default()),
                Err(refusal) => Err(refusal),
            })
        });
        previewed.await.map_err(storage)?
    }

    /// A bootstrap was applied: what went wrong before it is of no interest any more.
    pub(super) async fn forget_failures(&self) -> Result<(), TreeError> {
        let forgotten = self.host.run(|host| {
            host.store.set_fact(LastRefusal::FACT, None)?;
            forget_alerted(&host.store)?;
            FetchAttempts::forget(&host.store)
        });
        forgotten.await
    }

    pub(super) fn credentials(&self) -> TlsCredentials {
        TlsCredentials {
            dev_id: Some(self.config.dev_id.clone()),
        }
    }

    pub(super) async fn remember(&self, refusal: &Refusal, method: BootstrapMethod) {
        let record = LastRefusal::of(refusal, method, self.now());
        let kept = self.host.run(move |host| {
            let text = serde_json::to_vec(&record)
                .map_err(|error| TreeError::Storage(error.to_string().into()))?;
            host.store.set_fact(LastRefusal::FACT, Some(&text))
        });
        if let Err(error) = kept.await {
            tracing::warn!(%error, "the refusal could not be kept");
        }
    }
}

pub(super) fn storage(error: TreeError) -> Refusal {
    let cause = if error == TreeError::NoRoom {
        Failure::NoRoom
    } else {
        Failure::StorageFailed
    };
    cause.refusal().because(error)
}

//! Client-initiated bootstrap (`dm20.md` §14.5): which bootstrap servers are asked, and when.

use std::sync::Arc;

use omadm_bootstrap::{
    BootstrapFailureCause as Failure, BootstrapMethod, BootstrapSource, Refusal, Utc,
};
use omadm_dm2::package0::{BootstrapSourceId, ServerId};
use omadm_mo::{Fault, Secret, ServerUri, TreeError};

use super::account_source::seeks_bootstrap;
use super::bootstrap::storage;
use super::{Bootstrapped, Engine, Source};
use crate::observer::ClientEvent;
use crate::store::OwedNotification;

/// Why there is no bootstrap now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoBootstrap {
    /// No source is configured.
    #[error("no bootstrap source is configured; name one in the policy file or with --url")]
    NoSource,
    /// The server has none for this device now.
    #[error("the bootstrap server has nothing for this device now")]
    Nothing {
        /// When to ask again, in seconds, where it said so.
        retry_after: Option<u32>,
    },
    /// The server knows no such device, and holds it until an operator decides (D55: 202).
    #[error("the bootstrap server holds the device: {detail}")]
    Held {
        /// When to ask again, in seconds.
        retry_after: u32,
        /// What the server says, for people.
        detail: String,
    },
    /// No server was asked: after what came of it the last time, none is to be asked before (D55). [`crate::Client::fetch_attempts`] tells what that was.
    #[error("no bootstrap server is asked before {at}")]
    Later {
        /// When the first one is.
        at: Utc,
    },
    /// It could not be had, or was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// How far one source got.
enum Tried {
    NotFetched(NotFetched),
    NotApplied(Refusal),
}

/// Why a source gave no document, and in how many seconds it wants to be asked again where it said so.
pub(super) struct NotFetched {
    pub(super) problem: NoBootstrap,
    pub(super) retry_after: Option<u32>,
}

impl From<Refusal> for NotFetched {
    fn from(refusal: Refusal) -> Self {
        Self {
            problem: refusal.into(),
            retry_after: None,
        }
    }
}

impl Engine {
    /// On command: asks the sources in order, whenever they were asked before, until one has a document that is applied.
    pub(crate) async fn bootstrap(&self) -> Result<Bootstrapped, NoBootstrap> {
        let sources = self.distinct_sources().await.map_err(storage)?;
        let all: Vec<_> = sources.iter().collect();
        self.ask_each(&all, &sources, false).await
    }

    /// By itself: asks those sources in order whose time has come (D55).
    pub(super) async fn bootstrap_when_due(
        &self,
        at_start: bool,
    ) -> Result<Bootstrapped, NoBootstrap> {
        let method = self.config.policy.method(BootstrapMethod::ClientInitiated);
        if !method.enabled {
            return Err(Failure::MethodDisabled.refusal().into());
        }
        let sources = self.distinct_sources().await.map_err(storage)?;
        let urls: Vec<ServerUri> = sources.iter().map(|one| one.url.clone()).collect();
        if urls.is_empty() {
            return Err(NoBootstrap::NoSource);
        }
        match self.due_of(&urls, at_start).await.map_err(storage)? {
            Ok(due) => {
                let due = sources
                    .iter()
                    .zip(due)
                    .filter_map(|(one, is)| is.then_some(one));
                let due: Vec<_> = due.collect();
                self.ask_each(&due, &sources, true).await
            }
            Err(at) => Err(NoBootstrap::Later { at }),
        }
    }

    /// Whether the device has no account with which it could hold a session, so that it asks for a bootstrap by itself.
    pub(crate) async fn seeks_bootstrap(&self) -> Result<bool, TreeError> {
        let config = self.config.clone();
        let seeks = self
            .host
            .run(move |host| seeks_bootstrap(&host.store.snapshot()?, &config));
        seeks.await
    }

    /// Asks these one after the other. A bad one stops none after it; only where the device itself cannot go on, or a person said no, nobody else is asked.
    async fn ask_each(
        &self,
        asked: &[&Source],
        known: &[Source],
        by_itself: bool,
    ) -> Result<Bootstrapped, NoBootstrap> {
        let method = BootstrapMethod::ClientInitiated;
        let mut last = NoBootstrap::NoSource;
        for source in asked {
            if by_itself {
                self.begin_fetch(&source.url).await.map_err(storage)?;
            }
            let (problem, retry_after, goes_on) =
                match self.bootstrap_from(source, known, method).await {
                    Ok(done) => {
                        if by_itself && self.seeks_bootstrap().await.map_err(storage)? {
                            // It handed the device over: it is the others' turn before its own comes again.
                            let nothing = NoBootstrap::Nothing { retry_after: None };
                            let ended = self.end_fetch(&source.url, &nothing, None).await;
                            ended.map_err(storage)?;
                        }
                        return Ok(done);
                    }
                    Err(Tried::NotFetched(not)) => {
                        if let NoBootstrap::Refused(refusal) = &not.problem {
                            self.remember(refusal, method).await;
                            self.tell(&ClientEvent::Refused(refusal.clone()));
                        }
                        (not.problem, not.retry_after, true)
                    }
                    Err(Tried::NotApplied(refusal)) => {
                        let goes_on = refusal.cause.fault() != Fault::Environment
                            && refusal.cause != Failure::ConsentRefused;
                        (refusal.into(), None, goes_on)
                    }
                };
            let ended = self.end_fetch(&source.url, &problem, retry_after).await;
            last = problem;
            if let Err(error) = ended {
                tracing::warn!(%error, "what came of the fetch could not be kept");
            }
            if !goes_on {
                break;
            }
        }
        Err(last)
    }

    /// Every source once: one that is configured and named by an account, with its keys, is the same.
    async fn distinct_sources(&self) -> Result<Vec<Source>, TreeError> {
        let mut distinct: Vec<Source> = Vec::new();
        for source in self.sources().await? {
            let is_same = |other: &Source| {
                let keys = other.credential.as_ref().zip(source.credential.as_ref());
                other.url == source.url && keys.is_some_and(|(a, b)| Arc::ptr_eq(a, b))
            };
            if !distinct.iter().any(is_same) {
                distinct.push(source);
            }
        }
        Ok(distinct)
    }

    /// Fetches from one source and applies what came.
    async fn bootstrap_from(
        &self,
        source: &Source,
        sources: &[Source],
        method: BootstrapMethod,
    ) -> Result<Bootstrapped, Tried> {
        let fetched = self
            .fetch(source, sources)
            .await
            .map_err(Tried::NotFetched)?;
        let origin = BootstrapSource::Server(fetched.url.origin().to_string());
        let document = Secret::new(fetched.document);
        let delivered = self
            .deliver(document, method, origin, fetched.channel)
            .await;
        if let Err(refusal) = &delivered {
            self.report_refusal(fetched.from, fetched.url, refusal)
                .await;
        }
        delivered.map_err(Tried::NotApplied)
    }

    /// Answers a bootstrap Notification (D84): the source that it names is asked, and what comes is server-initiated. A source that cannot be
    /// reached is tried again.
    pub(super) async fn notified_bootstrap(
        &self,
        id: &BootstrapSourceId,
        owed: OwedNotification,
    ) -> Result<(), TreeError> {
        let server = ServerId::Bootstrap(id.clone());
        let sources = self.sources().await?;
        let mut known = sources.iter();
        let source = known.find(|source| source.id.as_deref() == Some(id.as_str()));
        let method = BootstrapMethod::ServerInitiated;
        let Some(source) = source else {
            return self.settle_notification(server, owed.number, None).await;
        };
        match self.bootstrap_from(source, &sources, method).await {
            Err(Tried::NotFetched(not)) => {
                let mut wish = not.retry_after;
                match not.problem {
                    NoBootstrap::Refused(refusal) => {
                        self.remember(&refusal, method).await;
                        self.tell(&ClientEvent::Refused(refusal));
                    }
                    NoBootstrap::Nothing { retry_after } => wish = retry_after,
                    NoBootstrap::NoSource
                    | NoBootstrap::Later { .. }
                    | NoBootstrap::Held { .. } => {}
                }
                self.notification_failed(server, owed, wish).await
            }
            Ok(_) | Err(Tried::NotApplied(_)) => {
                self.settle_notification(server, owed.number, None).await
            }
        }
    }
}

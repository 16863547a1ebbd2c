use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::Encoding;

use crate::dm1::{AppSrvIs, Dm1Format, Dm1Security};
use crate::plan::Delivery;
use crate::{BootstrapMethod, BootstrapSource, ChannelSecurity, EventId, PushProof, Utc};

/// A document of DM 1.x as it reached the device; what proves it was verified before (§5.7).
#[derive(Clone, Debug)]
pub struct Dm1Delivery<'a> {
    /// The bytes, without the padding of a card's file.
    pub document: &'a [u8],
    /// By which method.
    pub method: BootstrapMethod,
    /// From whom.
    pub source: BootstrapSource,
    /// What was verified of it.
    pub security: Dm1Security,
    /// When; none without a clock.
    pub at: Option<Utc>,
    /// Names the event; 16 fresh random octets.
    pub event_id: EventId,
    /// Whether a person agreed to this very document.
    pub consent: bool,
    /// Whether it is the first since a factory reset.
    pub after_reset: bool,
    /// Whether a document that is in force already is applied again: the setting `reapply = "always"` (§5.5).
    pub reapply: bool,
}

/// What a device takes of documents of DM 1.x.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dm1Rules {
    /// What MO identifiers begin with that a bootstrap may bring beside the DM Account: connectivity and proxies, and the configuration of bootstraps (§5.7).
    pub settable: Vec<String>,
    /// What `APPSRV` means.
    pub app_srv: AppSrvIs,
    /// Bounds of the document.
    pub limits: MarkupLimits,
}

impl Default for Dm1Rules {
    fn default() -> Self {
        let settable = ["urn:oma:mo:oma-connmo-", "urn:oma:mo:oma-dm-bootstrapcfg:"];
        Self {
            settable: settable.map(str::to_owned).to_vec(),
            app_srv: AppSrvIs::default(),
            limits: MarkupLimits::UNPROVEN_BOOTSTRAP,
        }
    }
}

impl<'a> Dm1Delivery<'a> {
    /// That of a document which is one of DM 1.x by its content (M23), and came by a way that proves it as a whole: the image, the card, TLS. None for a
    /// document of DM 2.0; one that came over an open channel is proven by a MAC or not at all.
    #[must_use]
    pub fn of(delivery: &Delivery<'a>) -> Option<Self> {
        // XML is no bootstrap's over a network (§5.7).
        let is_wbxml = Encoding::of_body(delivery.document) == Some(Encoding::Wbxml);
        Dm1Format::of_document(delivery.document).filter(|_| is_wbxml)?;
        let security = match (delivery.method, delivery.channel) {
            (_, ChannelSecurity::Open) => return None,
            (BootstrapMethod::Factory, _) => Dm1Security::None,
            (BootstrapMethod::Smartcard, _) => Dm1Security::Card,
            (BootstrapMethod::ClientInitiated | BootstrapMethod::ServerInitiated, _) => {
                Dm1Security::Tls
            }
        };
        Some(Self {
            document: delivery.document,
            method: delivery.method,
            source: delivery.source.clone(),
            security,
            at: delivery.at,
            event_id: delivery.event_id.clone(),
            consent: delivery.consent,
            after_reset: delivery.after_reset,
            reapply: false,
        })
    }
}

impl<'a> Dm1Delivery<'a> {
    /// That of a document which came by WAP push and whose MAC was verified.
    #[must_use]
    pub fn proved(delivery: &Delivery<'a>, proof: PushProof) -> Self {
        Self {
            document: delivery.document,
            method: delivery.method,
            source: delivery.source.clone(),
            security: proof.into(),
            at: delivery.at,
            event_id: delivery.event_id.clone(),
            consent: delivery.consent,
            after_reset: delivery.after_reset,
            reapply: false,
        }
    }
}

impl Dm1Delivery<'_> {
    /// How the channel was protected, in the words of the account's provenance. A MAC proves the document and hides nothing.
    #[must_use]
    pub const fn channel(&self) -> ChannelSecurity {
        match self.security {
            Dm1Security::Tls => ChannelSecurity::MutualTls,
            Dm1Security::Card | Dm1Security::None => ChannelSecurity::Local,
            Dm1Security::UserPin | Dm1Security::NetworkId | Dm1Security::Both => {
                ChannelSecurity::Open
            }
        }
    }
}

use omadm_card::CardTrouble;
use omadm_card::reading::CardEntry;
use omadm_dm1::syncml::Encoding;
use omadm_mo::SrvId;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;

use crate::dm1::{Dm1Document, Dm1Format};
use crate::plan::bootstrap::servers_of;
use crate::plan::dm1::Dm1Rules;
use crate::{
    BootstrapFailureCause as Cause, CardBootstrap, NoCardBootstrap, PayloadHash, ProfileFormat,
    Refusal,
};

/// What an entry of a card holds.
pub(super) enum Content<'a> {
    Nothing,
    /// Nothing of ours: it makes no difference and raises no doubt.
    Foreign,
    /// Of DM 1.x, which policy turns off.
    OtherGeneration,
    Unreadable(CardTrouble),
    Invalid(Refusal),
    Document(CardBootstrap<'a>, Vec<SrvId>),
}

/// How documents are read.
pub(super) struct Reading<'a> {
    pub(super) registry: &'a MoRegistry,
    pub(super) limits: JsonLimits,
    /// None where DM 1.x is off.
    pub(super) dm1: Option<&'a Dm1Rules>,
    /// Documents that count as invalid.
    pub(super) refused: &'a [(PayloadHash, Refusal)],
}

impl Reading<'_> {
    /// Dispatches by content, not by OID (`dm1x.md` M23).
    pub(super) fn content<'e>(&self, entry: &'e CardEntry) -> Content<'e> {
        let file = match &entry.content {
            Ok(None) => return Content::Nothing,
            Ok(Some(file)) => file,
            // A file of client provisioning may be for somebody else.
            Err(CardTrouble::UnsupportedEncoding(_)) if entry.oid.is_provisioning() => {
                return Content::Foreign;
            }
            Err(trouble) => return Content::Unreadable(*trouble),
        };
        let found = match CardBootstrap::of(file) {
            Ok(found) => found,
            Err(NoCardBootstrap::Foreign) => return Content::Foreign,
            Err(NoCardBootstrap::Broken) if self.dm1.is_none() => return Content::OtherGeneration,
            Err(broken) => {
                return Content::Invalid(Cause::NotDm1Document.refusal().because(broken));
            }
        };
        if found.format != ProfileFormat::Dm2 && self.dm1.is_none() {
            return Content::OtherGeneration;
        }
        let mut refused = self.refused.iter();
        if let Some((_, refusal)) = refused.find(|(other, _)| *other == found.digest) {
            return Content::Invalid(refusal.clone());
        }
        match self.servers(found.octets, found.format) {
            Ok(servers) if servers.is_empty() && entry.oid.is_provisioning() => Content::Foreign,
            Ok(servers) => Content::Document(found, servers),
            Err(refusal) => Content::Invalid(refusal),
        }
    }

    /// The servers whose accounts a document has, in its order.
    pub(super) fn servers(
        &self,
        document: &[u8],
        format: ProfileFormat,
    ) -> Result<Vec<SrvId>, Refusal> {
        if format == ProfileFormat::Dm2 {
            return servers_of(document, self.limits, self.registry);
        }
        let rules = self.dm1.ok_or_else(|| {
            let off = Cause::MethodDisabled.refusal();
            off.because("bootstraps of DM 1.x")
        })?;
        let read = Dm1Document::read(document, rules.app_srv, rules.limits)
            .map_err(|fault| Cause::NotDm1Document.refusal().because(fault))?;
        let accounts = read.accounts.into_iter();
        Ok(accounts.map(|one| one.account.server_id).collect())
    }
}

/// What the image is by its content: one of DM 1.x is WBXML.
pub(super) fn format_of(image: &[u8]) -> ProfileFormat {
    let is_wbxml = Encoding::of_body(image) == Some(Encoding::Wbxml);
    let dm1 = Dm1Format::of_document(image).filter(|_| is_wbxml);
    dm1.map_or(ProfileFormat::Dm2, Dm1Format::profile)
}

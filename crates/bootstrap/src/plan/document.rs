use std::collections::BTreeMap;

use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::{MoRegistry, dm_acc};
use omadm_mo::{ClientUri, Miid, Moid, Node, NodePath};

use crate::{BootstrapFailureCause as Cause, Refusal};

/// An item of a document that was passed over; the rest of the document counts (`dm20.md` §14.6.1 step 4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SkippedItem {
    /// The item, for example `$[1]`.
    pub item: String,
    /// Its ClientURI, or that of the node below `Ext`.
    pub uri: String,
    /// Why.
    pub reason: SkippedReason,
}

/// Why an item was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SkippedReason {
    /// The device has no MO of this MOID.
    UnknownMo,
    /// Connectivity of a provisioning document, which the device does not set up from one (`dm1x.md` §5.3).
    Connectivity,
    /// The document holds a newer version of the same MO that the device has.
    OlderVersion,
    /// A node below `Ext` that the device's DDF does not describe.
    UnknownExtension,
}

/// A document's items, bound to the DDFs of the device and checked against them.
pub(super) struct Document {
    pub(super) items: Vec<BoundItem>,
    pub(super) skipped: Vec<SkippedItem>,
}

pub(super) struct BoundItem {
    /// `$[n]`
    pub(super) at: String,
    pub(super) moid: Moid,
    /// The MIID that the item's ClientURI names.
    pub(super) miid: Option<Miid>,
    pub(super) node: Node,
}

impl SkippedReason {
    /// What happened, as a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::UnknownMo => "the device has no management object of this MOID",
            Self::Connectivity => {
                "the device sets up no connectivity from a document; where the account refers to it, the name is kept in PrefConRef or ToConRef"
            }
            Self::OlderVersion => "the document holds a newer version of this management object",
            Self::UnknownExtension => "the device's DDF does not describe this node below Ext",
        }
    }
}

impl Document {
    /// Parses, selects and binds (§14.6.1 steps 3 and 4). What a DDF demands is checked, DM Accounts excepted: they have causes of their own.
    pub(super) fn read(
        document: &[u8],
        limits: JsonLimits,
        registry: &MoRegistry,
    ) -> Result<Self, Refusal> {
        let json =
            Json::read(document, limits).map_err(|e| Cause::Unparsable.refusal().because(e))?;
        let items = MoItem::read_all(&json).map_err(|e| {
            Cause::NotMoSerialization
                .refusal()
                .at(e.at)
                .because(e.problem)
        })?;
        let mut read = Self {
            items: Vec::new(),
            skipped: Vec::new(),
        };
        let mut selected = Vec::new();
        for item in &items {
            let at = format!("$[{}]", item.position);
            let uri = item.client_uri.as_ref().ok_or_else(|| {
                Cause::NotMoSerialization
                    .refusal()
                    .at(&*at)
                    .because("the member ClientURI is missing")
            })?;
            if registry.get(&uri.moid).is_none() {
                read.skip(&at, uri.to_string(), SkippedReason::UnknownMo);
            } else {
                selected.push((at, uri, item));
            }
        }
        let newest = newest_versions(selected.iter().map(|(_, uri, _)| &uri.moid));
        for (at, uri, item) in selected {
            if newest.get(split_version(&uri.moid).0) == Some(&uri.moid) {
                read.bind(at, uri, item, registry)?;
            } else {
                read.skip(&at, uri.to_string(), SkippedReason::OlderVersion);
            }
        }
        Ok(read)
    }

    fn bind(
        &mut self,
        at: String,
        uri: &ClientUri,
        item: &MoItem,
        registry: &MoRegistry,
    ) -> Result<(), Refusal> {
        let miid = match &uri.instance {
            omadm_mo::client_uri::InstanceStep::Only => None,
            omadm_mo::client_uri::InstanceStep::Miid(miid) => Some(miid.clone()),
            _ => return Err(not_an_instance(&at, uri)),
        };
        if !uri.path.is_empty() {
            return Err(not_an_instance(&at, uri));
        }
        let Some(ddf) = registry.get(&uri.moid) else {
            return Err(not_an_instance(&at, uri));
        };
        let name = registry
            .root_name(&uri.moid)
            .or_else(|| miid.as_ref().map(Miid::as_str))
            .unwrap_or("MO");
        let bound = item.bind(ddf, &NodePath::root(), name).map_err(|e| {
            let cause = match e.problem {
                omadm_mo::serialization::BindProblem::Format { .. } => Cause::WrongFormat,
                _ => Cause::UnknownNode,
            };
            cause
                .refusal()
                .at(&*at)
                .on(format!("{}/{}", uri.moid, e.at))
                .because(e.problem)
        })?;
        if uri.moid != dm_acc::moid()
            && let Err(violations) = ddf.validate(&bound.node)
            && let Some(first) = violations.first()
        {
            return Err(Cause::InvalidInstance
                .refusal()
                .at(&*at)
                .on(uri)
                .because(first));
        }
        for path in bound.skipped {
            self.skip(
                &at,
                format!("{}/{path}", uri.moid),
                SkippedReason::UnknownExtension,
            );
        }
        self.items.push(BoundItem {
            at,
            moid: uri.moid.clone(),
            miid,
            node: bound.node,
        });
        Ok(())
    }

    fn skip(&mut self, item: &str, uri: String, reason: SkippedReason) {
        self.skipped.push(SkippedItem {
            item: item.to_owned(),
            uri,
            reason,
        });
    }
}

fn not_an_instance(at: &str, uri: &ClientUri) -> Refusal {
    Cause::NotMoSerialization
        .refusal()
        .at(at)
        .on(uri)
        .because("an item of a DM Bootstrap is a whole instance")
}

/// Of the MOIDs that differ in their version alone, the newest.
fn newest_versions<'a>(moids: impl Iterator<Item = &'a Moid>) -> BTreeMap<String, Moid> {
    let mut newest: BTreeMap<String, Moid> = BTreeMap::new();
    for moid in moids {
        let (base, version) = split_version(moid);
        let best = newest
            .entry(base.to_owned())
            .or_insert_with(|| moid.clone());
        if split_version(best).1 < version {
            *best = moid.clone();
        }
    }
    newest
}

/// `urn:oma:mo:oma-dm-dmacc` and `[1, 2]`; a MOID without a version is its own base.
fn split_version(moid: &Moid) -> (&str, Vec<u32>) {
    let (base, version) = moid
        .as_str()
        .rsplit_once(':')
        .unwrap_or((moid.as_str(), ""));
    match version
        .split('.')
        .map(str::parse)
        .collect::<Result<Vec<u32>, _>>()
    {
        Ok(numbers) => (base, numbers),
        Err(_) => (moid.as_str(), Vec::new()),
    }
}

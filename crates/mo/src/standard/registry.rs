use std::collections::BTreeMap;
use std::sync::Arc;

use super::{REGISTRY, REGISTRY_1, STANDARD, STANDARD_1};
use crate::ddf::Ddf;
use crate::{Moid, NodeName};

/// The MO types that an end knows, by MOID. A clone shares the descriptions.
#[derive(Clone, Debug, Default)]
pub struct MoRegistry(BTreeMap<Moid, Arc<Ddf>>);

/// Why a DDF cannot be registered. Who configured it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegistryError {
    /// The DDF does not say which MO it describes, and nobody else did; see [`Ddf::with_moid`].
    #[error("the DDF names no MOID")]
    NoMoid,
}

impl MoRegistry {
    /// The four objects of `dm20.md` §12.
    #[must_use]
    pub fn standard() -> Self {
        REGISTRY.clone()
    }

    /// These types and the three objects of DM 1.x (`dm1x.md` §4.6), for whoever serves DM 1.x servers. DM 2.0 servers are served without them.
    #[must_use]
    pub fn with_dm1(mut self) -> Self {
        let objects = REGISTRY_1.0.iter();
        self.0
            .extend(objects.map(|(moid, ddf)| (moid.clone(), Arc::clone(ddf))));
        self
    }

    pub(super) fn of(entries: impl Iterator<Item = (Moid, Ddf)>) -> Self {
        Self(entries.map(|(moid, ddf)| (moid, Arc::new(ddf))).collect())
    }

    /// Adds a type, in place of one of the same MOID; answers the MOID.
    ///
    /// # Errors
    /// [`RegistryError`] where the DDF has no MOID.
    pub fn insert(&mut self, ddf: Ddf) -> Result<Moid, RegistryError> {
        let moid = ddf.moid().cloned().ok_or(RegistryError::NoMoid)?;
        self.0.insert(moid.clone(), Arc::new(ddf));
        Ok(moid)
    }

    /// The description of a type.
    #[must_use]
    pub fn get(&self, moid: &Moid) -> Option<&Ddf> {
        self.0.get(moid).map(Arc::as_ref)
    }

    /// Every type in the order of the MOIDs.
    pub fn iter(&self) -> impl Iterator<Item = (&Moid, &Ddf)> {
        self.0.iter().map(|(moid, ddf)| (moid, ddf.as_ref()))
    }

    /// The name of the single member that wraps a whole instance in an MO serialization (D33 a): fixed for the objects of §12 and of DM 1.x, else the name of the DDF's root.
    /// None where the root is unnamed or the type unknown; the MIID then serves as name.
    #[must_use]
    pub fn root_name(&self, moid: &Moid) -> Option<&str> {
        let fixed = STANDARD
            .iter()
            .chain(&STANDARD_1)
            .find(|mo| mo.moid == moid.as_str())
            .map(|mo| mo.root_name);
        fixed.or_else(|| self.get(moid)?.root().name().map(NodeName::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::{MoRegistry, RegistryError};
    use crate::Moid;
    use crate::ddf::Ddf;
    use crate::standard::{STANDARD, STANDARD_1, dac, dev_info, dm_acc, session_info};

    fn ddf(name: &str) -> Ddf {
        let properties = "<DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat></DFProperties>";
        Ddf::read(&format!(
            "<MgmtTree><Node><NodeName>{name}</NodeName>{properties}</Node></MgmtTree>"
        ))
        .unwrap()
    }

    #[test]
    fn the_four_objects_of_the_standard_are_known_without_a_warning() {
        let registry = MoRegistry::standard();
        for (moid, root_name) in [
            (dm_acc::moid(), "DMAcc"),
            (dev_info::moid(), "DevInfo"),
            (dac::moid(), "DAC"),
            (session_info::moid(), "SessionInfo"),
        ] {
            let ddf = registry.get(&moid).unwrap();
            assert_eq!(ddf.moid(), Some(&moid));
            assert_eq!(ddf.warnings(), []);
            assert_eq!(registry.root_name(&moid), Some(root_name));
        }
        assert_eq!(registry.iter().count(), STANDARD.len());
    }

    #[test]
    fn the_moids_of_the_built_in_objects_are_moids() {
        for mo in STANDARD.iter().chain(&STANDARD_1) {
            assert_eq!(Moid::parse(mo.moid), Ok(mo.moid()));
        }
    }

    #[test]
    fn ddf_urls_are_those_of_the_registry_of_oma() {
        let urls: Vec<_> = MoRegistry::standard()
            .iter()
            .filter_map(|(_, ddf)| ddf.url().map(str::to_owned))
            .collect();
        let base = "http://www.openmobilealliance.org/tech/omna/dm_mo/";
        let files = [
            "dm_delegation-v1_0.ddf",
            "dm_devinfo-v1_2.ddf",
            "dm_dmacc-v1_2.ddf",
            "dm_sessioninfo-v1_0.ddf",
        ];
        let mut expected: Vec<_> = files.iter().map(|file| format!("{base}{file}")).collect();
        let mut urls = urls;
        urls.sort();
        expected.sort();
        assert_eq!(urls, expected);
    }

    #[test]
    fn a_further_type_brings_its_own_root_name_d33() {
        let moid = Moid::parse("urn:example:mo:gps:1.0").unwrap();
        let mut registry = MoRegistry::standard();
        assert_eq!(registry.insert(ddf("GPS")), Err(RegistryError::NoMoid));
        assert_eq!(
            registry.insert(ddf("GPS").with_moid(moid.clone())),
            Ok(moid.clone())
        );
        assert_eq!(registry.root_name(&moid), Some("GPS"));
        registry.insert(ddf("").with_moid(moid.clone())).unwrap();
        assert_eq!(registry.root_name(&moid), None);
        assert!(registry.get(&moid).is_some());
        assert!(MoRegistry::standard().get(&moid).is_none());
    }
}

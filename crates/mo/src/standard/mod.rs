//! The management objects of DM 2.0 itself (`dm20.md` §12) and of DM 1.x (`dm1x.md` §4.6), and the register of every MO type that an end knows.

/// An object that is built in: its MOID, the name of its root, and the file of its DDF below `ddf`.
macro_rules! built_in {
    ($moid:literal, $root_name:literal, $file:literal) => {
        pub(super) const STANDARD: super::Standard = super::Standard {
            moid: $moid,
            root_name: $root_name,
            file: $file,
            xml: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/standard/ddf/",
                $file
            )),
        };

        static DDF: std::sync::LazyLock<crate::ddf::Ddf> =
            std::sync::LazyLock::new(|| STANDARD.ddf());

        /// The MOID.
        #[must_use]
        pub fn moid() -> crate::Moid {
            STANDARD.moid()
        }

        /// The built-in DDF, for a [`crate::ManagedObject`] that serves such an object.
        #[must_use]
        pub fn ddf() -> &'static crate::ddf::Ddf {
            &DDF
        }
    };
}

pub mod dac;
pub mod dev_detail;
pub mod dev_info;
pub mod dev_info1;
pub mod dm_acc;
pub mod dm_acc1;
pub mod session_info;

mod dm1_version;
mod registry;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod tables1;
mod view;

pub use dev_detail::DevDetail;
pub use dev_info::DevInfo;
pub use dev_info1::DevInfo1;
pub use dm_acc::{DmAcc, DmAccError};
pub use dm_acc1::DmAcc1;
pub use dm1_version::Dm1Version;
pub use registry::{MoRegistry, RegistryError};
pub use view::{ViewError, ViewFault};

use std::sync::LazyLock;

use crate::Moid;
use crate::ddf::Ddf;

/// Where OMA publishes its DDFs (§12).
const DDF_BASE: &str = "http://www.openmobilealliance.org/tech/omna/dm_mo/";

/// One of the objects of §12 or of DM 1.x, built in.
struct Standard {
    moid: &'static str,
    root_name: &'static str,
    file: &'static str,
    xml: &'static str,
}

/// In the order of §12.
const STANDARD: [Standard; 4] = [
    dm_acc::STANDARD,
    dev_info::STANDARD,
    dac::STANDARD,
    session_info::STANDARD,
];

/// In the order of `dm1x.md` §4.6.
const STANDARD_1: [Standard; 3] = [dm_acc1::STANDARD, dev_info1::STANDARD, dev_detail::STANDARD];

impl Standard {
    /// Asked for once and again for each node that a command touches.
    fn moid(&self) -> Moid {
        Moid::known(self.moid)
    }

    #[expect(
        clippy::expect_used,
        reason = "embedded at build time, read by the tests"
    )]
    fn ddf(&self) -> Ddf {
        Ddf::read(self.xml)
            .expect("an embedded DDF")
            .with_url(format!("{DDF_BASE}{}", self.file))
    }
}

/// The four built-in DDFs, read once.
static REGISTRY: LazyLock<MoRegistry> =
    LazyLock::new(|| MoRegistry::of(STANDARD.iter().map(|mo| (mo.moid(), mo.ddf()))));

/// The three DDFs of DM 1.x, read once.
static REGISTRY_1: LazyLock<MoRegistry> =
    LazyLock::new(|| MoRegistry::of(STANDARD_1.iter().map(|mo| (mo.moid(), mo.ddf()))));

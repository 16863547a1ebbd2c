//! Profiles as they are authored, documents as they are delivered.

use std::collections::BTreeSet;

use omadm_bootstrap::profile::{BootstrapProfile, ProfileInputs, validate};
use omadm_bootstrap::{DeviceView as _, SealedImage};
use omadm_mo::DevId;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;
use omadm_session::pair::{Delivered, FaultPlan, Pair};

use crate::{LIMITS, parts};

/// A profile is refused with a place, or judged; where nothing is wrong with it, it builds the same bytes twice.
pub fn bootstrap_profile(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    let Ok(profile) = BootstrapProfile::read(text) else {
        return;
    };
    let dev_id = DevId::parse("IMEI:493005100592800").expect("a DevID");
    let inputs = ProfileInputs::new(dev_id, "dm.example.com".to_owned());
    let registry = MoRegistry::standard();
    let _findings = validate(&profile, &inputs, &registry);
    if let Ok(package) = profile.build(&inputs, &registry) {
        let again = profile.build(&inputs, &registry).expect("as before");
        assert_eq!(again.document(), package.document());
    }
}

/// A sealed image is refused, or comes back as the same from what is written of it.
pub fn sealed_image(octets: &[u8]) {
    if let Ok(image) = SealedImage::read(octets, LIMITS) {
        let again = SealedImage::read(image.write().as_bytes(), JsonLimits::default());
        assert_eq!(again, Ok(image));
    }
}

/// Documents delivered one after the other: all or nothing, one account a SrvID, the same bytes not applied twice while their completion is owed.
pub fn bootstrap_document(octets: &[u8]) {
    let mut pair = Pair::new(FaultPlan::none());
    pair.end.limits = LIMITS;
    for document in parts(octets).take(4) {
        let before = pair.end.device.accounts().expect("in memory");
        match pair.deliver(document, "https://boot.example.com:443") {
            Delivered::Applied(servers, _) => {
                let accounts = pair.end.device.accounts().expect("in memory");
                let ids: BTreeSet<_> = accounts.iter().map(|account| &account.srv_id).collect();
                assert_eq!(ids.len(), accounts.len(), "a SrvID twice");
                for server in &servers {
                    let owed = accounts.iter().find(|account| account.srv_id == *server);
                    assert!(owed.is_some_and(|account| account.owed.is_some()));
                }
                if !servers.is_empty() {
                    let again = pair.deliver(document, "https://boot.example.com:443");
                    assert!(matches!(again, Delivered::Already), "{again:?}");
                }
            }
            Delivered::Refused(_) => {
                assert_eq!(pair.end.device.accounts().expect("in memory"), before);
            }
            _ => {}
        }
    }
}

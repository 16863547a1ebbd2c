//! Bootstraps of DM 1.x as an image, a card, a TLS server or a push brings them.

use omadm_bootstrap::dm1::{Dm1Security, document_octets};
use omadm_bootstrap::plan::BootstrapPlan;
use omadm_bootstrap::plan::dm1::{Dm1Delivery, Dm1Rules, plan_bootstrap};
use omadm_bootstrap::{
    BootstrapMethod, BootstrapPolicy, BootstrapSource, DeviceView as _, EventId, MemoryDevice, Utc,
};
use omadm_mo::standard::{DmAcc1, MoRegistry};
use omadm_mo::{TreeLayout, TreeView as _};

use crate::parts;

/// A document is refused and the device as it was, or applied as a whole: then each account of it can be read and reports its bootstrap, no more accounts are
/// there than policy allows, and the same document once more changes nothing. The first octet of each part chooses how it comes: by the image, a card with
/// padding behind it, TLS, or a push that is proven by a MAC; with or without consent, after a reset or not.
pub fn dm1_bootstrap(octets: &[u8]) {
    let mut device = MemoryDevice::new(1);
    let registry = MoRegistry::standard();
    let policy = BootstrapPolicy {
        max_accounts: 2,
        ..BootstrapPolicy::default()
    };
    let rules = Dm1Rules::default();
    for (n, part) in (0..).zip(parts(octets).take(8)) {
        let Some((choice, file)) = part.split_first() else {
            continue;
        };
        let (method, security, source) = match choice & 3 {
            0 => (
                BootstrapMethod::Factory,
                Dm1Security::None,
                BootstrapSource::FactoryImage,
            ),
            1 => (
                BootstrapMethod::Smartcard,
                Dm1Security::Card,
                BootstrapSource::Card("8949".to_owned()),
            ),
            2 => (
                BootstrapMethod::ClientInitiated,
                Dm1Security::Tls,
                BootstrapSource::Server("https://boot.example.com".to_owned()),
            ),
            _ => (
                BootstrapMethod::ServerInitiated,
                Dm1Security::UserPin,
                BootstrapSource::Server("push".to_owned()),
            ),
        };
        let document = if method == BootstrapMethod::Smartcard {
            let Some(document) = document_octets(file) else {
                continue;
            };
            assert!(file.starts_with(document));
            document
        } else {
            file
        };
        let delivery = Dm1Delivery {
            document,
            method,
            source,
            security,
            at: Some(Utc(1_767_268_800_000)),
            event_id: EventId::of([n; 16]),
            consent: choice & 4 != 0,
            after_reset: choice & 8 != 0,
            reapply: false,
        };
        let before = format!("{device:?}");
        let planned = plan_bootstrap(&device, &registry, &policy, &rules, &delivery);
        let Ok(BootstrapPlan::Apply(planned)) = planned else {
            assert_eq!(format!("{device:?}"), before, "a refusal changes nothing");
            continue;
        };
        device.apply(&planned.plan).expect("a plan of this version");
        is_readable(&device, planned.servers.len(), &policy);
        for server in &planned.servers {
            let account = device.account(server).expect("the tree in memory");
            let account = account.expect("an account that was planned");
            assert!(account.is_dm1() && account.owed.is_some());
            assert_eq!(account.provenance.event_id, delivery.event_id);
            assert_eq!(account.provenance.method, method);
        }
        let again = plan_bootstrap(&device, &registry, &policy, &rules, &delivery);
        assert!(
            matches!(again, Ok(BootstrapPlan::AlreadyApplied)),
            "the same document once more: {again:?}"
        );
    }
}

/// Every account stands in the tree, complete, where DM 1.x servers look for it.
fn is_readable(device: &MemoryDevice, applied: usize, policy: &BootstrapPolicy) {
    let layout = TreeLayout::of(&MoRegistry::standard());
    let accounts = device.accounts().expect("the tree in memory");
    assert!((applied..=policy.max_accounts).contains(&accounts.len()));
    for account in accounts {
        let root = account.address();
        let node = device.subtree(&root).expect("the tree in memory");
        let read = DmAcc1::from_node(&node.expect("an instance"));
        let read = read.expect("an account that can be read");
        assert_eq!(read.server_id, account.srv_id);
        assert!(!read.addresses.is_empty());
        let told = read.bootstrap_type.and_then(|told| told.state);
        assert_eq!(told.as_deref(), Some("pending"));
        assert!(layout.loc_uri(&root).is_some());
    }
}

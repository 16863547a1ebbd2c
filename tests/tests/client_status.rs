//! `omadm client status`: why a device has no bootstrap, and when it asks again by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{Account, DeviceView as _};
use omadm_client::store::TreeStore;
use omadm_mo::standard::dm_acc::names::{BOOTSTRAP, STATE};
use omadm_mo::standard::dm_acc1::{self, names};
use omadm_mo::{Node, NodeAddress, NodeName, TreeView as _};
use omadm_tests::process::{Device, Server, omadm, profiles};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";

/// A port at which nobody listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    format!("https://127.0.0.1:{port}/bootstrap")
}

fn status(device: &Device) -> Value {
    let told = device.client("status").arg("--json").run().good().stdout;
    serde_json::from_str(&told).unwrap()
}

#[test]
fn a_device_tells_why_it_has_no_bootstrap_and_does_not_ask_again_before_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let nowhere = nowhere();
    let start = || {
        let command = device.client("switch-on").args(["--url", &nowhere]);
        command.arg("--ca").arg(server.ca()).run().refused()
    };
    let fresh = device.client("status").run().good().stdout;
    assert!(fresh.contains("no DM Account"), "{fresh}");
    assert!(
        fresh.contains("no bootstrap server was asked yet"),
        "{fresh}"
    );

    let first = start().stderr;
    assert!(first.contains("could not be reached"), "{first}");
    let told = status(&device);
    let fetch = &told["fetches"][0];
    assert_eq!(
        (&told["seeks_bootstrap"], &fetch["answer"]),
        (&true.into(), &"refused".into())
    );
    assert_eq!(fetch["refusal"]["cause"], "server-unreachable");
    assert_eq!(
        (fetch["failures"].as_u64(), fetch["url"].as_str()),
        (Some(1), Some(nowhere.as_str()))
    );
    assert!(fetch["next"].as_str() > fetch["at"].as_str(), "{fetch}");

    // The next start asks nobody, and says what would.
    let second = start().stderr;
    assert!(
        second.contains("is asked before") && second.contains("omadm client bootstrap"),
        "{second}"
    );
    assert_eq!(status(&device)["fetches"][0], *fetch);
    let words = device.client("status").run().good().stdout;
    for text in [
        nowhere.as_str(),
        "could not be reached",
        "next: ",
        "1 failure(s)",
        "asks at once",
    ] {
        assert!(words.contains(text), "{text}: {words}");
    }

    // On command it is asked at once; with the bootstrap all that is forgotten.
    device.register(&server, &token, "minimal");
    let _done = device.client_at("bootstrap", &server).run().good();
    let told = status(&device);
    assert_eq!(
        (&told["seeks_bootstrap"], &told["fetches"]),
        (&false.into(), &Value::Array(vec![]))
    );
    assert_eq!(told["last_refusal"], Value::Null);
    assert_eq!(told["accounts"][0]["method"], "client-initiated");
    assert_eq!(told["accounts"][0]["bootstrap_complete_owed"], false);
    let words = device.client("status").run().good().stdout;
    assert!(words.contains("BootstrapComplete acknowledged"), "{words}");
}

/// What sessions leave in the store of a device with one account: what becomes of the account, and the word for it in the tree.
fn left(device: &Device, word: &str, change: impl FnOnce(&mut Account)) {
    let store = TreeStore::open(device.file("tree.redb"), 1).unwrap();
    let view = store.snapshot().unwrap();
    let mut account = view.accounts().unwrap().pop().unwrap();
    change(&mut account);
    let path = [names::EXT, BOOTSTRAP, STATE].map(|name| NodeName::parse(name).unwrap());
    let root = NodeAddress::root(dm_acc1::moid(), account.miid.clone());
    let at = path.into_iter().fold(root, |at, name| at.child(name));
    let mut plan = TreePlan::at(view.version());
    let node = Node::Leaf(omadm_mo::Value::chr(word));
    plan.steps.push(PlanStep::Replace { at, node });
    plan.accounts.push(account);
    store.apply(&plan).unwrap();
}

#[test]
fn an_account_of_dm_1x_tells_its_bootstrap_event_in_each_of_its_states() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let image = folder.path().join("image");
    let build = omadm(["bootstrap", "build", "--server", "127.0.0.1:9"])
        .args([
            "--profile-format",
            "dm",
            "--carrier",
            "factory",
            "--dev-id",
            DEVICE,
            "--out",
        ])
        .arg(&image);
    let _built = build.arg(profiles("dm1x.toml")).run().good();
    let image = image.join("factory.wbxml");
    let policy = format!("[bootstrap]\nfactory.image = '{}'\n", image.display());
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let owed = device.client("switch-on").run().refused().stderr;
    assert!(owed.contains("still owed to org.example.dm"), "{owed}");

    let told = |state: &str, words: &str| {
        let said = device.client("status").run().good().stdout;
        assert!(said.contains("DM 1.x, by a DM message"), "{said}");
        let line = format!("bootstrap event {state}: {words}");
        assert!(said.contains(&line), "{line}: {said}");
        let account = &status(&device)["accounts"][0];
        assert_eq!(account["bootstrap_state"], state);
        assert_eq!(account["bootstrap_complete_owed"], state == "pending");
        assert_eq!(
            (&account["generation"], &account["format"]),
            (&"1.x".into(), &"dm".into())
        );
    };
    told("pending", "owed, 1 attempt(s), next 2");
    left(&device, "acked", |account| account.owed = None);
    told("acked", "the server acknowledged it");
    left(&device, "unsupported", |_| {});
    told("unsupported", "the server cannot take it");
    left(&device, "reverted", |account| account.dm1.reverted = true);
    told("reverted", "the server was met with the former credentials");
}

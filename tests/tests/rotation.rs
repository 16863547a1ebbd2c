//! A device's secrets are rotated, and the device is reset: `omadm serve`, `omadm client`, `omadm device rotate`, `show`, `revoke`, each a process of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Device, PATIENCE, Server, Signal};

const DEVICE: &str = "IMEI:493005100592800";

/// Scope and generation of each credential that `show` tells in this scope and that is not revoked.
fn generations(shown: &str, scope: &str) -> Vec<String> {
    let of_scope = shown
        .lines()
        .filter(|line| line.trim_start().starts_with(scope) && !line.contains("revoked"));
    let generation = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    of_scope.map(generation).collect()
}

#[test]
fn b_32_a_device_whose_secrets_were_rotated_is_reset_and_comes_back_with_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let server = Server::start_with(&state, &["--re-bootstrap", "same"]).unwrap();
    let token = server.token.clone().unwrap();
    let operator = |arguments: &[&str]| server.operator(&token, arguments).run();
    let show = || operator(&["show", DEVICE, "--all"]).good().stdout;
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "full");
    let bootstrap = || device.client_at("bootstrap", &server).run().good();
    assert_eq!(bootstrap().field("bootstrapped:"), "dm-full.example.com");
    for scope in ["session", "notification"] {
        assert_eq!(generations(&show(), scope), ["current"], "{scope}");
    }

    // Both are rotated while the device runs, and the new ones are used: the last call is proven by the new Notification secret.
    std::fs::write(
        device.file("policy.toml"),
        "[listen]\nudp = '127.0.0.1:0'\n",
    )
    .unwrap();
    let mut running = device.client_at("run", &server).start().unwrap();
    let said = running.until("the DM Client runs", PATIENCE).unwrap();
    let mut lines = said.lines();
    let address = lines.find_map(|line| line.strip_prefix("notifications: "));
    let call = ["notify", DEVICE, "--to", address.unwrap(), "--wait", "30"];
    for scope in ["session", "notification"] {
        let queued = operator(&["rotate", DEVICE, "--scope", scope]).good();
        assert!(queued.stdout.contains(scope), "{queued:?}");
    }
    let again = operator(&["rotate", DEVICE]).refused();
    assert!(again.stderr.contains("on its way"), "{again:?}");
    let _first = operator(&call).good();
    let _called = operator(&call).good();
    running.signal(Signal::Term).unwrap();
    let _ended = running.wait(PATIENCE).unwrap().good();
    let rotated = show();
    for scope in ["session", "notification"] {
        assert_eq!(generations(&rotated, scope), ["boot", "current"], "{scope}");
    }
    assert!(rotated.contains("in escrow"), "{rotated}");

    // The reset device has nothing but its identity, and the URL brings the old secrets back.
    let _reset = device.client("factory-reset").arg("--yes").run().good();
    assert_eq!(bootstrap().field("bootstrapped:"), "dm-full.example.com");
    let shown = show();
    assert!(shown.contains("rebootstrapped"), "{shown}");
    for scope in ["session", "notification"] {
        assert!(
            generations(&shown, scope).contains(&"current".to_owned()),
            "{shown}"
        );
    }
    let revoked = operator(&["revoke", DEVICE, "--generation", "boot"]).good();
    assert!(revoked.stdout.contains("out of escrow:"), "{revoked:?}");
    server.end().unwrap();
}

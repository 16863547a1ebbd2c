//! A device's secrets are rotated, and the device is reset: `omadm serve`, `omadm client`, `omadm device rotate`, `show`, `revoke`, each a process of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;

use omadm_lab::balancer::Balancer;
use omadm_tests::process::{Device, Ended, Omadm, PATIENCE, Server, Signal};

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

/// What the credentials of the sessions are, and the profile that brings them.
const WITH_PSK: &str = r#"
[account]
srv_id = "dm-psk.example.com"
srv_uri = "https://{server}/dm/2.0"
name = "By pre-shared key"
[account.trsp]
kind = "psk"
[account.noti]
type = 1
"#;
const WITH_USER: &str = r#"
[account]
srv_id = "dm-http.example.com"
srv_uri = "https://{server}/dm/2.0"
name = "By password"
trust_server_ca = true
[account.http]
[account.noti]
type = 1
"#;
const WITH_IDENTITY: &str = r#"
[account]
srv_id = "dm-own.example.com"
srv_uri = "https://{server}/dm/2.0"
name = "By the device's own key"
trust_server_ca = true
[account.bootstrap]
server_uri = "https://{server}/bootstrap"
[account.noti]
type = 1
"#;

fn profile(folder: &Path, text: &str) -> String {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(profiles.join("rotated.toml"), text).unwrap();
    profiles.display().to_string()
}

/// Rotates the session secret of a bootstrapped device while it runs: one session fetches the new one, the next uses it.
fn rotate_while_it_runs(
    operator: &dyn Fn(&[&str]) -> Ended,
    run: Omadm,
    rotate: &[&str],
    before: &[&str],
) -> String {
    let mut running = run.start().unwrap();
    let said = running.until("the DM Client runs", PATIENCE).unwrap();
    let mut lines = said.lines();
    let address = lines.find_map(|line| line.strip_prefix("notifications: "));
    let call = ["notify", DEVICE, "--to", address.unwrap(), "--wait", "30"];
    let show = || operator(&["show", DEVICE, "--all"]).good().stdout;
    assert_eq!(generations(&show(), "session"), before);
    let queued = operator(&[&["rotate", DEVICE], rotate].concat()).good();
    assert!(queued.stdout.contains("session"), "{queued:?}");
    let _fetched = operator(&call).good();
    let _used = operator(&call).good();
    running.signal(Signal::Term).unwrap();
    let _ended = running.wait(PATIENCE).unwrap().good();
    show()
}

#[test]
fn b_32_a_pre_shared_key_is_rotated_by_the_server_while_the_device_runs() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let port = runtime.block_on(Balancer::start(vec![nowhere])).unwrap();
    let public = format!("localhost:{}", port.address().port());
    let profiles = profile(folder.path(), WITH_PSK);
    let arguments = [
        "--device-psk-listen=127.0.0.1:0",
        "--public-server",
        &public,
        "--profiles",
        &profiles,
    ];
    let server = Server::start_one_with(&folder.path().join("server"), &arguments).unwrap();
    let mut said = server.greeting.lines();
    let psk = said.find_map(|line| line.strip_prefix("devices, psk:"));
    let psk = psk.unwrap().trim().strip_prefix("https://").unwrap();
    port.replace(0, psk.parse().unwrap());
    let token = server.token.clone().unwrap();
    let operator = |arguments: &[&str]| server.operator(&token, arguments).run();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let key = [7; 32];
    std::fs::write(device.file("psk.key"), key).unwrap();
    std::fs::write(device.file("psk.hex"), "07".repeat(key.len())).unwrap();
    let policy = "[listen]\nudp = '127.0.0.1:0'\n[identity]\npsk_identity = 'meter 7'\npsk_key_file = 'psk.key'\n";
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let file = device.file("psk.hex").display().to_string();
    let add = ["add", DEVICE, "--profile", "rotated"];
    let by = ["--psk-identity", "meter 7", "--psk-file", &file];
    let _added = operator(&[&add[..], &by[..]].concat()).good();
    let url = format!("https://{public}/bootstrap");
    let client = |command: &str| device.client(command).args(["--url", &url]);
    // The listener reads new keys in rounds.
    let until = std::time::Instant::now() + PATIENCE;
    let mut came = client("bootstrap").run();
    while came.code != Some(0) && std::time::Instant::now() < until {
        came = client("bootstrap").run();
    }
    assert_eq!(came.good().field("bootstrapped:"), "dm-psk.example.com");
    let shown = rotate_while_it_runs(&operator, client("run"), &[], &["current"]);
    assert_eq!(generations(&shown, "session"), ["current"], "{shown}");
    let rotated = shown
        .lines()
        .filter(|line| line.contains("psk:") && line.contains("revoked"));
    assert_eq!(rotated.count(), 1, "the former one is over: {shown}");
    server.end().unwrap();
}

#[test]
fn b_32_an_http_password_is_rotated_by_the_server_while_the_device_runs() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = profile(folder.path(), WITH_USER);
    let arguments = ["--profiles", &profiles, "--re-bootstrap", "same"];
    let server = Server::start_with(&folder.path().join("server"), &arguments).unwrap();
    let token = server.token.clone().unwrap();
    let operator = |arguments: &[&str]| server.operator(&token, arguments).run();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "rotated");
    let policy = "[listen]\nudp = '127.0.0.1:0'\n[identity]\nallow_http_basic = false\n";
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let came = device.client_at("bootstrap", &server).run().good();
    assert_eq!(came.field("bootstrapped:"), "dm-http.example.com");
    let shown = rotate_while_it_runs(
        &operator,
        device.client_at("run", &server),
        &[],
        &["current"],
    );
    let expected = ["boot", "current"];
    assert_eq!(generations(&shown, "session"), expected, "{shown}");
    assert!(shown.contains("http-user"), "{shown}");
    server.end().unwrap();
}

#[test]
fn a_device_gets_a_certificate_for_its_own_key_and_a_new_auth_bootstrap() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = profile(folder.path(), WITH_IDENTITY);
    let arguments = ["--profiles", &profiles];
    let server = Server::start_with(&folder.path().join("server"), &arguments).unwrap();
    let token = server.token.clone().unwrap();
    let operator = |arguments: &[&str]| server.operator(&token, arguments).run();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "rotated");
    let policy = "[listen]\nudp = '127.0.0.1:0'\n";
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let bootstrap = || device.client_at("bootstrap", &server).run().good();
    assert_eq!(bootstrap().field("bootstrapped:"), "dm-own.example.com");
    let shown = rotate_while_it_runs(
        &operator,
        device.client_at("run", &server),
        &["--own-key"],
        &[],
    );
    assert_eq!(generations(&shown, "session"), ["current"], "{shown}");
    assert!(shown.contains("secret-rotated"), "{shown}");

    let credential = |shown: &str| {
        let mut lines = shown.lines().map(str::trim_start);
        let line = lines.find(|line| line.starts_with("bootstrap ") && !line.contains("revoked"));
        line.unwrap().split_whitespace().nth(3).unwrap().to_owned()
    };
    let former = credential(&shown);
    let rotated = operator(&["rotate", DEVICE, "--scope", "bootstrap"]).good();
    assert_eq!(bootstrap().field("bootstrapped:"), "dm-own.example.com");
    let shown = operator(&["show", DEVICE, "--all"]).good().stdout;
    let (now, made) = (credential(&shown), rotated.field("credential:"));
    assert!(now == made && now != former, "{shown}");
    assert_eq!(generations(&shown, "bootstrap "), ["current"], "{shown}");
    server.end().unwrap();
}

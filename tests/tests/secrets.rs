//! Secrets never appear in logs, `Debug` output, events, API answers, `omadm client tree` or `--trace`: everything that real processes wrote is searched
//! for every secret they used.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use omadm_client::DeviceDir;
use omadm_client::store::TreeStore;
use omadm_mo::standard::{DmAcc, dm_acc};
use omadm_mo::{NodeAddress, TreeView as _};
use omadm_tests::process::{Device, Ended, PATIENCE, Server, Signal, Wanted, omadm};
use omadm_tls::pem;

const CODE_DEVICE: &str = "IMEI:493005100592800";
const CSR_DEVICE: &str = "IMEI:493005100592801";

/// The private keys and the sealing key of a server's state directory.
fn add_server(wanted: &mut Wanted, state: &Path) {
    for name in ["ca.key", "server.key"] {
        let key = pem::private_key(&std::fs::read_to_string(state.join(name)).unwrap()).unwrap();
        wanted.add_key(name, key.expose());
    }
    wanted.add(
        "sealing key",
        &std::fs::read(state.join("sealing.key")).unwrap(),
    );
}

/// The device's key, and the secrets of the accounts in its tree.
fn add_device(wanted: &mut Wanted, folder: &Path, name: &str) {
    let dir = DeviceDir::open(folder).unwrap();
    let key = pem::private_key(&std::fs::read_to_string(dir.key_file()).unwrap()).unwrap();
    wanted.add_key(&format!("{name}: device key"), key.expose());
    let store = TreeStore::open(dir.store_file(), 0).unwrap();
    let view = store.snapshot().unwrap();
    let instances = view.instances(&dm_acc::moid()).unwrap();
    assert_eq!(instances.len(), 1, "{name} has its account");
    for miid in instances {
        let account = view.subtree(&NodeAddress::root(dm_acc::moid(), miid));
        let account = DmAcc::from_node(&account.unwrap().unwrap()).unwrap();
        let bootstrap = account.bootstrap.unwrap().client_secret_key;
        wanted.add_key(&format!("{name}: ClientSecretKey"), bootstrap.expose());
        let trsp = account.trsp.unwrap().secret;
        wanted.add_key(&format!("{name}: Trsp Secret"), trsp.expose());
        let noti = account.noti.unwrap().secret;
        wanted.add(&format!("{name}: Noti Secret"), noti.expose());
    }
}

/// Both streams of a process under a name.
fn all_of(name: &str, ended: &Ended) -> (String, String) {
    (
        name.to_owned(),
        format!("{}\n{}", ended.stdout, ended.stderr)
            .trim()
            .to_owned(),
    )
}

/// Insists that each thing written is there and holds no secret.
#[track_caller]
fn no_secret_in(wanted: &Wanted, written: &[(String, String)]) {
    for (what, text) in written {
        assert!(!text.is_empty(), "{what} wrote nothing");
        let found = wanted.found_in(text);
        assert!(found.is_empty(), "{what} tells {found:?}:\n{text}");
    }
}

/// One whole life of a server with two devices on the full profile, everything logged, in this form.
fn nothing_leaks(log: &str) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let all = ["--log", log, "--log-filter", "trace"];
    let mut written = Vec::new();
    let mut wanted = Wanted::default();

    let server = Server::start_with(&state, &all).unwrap();
    let token = server.token.clone().unwrap();
    let operator = |written: &mut Vec<_>, arguments: &[&str]| {
        let ended = server.operator(&token, arguments).args(all).run().good();
        written.push(all_of(&format!("device {arguments:?}"), &ended));
    };

    let by_code = Device::init(&folder.path().join("by-code"), CODE_DEVICE);
    let code = by_code.register_by_code(&server, &token, "full");
    let by_csr = Device::init(&folder.path().join("by-csr"), CSR_DEVICE);
    let request = by_csr.file("device-csr.pem");
    let certificate = by_csr.file("device-cert.pem");
    let add = ["--json", "add", CSR_DEVICE, "--profile", "full", "--csr"];
    let added = server
        .operator(&token, &add)
        .arg(&request)
        .arg("--out")
        .arg(&certificate)
        .args(all)
        .run()
        .good();
    written.push(all_of("device add", &added));
    // A wrong code, a right one, a certificate.
    let refused = by_code
        .client_at("bootstrap", &server)
        .args(all)
        .env("OMADM_BOOTSTRAP_CODE", "AAAA-BBBB-CCCC-DDDD")
        .run()
        .refused();
    written.push(all_of("client bootstrap, refused", &refused));
    for device in [&by_code, &by_csr] {
        let done = device
            .client_at("bootstrap", &server)
            .args(all)
            .env("OMADM_BOOTSTRAP_CODE", &code)
            .run()
            .good();
        assert!(done.stderr.len() > 1000, "a full log: {done:?}");
        written.push(all_of("client bootstrap", &done));
        for command in [&["tree"][..], &["tree", "--json"], &["alerts", "--json"]] {
            let told = device.client(command[0]).args(&command[1..]).args(all);
            let told = told.run().good();
            written.push(all_of(&format!("client {command:?}"), &told));
        }
        operator(&mut written, &["show", &device.dev_id]);
        operator(&mut written, &["--json", "show", &device.dev_id]);
    }
    operator(&mut written, &["--json", "list"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let api = server.api(&token).unwrap();
    let (events, bootstraps, profiles) = runtime.block_on(async {
        (
            api.events(0, None).await.unwrap(),
            api.bootstraps(None).await.unwrap(),
            api.profiles().await.unwrap(),
        )
    });
    assert!(events.events.len() > 10, "{events:?}");
    written.push(("events".into(), serde_json::to_string(&events).unwrap()));
    written.push((
        "bootstraps".into(),
        serde_json::to_string(&bootstraps).unwrap(),
    ));
    written.push(("profiles".into(), serde_json::to_string(&profiles).unwrap()));
    written.push((
        "Debug of the API".into(),
        format!("{events:?} {bootstraps:?}"),
    ));
    let ended = server.end().unwrap().good();

    add_server(&mut wanted, &state);
    add_device(&mut wanted, &folder.path().join("by-code"), "by code");
    add_device(&mut wanted, &folder.path().join("by-csr"), "by request");
    wanted.add("admin token", token.as_bytes());
    wanted.add("bootstrap code", code.as_bytes());
    wanted.add("bootstrap code, bare", code.replace('-', "").as_bytes());

    // What the server keeps is sealed or a hash.
    let store = Server::records(&state).unwrap();
    assert!(store.contains(CODE_DEVICE), "what was stored is there");
    written.push(("server store".to_owned(), store));

    // The token is told once, by the server on its own output; its log does not.
    assert_eq!(wanted.found_in(&ended.stdout), ["admin token"]);
    assert_eq!(ended.stdout.matches(&token).count(), 1);
    written.push(("serve, log".to_owned(), ended.stderr));
    no_secret_in(&wanted, &written);

    // The log was full, and in the form asked for.
    let (_, serve_log) = written.last().unwrap();
    assert!(serve_log.len() > 1000, "{serve_log}");
    assert!(serve_log.contains("rustls"), "{serve_log}");
    let json = serve_log
        .lines()
        .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    assert_eq!(json, log == "json", "{serve_log}");

    // The control: the same search finds the secrets where they are.
    assert_eq!(wanted.names().len(), 22, "{:?}", wanted.names());
    let key_file = std::fs::read_to_string(by_csr.file("device-key.pem")).unwrap();
    assert_eq!(
        wanted.found_in(&key_file),
        [
            "by request: device key",
            "by request: device key: private scalar"
        ]
    );
}

#[test]
fn nothing_a_server_or_client_writes_holds_a_secret() {
    nothing_leaks("text");
}

#[test]
fn nothing_a_server_or_client_writes_as_json_holds_a_secret() {
    nothing_leaks("json");
}

#[test]
fn nothing_a_demo_writes_holds_a_secret_it_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = omadm(["demo", "--trace", "--profile", "full", "--keep"])
        .args(["--log-filter", "trace"])
        .env("TMPDIR", folder.path())
        .start()
        .unwrap();
    let out = demo.until("Ctrl-C ends it.", PATIENCE).unwrap();
    let mut made = std::fs::read_dir(folder.path()).unwrap();
    let made = made.next().unwrap().unwrap().path();
    let mut wanted = Wanted::default();
    add_server(&mut wanted, &made.join("server"));
    // That of the card has lost its account with it.
    for number in [0, 2, 3] {
        let name = format!("device-{number}");
        add_device(&mut wanted, &made.join(&name), &name);
    }
    let key_file = std::fs::read_to_string(made.join("device-2/device-key.pem")).unwrap();
    let token = out
        .lines()
        .find_map(|line| line.strip_prefix("admin token:"))
        .unwrap();
    wanted.add("admin token", token.trim().as_bytes());
    demo.signal(Signal::Int).unwrap();
    let ended = demo.wait(PATIENCE).unwrap().good();

    assert!(ended.stdout.contains("•••"), "{}", ended.stdout);
    assert_eq!(wanted.found_in(&ended.stdout), ["admin token"]);
    assert_eq!(ended.stdout.matches(token.trim()).count(), 1);
    no_secret_in(&wanted, &[("demo, log".to_owned(), ended.stderr)]);
    assert_eq!(wanted.found_in(&key_file).len(), 2, "the control");
}

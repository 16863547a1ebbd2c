//! Factory bootstrap from the server's profile to its record: the image is made with what the server knows, applied at the first start, and completed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use omadm_tests::process::{Device, Ended, Omadm, Server, omadm};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";

fn take(server: &Server, token: &str, out: &Path) -> Omadm {
    let command = omadm([
        "bootstrap",
        "build",
        "--from-server",
        "--server-profile",
        "full",
    ])
    .args([
        "--carrier",
        "factory",
        "--register",
        "--dev-id",
        DEVICE,
        "--out",
    ])
    .arg(out);
    server.reached(command, token)
}

fn with_image(device: &Device, image: &Path) {
    let policy = format!(
        "[bootstrap]\nfactory = {{ image = '{}' }}\n[network]\nallow_loopback = true\n",
        image.display()
    );
    std::fs::write(device.file("policy.toml"), policy).unwrap();
}

fn switch_on(device: &Device, server: &Server) -> Ended {
    device
        .client("switch-on")
        .arg("--ca")
        .arg(server.ca())
        .run()
}

#[test]
fn b_07_dm_boot_003_c_o_a_sealed_image_from_the_server_is_applied_and_its_record_completed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let image = folder.path().join("image");
    let seal_to = device.file("device-csr.pem");
    let _taken = take(&server, &token, &image)
        .arg("--seal-to")
        .arg(&seal_to)
        .run()
        .good();

    let shown = server.operator(&token, &["show", DEVICE]).run().good();
    assert!(
        shown
            .stdout
            .contains("factory  full  drafted  dm-full.example.com"),
        "{shown:?}"
    );
    assert!(shown.stdout.contains("bootstrap-exported"), "{shown:?}");
    let closed = omadm(["bootstrap", "inspect", "--json"])
        .arg(&image)
        .run()
        .good();
    let closed: Value = serde_json::from_str(&closed.stdout).unwrap();
    assert!(closed["document"].is_null() && closed["description"]["sealed_to"].is_string());
    let opened = omadm(["bootstrap", "inspect", "--key-file"])
        .arg(device.file("device-key.pem"))
        .arg(image.join("factory.json"))
        .run()
        .good();
    assert!(
        opened.stdout.contains("\"SrvID\": \"dm-full.example.com\""),
        "{opened:?}"
    );

    // Another device cannot use it.
    let other = Device::init(&folder.path().join("other"), "IMEI:490154203237518");
    with_image(&other, &image.join("factory.json"));
    let refused = switch_on(&other, &server).refused();
    assert!(refused.stderr.contains("another device"), "{refused:?}");

    with_image(&device, &image.join("factory.json"));
    let done = switch_on(&device, &server).good();
    assert!(
        done.stdout
            .contains("factory image: applied: dm-full.example.com"),
        "{done:?}"
    );
    let shown = server.operator(&token, &["show", DEVICE]).run().good();
    for part in [
        "bootstrapped factory at ",
        "factory  full  completed  dm-full.example.com",
    ] {
        assert!(shown.stdout.contains(part), "no {part:?}: {}", shown.stdout);
    }
    let again = switch_on(&device, &server).good();
    assert!(again.stdout.contains("applied before"), "{again:?}");

    let asked = device.client("factory-reset").run().refused();
    assert!(asked.stderr.contains("--yes"), "{asked:?}");
    let reset = device.client("factory-reset").arg("--yes").run().good();
    assert!(
        reset.stdout.contains("1 DM Accounts (dm-full.example.com)"),
        "{reset:?}"
    );
    assert!(device.file("device-key.pem").exists() && device.file("policy.toml").exists());
    let done = switch_on(&device, &server).good();
    assert!(
        done.stdout.contains("applied: dm-full.example.com"),
        "{done:?}"
    );
    let tree = device.client("tree").run().good();
    assert!(tree.stdout.contains("reset"), "{tree:?}");
}

#[test]
fn a_document_leaves_the_server_for_images_alone_and_only_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let api = server.api(&token).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fetched = runtime.block_on(api.device(DEVICE)).unwrap().bootstraps[0].clone();
    let refused = runtime.block_on(api.bootstrap_document(&fetched.id));
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("client-initiated"), "{why}");

    let arguments = ["add", "IMEI:2", "--profile", "full", "--method", "factory"];
    let added = server.operator(&token, &arguments).run().good();
    assert!(
        added
            .stdout
            .contains("from profile full, factory, expires 203"),
        "{added:?}"
    );
    let image = runtime.block_on(api.device("IMEI:2")).unwrap().bootstraps[0].clone();
    let document = runtime.block_on(api.bootstrap_document(&image.id)).unwrap();
    assert!(document.expose().starts_with(b"[{"));
    let out = folder.path().join("image");
    let _taken = take(&server, &token, &out).run().good();
    let unknown = ["add", "IMEI:3", "--profile", "full", "--method", "pigeon"];
    let refused = server.operator(&token, &unknown).run().refused();
    assert!(refused.stderr.contains("pigeon"), "{refused:?}");
}

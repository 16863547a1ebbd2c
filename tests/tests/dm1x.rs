//! DM 1.x over real processes: a bootstrap of either profile by a factory image, commands, new secrets, and a reset that brings the former ones back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use omadm_tests::process::{Device, Ended, PATIENCE, Server, omadm};

/// One device on its server.
struct Desk<'a> {
    server: &'a Server,
    token: &'a str,
    dev_id: &'a str,
    device: Device,
}

impl Desk<'_> {
    /// `omadm device …` with the DevID behind the command's words.
    fn operator(&self, words: &[&str], more: &[&str]) -> Ended {
        let arguments = [words, &[self.dev_id], more].concat();
        self.server.operator(self.token, &arguments).run().good()
    }

    fn client(&self, command: &str) -> Ended {
        let ca = self.server.ca();
        self.device.client(command).arg("--ca").arg(ca).run().good()
    }

    /// What the operator is shown once this is a part of it.
    fn shows(&self, words: &[&str], part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.operator(words, &[]).stdout;
            if shown.contains(part) {
                return shown;
            }
            assert!(Instant::now() < end, "no {part:?}: {shown}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A session, and how the secrets of both directions stand behind it.
    fn session(&self) -> String {
        let session = self.client("session");
        assert!(
            session.stdout.contains("ended by the server"),
            "{session:?}"
        );
        self.operator(&["dm1", "show"], &[]).stdout
    }
}

#[test]
fn dm_hlr_1_dm_hlr_2_b1_c_05_b1_s_04_a_device_reset_to_its_image_is_recognised_recovered_and_given_new_secrets()
 {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    for (format, dev_id) in [
        ("cp", "IMEI:493005100592800"),
        ("dm", "IMEI:493005100592801"),
    ] {
        let desk = Desk {
            server: &server,
            token: &token,
            dev_id,
            device: Device::init(&folder.path().join(format), dev_id),
        };
        let [request, certificate] =
            ["device-csr.pem", "device-cert.pem"].map(|name| desk.device.file(name));
        let of_key = ["--csr", request.to_str().unwrap(), "--out"];
        desk.operator(
            &["add"],
            &[&of_key[..], &[certificate.to_str().unwrap()]].concat(),
        );
        let image = desk.device.file("image.wbxml");
        let image = image.to_str().unwrap();
        let profile = ["--profile", "dm1x", "--format", format, "--out", image];
        desk.operator(&["dm1", "add"], &profile);
        let policy =
            "[bootstrap]\nfactory = { image = 'image.wbxml' }\n[network]\nallow_loopback = true\n";
        std::fs::write(desk.device.file("policy.toml"), policy).unwrap();

        let done = desk.client("switch-on");
        let applied = "factory image: applied: org.example.dm";
        assert!(done.stdout.contains(applied), "{done:?}");
        let status = desk.device.client("status").run().good();
        assert!(status.stdout.contains("acknowledged"), "{status:?}");
        let shown = desk.operator(&["show"], &[]).stdout;
        for part in [
            "bootstrapped factory at ",
            &format!("\"DevId\":\"{dev_id}\""),
            "kind=first  method=factory",
        ] {
            assert!(shown.contains(part), "no {part:?}: {shown}");
        }

        desk.operator(
            &["send"],
            &["get", "urn:oma:mo:oma-dm-devdetail:1.0//LrgObj"],
        );
        desk.operator(&["dm1", "rotate"], &[]);
        let sent = desk.session();
        assert!(
            sent.contains("client secrets: current (can be brought back), pending"),
            "{sent}"
        );
        let commands = desk.operator(&["commands"], &[]).stdout;
        assert!(commands.contains("answered 200"), "{commands}");
        let used = desk.session();
        assert!(
            used.contains("client secrets: boot (can be brought back), current"),
            "{used}"
        );

        let _reset = desk
            .device
            .client("factory-reset")
            .arg("--yes")
            .run()
            .good();
        let done = desk.client("switch-on");
        assert!(done.stdout.contains(applied), "{done:?}");
        let shown = desk.operator(&["show"], &[]).stdout;
        for part in [
            "kind=reset  method=factory",
            "replaced secrets came back and count again: dm1-client",
            "a new dm1 secret, because of: session",
        ] {
            assert!(shown.contains(part), "no {part:?}: {shown}");
        }
        let used = desk.session();
        assert!(
            used.contains("client secrets: boot (can be brought back), current"),
            "{used}"
        );
    }
}

/// A server and a device of it, registered.
fn desk<'a>(server: &'a Server, token: &'a str, device: Device, dev_id: &'a str) -> Desk<'a> {
    let desk = Desk {
        server,
        token,
        dev_id,
        device,
    };
    let [request, certificate] =
        ["device-csr.pem", "device-cert.pem"].map(|name| desk.device.file(name));
    let of_key = ["--csr", request.to_str().unwrap(), "--out"];
    desk.operator(
        &["add"],
        &[&of_key[..], &[certificate.to_str().unwrap()]].concat(),
    );
    desk
}

#[test]
fn dm_boot_004_c_o_a_device_fetches_a_document_of_either_form_at_the_bootstrap_url() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    for (format, dev_id) in [
        ("cp", "IMEI:493005100592800"),
        ("dm", "IMEI:493005100592801"),
    ] {
        let device = Device::init(&folder.path().join(format), dev_id);
        let desk = desk(&server, &token, device, dev_id);
        let policy = "[network]\nallow_loopback = true\n";
        std::fs::write(desk.device.file("policy.toml"), policy).unwrap();
        let profile = ["--profile", "dm1x", "--profile-format", format];
        desk.operator(&["bootstrap"], &profile);
        let done = desk.device.client_at("bootstrap", &server).run().good();
        assert!(done.stdout.contains("org.example.dm"), "{done:?}");
        let shown = desk.operator(&["show"], &[]).stdout;
        for part in [
            "bootstrapped client-initiated at ",
            "kind=first",
            &format!("DM 1.x ({format})"),
            "completed",
        ] {
            assert!(shown.contains(part), "no {part:?}: {shown}");
        }
        let after = desk.session();
        assert!(after.contains("client secrets: "), "{after}");
    }
}

#[test]
fn what_a_device_was_provisioned_with_counts_no_more_once_the_operator_revoked_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let dev_id = "IMEI:493005100592800";
    let device = Device::init(&folder.path().join("device"), dev_id);
    let desk = desk(&server, &token, device, dev_id);
    let image = desk.device.file("image.wbxml");
    let image = image.to_str().unwrap();
    let profile = ["--profile", "dm1x", "--format", "cp", "--out", image];
    desk.operator(&["dm1", "add"], &profile);
    let policy =
        "[bootstrap]\nfactory = { image = 'image.wbxml' }\n[network]\nallow_loopback = true\n";
    std::fs::write(desk.device.file("policy.toml"), policy).unwrap();
    desk.client("switch-on");
    desk.operator(&["dm1", "rotate"], &[]);
    desk.session();
    let used = desk.session();
    assert!(
        used.contains("client secrets: boot (can be brought back), current"),
        "{used}"
    );
    let revoked = desk.operator(&["dm1", "revoke"], &["--boot"]).stdout;
    let secrets = revoked
        .lines()
        .find(|line| line.starts_with("client secrets:"));
    assert!(
        secrets.is_some_and(|line| line.contains("revoked") && !line.contains("brought back")),
        "{revoked}"
    );
    // What is in use goes on.
    desk.session();

    let _reset = desk
        .device
        .client("factory-reset")
        .arg("--yes")
        .run()
        .good();
    let ca = server.ca();
    let _refused = desk.device.client("switch-on").arg("--ca").arg(ca).run();
    let shown = desk.shows(&["show"], "it was revoked");
    assert_eq!(shown.matches("method=factory").count(), 1, "{shown}");
    let status = desk.device.client("status").run().good();
    assert!(!status.stdout.contains("acknowledged"), "{status:?}");
}

#[test]
fn b1_s_04_of_two_that_hold_an_account_the_operator_lets_the_second_in_and_the_first_is_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let dev_id = "IMEI:493005100592800";
    let device = Device::init(&folder.path().join("device"), dev_id);
    let desk = desk(&server, &token, device, dev_id);
    let image = desk.device.file("image.wbxml");
    let profile = ["--profile", "dm1x", "--format", "cp", "--out"];
    desk.operator(
        &["dm1", "add"],
        &[&profile[..], &[image.to_str().unwrap()]].concat(),
    );
    let policy =
        "[bootstrap]\nfactory = { image = 'image.wbxml' }\n[network]\nallow_loopback = true\n";
    std::fs::write(desk.device.file("policy.toml"), policy).unwrap();
    desk.client("switch-on");
    desk.operator(&["dm1", "rotate"], &[]);
    desk.session();
    let used = desk.session();
    assert!(
        used.contains("boot (can be brought back), current"),
        "{used}"
    );

    let thief = Device::init(&folder.path().join("thief"), dev_id);
    std::fs::write(thief.file("policy.toml"), policy).unwrap();
    std::fs::copy(&image, thief.file("image.wbxml")).unwrap();
    let ca = server.ca();
    let of_thief = |command: &str| thief.client(command).arg("--ca").arg(&ca).run();
    let done = of_thief("switch-on").good();
    assert!(done.stdout.contains("applied: org.example.dm"), "{done:?}");
    let _held = desk.device.client("session").arg("--ca").arg(&ca).run();
    let shown = desk.operator(&["dm1", "show"], &[]).stdout;
    let waits = "WAITS FOR YOU:  two hold the account";
    assert!(shown.contains(waits), "{shown}");
    assert!(shown.contains("`omadm device accept`"), "{shown}");

    let accepted = desk.operator(&["accept"], &[]).stdout;
    assert!(
        accepted.contains("what was provisioned is revoked"),
        "{accepted}"
    );
    let after = desk.session();
    assert!(!after.contains(waits), "{after}");
    let _out = of_thief("session");
    let shown = desk.session();
    let of_client = shown
        .lines()
        .find(|line| line.starts_with("client secrets:"));
    assert_eq!(of_client, Some("client secrets: boot (revoked), current"));
    desk.operator(&["dm1", "reject"], &[]);
    desk.session();
}

#[test]
fn a_device_whose_nonce_went_apart_from_the_servers_is_called_by_the_default_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    for (resynchronises, dev_id) in [
        (true, "IMEI:493005100592800"),
        (false, "IMEI:493005100592801"),
    ] {
        let device = Device::init(&folder.path().join(dev_id), dev_id);
        let desk = desk(&server, &token, device, dev_id);
        let image = desk.device.file("image.wbxml");
        let image = image.to_str().unwrap();
        let profile = ["--profile", "dm1x", "--format", "cp", "--out", image];
        desk.operator(&["dm1", "add"], &profile);
        let mut policy = "[bootstrap]\nfactory = { image = 'image.wbxml' }\n[network]\nallow_loopback = true\n[listen]\nudp = '127.0.0.1:0'\n".to_owned();
        if resynchronises {
            policy.push_str("[dm1]\nnonce_resync = ['org.example.dm']\n");
        }
        std::fs::write(desk.device.file("policy.toml"), policy).unwrap();
        desk.client("switch-on");
        let mut running = desk
            .device
            .client("run")
            .arg("--ca")
            .arg(server.ca())
            .env("OMADM_LOG", "info")
            .start()
            .unwrap();
        let said = running.until("the DM Client runs", PATIENCE).unwrap();
        let address = said
            .lines()
            .find_map(|line| line.strip_prefix("notifications: "))
            .unwrap()
            .to_owned();
        let wait = if resynchronises { "30" } else { "3" };
        let resync = ["--to", &address, "--resync", "--wait", wait];
        let called = [&["notify", dev_id][..], &resync].concat();
        let called = server.operator(&token, &called).run();
        assert_eq!(
            called.stdout.contains("answered:"),
            resynchronises,
            "{called:?}"
        );
        // Whoever recorded that call can repeat it: the secrets are replaced in the session it brings, and else in the next.
        let part = if resynchronises {
            "pending"
        } else {
            "replaced in the next session"
        };
        desk.shows(&["dm1", "show"], part);
        drop(running);
    }
}

#[test]
fn dm_1_3_is_what_the_servers_of_a_device_are_told_whose_policy_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    for (version, dev_id) in [
        ("1.2", "IMEI:493005100592800"),
        ("1.3", "IMEI:493005100592801"),
    ] {
        let device = Device::init(&folder.path().join(dev_id), dev_id);
        let desk = desk(&server, &token, device, dev_id);
        let image = desk.device.file("image.wbxml");
        let profile = ["--profile", "dm1x", "--format", "cp", "--out"];
        desk.operator(
            &["dm1", "add"],
            &[&profile[..], &[image.to_str().unwrap()]].concat(),
        );
        let policy = format!(
            "[bootstrap]\nfactory = {{ image = 'image.wbxml' }}\n[network]\nallow_loopback = true\n[dm1]\nversion = '{version}'\n"
        );
        std::fs::write(desk.device.file("policy.toml"), policy).unwrap();
        desk.client("switch-on");
        let shown = desk.operator(&["show"], &[]).stdout;
        assert!(shown.contains(&format!("\"DmV\":\"{version}\"")), "{shown}");
    }
    let device = Device::init(&folder.path().join("other"), "IMEI:493005100592802");
    let policy = "[dm1]\nversion = '1.1'\n";
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let refused = device.client("switch-on").run().refused();
    for part in ["policy.toml", "version = '1.1'", "^", "1.3"] {
        assert!(refused.stderr.contains(part), "no {part:?}: {refused:?}");
    }
}

#[test]
fn every_command_that_makes_an_account_takes_the_model_that_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let of_profile = ["--profile", "dm1x", "--profile-format", "cp"];
    let of_build = [
        "bootstrap",
        "build",
        "--from-server",
        "--server-profile",
        "dm1x",
        "--profile-format",
        "cp",
        "--carrier",
        "factory",
        "--dev-id",
    ];
    let push = [
        &["bootstrap", "send", "DEVICE"][..],
        &of_profile,
        &["--imsi", "310150123456789", "--to", "udp://127.0.0.1:9"],
    ];
    let ways = [
        vec!["device", "dm1", "add", "DEVICE"],
        [&["device", "bootstrap", "DEVICE"][..], &of_profile].concat(),
        [
            &["device", "trigger", "DEVICE", "--key", "k"][..],
            &of_profile,
        ]
        .concat(),
        push.concat(),
        [&of_build[..], &["DEVICE", "-o", "OUT"]].concat(),
    ];
    for (nr, way) in ways.into_iter().enumerate() {
        let dev_id = format!("IMEI:49300510059280{nr}");
        let out = folder.path().join(format!("out-{nr}"));
        let words = way.into_iter().map(|word| match word {
            "DEVICE" => dev_id.clone(),
            "OUT" => out.to_str().unwrap().to_owned(),
            word => word.to_owned(),
        });
        let words: Vec<_> = words.collect();
        let _registered = server.operator(&token, &["add", &dev_id]).run().good();
        let by = |model: &str| {
            let command = omadm(&words).args(["--model", model]);
            server.reached(command, &token).run()
        };
        let refused = by("Nothing Ltd").refused();
        assert!(refused.stderr.contains("NetComm router"), "{refused:?}");
        let _made = by("NetComm router").good();
        let shown = server
            .operator(&token, &["dm1", "show", &dev_id])
            .run()
            .good();
        let model = shown.stdout.lines().find(|line| line.starts_with("model:"));
        assert_eq!(model, Some("model:          NetComm router"), "{words:?}");
    }
}

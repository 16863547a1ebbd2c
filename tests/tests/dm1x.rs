//! DM 1.x over real processes: a bootstrap of either profile by a factory image, commands, new secrets, and a reset that brings the former ones back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Device, Ended, Server};

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

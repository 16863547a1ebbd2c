//! A CDMA device: what is pushed to it is signed with its ESN, which its record and its policy know (`push.md` §4).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Device, PATIENCE, Server, omadm};

const DEVICE: &str = "ESN:80A1B2C3";

#[test]
fn b1_s_01_b1_c_02_a_push_to_a_cdma_device_is_signed_and_proved_by_its_esn() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let set = |arguments: &[&str]| {
        let arguments = [&["set", DEVICE], arguments].concat();
        server.operator(&token, &arguments).run()
    };
    let wrong = set(&["--esn", "80A1B2C"]).refused().stderr;
    assert!(wrong.contains("8 hexadecimal digits"), "{wrong}");
    let told = set(&["--imsi", "310150123456789"]).good().stdout;
    assert!(told.contains("imsi:        310150123456789"), "{told}");
    let told = set(&["--esn", "12810597059"]).good().stdout;
    assert!(
        told.contains("esn:         12810597059") && !told.contains("imsi:"),
        "{told}"
    );
    let policy = |esn: &str| {
        let policy = format!(
            "[dm1]\npushed_bootstraps = ['cp']\nesn = '{esn}'\n[network]\nallow_loopback = true\n\
             [trust]\nanchors = ['{}']\n[listen]\nudp = '127.0.0.1:0'\n",
            server.ca().display()
        );
        std::fs::write(device.file("policy.toml"), policy).unwrap();
    };
    policy("80A1B2CX");
    let refused = device.client("status").run().refused().stderr;
    assert!(refused.contains("8 hexadecimal digits"), "{refused}");
    policy("80A1B2C3");
    let mut running = device.client("run").start().unwrap();
    let said = running.until("the DM Client runs", PATIENCE).unwrap();
    let address = said
        .lines()
        .find_map(|line| line.strip_prefix("notifications:"));
    let address = address.unwrap().trim();
    let send = ["bootstrap", "send", DEVICE, "--profile", "dm1x"];
    let send = omadm(send).args(["--profile-format", "cp", "--to", address, "--wait", "60"]);
    let sent = server.reached(send, &token).run().good().stdout;
    assert!(sent.contains("signed:     networkid"), "{sent}");
    assert!(sent.contains("state:      completed"), "{sent}");
    let status = device.client("status").run().good().stdout;
    assert!(status.contains("org.example.dm"), "{status}");
    running.ended_well().unwrap();
}

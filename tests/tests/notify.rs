//! A server calls a device by a DM Notification and the device opens its session: `omadm serve`, `omadm client run`, `omadm device notify`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, TcpListener};

use omadm_tests::process::{Device, PATIENCE, Running, Server};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";

/// A server, and a device that was bootstrapped from a profile.
struct Pair {
    server: Server,
    token: String,
    device: Device,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn bootstrapped(profile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server")).unwrap();
        let token = server.token.clone().unwrap();
        let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, profile);
        Self {
            server,
            token,
            device,
            _folder: folder,
        }
    }

    /// Starts the daemon with this policy; its Notification addresses.
    fn listening(&self, policy: &str) -> (Running, Vec<String>) {
        std::fs::write(self.device.file("policy.toml"), policy).unwrap();
        let mut running = self
            .device
            .client_at("run", &self.server)
            .env("OMADM_LOG", "info")
            .start()
            .unwrap();
        let said = running.until("the DM Client runs", PATIENCE).unwrap();
        let addresses = said
            .lines()
            .filter_map(|line| line.strip_prefix("notifications: "))
            .map(str::to_owned)
            .collect();
        (running, addresses)
    }

    fn notify(&self, more: &[&str]) -> omadm_tests::process::Ended {
        let mut arguments = vec!["notify", DEVICE];
        arguments.extend(more);
        self.server.operator(&self.token, &arguments).run()
    }

    /// What happened to the device, oldest first.
    fn events(&self) -> Vec<Value> {
        self.server.events_of(&self.token, DEVICE)
    }
}

#[test]
fn x_noti_001_x_noti_002_x_noti_003_a_device_that_is_called_by_udp_and_https_opens_its_session() {
    let pair = Pair::bootstrapped("full");
    let (running, addresses) =
        pair.listening("[listen]\nudp = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\n");
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for (address, outcome) in addresses.iter().zip(["sent", "taken"]) {
        let called = pair
            .notify(&[
                "--to",
                address,
                "--req-mos",
                "--prefer",
                "wlan",
                "--wait",
                "30",
            ])
            .good();
        let (id, _) = called
            .field("notification:")
            .split_once(' ')
            .map(|(id, rest)| (id.parse::<u64>().unwrap(), rest.to_owned()))
            .unwrap();
        assert!(called.stdout.contains(outcome), "{called:?}");
        assert!(called.stdout.contains("answered:"), "{called:?}");

        let events = pair.events();
        let of = |name: &str| {
            events
                .iter()
                .rposition(|what| what["event"] == name && what["notification_id"] == id)
                .unwrap_or_else(|| unreachable!("no {name}: {events:#?}"))
        };
        let (queued, sent, answered) = (
            of("notification-queued"),
            of("notification-sent"),
            of("notification-answered"),
        );
        assert!(queued < sent && queued < answered, "{events:#?}");
        assert_eq!(events[queued]["address"], address.as_str());
        assert_eq!(events[queued]["srv_id"], "dm-full.example.com");
        assert_eq!(events[queued]["authenticated"], true);
        assert_eq!(events[sent]["outcome"], outcome);
        for told in [sent, answered] {
            assert!(events[told]["duration_ms"].is_u64(), "{:?}", events[told]);
        }
        let began = events[..answered]
            .iter()
            .rfind(|what| what["event"] == "session-started")
            .unwrap();
        let cause = serde_json::json!(["urn:oma:at:dm:2.0:ServerInitiatedMgmt"]);
        assert_eq!(began["causes"], cause);
    }
    let said = running.ended_well().unwrap();
    assert!(said.contains("Notification accepted"), "{said}");
}

#[test]
fn x_noti_003_without_auth_noti_a_notification_leaves_only_where_it_is_wanted_so() {
    let pair = Pair::bootstrapped("minimal");
    let (running, addresses) = pair.listening("[listen]\nudp = '127.0.0.1:0'\n");
    let to = ["--to", addresses[0].as_str()];
    let refused = pair.notify(&to).refused();
    for part in ["no Auth/Noti", "[account.noti]"] {
        assert!(refused.stderr.contains(part), "no {part}: {refused:?}");
    }
    let more = [&to[..], &["--unauthenticated", "--wait", "30", "--json"]].concat();
    let called = pair.notify(&more).good();
    let lines: Vec<Value> = called
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["authenticated"], false);
    assert_eq!(lines[0]["notification_id"], lines[1]["notification_id"]);
    assert!(lines[1]["answered_at"].is_string(), "{lines:?}");
    let _said = running.ended_well().unwrap();
}

#[test]
fn a_call_that_reaches_nobody_says_why_and_what_to_do() {
    let pair = Pair::bootstrapped("full");
    // Taken and closed again, so that nobody listens there.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let nobody = pair
        .notify(&["--to", &format!("https://127.0.0.1:{port}/notification")])
        .refused();
    assert!(nobody.stderr.contains("cannot be reached"), "{nobody:?}");
    let silent = pair
        .notify(&["--to", &format!("udp://127.0.0.1:{port}"), "--wait", "1"])
        .refused();
    assert!(silent.stderr.contains("opened no session"), "{silent:?}");
    // The server itself answers there, and it is not the device.
    let another = format!("https://localhost:{}/notification", pair.server.device_port);
    let another = pair.notify(&["--to", &another]).refused();
    assert!(another.stderr.contains("is not the device"), "{another:?}");
    for (to, told) in [
        ("udp://127.0.0.1", "udp://192.0.2.1:5683"),
        ("smsc:1", "udp://HOST:PORT"),
    ] {
        let wrong = pair.notify(&["--to", to]).refused();
        assert!(wrong.stderr.contains(told), "{wrong:?}");
    }
    let outcomes: Vec<_> = pair
        .events()
        .into_iter()
        .filter(|what| what["event"] == "notification-sent")
        .map(|what| what["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert!(outcomes[0].contains("cannot be reached"), "{outcomes:?}");
    assert_eq!(outcomes[1], "sent");
    assert!(outcomes[2].contains("is not the device"), "{outcomes:?}");
}

#[test]
fn queueing_a_command_calls_the_device_where_its_address_is_known() {
    let pair = Pair::bootstrapped("full");
    let (running, addresses) =
        pair.listening("[listen]\nudp = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\n");
    // Nobody listens at the first: the second is tried.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = format!("https://{}/", free.local_addr().unwrap());
    drop(free);
    let operator = |arguments: &[&str]| pair.server.operator(&pair.token, arguments).run();
    let set = operator(&[
        "set",
        DEVICE,
        "--notify-at",
        &addresses[1],
        "--notify-at",
        &addresses[0],
    ])
    .good();
    assert!(set.stdout.contains(&addresses[1]), "{set:?}");
    let send = [
        "send",
        DEVICE,
        "GET",
        "urn:oma:mo:oma-dm-devinfo:1.2//",
        "--wait",
        "30",
    ];
    let answered = operator(&send).good();
    let called = format!("called {}: taken", addresses[1]);
    assert!(answered.stdout.contains(&called), "{answered:?}");
    assert!(answered.stdout.contains("answered 200"), "{answered:?}");

    let _set = operator(&[
        "set",
        DEVICE,
        "--notify-at",
        &nobody,
        "--notify-at",
        &addresses[0],
    ])
    .good();
    let answered = operator(&send).good();
    assert!(answered.stdout.contains("answered 200"), "{answered:?}");
    let outcomes: Vec<_> = pair
        .events()
        .into_iter()
        .filter(|what| what["event"] == "notification-sent")
        .map(|what| what["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert!(outcomes[1].contains("cannot be reached"), "{outcomes:?}");
    assert_eq!(
        (outcomes[0].as_str(), outcomes[2].as_str()),
        ("taken", "sent")
    );

    let queued = operator(&[&["--json"][..], &send[..4], &["--no-notify"]].concat()).good();
    let queued: Value = serde_json::from_str(&queued.stdout).unwrap();
    assert_eq!(
        (&queued["state"], &queued["call"]),
        (&"queued".into(), &Value::Null)
    );
    let _said = running.ended_well().unwrap();
}

//! Sessions with a DM 1.x server: user alerts by a program, executions that take long, the encoding. Every row in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use omadm_bootstrap::CompletionState;
use omadm_client::policy::ClientPolicy;
use omadm_client::{LocalError, NodeText, UserRequest};
use omadm_dm1::syncml::{Command, Encoding, Item};
use omadm_mo::json::Json;
use omadm_mo::{ClientUri, ManagedObjectError};
use omadm_session::client::dm1::{UserAlertKind, UserAnswer};
use omadm_session::client::{EXEC_COMPLETE, Outcome};
use serde_json::Value;
use support::dm1::{
    BOTH, CLIENT_SECRET, DEVICE, Dm1Server, Said, alerts, get, replace, say, status_of, statuses,
};
use support::managed::{Device, Plan, srv};
use support::peer::status;

const RUN: &str = "./Pump/1/Run";

fn user_alert(id: u32, code: u16, items: &[&str]) -> String {
    let items: String = items
        .iter()
        .map(|item| format!("<Item><Data>{item}</Data></Item>"))
        .collect();
    format!("<Alert><CmdID>{id}</CmdID><Data>{code}</Data>{items}</Alert>")
}

fn exec(id: u32, correlator: &str) -> String {
    format!(
        "<Exec><CmdID>{id}</CmdID>{correlator}<Item><Target><LocURI>{RUN}</LocURI></Target></Item></Exec>"
    )
}

/// A policy whose program is this shell script.
fn dialog(script: &str, folder: &Path) -> ClientPolicy {
    let file = folder.join("dialog.sh");
    std::fs::write(&file, script).unwrap();
    let text = format!(
        "[user_alerts]\ncommand = [\"/bin/sh\", {:?}]\ntimeout_seconds = 30\n[timeouts]\nmanaged_object_seconds = 1\n[network]\nallow_loopback = true\n",
        file.display()
    );
    ClientPolicy::read(&text, folder).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn user_alerts_are_shown_by_the_program_that_policy_names_and_what_it_says_is_the_status() {
    for encoding in BOTH {
        let server = Dm1Server::start().await;
        let device = Device::fresh();
        let asked = device.folder().join("asked");
        let script = format!(
            "cat >> '{0}'; echo >> '{0}'\n\
             case $(tail -n 1 '{0}') in *display*) exit 0;; *confirm*) exit 1;; *input*) echo 4711;; *single*) echo 2;; *multiple*) echo 3 1;; esac\n",
            asked.display()
        );
        let script = script.replace("*input*", "*'\"kind\":\"input\"'*");
        let policy = dialog(&script, device.folder());
        let client = device.builder(&server.peer).policy(&policy).unwrap();
        let client = client.dm1_encoding(encoding).build().unwrap();
        server.bootstrap(&client).await;
        let alerts = [
            user_alert(1, 1100, &["MINDT=1", "Hello"]),
            user_alert(2, 1101, &["MAXDT=20&amp;DR=1", "Update?"]),
            user_alert(3, 1102, &["MAXLEN=4&amp;IT=N&amp;ET=P", "PIN?"]),
            user_alert(4, 1103, &["", "Which?", "a", "b"]),
            user_alert(5, 1104, &["DR=1-2", "Which ones?", "a", "b", "c"]),
            get(6, "./DMAcc/1/Name"),
        ];
        server.does(move |nth, _| (nth == 0).then(|| say(alerts.concat())));
        let report = client.session(&srv()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Ended, "{:?}", server.heard());
        let answer = &server.heard()[1];
        let codes: Vec<u16> = statuses(answer).iter().map(|(_, code)| *code).collect();
        assert_eq!(codes[1..], [200, 304, 200, 200, 200, 200]);
        let items = |of: &str| status_of(answer, of).items;
        assert_eq!(items("3"), [Item::of("4711")]);
        assert_eq!(items("4"), [Item::of("2")]);
        assert_eq!(items("5"), ["3", "1"].map(Item::of));
        let asked = std::fs::read_to_string(&asked).unwrap();
        let asked: Vec<Value> = asked
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(asked.len(), 5);
        assert!(asked.iter().all(|one| one["server"] == "dms.example.com"));
        assert_eq!(
            (&asked[1]["default"], &asked[1]["max_seconds"]),
            (&"1".into(), &20.into())
        );
        assert_eq!(
            (&asked[2]["hidden"], &asked[2]["input"]),
            (&true.into(), &"digits".into())
        );
        assert_eq!(asked[4]["choices"], serde_json::json!(["a", "b", "c"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_alert_is_408_after_maxdt_406_without_anybody_416_where_it_cannot_be_shown() {
    let rows: [(Option<&str>, &str, u16); 5] = [
        (None, "", 406),
        (Some("exec sleep 60\n"), "MAXDT=1", 408),
        (Some("exit 2\n"), "", 214),
        (Some("exit 9\n"), "", 416),
        (Some("kill -9 $$\n"), "", 416),
    ];
    for (script, options, code) in rows {
        let server = Dm1Server::start().await;
        let device = Device::fresh();
        let mut builder = device.builder(&server.peer);
        if let Some(script) = script {
            builder = builder.policy(&dialog(script, device.folder())).unwrap();
        }
        let client = builder.build().unwrap();
        server.bootstrap(&client).await;
        let alert = user_alert(1, 1101, &[options, "Update?"]);
        server.does(move |nth, _| (nth == 0).then(|| say(alert.clone())));
        let begun = Instant::now();
        client.session(&srv()).await.unwrap();
        assert_eq!(server.statuses()[1], ("1".into(), code), "{script:?}");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedder_is_asked_and_not_waited_for_beyond_maxdt() {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let ask = |request: &UserRequest| {
        if request.alert.kind == UserAlertKind::Display {
            std::thread::sleep(Duration::from_secs(3));
        }
        UserAnswer::Ok
    };
    let client = device.builder(&server.peer).user_alerts(ask).build();
    let client = client.unwrap();
    server.bootstrap(&client).await;
    // A refused confirmation would stop the Sequence; a display that is not looked at does not (§1.7).
    let alerts = user_alert(1, 1100, &["MAXDT=1", "Hello"]) + &user_alert(2, 1101, &["", "Sure?"]);
    server.does(move |nth, _| (nth == 0).then(|| say(alerts.clone())));
    client.session(&srv()).await.unwrap();
    assert_eq!(
        server.statuses()[1..],
        [("1".into(), 408), ("2".into(), 200)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_that_takes_long_is_202_and_its_alert_says_the_correlator_again_in_a_new_session() {
    for encoding in BOTH {
        let server = Dm1Server::start().await;
        let device = Device::fresh();
        let client = device.builder(&server.peer).dm1_encoding(encoding);
        let client = client.build().unwrap();
        server.bootstrap(&client).await;
        for (correlator, told) in [("<Correlator>c#1</Correlator>", Some("c#1")), ("", None)] {
            *device.plan.lock().unwrap() = Plan::Later;
            server.does(move |nth, _| (nth == 0).then(|| say(exec(1, correlator))));
            client.session(&srv()).await.unwrap();
            assert_eq!(server.statuses()[1], ("1".into(), 202));
            server.does(|_, _| None);
            server.forget();
            client.settle().await.unwrap();
            assert!(server.heard().is_empty(), "it goes on");
            std::fs::write(device.folder().join("finished"), "1200").unwrap();
            client.settle().await.unwrap();
            let generic = server.generic();
            let [alert] = generic.as_slice() else {
                panic!("one alert: {generic:?}");
            };
            assert_eq!(alert.correlator.as_deref(), told);
            let [item] = alert.items.as_slice() else {
                panic!("one item");
            };
            assert_eq!(item.source.as_ref().unwrap().uri, RUN);
            assert_eq!(item.meta.r#type.as_deref(), Some(EXEC_COMPLETE));
            assert_eq!(item.data.as_ref().unwrap().text(), Some("1200"));
            std::fs::remove_file(device.folder().join("finished")).unwrap();
            server.forget();
            client.settle().await.unwrap();
            assert!(server.heard().is_empty(), "told once");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quick_or_refused_exec_is_answered_at_once_and_owes_nothing() {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let client = device.client(&server.peer);
    server.bootstrap(&client).await;
    for (plan, code) in [
        (Plan::Done, 200),
        (Plan::Fails(ManagedObjectError::Busy), 403),
        (Plan::Fails(ManagedObjectError::Device), 500),
    ] {
        *device.plan.lock().unwrap() = plan;
        server.does(|nth, _| (nth == 0).then(|| say(exec(1, "<Correlator>c</Correlator>"))));
        client.session(&srv()).await.unwrap();
        assert_eq!(server.statuses()[1], ("1".into(), code), "{plan:?}");
        server.forget();
        client.settle().await.unwrap();
        assert!(server.heard().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m09_sessions_begin_in_the_encoding_of_the_policy_and_a_415_changes_it_for_good() {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let policy = ClientPolicy::read("[dm1]\nencoding = \"xml\"\n", device.folder()).unwrap();
    assert_eq!(policy.dm1.encoding, Encoding::Xml);
    let client = || {
        let builder = device.builder(&server.peer);
        builder.dm1_encoding(policy.dm1.encoding).build().unwrap()
    };
    server.bootstrap(&client()).await;
    let media = |asked: &support::peer::Asked| asked.header("Content-Type").map(str::to_owned);
    let xml = Encoding::Xml.media_type();
    let wbxml = Encoding::Wbxml.media_type();
    client().session(&srv()).await.unwrap();
    assert!(
        server
            .peer
            .asked()
            .iter()
            .all(|one| media(one).as_deref() == Some(xml))
    );
    // From now on it reads WBXML alone.
    let refuses = move |asked: &support::peer::Asked| {
        (asked.header("Content-Type") == Some(Encoding::Xml.media_type())).then(|| status(415))
    };
    server.takes(refuses, |nth, _| {
        (nth == 0).then(|| say(get(1, "./DevInfo/Man")))
    });
    for expected in [vec![xml, wbxml, wbxml], vec![wbxml, wbxml]] {
        server.peer.forget();
        let report = client().session(&srv()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Ended);
        let asked: Vec<_> = server.peer.asked().iter().filter_map(media).collect();
        assert_eq!(
            asked, expected,
            "the second session, after a restart, knows it"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_told_with_its_loc_uri_acl_and_state_and_without_its_secrets() {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let client = device.client(&server.peer);
    support::install(&client, server.image()).await;
    let state = || client.completion_state(&srv()).unwrap();
    assert_eq!(state(), Some(CompletionState::Pending));
    server.does(|_, _| None);
    client.session(&srv()).await.unwrap();
    assert_eq!(state(), Some(CompletionState::Acked));

    let tree = client.tree().await.unwrap();
    let mut accounts = tree.iter().filter(|one| one.name == "DMAcc");
    let account = accounts.next().unwrap();
    assert!(accounts.next().is_none());
    let seen = account.nodes[0].dm1.as_ref().unwrap();
    assert_eq!(seen.loc_uri.to_string(), "./DMAcc/1");
    assert!(account.validator.is_some());
    let node = |path: &str| {
        let found = account
            .nodes
            .iter()
            .find(|node| node.path.to_string() == path);
        found.unwrap_or_else(|| panic!("no {path}"))
    };
    let value = |path: &str| node(path).value.clone();
    let text = |text: &str| NodeText::Text(text.to_owned());
    assert_eq!(value("ServerID"), text("dms.example.com"));
    assert_eq!(value("Ext/Bootstrap/State"), text("acked"));
    assert_eq!(value("Ext/Bootstrap/Profile"), text("cp"));
    assert_eq!(value("AppAuth/1/AAuthSecret"), NodeText::Withheld);
    assert_eq!(value("AppAuth/2/AAuthData"), NodeText::Withheld);
    let acl = seen.kept.acl.as_ref().unwrap().to_string();
    assert!(acl.contains("Get=dms.example.com"), "{acl}");
    let run = tree.iter().find(|one| one.name == "Pump").unwrap();
    let seen = run.nodes[0].dm1.as_ref().unwrap();
    assert_eq!(seen.loc_uri.to_string(), "./Pump/1");

    let uri = client.local_uri("./DMAcc/1/Name").unwrap();
    let told = client.local_get(uri.clone()).await.unwrap();
    assert!(
        told[0]
            .to_compact()
            .ends_with(r#""MOData":{"Name":"Peer"}}"#)
    );
    let set = client.local_set(uri, "other".to_owned()).await;
    assert!(matches!(set, Err(LocalError::Fixed(_))), "{set:?}");
    let secret = client.local_uri("./DMAcc/1/AppAuth/1/AAuthSecret").unwrap();
    let secret = client.local_get(secret).await;
    assert!(
        matches!(secret, Err(LocalError::Unreadable(_))),
        "{secret:?}"
    );
    let all = client.readable_tree().await.unwrap();
    let all: String = all.iter().map(|item| item.to_compact()).collect();
    assert!(
        all.contains("\"Peer\"") && !all.contains(CLIENT_SECRET),
        "{all}"
    );
    for nothing in ["./DMAcc", "./Inbox", "./DMAcc/1/Name?prop=ACL"] {
        let named = match client.local_uri(nothing) {
            Ok(uri) => client.local_get(uri).await.is_ok(),
            Err(_) => false,
        };
        assert!(!named, "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_application_sees_the_nodes_and_properties_that_the_server_reads() {
    const NODES: [&str; 6] = [
        "./DevInfo",
        "./DevInfo/DevId",
        "./DevDetail/LrgObj",
        "./DMAcc/1/Name",
        "./Pump/1",
        "./Pump/1/Run",
    ];
    const PROPERTIES: [&str; 7] = ["ACL", "Format", "Name", "Size", "Title", "Type", "VerNo"];
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let client = device.client(&server.peer);
    let before = client.tree().await.unwrap();
    assert!(!before.iter().any(|one| one.name == "DevDetail"));
    assert!(before[0].nodes.iter().all(|node| node.dm1.is_none()));
    server.bootstrap(&client).await;

    server.does(|nth, _| {
        let acl = replace(1, "./Pump/1?prop=ACL", "Get=*&amp;Replace=*");
        let title = replace(2, "./Pump/1/Run?prop=Title", "for people");
        let mut gets = String::new();
        for (n, node) in NODES.iter().enumerate() {
            for (m, property) in PROPERTIES.iter().enumerate() {
                let id = u32::try_from(10 + n * PROPERTIES.len() + m).unwrap();
                gets += &get(id, &format!("{node}?prop={property}"));
            }
        }
        match nth {
            0 => Some(say(format!("{acl}{title}"))),
            1 => Some(say(gets)),
            _ => None,
        }
    });
    client.session(&srv()).await.unwrap();
    let mut read = BTreeMap::new();
    for message in server.heard() {
        for command in message.commands {
            let Command::Results(results) = command else {
                continue;
            };
            for item in results.items {
                let uri = item.source.unwrap().uri;
                let text = item.data.unwrap().text().unwrap().to_owned();
                read.insert(uri.to_string(), text);
            }
        }
    }
    assert_eq!(read["./Pump/1/Run?prop=Title"], "for people");
    assert_eq!(read["./DevInfo/DevId?prop=Size"], "20");

    let items = client.readable_tree().await.unwrap();
    for node in NODES {
        let mut found = items.iter().filter_map(|item| item.member("Properties"));
        let shown = found.find_map(|all| all.member(node)).unwrap();
        for property in PROPERTIES {
            let shown = match shown.member(property) {
                Some(Json::Text(text)) => Some(text.clone()),
                Some(Json::Int(number)) => Some(number.to_string()),
                _ => None,
            };
            let told = read.get(&format!("{node}?prop={property}"));
            let told = told.filter(|text| !text.is_empty());
            assert_eq!(shown.as_ref(), told, "{node} {property}");
        }
    }
    // What a device is for DM 1.x is not set locally; a server cannot either.
    let dev_id = client.local_uri("./DevInfo/DevId").unwrap();
    let told = client.local_get(dev_id.clone()).await.unwrap();
    assert!(told[0].to_compact().contains(DEVICE), "{told:?}");
    let every = ClientUri::parse("urn:oma:mo:oma-dm-devdetail:1.0//URI/*").unwrap();
    assert_eq!(client.local_get(every).await.unwrap().len(), 3);
    let set = client.local_set(dev_id, "IMEI:1".to_owned()).await;
    assert!(matches!(set, Err(LocalError::Fixed(_))), "{set:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_server_cannot_take_leaves_the_account_in_the_state_unsupported() {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let client = device.client(&server.peer);
    support::install(&client, server.image()).await;
    // The event's status of ours is behind one of the test's own, which comes first.
    server.does(|nth, message| {
        let event = alerts(message, 1226).pop().filter(|_| nth == 0)?;
        let of = event.cmd_id.unwrap();
        let status = format!(
            "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>{}</CmdRef><Cmd>Alert</Cmd><Data>415</Data></Status>",
            of.as_str()
        );
        Some(Said {
            before: status,
            ..say("")
        })
    });
    client.session(&srv()).await.unwrap();
    let state = client.completion_state(&srv()).unwrap();
    assert_eq!(state, Some(CompletionState::Unsupported));
}

//! Commands from the operator's API through sessions over the wire, and what is told of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use omadm_server::model::EventKind;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{CommandBody, NotifyAt};
use serde_json::{Value, json};
use support::{Answer, CLIENT_INITIATED, DEVICE, PACKAGE1, PACKAGE3, Rig, Wire, soon};

const GET: [&str; 2] = ["GET", "urn:example:mo:gps:1.0/1/"];
const EXEC: [&str; 2] = ["EXEC", "urn:example:mo:gps:1.0/1/Reset"];
const TWO: &str = r#"{"Status":[{"sc":200},{"sc":200}]}"#;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

async fn queue(rig: &Rig, commands: &[&[&str]]) -> Vec<CommandBody> {
    let commands: Vec<_> = commands.iter().map(|command| words(command)).collect();
    let queued = rig.api.queue_commands(DEVICE, commands).await.unwrap();
    queued.commands
}

async fn found(rig: &Rig, command: &CommandBody) -> CommandBody {
    rig.api.command(DEVICE, &command.id).await.unwrap()
}

/// State and number of sends of each.
async fn stand(rig: &Rig, commands: &[CommandBody]) -> Vec<(String, u32)> {
    let mut all = Vec::new();
    for command in commands {
        let found = found(rig, command).await;
        all.push((found.state, found.sends));
    }
    all
}

fn is(all: &[(&str, u32)]) -> Vec<(String, u32)> {
    let all = all.iter();
    all.map(|(state, sends)| ((*state).to_owned(), *sends))
        .collect()
}

/// A registered device and its connection; it was never bootstrapped, so the server reads no DevInfo.
async fn device(rig: &Rig) -> Wire {
    let identity = rig.device(DEVICE).await;
    rig.connect(Some(&identity)).await
}

async fn begin(wire: &mut Wire) -> Answer {
    wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await
}

/// A Package#1 with other bytes: a session that is not taken for the one before.
async fn begin_anew(wire: &mut Wire) -> Answer {
    wire.package(DEVICE, PACKAGE1, format!("{CLIENT_INITIATED} "))
        .await
}

async fn kinds(rig: &Rig) -> Vec<Value> {
    let events = rig.events().await;
    let kinds = events.iter().map(|stored| &stored.event.kind);
    kinds
        .map(|kind| serde_json::to_value(kind).unwrap())
        .collect()
}

/// The events of this name.
async fn told(rig: &Rig, name: &str) -> Vec<Value> {
    let mut all = kinds(rig).await;
    all.retain(|kind| kind["event"] == name);
    all
}

fn refused(refused: Result<impl Sized, ApiError>) -> (u16, String) {
    match refused.err() {
        Some(ApiError::Refused(problem)) => (problem.status, problem.detail),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn x_flow_001_queued_commands_are_sent_in_their_order_and_every_step_is_told() {
    let rig = Rig::new().await;
    let mut wire = device(&rig).await;
    let hget = ["HGET", "https://repo.example.com/x"];
    let queued = queue(&rig, &[&GET, &hget, &EXEC]).await;
    assert_eq!(stand(&rig, &queued).await, is(&[("queued", 0); 3]));

    let first = begin(&mut wire).await;
    assert_eq!(first.json(), json!({"CMD": [GET, hget, EXEC]}));
    assert_eq!(stand(&rig, &queued).await, is(&[("sent", 1); 3]));
    let late = queue(&rig, &[&["DELETE", "urn:example:mo:gps:1.0/1/Rate"]]).await;
    let statuses = r#"{"Status":[{"sc":200,"Result":[{"ClientURI":"urn:example:mo:gps:1.0/1/","CV":"5f-1","MOData":{"GPS":{"ID":"a"}}}]},
        {"sc":200,"URI":["urn:example:mo:gps:1.0/7/"]},{"sc":202}]}"#;
    let second = wire.package(DEVICE, PACKAGE3, statuses).await;
    assert_eq!(
        second.json(),
        json!({"CMD": [["DELETE", "urn:example:mo:gps:1.0/1/Rate"]]}),
        "what was queued meanwhile comes with the same session"
    );
    let alert = r#"{"Status":[{"sc":405}],"Alert":[{"AlertType":"urn:oma:at:fumo:1.0:OperationComplete","SourceURI":"urn:example:mo:gps:1.0/1/Reset",
        "Mark":"informational","DataType":"application/json","Data":{"ResultCode":200}}]}"#;
    let last = wire.package(DEVICE, PACKAGE3, alert).await;
    assert_eq!(last.json(), json!({"CMD": [["END"]]}));

    let [get, hget, exec] = &queued[..] else {
        panic!("{queued:?}")
    };
    let get = found(&rig, get).await;
    assert_eq!((get.state.as_str(), get.status), ("answered", Some(200)));
    assert_eq!(get.result.unwrap()[0]["MOData"]["GPS"]["ID"], "a");
    assert_eq!(found(&rig, hget).await.uris, ["urn:example:mo:gps:1.0/7/"]);
    assert_eq!(found(&rig, exec).await.status, Some(202));
    assert_eq!(found(&rig, &late[0]).await.status, Some(405));

    let all = kinds(&rig).await;
    let names = all.iter().map(|kind| kind["event"].as_str().unwrap());
    let names: Vec<_> = names.skip(2).collect();
    let expected = [
        &["command-queued"; 3][..],
        &["session-started"],
        &["command-sent"; 3],
        &["command-queued"],
        &["command-answered"; 3],
        &[
            "command-sent",
            "command-answered",
            "alert-received",
            "session-ended",
        ],
    ];
    assert_eq!(names, expected.concat());
    let session = get.session.unwrap();
    for kind in &all {
        if kind["event"] != "command-queued" && kind.get("session").is_some() {
            assert_eq!(kind["session"], session, "{kind}");
        }
    }
    let answered = &told(&rig, "command-answered").await[0];
    assert_eq!(answered["id"], get.id);
    assert_eq!(answered["uri"], GET[1]);
    assert!(answered["duration_ms"].is_u64());
    let alert = &told(&rig, "alert-received").await[0];
    assert_eq!(alert["data"], json!({"ResultCode": 200}));
    assert_eq!(alert["source"], EXEC[1]);
}

#[tokio::test]
async fn x_flow_001_a_superseded_session_leaves_a_get_to_be_repeated_and_an_exec_held_until_released()
 {
    let rig = Rig::new().await;
    let mut wire = device(&rig).await;
    let queued = queue(&rig, &[&EXEC, &GET]).await;
    begin(&mut wire).await;
    // The device restarted: the same Package#1 must not bring the EXEC again.
    let again = begin(&mut wire).await;
    assert_eq!(again.json(), json!({"CMD": [GET]}));
    assert_eq!(stand(&rig, &queued).await, is(&[("held", 1), ("sent", 2)]));
    let one = r#"{"Status":[{"sc":200}]}"#;
    let end = wire.package(DEVICE, PACKAGE3, one).await;
    assert_eq!(end.json(), json!({"CMD": [["END"]]}));
    let superseded = &told(&rig, "session-superseded").await[0];
    let unknown = [EXEC.join(" "), GET.join(" ")];
    assert_eq!(superseded["outcome_unknown"], json!(unknown));
    let held = &told(&rig, "command-held").await[0];
    assert_eq!(held["id"], queued[0].id);
    assert!(held["duration_ms"].is_u64(), "{held}");
    let unanswered = &told(&rig, "command-unanswered").await[0];
    assert_eq!(unanswered["id"], queued[1].id);
    assert_eq!(unanswered["session"], superseded["session"]);

    assert_eq!(begin(&mut wire).await.json(), json!({"CMD": [["END"]]}));
    let released = rig.api.release_command(DEVICE, &queued[0].id).await;
    let released = released.unwrap();
    assert_eq!(
        (&released.command.state[..], released.call),
        ("queued", None)
    );
    assert_eq!(begin(&mut wire).await.json(), json!({"CMD": [EXEC]}));
    wire.package(DEVICE, PACKAGE3, one).await;
    assert_eq!(stand(&rig, &queued).await, is(&[("answered", 2); 2]));
    assert_eq!(told(&rig, "command-released").await.len(), 1);
}

async fn release(rig: &Rig, id: &str) -> Result<CommandBody, ApiError> {
    let released = rig.api.release_command(DEVICE, id).await;
    released.map(|released| released.command)
}

#[tokio::test]
async fn a_released_command_calls_the_device_where_its_record_says_so() {
    for on_queue in [true, false] {
        let rig = Rig::new().await;
        let mut wire = device(&rig).await;
        let queued = queue(&rig, &[&EXEC]).await;
        begin(&mut wire).await;
        begin_anew(&mut wire).await;
        let at = NotifyAt {
            addresses: Some(vec!["udp://127.0.0.1:9".to_owned()]),
            on_queue: Some(on_queue),
            imsi: None,
            esn: None,
        };
        rig.api.set_notify(DEVICE, &at).await.unwrap();
        let released = rig.api.release_command(DEVICE, &queued[0].id).await;
        let released = released.unwrap();
        assert_eq!(released.command.state, "queued");
        // Called, but in vain: no bootstrap brought the device an account that a Notification could name.
        let outcome = released
            .call
            .map(|call| (call.outcome, call.detail.is_some()));
        assert_eq!(outcome, on_queue.then(|| ("failed".to_owned(), true)));
    }
}

#[tokio::test]
async fn a_session_whose_time_is_over_leaves_what_a_superseded_one_does_d02() {
    for swept in [true, false] {
        let rig = Rig::new().await;
        let mut wire = device(&rig).await;
        let queued = queue(&rig, &[&EXEC, &GET]).await;
        begin(&mut wire).await;
        rig.jump(15 * 60 + 1);
        if swept {
            soon(async {
                while told(&rig, "command-held").await.is_empty() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            })
            .await;
            assert_eq!(
                stand(&rig, &queued).await,
                is(&[("held", 1), ("queued", 1)])
            );
        }
        let next = begin_anew(&mut wire).await;
        assert_eq!(next.json(), json!({"CMD": [GET]}));
        assert_eq!(stand(&rig, &queued).await, is(&[("held", 1), ("sent", 2)]));
        let aborted = told(&rig, "session-aborted").await;
        assert_eq!(aborted.len(), 1);
        assert!(aborted[0]["session"].is_string());
        assert_eq!(told(&rig, "command-held").await.len(), 1);
    }
}

#[tokio::test]
async fn what_waits_may_be_cancelled_and_what_is_sent_or_answered_may_not() {
    let rig = Rig::new().await;
    let mut wire = device(&rig).await;
    let queued = queue(&rig, &[&GET, &EXEC]).await;
    let cancelled = rig.api.cancel_command(DEVICE, &queued[0].id).await.unwrap();
    assert_eq!(cancelled.state, "cancelled");
    let again = rig.api.cancel_command(DEVICE, &queued[0].id).await.unwrap();
    assert_eq!(again, found(&rig, &queued[0]).await);
    assert_eq!(begin(&mut wire).await.json(), json!({"CMD": [EXEC]}));
    for decision in [
        rig.api.cancel_command(DEVICE, &queued[1].id).await,
        release(&rig, &queued[1].id).await,
        release(&rig, &queued[0].id).await,
    ] {
        assert_eq!(refused(decision).0, 409);
    }
    begin_anew(&mut wire).await;
    let held = rig.api.cancel_command(DEVICE, &queued[1].id).await.unwrap();
    assert_eq!((held.state.as_str(), held.sends), ("cancelled", 1));
    let answered = queue(&rig, &[&GET]).await;
    begin(&mut wire).await;
    wire.package(DEVICE, PACKAGE3, r#"{"Status":[{"sc":404}]}"#)
        .await;
    let late = rig.api.cancel_command(DEVICE, &answered[0].id).await;
    assert_eq!(refused(late).0, 409);
    assert_eq!(told(&rig, "command-cancelled").await.len(), 2);
    let known = rig.api.commands(DEVICE, None).await.unwrap();
    let numbers: Vec<_> = known.commands.iter().map(|command| command.nr).collect();
    assert_eq!((numbers, known.next), (vec![3, 2, 1], None));
}

#[tokio::test]
async fn a_command_that_no_device_could_take_is_refused_with_the_reason() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    for (command, why) in [
        (&["END"][..], "ends a session by itself"),
        (&["REBOOT", "now"], "REBOOT"),
        (&["get", GET[1]], "get"),
        (&["GET"], "ClientURI"),
        (&["EXEC", "https://a.example.com/"], "ClientURI"),
        (&["DELETE", "no uri"], "DELETE"),
        (&[], "empty"),
    ] {
        let queued = rig
            .api
            .queue_commands(DEVICE, vec![words(&GET), words(command)]);
        let (status, detail) = refused(queued.await);
        assert_eq!(status, 400, "{command:?}");
        assert!(detail.starts_with("commands[1]: "), "{detail}");
        assert!(detail.contains(why), "{detail}");
    }
    assert_eq!(refused(rig.api.queue_commands(DEVICE, vec![]).await).0, 400);
    let nobody = rig.api.queue_commands("IMEI:1", vec![words(&GET)]).await;
    assert_eq!(refused(nobody).0, 404);
    let listed = rig.api.commands(DEVICE, None).await.unwrap();
    assert_eq!(listed.commands, [], "all or none");
    for id in ["x", &"0".repeat(32)] {
        let missing = refused(rig.api.command(DEVICE, id).await).0;
        assert_eq!(missing, if id == "x" { 400 } else { 404 });
    }
}

#[tokio::test]
async fn so_many_commands_may_be_open_as_the_limit_says() {
    let rig = Rig::with(|config| config.limits.open_commands = 3, |server| server).await;
    let mut wire = device(&rig).await;
    let queued = queue(&rig, &[&GET, &EXEC]).await;
    let two = vec![words(&GET), words(&GET)];
    let (status, detail) = refused(rig.api.queue_commands(DEVICE, two.clone()).await);
    assert_eq!(status, 409);
    assert!(detail.contains("2 open commands"), "{detail}");
    begin(&mut wire).await;
    let full = rig.api.queue_commands(DEVICE, two.clone()).await;
    assert_eq!(refused(full).0, 409, "sent ones are open");
    wire.package(DEVICE, PACKAGE3, TWO).await;
    assert_eq!(stand(&rig, &queued).await, is(&[("answered", 1); 2]));
    rig.api.queue_commands(DEVICE, two).await.unwrap();
}

#[tokio::test]
async fn x_cache_001_a_304_is_answered_with_the_result_that_was_kept() {
    let rig = Rig::new().await;
    let mut wire = device(&rig).await;
    let first = queue(&rig, &[&GET]).await;
    begin(&mut wire).await;
    let result =
        r#"[{"ClientURI":"urn:example:mo:gps:1.0/1/","CV":"5f-1","MOData":{"GPS":{"ID":"a"}}}]"#;
    let answer = format!(r#"{{"Status":[{{"sc":200,"Result":{result}}}]}}"#);
    wire.package(DEVICE, PACKAGE3, answer).await;
    for _ in 0..2 {
        let next = queue(&rig, &[&GET]).await;
        let asked = begin(&mut wire).await.json();
        let with_cv = format!("{}?cv=5f-1", GET[1]);
        assert_eq!(asked, json!({"CMD": [["GET", with_cv]]}));
        wire.package(DEVICE, PACKAGE3, r#"{"Status":[{"sc":304}]}"#)
            .await;
        let next = found(&rig, &next[0]).await;
        assert_eq!(next.status, Some(304));
        assert_eq!(next.command, GET, "as it was queued");
        assert_eq!(next.result, found(&rig, &first[0]).await.result);
    }
}

#[tokio::test]
async fn x_cache_001_what_each_device_has_once_is_known_without_its_miid_and_below_it_too() {
    let rig = Rig::new().await;
    let mut wire = device(&rig).await;
    let root = "urn:oma:mo:oma-dm-devinfo:1.2//";
    queue(&rig, &[&["GET", root]]).await;
    begin(&mut wire).await;
    let result = r#"[{"ClientURI":"urn:oma:mo:oma-dm-devinfo:1.2/1/","CV":"5f2a","MOData":{"DevInfo":{"Man":"Acme","Mod":"M1"}}}]"#;
    let answer = format!(r#"{{"Status":[{{"sc":200,"Result":{result}}}]}}"#);
    wire.package(DEVICE, PACKAGE3, answer).await;
    // The example of §21, and two of its leaves.
    let (man, model) = (format!("{root}Man"), format!("{root}Mod"));
    let next = queue(&rig, &[&["GET", root], &["GET", &model, &man]]).await;
    let asked = begin(&mut wire).await.json();
    let with = |uri: &str| format!("{uri}?cv=5f2a");
    let expected = json!({"CMD": [["GET", with(root)], ["GET", with(&model), with(&man)]]});
    assert_eq!(asked, expected);
    wire.package(DEVICE, PACKAGE3, r#"{"Status":[{"sc":304},{"sc":304}]}"#)
        .await;
    let whole = found(&rig, &next[0]).await.result.unwrap();
    assert_eq!(whole, serde_json::from_str::<Value>(result).unwrap());
    let item = |name: &str, value: &str| {
        let at = format!("urn:oma:mo:oma-dm-devinfo:1.2/1/{name}");
        json!({"ClientURI": at, "MOData": {name: value}})
    };
    let leaves = found(&rig, &next[1]).await.result.unwrap();
    assert_eq!(leaves, json!([item("Mod", "M1"), item("Man", "Acme")]));
}

#[tokio::test]
async fn a_restarted_server_goes_on_with_the_session_and_its_queue() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let many: Vec<&[&str]> = vec![&GET; 40];
    let queued = queue(&rig, &many).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let cookie = begin(&mut wire).await.header("set-cookie").to_owned();
    drop(wire);
    let rig = rig.restarted().await;
    let mut wire = rig.connect(Some(&identity)).await;
    let cookie = cookie.split(';').next().unwrap();
    let headers = [
        ("OMADM-DevID", DEVICE),
        ("Content-Type", PACKAGE3),
        ("Cookie", cookie),
    ];
    for count in [32, 8] {
        let statuses = vec![r#"{"sc":200}"#; count].join(",");
        let body = format!(r#"{{"Status":[{statuses}]}}"#);
        let answer = wire.send(Method::POST, "/dm/2.0", &headers, body).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(stand(&rig, &queued).await, is(&[("answered", 1); 40]));
    let started = |kind: &EventKind| matches!(kind, EventKind::SessionStarted { .. });
    let events = rig.events().await;
    let sessions = events.iter().filter(|stored| started(&stored.event.kind));
    assert_eq!(sessions.count(), 1);
}

#[tokio::test]
async fn what_is_to_be_put_in_the_tree_is_fetched_until_it_was_and_no_event_tells_its_value() {
    let rig = Rig::new().await;
    let mut wire = device(&rig).await;
    let at = "urn:example:mo:gps:1.0/1/Pin";
    let queued = queue(
        &rig,
        &[&["replace", at, "chr", "hush 4711"], &["execute", at]],
    )
    .await;
    assert_eq!(queued[0].command, ["replace", at, "chr"]);
    let sent = begin(&mut wire).await.json();
    let url = sent["CMD"][0][1].as_str().unwrap();
    let path = &url[url.find("/repo/cmd/").unwrap()..];
    assert_eq!(sent, json!({"CMD": [["HGET", url, at], ["EXEC", at]]}));
    let headers = [("OMADM-DevID", DEVICE)];
    let fetched = wire.send(Method::GET, path, &headers, "").await;
    assert_eq!(
        fetched.json(),
        json!([{"ClientURI": at, "MOData": {"Pin": "hush 4711"}}])
    );
    // The session is over without an answer: the one is sent again, the other waits for an operator.
    begin_anew(&mut wire).await;
    assert_eq!(stand(&rig, &queued).await, is(&[("sent", 2), ("held", 1)]));
    let one = r#"{"Status":[{"sc":200}]}"#;
    wire.package(DEVICE, PACKAGE3, one).await;
    let gone = wire.send(Method::GET, path, &headers, "").await;
    assert_eq!(gone.status, 404, "the document outlived its command");
    let raw = "<Get><Item><Target><LocURI>./DevInfo</LocURI></Target></Item></Get>";
    let commands = vec![words(&["read", at]), words(&["raw", raw])];
    let (status, detail) = refused(rig.api.queue_commands(DEVICE, commands).await);
    assert_eq!(status, 422, "{detail}");
    let told = serde_json::to_string(&kinds(&rig).await).unwrap();
    assert!(!told.contains("hush") && told.contains(at), "{told}");
}

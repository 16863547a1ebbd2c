//! One alteration of a DM Client for each check of the client kit.

use omadm_dm2::header::DEV_ID;
use omadm_dm2::package0::ReceivedPackage0;
use omadm_mo::Secret;
use serde_json::{Value, json};

use super::{
    Alteration, Altered, AnswerChange, Asked, Change, DatagramChange, PushChange, Pusher,
    RequestChange,
};
use crate::conformance::client::NOTI_SECRET;
use crate::conformance::hello::{SSL_3, TLS_1_1, TLS_1_2};
use crate::conformance::wire::{Answer, Ask};

const COMPLETE: &str = "urn:oma:at:dm:2.0:BootstrapComplete";
const INITIATED: &str = "urn:oma:at:dm:2.0:ClientInitiatedMgmt";
const DEV_ID_LEAF: &str = "urn:oma:mo:oma-dm-devinfo:1.2//DevID";
const ACCOUNT: &str = "urn:oma:mo:oma-dm-dmacc:1.2//";
const FIRST: &str = "/dm/a";
const SECOND: &str = "/dm/b";

/// An alteration for each check, by the check's name.
pub const CLIENT_ALTERATIONS: &[Alteration] = &[
    request("boot-fetch", |ask| {
        if ask.target == "/bootstrap" {
            "/elsewhere".clone_into(&mut ask.target);
        }
    })
    .followed_by_all_but(&[
        "sec-version sec-version-today sec-suite noti-wrong-digest",
        // A push is a bootstrap, too.
        "push-nobody push-stranger push-refused push-media-type push-malformed push-too-large push-busy",
        "push-taken push-accepted push-complete push-type push-replaced",
    ]),
    request("boot-fetch-devid", |ask| {
        if ask.target == "/bootstrap" {
            drop_header(ask, DEV_ID);
        }
    }),
    request("boot-fetch-accept", |ask| {
        if ask.target == "/bootstrap" {
            drop_header(ask, "accept");
        }
    }),
    // Who proves itself nowhere does not do so in its sessions and its next fetch either.
    change("boot-authenticated", Change::Anonymous).followed_by(&["boot-trsp", "again-credential"]),
    // What is not reported is not told of and not repeated.
    request("boot-complete", |ask| {
        if ask.target == FIRST && says(ask, "\"Kind\":\"first\"") {
            replace(ask, COMPLETE, INITIATED);
        }
    })
    .followed_by(&["boot-type", "boot-retry"]),
    request("boot-type", |ask| {
        if says(ask, "\"Kind\":\"first\"") {
            replace(ask, "\"BootstrapType\"", "\"Type\"");
        }
    }),
    change("boot-trsp", Change::Misproven(0)),
    answer("boot-retry", |asked, answer| {
        // Taken for an acknowledgement.
        if answer.status == 503 && asked.ask.target == FIRST {
            end(answer);
        }
    }),
    change("sec-version", Change::FirstHello(SSL_3, 0xC02B)).followed_by(&["sec-version-today"]),
    change("sec-version-today", Change::FirstHello(TLS_1_1, 0xC02B)),
    change("sec-suite", Change::FirstHello(TLS_1_2, 0x000A)),
    request("flow-devid", |ask| {
        if is_initiation(ask) {
            drop_header(ask, DEV_ID);
        }
    }),
    request("flow-media-type", |ask| {
        if is_initiation(ask) {
            set_type(ask, "application/json");
        }
    }),
    request("flow-accept", |ask| {
        if is_initiation(ask) {
            drop_header(ask, "accept");
        }
    }),
    request("json-package1", |ask| {
        if is_initiation(ask) {
            replace(ask, "\"MIID\"", "\"Instances\"");
        }
    }),
    request("alert-cause", |ask| {
        if is_initiation(ask) {
            let again = format!("\"Alert\":[{{\"AlertType\":\"{INITIATED}\"}},");
            replace(ask, "\"Alert\":[", &again);
        }
    }),
    request("mos-permitted", |ask| {
        if is_initiation(ask) {
            replace(ask, "oma-dm-devinfo:1.2", "oma-fumo:1.0");
        }
    }),
    request("flow-package3", |ask| {
        if is_response(ask) {
            set_type(ask, "application/json");
        }
    }),
    request("json-package3", |ask| {
        replace(ask, "{\"Status\":", "{\"Alert\":7,\"Status\":");
    }),
    request("flow-status-order", |ask| {
        if let Ok(mut json) = serde_json::from_slice::<Value>(&ask.body)
            && let Some(statuses) = json.pointer_mut("/Status").and_then(Value::as_array_mut)
            && statuses.len() == 4
        {
            statuses.sort_by_key(|status| status["sc"].as_u64());
            ask.body = json.to_string().into();
        }
    }),
    // What reads nothing reads nothing under its real name.
    outcome(
        "cmd-get",
        |words| words == ["GET", DEV_ID_LEAF],
        |status| {
            status["Result"] = Value::Null;
        },
    )
    .followed_by(&["uri-written-out"]),
    request("mo-devinfo", |ask| replace(ask, "\"FwV\"", "\"Fw\"")),
    outcome("cmd-unknown", |words| is(words, "REBOOT", ""), done),
    outcome("cmd-malformed", |words| words == ["DELETE"], done),
    outcome(
        "cmd-delete-permanent",
        |words| words == ["DELETE", DEV_ID_LEAF],
        done,
    ),
    outcome(
        "cmd-exec-refused",
        |words| words == ["EXEC", DEV_ID_LEAF],
        done,
    ),
    answer("cmd-cont", |_, answer| {
        if holds(answer, "/dm/next") {
            change_text(answer, "\"CONT\"", "\"SHOW\"");
        }
    }),
    outcome("cmd-cont-weaker", |words| is(words, "CONT", "http:"), done),
    outcome("cmd-show", |words| is(words, "SHOW", "/page"), refused),
    outcome("cmd-default", |words| is(words, "DEFAULT", ""), refused),
    outcome(
        "cmd-unsub-unknown",
        |words| is(words, "UNSUB", "Lang"),
        done,
    ),
    request("nego-retry", |ask| {
        if ask.target == "/repo/particular" && ask.header_value("content-type") == TAKEN {
            set_type(ask, "text/plain");
        }
    }),
    outcome(
        "nego-omadm-accept",
        |words| is(words, "HPUT", "/repo/alien"),
        refused,
    ),
    request("nego-sub-retry", |ask| {
        if ask.target == "/repo/particular-changes" && ask.header_value("content-type") == TAKEN {
            set_type(ask, "text/plain");
        }
    }),
    answer("cmd-hput", |_, answer| {
        if holds(answer, "/repo/in\"") {
            change_text(answer, "\"HPUT\"", "\"HPOST\"");
        }
    }),
    answer("cmd-hpost", |_, answer| {
        if holds(answer, "/repo/in\"") {
            change_text(answer, "\"HPOST\"", "\"HPUT\"");
        }
    }),
    request("hput-body", |ask| {
        if ask.target == "/repo/in" {
            replace(ask, "\"ClientURI\"", "\"URI\"");
        }
    }),
    request("hput-media-type", |ask| {
        if ask.target == "/repo/in" {
            set_type(ask, "text/plain");
        }
    }),
    outcome(
        "hput-refused",
        |words| is(words, "HPUT", "/repo/full"),
        |status| status["sc"] = json!(404),
    ),
    answer("cmd-hget", |asked, answer| {
        if asked.ask.target == "/repo/name" {
            change_text(answer, "Kept", "Other");
        }
    }),
    outcome(
        "cmd-hget-place",
        |words| is(words, "HGET", "/repo/account"),
        |status| status["URI"] = Value::Null,
    ),
    outcome("hget-missing", is_odd, |status| done_if(status, 404)),
    outcome("hget-broken", is_odd, |status| done_if(status, 400)),
    outcome("hget-failing", is_odd, |status| done_if(status, 502)),
    answer("hget-untrusted", |asked, answer| {
        // As a client that does not look at certificates: it gets through.
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if let Some(other) = origin(&text, "/untrusted/x") {
            change_text(answer, &other, asked.origin);
        }
    }),
    answer("cmd-delete", |_, answer| {
        if count(answer, "\"GET\"") == 2 {
            change_text(answer, "\"DELETE\"", "\"GET\"");
        }
    }),
    outcome(
        "cmd-sub",
        |words| is(words, "SUB", "/repo/changes"),
        refused,
    ),
    outcome(
        "uri-written-out",
        |words| words == ["GET", DEV_ID_LEAF],
        |status| status["Result"][0]["ClientURI"] = json!(DEV_ID_LEAF),
    ),
    outcome("uri-missing", |words| is(words, "GET", "/absent/"), done),
    outcome(
        "uri-malformed",
        |words| words == ["GET", "urn:oma:mo:oma-dm-devinfo:1.2"],
        done,
    ),
    answer("uri-wildcard", |_, answer| {
        change_text(answer, "/*/DevID", "/nobody/DevID");
    }),
    answer("uri-x-name", |_, answer| {
        change_text(answer, "?nv=(x)/DevID:", "?nv=(x)/DevID:not-");
    }),
    outcome(
        "uri-x-name-without",
        |words| words == ["GET", "urn:oma:mo:oma-dm-devinfo:1.2/(x)/DevID"],
        done,
    ),
    outcome(
        "cache-valid",
        |words| is(words, "GET", "?cv="),
        |status| done_if(status, 304),
    ),
    answer("cache-stale", |_, answer| {
        change_text(answer, "-older", "");
    }),
    outcome(
        "perm-hidden",
        |words| words == ["GET", ACCOUNT],
        |status| status["Result"][0]["MOData"]["DMAcc"]["Perm"] = json!({}),
    ),
    outcome(
        "secrets-hidden",
        |words| words == ["GET", ACCOUNT],
        |status| status["Result"][0]["MOData"]["DMAcc"]["ClientSecretKey"] = json!("AA=="),
    ),
    outcome("perm-kept", |words| is(words, "GET", "sessioninfo"), done),
    outcome(
        "boot-guard",
        |words| is(words, "HGET", "Auth/Bootstrap"),
        done,
    ),
    request("srvid-unique", |ask| {
        if let Ok(mut json) = serde_json::from_slice::<Value>(&ask.body)
            && let Some(items) = json
                .pointer_mut("/Status/1/Result")
                .and_then(Value::as_array_mut)
            && let Some(first) = items.first().cloned()
        {
            items.push(first);
            ask.body = json.to_string().into();
        }
    }),
    answer("cmd-end", |_, answer| {
        if holds(answer, "/repo/absent") {
            change_text(
                answer,
                "[\"END\"]",
                "[\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//DevID\"]",
            );
        }
    }),
    request("boot-several", |ask| {
        if ask.target == SECOND {
            replace(ask, COMPLETE, INITIATED);
        }
    }),
    request("dac-accounts", |ask| {
        if is_response(ask) {
            replace(ask, "\"conformance-b\"", "\"conformance-a\"");
        }
    }),
    request("session-cause", |ask| {
        replace(ask, INITIATED, "org.example.other");
    }),
    answer("http-redirect", |_, answer| {
        if answer.status == 307 {
            answer.status = 404;
        }
    }),
    answer("http-error", |_, answer| {
        if answer.status == 403 {
            (answer.status, answer.body) = (200, NEXT.into());
        }
    }),
    answer("package2-broken", |_, answer| {
        if answer.body.ends_with(b"\"]") {
            answer.body = NEXT.into();
        }
    }),
    answer("package2-empty", |_, answer| {
        change_text(answer, "{\"CMD\":[]}", NEXT);
    }),
    outcome(
        "exec-result",
        |words| words.len() == 2 && is(words, "EXEC", "") && words[1] != DEV_ID_LEAF,
        refused,
    ),
    outcome(
        "exec-accepted",
        |words| is(words, "EXEC", "/dm/unheard"),
        |status| {
            status["sc"] = json!(200);
        },
    ),
    request("exec-alert", |ask| {
        if ask.target == "/dm/late" && is_initiation(ask) {
            ask.body = json!({ "Alert": [{ "AlertType": INITIATED }] })
                .to_string()
                .into();
        }
    }),
    request("http-basic", |ask| {
        if ask.header_value("authorization").starts_with("Basic") {
            drop_header(ask, "authorization");
        }
    }),
    request("http-digest", |ask| {
        let value = ask.header_value("authorization").to_owned();
        if value.starts_with("Digest") {
            drop_header(ask, "authorization");
            let value = value.replace("response=\"", "response=\"0");
            ask.headers.push(("authorization".to_owned(), value));
        }
    }),
    answer("http-wrong", |asked, answer| {
        let once = answer
            .header("www-authenticate")
            .contains("conformance once");
        if once && asked.header("authorization").is_some() {
            (answer.status, answer.body) = (200, NEXT.into());
        }
    }),
    answer("http-elsewhere", |asked, answer| {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if let Some(elsewhere) = origin(&text, "/dm/away") {
            change_text(answer, &elsewhere, asked.origin);
        }
    }),
    outcome(
        "dac-shown",
        |words| is(words, "GET", "oma-dm-dacmo:1.0/*/"),
        |status| change_json(status, "\"Rights\":15", "\"Rights\":7"),
    ),
    answering("dac-creator", |ask, commands| {
        if ask.target == SECOND && names(commands) == ["DELETE", "GET"] {
            super::change_statuses(ask, |_, status| done(status));
        }
    }),
    answering("dac-grant", |ask, commands| {
        if ask.target == SECOND && names(commands) == ["GET", "DELETE"] {
            super::change_statuses(ask, |_, status| refused(status));
        }
    }),
    answering("dac-end", |ask, commands| {
        if ask.target == SECOND && names(commands) == ["GET", "DELETE"] {
            super::change_statuses(ask, |n, status| {
                if n == 0 {
                    done(status);
                }
            });
        }
    }),
    request("noti-session", |ask| {
        replace(ask, "ServerInitiatedMgmt", "ClientInitiatedMgmt");
    }),
    request("noti-req-mos", |ask| {
        if says(ask, "ServerInitiatedMgmt") {
            replace(ask, "\"MOS\"", "\"Mos\"");
        }
    }),
    datagram("noti-wrong-digest", |octets, _| mended(octets, 0)),
    datagram("noti-duplicate", |octets, earlier| {
        if earlier > 0 {
            mended(octets, 100);
        }
    }),
    change("again-credential", Change::Misproven(1)),
    answer("again-server", |asked, answer| {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if let Some(forged) = origin(&text, "/bootstrap/forged") {
            change_text(answer, &forged, asked.origin);
        }
    }),
    request("again-complete", |ask| {
        if ask.target == FIRST && says(ask, "\"Kind\":\"re\"") && says(ask, BY_CLIENT) {
            replace(ask, COMPLETE, INITIATED);
        }
    }),
    request("again-replaced", |ask| {
        replace(ask, "Conformance renewed", "Conformance A");
    }),
    pushed("push-nobody", Pusher::Nobody, 403, 202),
    pushed("push-stranger", Pusher::Stranger, 403, 202).followed_by(&["push-refused"]),
    pushed("push-refused", Pusher::Stranger, 403, 401),
    pushed("push-media-type", Pusher::Trusted, 415, 400),
    pushed("push-malformed", Pusher::Trusted, 400, 422),
    pushed("push-too-large", Pusher::Trusted, 413, 400),
    pushed("push-busy", Pusher::Trusted, 409, 503),
    // What was not taken is not reported.
    pushed("push-taken", Pusher::Trusted, 202, 403)
        .followed_by(&["push-accepted push-complete push-type push-replaced"]),
    pushed("push-accepted", Pusher::Trusted, 202, 200),
    request("push-complete", |ask| {
        if ask.target == FIRST && says(ask, BY_SERVER) {
            replace(ask, COMPLETE, INITIATED);
        }
    })
    .followed_by(&["push-type"]),
    request("push-type", |ask| replace(ask, BY_SERVER, BY_CLIENT)),
    request("push-replaced", |ask| {
        replace(ask, "Conformance pushed", "Conformance A");
    }),
];

/// A Package#2 that has a Package#3 for its answer.
const NEXT: &str = "{\"CMD\":[[\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//DevID\"]]}";
/// The bootstrap type of a fetch, and of a push.
const BY_CLIENT: &str = "\"Method\":\"client\"";
const BY_SERVER: &str = "\"Method\":\"server\"";
/// The type that a particular repository takes.
const TAKEN: &str = "application/json";

const fn request(check: &'static str, change: fn(&mut Ask)) -> Alteration {
    let change = RequestChange(Altered::By(change));
    Alteration::new(check, Change::Request(change))
}

/// The statuses of these commands become other ones.
const fn outcome(
    check: &'static str,
    is_it: fn(&[String]) -> bool,
    change: fn(&mut Value),
) -> Alteration {
    let change = RequestChange(Altered::Outcome(is_it, change));
    Alteration::new(check, Change::Request(change))
}

/// A request changes by the commands that it answers.
const fn answering(check: &'static str, change: fn(&mut Ask, &[Vec<String>])) -> Alteration {
    let change = RequestChange(Altered::Answering(change));
    Alteration::new(check, Change::Request(change))
}

const fn answer(check: &'static str, change: fn(&Asked<'_>, &mut Answer)) -> Alteration {
    Alteration::new(check, Change::Answer(AnswerChange(change)))
}

const fn datagram(check: &'static str, change: fn(&mut Vec<u8>, usize)) -> Alteration {
    Alteration::new(check, Change::Datagram(DatagramChange(change)))
}

/// An answer to a push becomes another one.
const fn pushed(check: &'static str, to: Pusher, from: u16, into: u16) -> Alteration {
    Alteration::new(check, Change::Push(PushChange { to, from, into }))
}

const fn change(check: &'static str, change: Change) -> Alteration {
    Alteration::new(check, change)
}

/// Whether it is this command, with this in one of its parameters.
fn is(words: &[String], name: &str, part: &str) -> bool {
    let mut words = words.iter();
    words.next().is_some_and(|word| word == name)
        && (part.is_empty() || words.any(|word| word.contains(part)))
}

fn is_odd(words: &[String]) -> bool {
    is(words, "HGET", "/repo/odd")
}

fn names(commands: &[Vec<String>]) -> Vec<&str> {
    let names = commands.iter().filter_map(|words| words.first());
    names.map(String::as_str).collect()
}

fn done(status: &mut Value) {
    status["sc"] = json!(200);
}

fn done_if(status: &mut Value, code: u16) {
    if status["sc"] == code {
        done(status);
    }
}

fn refused(status: &mut Value) {
    status["sc"] = json!(400);
}

fn change_json(json: &mut Value, from: &str, to: &str) {
    if let Ok(changed) = serde_json::from_str(&json.to_string().replace(from, to)) {
        *json = changed;
    }
}

fn says(ask: &Ask, text: &str) -> bool {
    String::from_utf8_lossy(&ask.body).contains(text)
}

fn is_response(ask: &Ask) -> bool {
    says(ask, "\"Status\"")
}

/// Whether it is a Package#1.
fn is_initiation(ask: &Ask) -> bool {
    ask.target.starts_with("/dm/") && !is_response(ask)
}

fn drop_header(ask: &mut Ask, name: &str) {
    ask.headers
        .retain(|(had, _)| !had.eq_ignore_ascii_case(name));
}

fn set_type(ask: &mut Ask, media_type: &str) {
    drop_header(ask, "content-type");
    ask.headers
        .push(("content-type".to_owned(), media_type.to_owned()));
}

fn replace(ask: &mut Ask, from: &str, to: &str) {
    if let Ok(text) = std::str::from_utf8(&ask.body) {
        ask.body = text.replace(from, to).into();
    }
}

fn change_text(answer: &mut Answer, from: &str, to: &str) {
    if let Ok(text) = std::str::from_utf8(&answer.body) {
        answer.body = text.replace(from, to).into();
    }
}

fn count(answer: &Answer, text: &str) -> usize {
    String::from_utf8_lossy(&answer.body).matches(text).count()
}

fn holds(answer: &Answer, text: &str) -> bool {
    count(answer, text) > 0
}

fn end(answer: &mut Answer) {
    (answer.status, answer.body) = (200, "{\"CMD\":[[\"END\"]]}".into());
}

/// What stands before this path, from `https` on.
fn origin(text: &str, path: &str) -> Option<String> {
    let before = &text[..text.find(path)?];
    Some(before[before.rfind("https://")?..].to_owned())
}

/// Gives a Notification a right digest and another id, as if the client did not look at them.
fn mended(octets: &mut Vec<u8>, further: u16) {
    if let Ok(read) = ReceivedPackage0::decode(octets) {
        let mut package = read.package().clone();
        package.notification_id = package.notification_id.map(|id| id.wrapping_add(further));
        let secret = Secret::new(NOTI_SECRET.to_vec());
        *octets = package.sealed(&secret, b"").encode();
    }
}

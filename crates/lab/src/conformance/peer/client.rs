//! One alteration of a DM Client for each check of the client kit.

use omadm_dm2::header::DEV_ID;
use omadm_dm2::package0::ReceivedPackage0;
use omadm_mo::Secret;

use super::{Alteration, Altered, AnswerChange, Asked, Change, DatagramChange, RequestChange};
use crate::conformance::client::NOTI_SECRET;
use crate::conformance::wire::{Answer, Ask};

const COMPLETE: &str = "urn:oma:at:dm:2.0:BootstrapComplete";
const INITIATED: &str = "urn:oma:at:dm:2.0:ClientInitiatedMgmt";

/// An alteration for each check, by the check's name.
pub const CLIENT_ALTERATIONS: &[Alteration] = &[
    request("boot-fetch", |ask| {
        if ask.target == "/bootstrap" {
            "/elsewhere".clone_into(&mut ask.target);
        }
    }),
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
    change("boot-authenticated", Change::Anonymous),
    request("boot-complete", |ask| replace(ask, COMPLETE, INITIATED)),
    request("boot-type", |ask| {
        replace(ask, "\"BootstrapType\"", "\"Type\"");
    }),
    change("boot-trsp", Change::Anonymous),
    answer("boot-retry", |_, answer| {
        // Taken for an acknowledgement.
        if answer.status == 503 {
            (answer.status, answer.body) = (200, "{\"CMD\":[[\"END\"]]}".into());
        }
    }),
    request("flow-devid", |ask| {
        if !is_response(ask) {
            drop_header(ask, DEV_ID);
        }
    }),
    request("flow-media-type", |ask| {
        if !is_response(ask) {
            set_type(ask, "application/json");
        }
    }),
    request("flow-accept", |ask| drop_header(ask, "accept")),
    request("json-package1", |ask| {
        replace(ask, "\"MIID\"", "\"Instances\"");
    }),
    request("alert-cause", |ask| {
        let again = format!("\"Alert\":[{{\"AlertType\":\"{INITIATED}\"}},");
        replace(ask, "\"Alert\":[", &again);
    }),
    request("mos-permitted", |ask| {
        if !is_response(ask) {
            replace(ask, "oma-dm-devinfo:1.2", "oma-fumo:1.0");
        }
    }),
    request("flow-package3", |ask| {
        if is_response(ask) {
            set_type(ask, "application/json");
        }
    }),
    request("json-package3", |ask| {
        replace(ask, "\"sc\":200", "\"sc\":\"200\"");
    }),
    request("flow-status-order", |ask| {
        if let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&ask.body)
            && let Some(statuses) = json
                .pointer_mut("/Status")
                .and_then(serde_json::Value::as_array_mut)
        {
            statuses.sort_by_key(|status| status["sc"].as_u64());
            ask.body = json.to_string().into();
        }
    }),
    request("cmd-get", |ask| replace(ask, "\"Result\"", "\"Read\"")),
    request("mo-devinfo", |ask| replace(ask, "\"FwV\"", "\"Fw\"")),
    status("cmd-unknown", "501", "200"),
    status("cmd-malformed", "400", "200"),
    request("cmd-delete-permanent", all_ok),
    request("cmd-exec-refused", all_ok),
    answer("cmd-cont", |_, answer| {
        change_text(answer, "\"CONT\"", "\"SHOW\"");
    }),
    status("cmd-cont-weaker", "403", "200"),
    status("cmd-show", "200", "400"),
    request("cmd-default", |ask| {
        replace(ask, "\"sc\":200", "\"sc\":400");
        replace(ask, "\"sc\":501", "\"sc\":400");
    }),
    request("cmd-unsub-unknown", |ask| {
        replace(ask, "\"sc\":404", "\"sc\":200");
        replace(ask, "\"sc\":501", "\"sc\":200");
    }),
    answer("cmd-hput", |_, answer| {
        change_text(answer, "\"HPUT\"", "\"HPOST\"");
    }),
    answer("cmd-hpost", |_, answer| {
        change_text(answer, "\"HPOST\"", "\"HPUT\"");
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
    status("hput-refused", "409", "404"),
    answer("cmd-hget", |asked, answer| {
        if asked.ask.target == "/repo/name" {
            change_text(answer, "Kept", "Other");
        }
    }),
    request("cmd-hget-place", |ask| replace(ask, "\"URI\"", "\"Place\"")),
    status("hget-missing", "404", "200"),
    status("hget-broken", "400", "200"),
    status("hget-failing", "502", "500"),
    answer("hget-untrusted", |_, answer| {
        // As a client that does not look at certificates: it gets through.
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if let (Some(trusted), Some(other)) =
            (origin(&text, "/repo/none"), origin(&text, "/untrusted/x"))
        {
            change_text(
                answer,
                &format!("{other}/untrusted/x"),
                &format!("{trusted}/untrusted/x"),
            );
        }
    }),
    answer("cmd-delete", |_, answer| {
        change_text(answer, "\"DELETE\"", "\"GET\"");
    }),
    request("cmd-sub", |ask| {
        replace(ask, "\"sc\":200", "\"sc\":400");
        replace(ask, "\"sc\":501", "\"sc\":400");
    }),
    request("uri-written-out", |ask| {
        replace(ask, "/1/DevID", "//DevID");
    }),
    status("uri-missing", "404", "200"),
    status("uri-malformed", "400", "200"),
    answer("uri-wildcard", |_, answer| {
        change_text(answer, "/*/", "/nobody/");
    }),
    answer("uri-x-name", |_, answer| {
        change_text(answer, "?nv=(x)/DevID:", "?nv=(x)/DevID:not-");
    }),
    status("uri-x-name-without", "400", "200"),
    status("cache-valid", "304", "200"),
    answer("cache-stale", |_, answer| {
        change_text(answer, "-older", "");
    }),
    request("perm-hidden", |ask| {
        replace(ask, "\"SrvID\":", "\"Perm\":{},\"SrvID\":");
    }),
    request("secrets-hidden", |ask| {
        replace(ask, "\"SrvID\":", "\"ClientSecretKey\":\"AA==\",\"SrvID\":");
    }),
    request("perm-kept", all_ok),
    request("boot-guard", all_ok),
    request("srvid-unique", |ask| {
        if let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&ask.body)
            && let Some(items) = json
                .pointer_mut("/Status/1/Result")
                .and_then(serde_json::Value::as_array_mut)
            && let Some(first) = items.first().cloned()
        {
            items.push(first);
            ask.body = json.to_string().into();
        }
    }),
    answer("cmd-end", |_, answer| {
        change_text(
            answer,
            "[\"END\"]",
            "[\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//DevID\"]",
        );
    }),
    request("boot-several", |ask| {
        if ask.target == "/dm/b" {
            replace(ask, COMPLETE, INITIATED);
        }
    }),
    request("dac-accounts", |ask| {
        replace(ask, "conformance-b", "conformance-a");
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
    request("noti-session", |ask| {
        replace(ask, "ServerInitiatedMgmt", "ClientInitiatedMgmt");
    }),
    request("noti-req-mos", |ask| replace(ask, "\"MOS\"", "\"Mos\"")),
    datagram("noti-wrong-digest", |octets, _| mended(octets, 0)),
    datagram("noti-duplicate", |octets, count| {
        if count > 0 {
            mended(octets, 100);
        }
    }),
];

/// A Package#2 that has a Package#3 for its answer.
const NEXT: &str = "{\"CMD\":[[\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//DevID\"]]}";

const fn request(check: &'static str, change: fn(&mut Ask)) -> Alteration {
    Alteration {
        check,
        change: Change::Request(RequestChange(Altered::By(change))),
    }
}

/// Every status of this code becomes the other one.
const fn status(check: &'static str, from: &'static str, to: &'static str) -> Alteration {
    Alteration {
        check,
        change: Change::Request(RequestChange(Altered::Status(from, to))),
    }
}

const fn answer(check: &'static str, change: fn(&Asked<'_>, &mut Answer)) -> Alteration {
    Alteration {
        check,
        change: Change::Answer(AnswerChange(change)),
    }
}

const fn datagram(check: &'static str, change: fn(&mut Vec<u8>, usize)) -> Alteration {
    Alteration {
        check,
        change: Change::Datagram(DatagramChange(change)),
    }
}

const fn change(check: &'static str, change: Change) -> Alteration {
    Alteration { check, change }
}

fn is_response(ask: &Ask) -> bool {
    String::from_utf8_lossy(&ask.body).contains("\"Status\"")
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

pub(super) fn replace(ask: &mut Ask, from: &str, to: &str) {
    if let Ok(text) = std::str::from_utf8(&ask.body) {
        ask.body = text.replace(from, to).into();
    }
}

/// Every failure is called a success.
fn all_ok(ask: &mut Ask) {
    for code in ["400", "403", "404", "405", "501"] {
        replace(ask, &format!("\"sc\":{code}"), "\"sc\":200");
    }
}

fn change_text(answer: &mut Answer, from: &str, to: &str) {
    if let Ok(text) = std::str::from_utf8(&answer.body) {
        answer.body = text.replace(from, to).into();
    }
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

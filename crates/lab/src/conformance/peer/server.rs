//! One alteration of a DM Server for each check of the server kit.

use http::{HeaderValue, Method};
use omadm_dm2::header::DEV_ID;
use omadm_dm2::media_type::{PACKAGE1, PACKAGE3};
use omadm_dm2::package0::ReceivedPackage0;

use super::{Alteration, AnswerChange, Asked, Change, DatagramChange, OTHER_DEV_ID};
use crate::conformance::wire::Answer;

/// An alteration for each check, by the check's name.
pub const SERVER_ALTERATIONS: &[Alteration] = &[
    answer("boot-media-type", |asked, answer| {
        if is_fetch(asked) {
            set(answer, "content-type", "text/html");
        }
    }),
    answer("boot-document", |asked, answer| {
        if is_fetch(asked) {
            replace(answer, "\"ClientURI\"", "\"URI\"");
        }
    }),
    answer("boot-account", |asked, answer| {
        if is_fetch(asked) {
            replace(answer, "\"SrvID\"", "\"ServerID\"");
        }
    }),
    answer("boot-again", |asked, answer| {
        if is_fetch(asked) && asked.earlier > 0 {
            let longer = [&answer.body[..], b" "].concat();
            answer.body = longer.into();
        }
    }),
    answer("boot-nobody", |asked, answer| {
        if is_fetch(asked) && answer.status == 401 {
            answer.status = 200;
        }
    }),
    answer("boot-stranger", |asked, answer| {
        if is_fetch(asked) && answer.status == 403 && !is_of_another(asked) {
            answer.status = 200;
        }
    }),
    answer("boot-of-another", |asked, answer| {
        if is_fetch(asked) && is_of_another(asked) {
            answer.status = 200;
        }
    }),
    answer("flow-package1", |asked, answer| {
        if asked.is_of_type(PACKAGE1) {
            answer.status = 500;
        }
    }),
    answer("flow-media-type", |_, answer| {
        set(answer, "content-type", "text/plain");
    }),
    answer("flow-package3", |asked, answer| {
        if asked.is_of_type(PACKAGE3) {
            answer.status = 500;
        }
    }),
    answer("flow-end", |_, answer| {
        replace(
            answer,
            "[\"END\"]",
            "[\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//\"]",
        );
    }),
    answer("flow-status-count", |asked, answer| {
        if asked.is_of_type(PACKAGE3) && answer.status == 400 {
            end(answer);
        }
    }),
    answer("flow-no-session", |asked, answer| {
        if answer.status == 409 && asked.is("{\"Status\":[]}") {
            end(answer);
        }
    }),
    answer("flow-newer-session", |asked, answer| {
        if answer.status == 409 && !asked.is("{\"Status\":[]}") {
            end(answer);
        }
    }),
    answer("flow-without-cookie", |asked, answer| {
        if asked.is_of_type(PACKAGE3) && asked.header("cookie").is_none() {
            refuse(answer, 409);
        }
    }),
    answer("http-method", |_, answer| {
        answer.headers.remove("allow");
    }),
    answer("http-body-limit", |_, answer| {
        if answer.status == 413 {
            end(answer);
        }
    }),
    answer("json-package2", |_, answer| {
        replace(answer, "\"CMD\"", "\"Cmd\"");
    }),
    answer("json-commands", |_, answer| {
        replace(answer, "\"GET\"", "\"FETCH\"");
    }),
    answer("json-client-uris", |_, answer| {
        replace(answer, "devinfo:1.2//", "devinfo:1.2");
    }),
    answer("json-server-uris", |_, answer| {
        replace(
            answer,
            "\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//\"",
            "\"HGET\",\"https:///nowhere\"",
        );
    }),
    answer("json-mos", |asked, answer| {
        refuse_if(asked.says("oma-fumo") && asked.says("MIID"), answer);
    }),
    answer("json-mos-without-moid", |asked, answer| {
        refuse_if(asked.says("[{\"MIID\":[\"1\"]}]"), answer);
    }),
    answer("json-unknown-members", |asked, answer| {
        refuse_if(asked.says("MgmtTree"), answer);
    }),
    answer("json-null-alert", |asked, answer| {
        refuse_if(asked.says("\"Alert\":null"), answer);
    }),
    answer("json-broken", |asked, answer| {
        if asked.is("{") {
            refuse(answer, 500);
        }
    }),
    answer("json-schema", |asked, answer| {
        if asked.says("\"MOS\":7") {
            end(answer);
        }
    }),
    answer("json-schema-package3", |asked, answer| {
        if asked.says("\"sc\":\"200\"") {
            refuse(answer, 500);
        }
    }),
    answer("alert-client-initiated", |asked, answer| {
        refuse_if(asked.says("ClientInitiatedMgmt"), answer);
    }),
    answer("alert-server-initiated", |asked, answer| {
        refuse_if(asked.says("\"NOTIFICATION-ID\":7"), answer);
    }),
    answer("alert-notification-id", |asked, answer| {
        refuse_if(asked.says("\"DM1x\":8"), answer);
    }),
    answer("alert-bootstrap-complete", |asked, answer| {
        let bare = "{\"Alert\":[{\"AlertType\":\"urn:oma:at:dm:2.0:BootstrapComplete\"}]}";
        refuse_if(asked.is(bare), answer);
    }),
    answer("alert-bootstrap-type", |asked, answer| {
        refuse_if(asked.says("BootstrapType"), answer);
    }),
    answer("alert-bootstrap-again", |asked, answer| {
        refuse_if(asked.says("BootstrapType") && asked.earlier > 0, answer);
    }),
    answer("alert-both-causes", |asked, answer| {
        refuse_if(asked.says("\"NOTIFICATION-ID\":10"), answer);
    }),
    answer("alert-cause-missing", |asked, answer| {
        if asked.is("{\"Alert\":[]}") {
            end(answer);
        }
    }),
    answer("alert-generic", |asked, answer| {
        refuse_if(asked.says("\"Mark\":\"harmless\""), answer);
    }),
    answer("alert-data", |asked, answer| {
        refuse_if(asked.says("\"Data\":[\"a\",1]"), answer);
    }),
    answer("status-any-code", |asked, answer| {
        refuse_if(asked.says("\"sc\":477"), answer);
    }),
    answer("status-members", |asked, answer| {
        refuse_if(asked.says("\"sc\":404.0"), answer);
    }),
    answer("result-in-status", |asked, answer| {
        refuse_if(
            asked.says("\"Result\":[{\"CV\"") && asked.says("\"sc\""),
            answer,
        );
    }),
    answer("result-beside-status", |asked, answer| {
        refuse_if(asked.says("\"MOData\":["), answer);
    }),
    answer("result-not-modified", |asked, answer| {
        refuse_if(asked.says("\"sc\":304"), answer);
    }),
    answer("async-accepted", |asked, answer| {
        refuse_if(asked.says("firmwareupdate"), answer);
    }),
    answer("nego-not-acceptable", |_, answer| {
        if answer.status == 406 {
            end(answer);
        }
    }),
    answer("nego-accept", |asked, answer| {
        if asked.header("accept").is_none() && asked.is_of_type(PACKAGE1) {
            refuse(answer, 406);
        }
    }),
    answer("nego-unsupported", |_, answer| {
        if answer.status == 415 {
            refuse(answer, 400);
        }
    }),
    answer("nego-parameters", |asked, answer| {
        let parameters = asked.header("content-type").unwrap_or_default();
        if parameters.contains("charset") {
            refuse(answer, 415);
        }
    }),
    answer("devid-missing", |asked, answer| {
        if asked.count(DEV_ID) == 0 {
            refuse(answer, 403);
        }
    }),
    answer("devid-repeated", |asked, answer| {
        if asked.count(DEV_ID) == 2 {
            refuse(answer, 403);
        }
    }),
    answer("devid-malformed", |asked, answer| {
        if asked.header(DEV_ID).is_some_and(|it| it.contains(' ')) {
            refuse(answer, 403);
        }
    }),
    answer("devid-of-another", |asked, answer| {
        if is_of_another(asked) && asked.is_of_type(PACKAGE1) {
            end(answer);
        }
    }),
    answer("devid-refusal", |asked, answer| {
        if is_of_another(asked) {
            refuse(answer, 400);
        }
    }),
    answer("sec-nobody", |asked, answer| {
        if answer.status == 401 && asked.header("authorization").is_none() {
            end(answer);
        }
    }),
    answer("sec-stranger", |asked, answer| {
        if answer.status == 403 && !is_of_another(asked) {
            end(answer);
        }
    }),
    answer("sec-basic-offered", |_, answer| {
        set(answer, "www-authenticate", "Bearer");
    }),
    answer("sec-basic", |asked, answer| {
        if answer.status == 200 && asked.header("authorization").is_some() {
            refuse(answer, 401);
        }
    }),
    answer("sec-basic-wrong", |asked, answer| {
        if answer.status == 401 && asked.header("authorization").is_some() {
            end(answer);
        }
    }),
    answer("sec-digest-offered", |_, answer| {
        set(answer, "www-authenticate", "Basic realm=\"dm\"");
    }),
    answer("sec-digest", |asked, answer| {
        let by = asked.header("authorization").unwrap_or_default();
        if answer.status == 200 && by.starts_with("Digest") {
            refuse(answer, 401);
        }
    }),
    change("sec-https", Change::PlainHttp),
    change("sec-not-below-tls", Change::Ssl3),
    change("sec-x509-suite", Change::NoSuite),
    change("sec-x509-suites", Change::NoSuite),
    change("sec-psk-suites", Change::NoSuite),
    answer("cmd-hget", |_, answer| {
        replace(answer, "\"HGET\"", "\"SHOW\"");
    }),
    answer("cmd-hput", |_, answer| {
        replace(answer, "\"HPUT\"", "\"HPOST\"");
    }),
    answer("cmd-hpost", |_, answer| {
        replace(answer, "\"HPOST\"", "\"HPUT\"");
    }),
    answer("cmd-delete", |_, answer| {
        replace(answer, "\"DELETE\"", "\"EXEC\"");
    }),
    answer("cmd-exec", |_, answer| {
        replace(answer, "\"EXEC\"", "\"DELETE\"");
    }),
    answer("cmd-get", |_, answer| {
        replace(answer, "\"GET\"", "\"DELETE\"");
    }),
    answer("cmd-show", |_, answer| {
        replace(answer, "\"SHOW\"", "\"CONT\"");
    }),
    answer("cmd-cont", |_, answer| {
        replace(answer, "\"CONT\"", "\"SHOW\"");
    }),
    answer("cmd-default", |_, answer| {
        replace(answer, "\"DEFAULT\"", "\"HGET\"");
    }),
    answer("cmd-sub", |_, answer| {
        replace(answer, "\"SUB\"", "\"HPUT\"");
    }),
    answer("cmd-unsub", |_, answer| {
        replace(answer, "\"UNSUB\"", "\"GET\"");
    }),
    answer("uri-query", |_, answer| {
        replace(answer, "/*/Man", "//Man");
    }),
    datagram("noti-form", |octets, _| octets.push(0)),
    datagram("noti-server-id", |octets, _| {
        // The first octet of SERVER-ID, wherever its length leaves it.
        if let Some(octet) = octets.get_mut(4) {
            *octet ^= 1;
        }
    }),
    datagram("noti-digest", |octets, _| {
        // RESERVED is covered by the digest and read by nobody.
        if let Some(octet) = octets.get_mut(1) {
            *octet ^= 1;
        }
    }),
    datagram("noti-replay", |octets, _| {
        if let Ok(read) = ReceivedPackage0::decode(octets) {
            let mut package = read.package().clone();
            package.timestamp = Some(1);
            *octets = package.encode();
        }
    }),
    answer("noti-session", |asked, answer| {
        refuse_if(asked.says("ServerInitiatedMgmt"), answer);
    }),
];

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

fn is_fetch(asked: &Asked<'_>) -> bool {
    asked.ask.method == Method::GET && asked.ask.target.starts_with("/bootstrap")
}

fn is_of_another(asked: &Asked<'_>) -> bool {
    asked.header(DEV_ID) == Some(OTHER_DEV_ID)
}

fn set(answer: &mut Answer, name: &'static str, value: &'static str) {
    answer.headers.insert(name, HeaderValue::from_static(value));
}

fn replace(answer: &mut Answer, from: &str, to: &str) {
    if let Ok(text) = std::str::from_utf8(&answer.body) {
        answer.body = text.replace(from, to).into();
    }
}

fn refuse(answer: &mut Answer, status: u16) {
    answer.status = status;
    answer.body = "{}".into();
}

fn refuse_if(so: bool, answer: &mut Answer) {
    if so {
        refuse(answer, 400);
    }
}

/// Answers as if nothing were wrong and nothing to do.
fn end(answer: &mut Answer) {
    answer.status = 200;
    answer.body = "{\"CMD\":[[\"END\"]]}".into();
}

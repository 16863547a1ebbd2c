//! One alteration of a DM Server for each check of the server kit.

use http::{HeaderValue, Method};
use omadm_dm2::header::DEV_ID;
use omadm_dm2::media_type::{PACKAGE1, PACKAGE3};
use omadm_dm2::package0::ReceivedPackage0;

use super::{Alteration, AnswerChange, Asked, Change, DatagramChange, OTHER_DEV_ID};
use crate::conformance::wire::Answer;

/// The checks that need a session in which the server sends what an operator queued.
const COMMANDS: &str = "cmd-hget cmd-hput cmd-hpost cmd-delete cmd-exec cmd-get cmd-show cmd-cont \
    cmd-default cmd-sub cmd-unsub uri-query dac-read dac-give cache-validator";
/// The checks that need a device to be called.
const NOTIFICATIONS: &str = "noti-form noti-server-id noti-digest noti-replay noti-session";

/// An alteration for each check, by the check's name. Without an answer to either package, or commands in it, the kit gets no further.
pub const SERVER_ALTERATIONS: &[Alteration] = &[
    answer("boot-media-type", |asked, answer| {
        if is_fetch(asked) {
            set(answer, "content-type", "text/html");
        }
    }),
    answer("boot-document", |asked, answer| {
        if is_fetch(asked) && answer.body.ends_with(b"]") {
            let mut longer = answer.body[..answer.body.len() - 1].to_vec();
            longer.extend(b",{\"MOData\":{\"X\":{}}}]");
            answer.body = longer.into();
        }
    }),
    answer("boot-account", |asked, answer| {
        if is_fetch(asked) {
            replace(answer, "\"Name\":", "\"Label\":");
        }
    }),
    answer("boot-again", |asked, answer| {
        if is_fetch(asked) {
            let longer = [&answer.body[..], " ".repeat(asked.earlier).as_bytes()].concat();
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
    })
    .followed_by_all_but(&[
        "boot-media-type boot-document boot-account boot-again boot-nobody",
        "boot-stranger boot-of-another http-method json-package2 nego-unsupported",
        "nego-repository repo-upload devid-of-another sec-nobody sec-stranger",
        "sec-https sec-not-below-tls sec-x509-suite sec-x509-suites sec-psk-suites",
        "sec-psk www-authenticate",
    ]),
    answer("flow-media-type", |asked, answer| {
        if asked.is_of_type(PACKAGE1) {
            set(answer, "content-type", "text/plain");
        }
    }),
    answer("flow-package3", |asked, answer| {
        if asked.is_of_type(PACKAGE3) {
            answer.status = 500;
        }
    })
    .followed_by(&[
        COMMANDS,
        NOTIFICATIONS,
        "flow-end flow-status-count flow-no-session flow-newer-session",
        "flow-without-cookie http-method json-null-alert json-schema-package3",
        "alert-bootstrap-again alert-generic status-any-code status-members",
        "result-in-status result-beside-status result-not-modified async-accepted",
    ]),
    answer("flow-end", |_, answer| {
        replace(
            answer,
            "[\"END\"]",
            "[\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//\"]",
        );
    })
    .followed_by(&[
        COMMANDS,
        NOTIFICATIONS,
        "flow-no-session alert-bootstrap-again",
    ]),
    answer("flow-status-count", |asked, answer| {
        if asked.is_of_type(PACKAGE3) && answer.status == 400 && !asked.says("\"sc\":\"200\"") {
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
        if is_post(asked) && asked.is_of_type(PACKAGE3) && asked.header("cookie").is_none() {
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
    answer("http-busy", |asked, answer| {
        if asked.says("conformance.rush") {
            answer.status = 503;
        }
    }),
    answer("json-package2", |_, answer| {
        replace(answer, "\"CMD\"", "\"Cmd\"");
    })
    .followed_by(&[
        COMMANDS,
        NOTIFICATIONS,
        "flow-package1 flow-package3 flow-end flow-status-count flow-no-session",
        "flow-newer-session flow-without-cookie json-commands json-client-uris",
        "json-server-uris json-mos json-mos-without-moid json-unknown-members",
        "json-null-alert json-schema json-schema-package3 alert-client-initiated",
        "alert-server-initiated alert-notification-id alert-bootstrap-complete",
        "alert-bootstrap-type alert-bootstrap-again alert-both-causes alert-generic",
        "alert-data status-any-code status-members result-in-status",
        "result-beside-status result-not-modified async-accepted",
    ]),
    answer("json-commands", |_, answer| {
        replace(
            answer,
            "\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//\"",
            "\"FETCH\",\"urn:oma:mo:oma-dm-devinfo:1.2//\"",
        );
    }),
    answer("json-client-uris", |_, answer| {
        replace(
            answer,
            "\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//\"",
            "\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2\"",
        );
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
    })
    .followed_by(&[
        COMMANDS,
        "flow-package1 flow-media-type http-busy json-mos json-mos-without-moid",
        "json-unknown-members json-schema alert-generic alert-data async-accepted",
        "nego-not-acceptable nego-accept nego-unsupported nego-parameters",
        "nego-omadm-accept devid-refusal sec-basic-offered sec-basic sec-basic-wrong",
        "sec-digest-offered sec-digest",
    ]),
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
    })
    .followed_by(&[
        NOTIFICATIONS,
        "flow-package3 flow-end flow-status-count flow-no-session flow-newer-session",
        "flow-without-cookie json-package2 json-commands json-client-uris",
        "json-server-uris json-null-alert json-schema-package3 alert-bootstrap-again",
        "alert-generic status-any-code status-members result-in-status",
        "result-beside-status result-not-modified async-accepted",
    ]),
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
    })
    .followed_by(&[
        NOTIFICATIONS,
        "flow-package3 flow-end flow-no-session flow-newer-session",
        "flow-without-cookie json-null-alert json-schema-package3",
        "alert-bootstrap-again alert-generic result-beside-status cache-validator",
    ]),
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
    answer("nego-unsupported", |asked, answer| {
        if answer.status == 415 && !is_upload(asked) {
            refuse(answer, 400);
        }
    }),
    answer("nego-parameters", |asked, answer| {
        let parameters = asked.header("content-type").unwrap_or_default();
        if parameters.contains("charset") {
            refuse(answer, 415);
        }
    }),
    answer("nego-omadm-accept", |asked, answer| {
        if asked.is_of_type(PACKAGE1) {
            set(answer, "omadm-accept", "whatever you like");
        }
    }),
    answer("nego-repository", |asked, answer| {
        if is_upload(asked) {
            answer.headers.remove("omadm-accept");
        }
    }),
    answer("repo-upload", |asked, answer| {
        if is_upload(asked) && asked.ask.method == Method::POST {
            answer.status = 405;
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
    })
    .followed_by(&["devid-refusal"]),
    answer("devid-refusal", |asked, answer| {
        if is_of_another(asked) {
            refuse(answer, 400);
        }
    }),
    // Who lets everybody in asks for nothing.
    answer("sec-nobody", |asked, answer| {
        let is_session = asked.is_of_type(PACKAGE1);
        if is_session && answer.status == 401 && asked.header("authorization").is_none() {
            end(answer);
        }
    })
    .followed_by(&["sec-basic-offered", "sec-digest-offered"]),
    answer("sec-stranger", |asked, answer| {
        if asked.is_of_type(PACKAGE1) && answer.status == 403 && !is_of_another(asked) {
            end(answer);
        }
    }),
    answer("sec-basic-offered", |_, answer| {
        drop_challenge(answer, "Basic");
    }),
    answer("sec-basic", |asked, answer| {
        let by = asked.header("authorization").unwrap_or_default();
        if answer.status == 200 && by.starts_with("Basic") {
            refuse(answer, 401);
        }
    }),
    answer("sec-basic-wrong", |asked, answer| {
        if answer.status == 401 && asked.header("authorization").is_some() {
            end(answer);
        }
    }),
    answer("sec-digest-offered", |_, answer| {
        drop_challenge(answer, "Digest");
    })
    .followed_by(&["sec-digest"]),
    answer("sec-digest", |asked, answer| {
        let by = asked.header("authorization").unwrap_or_default();
        if answer.status == 200 && by.starts_with("Digest") {
            refuse(answer, 401);
        }
    }),
    change("sec-https", Change::PlainHttp),
    change("sec-not-below-tls", Change::Ssl3),
    // Who speaks none speaks not all.
    change("sec-x509-suite", Change::NoSuite).followed_by(&["sec-x509-suites", "sec-psk-suites"]),
    change("sec-x509-suites", Change::NoSuch(0x003C)),
    change("sec-psk-suites", Change::NoSuch(0x00AC)),
    change("sec-psk", Change::NoPsk),
    answer("cmd-hget", |_, answer| {
        if !String::from_utf8_lossy(&answer.body).contains("dacmo") {
            replace(answer, "\"HGET\"", "\"SHOW\"");
        }
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
        replace(
            answer,
            "\"GET\",\"urn:oma:mo:oma-dm-devinfo:1.2//Man\"",
            "\"DELETE\",\"urn:oma:mo:oma-dm-devinfo:1.2//Man\"",
        );
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
    answer("dac-read", |_, answer| {
        replace(answer, "oma-dm-dacmo:1.0/*/", "oma-dm-dacmo:1.0//");
    }),
    answer("dac-give", |_, answer| {
        replace(answer, "/2/Servers/other", "/2/Servers/");
    }),
    answer("cache-validator", |_, answer| {
        replace(answer, "?cv=kit-1", "");
    }),
    // What is no Package#0 holds nothing.
    datagram("noti-form", |octets, _| octets.push(0)).followed_by(&[
        "noti-server-id",
        "noti-digest",
        "noti-replay",
        "noti-session",
    ]),
    // The digest is over every octet.
    datagram("noti-server-id", |octets, _| {
        // The first octet of SERVER-ID, wherever its length leaves it.
        if let Some(octet) = octets.get_mut(4) {
            *octet ^= 1;
        }
    })
    .followed_by(&["noti-digest"]),
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
    })
    .followed_by(&["noti-digest"]),
    answer("noti-session", |asked, answer| {
        refuse_if(asked.says("ServerInitiatedMgmt"), answer);
    })
    .followed_by(&[
        "alert-server-initiated",
        "alert-notification-id",
        "alert-both-causes",
    ]),
];

const fn answer(check: &'static str, change: fn(&Asked<'_>, &mut Answer)) -> Alteration {
    Alteration::new(check, Change::Answer(AnswerChange(change)))
}

const fn datagram(check: &'static str, change: fn(&mut Vec<u8>, usize)) -> Alteration {
    Alteration::new(check, Change::Datagram(DatagramChange(change)))
}

const fn change(check: &'static str, change: Change) -> Alteration {
    Alteration::new(check, change)
}

fn is_fetch(asked: &Asked<'_>) -> bool {
    asked.ask.method == Method::GET && asked.ask.target.starts_with("/bootstrap")
}

fn is_post(asked: &Asked<'_>) -> bool {
    asked.ask.method == Method::POST
}

fn is_upload(asked: &Asked<'_>) -> bool {
    asked.ask.target.starts_with("/repo")
}

/// Leaves out the challenges of this scheme.
fn drop_challenge(answer: &mut Answer, scheme: &str) {
    let all = answer.headers.get_all("www-authenticate").iter();
    let kept: Vec<_> = all
        .filter(|value| !value.to_str().is_ok_and(|text| text.starts_with(scheme)))
        .cloned()
        .collect();
    answer.headers.remove("www-authenticate");
    for value in kept {
        answer.headers.append("www-authenticate", value);
    }
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

//! How a session begins, goes on and ends on the client.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_bootstrap::DeviceView as _;
use omadm_dm2::media_type;
use omadm_mo::SrvId;
use omadm_session::client::{
    Cause, ClientSession, Effect, EffectId, Input, Opening, Outcome, Response, SessionReason,
};
use support::*;

const CMD_GET: &str = r#"{"CMD":[["GET","urn:oma:mo:oma-dm-devinfo:1.2//Man"]]}"#;

fn redirect(status: u16, location: &str) -> Result<Response, Cause> {
    answer(status, "").map(|response| Response {
        location: Some(location.to_owned()),
        ..response
    })
}

fn with_cookie(cookie: &str, body: &str) -> Result<Response, Cause> {
    answer(200, body).map(|response| Response {
        set_cookie: Some(cookie.to_owned()),
        ..response
    })
}

fn owes(bench: &Bench) -> bool {
    bench.account(SRV).owed.is_some()
}

#[test]
fn x_flow_001_packages_carry_their_media_types_and_go_to_srv_uri() {
    let run = Bench::new().session(SRV, |_, n| answer(200, if n == 0 { CMD_GET } else { "" }));
    let types: Vec<_> = run
        .requests
        .iter()
        .map(|r| (r.content_type, r.accept))
        .collect();
    assert_eq!(
        types,
        [
            (media_type::PACKAGE1, media_type::PACKAGE2),
            (media_type::PACKAGE3, media_type::PACKAGE2)
        ]
    );
    assert!(
        run.requests
            .iter()
            .all(|r| r.to.as_str() == "https://dms.example.com/dm/2.0")
    );
    assert_eq!(run.outcome, Some(Outcome::Ended));
}

#[test]
fn the_cookie_is_returned_within_its_session_and_never_in_another_d02() {
    let mut bench = Bench::new();
    let run = bench.session(SRV, |_, n| match n {
        0 => with_cookie("a", CMD_GET),
        1 => answer(200, CMD_GET),
        2 => with_cookie("b", CMD_GET),
        3 => answer(200, CMD_GET),
        _ => answer(200, ""),
    });
    let cookies: Vec<_> = run.requests.iter().map(|r| r.cookie.as_deref()).collect();
    assert_eq!(cookies, [None, Some("a"), Some("a"), Some("b"), Some("b")]);
    let run = bench.session(SRV, |_, _| answer(200, ""));
    assert_eq!(run.requests[0].cookie, None);
}

#[test]
fn a_cookie_goes_to_no_other_host_d02() {
    for (uri, cookie) in [
        ("https://dms.example.com:8443/next", Some("a")),
        ("https://other.example.com/dm/2.0", None),
    ] {
        let cont = format!(r#"{{"CMD":[["CONT","{uri}"]]}}"#);
        let run = Bench::new().session(SRV, |_, n| match n {
            0 => with_cookie("a", &cont),
            _ => answer(200, ""),
        });
        assert_eq!(run.requests[1].to.as_str(), uri);
        assert_eq!(run.requests[1].cookie.as_deref(), cookie);
        let run = Bench::new().session(SRV, |_, n| match n {
            0 => with_cookie("a", CMD_GET),
            1 => redirect(307, uri),
            _ => answer(200, ""),
        });
        let cookies: Vec<_> = run.requests.iter().map(|r| r.cookie.as_deref()).collect();
        assert_eq!(cookies, [None, Some("a"), cookie]);
    }
}

#[test]
fn redirects_307_and_308_are_followed_three_times_with_the_same_package_d08() {
    let mut bench = Bench::new();
    let run = bench.session(SRV, |_, n| match n {
        0 => redirect(307, "https://two.example.com/x"),
        1 => redirect(308, "/y"),
        2 => redirect(307, "https://three.example.com/z"),
        _ => answer(200, ""),
    });
    let to: Vec<_> = run.requests.iter().map(|r| r.to.as_str()).collect();
    assert_eq!(
        to,
        [
            "https://dms.example.com/dm/2.0",
            "https://two.example.com/x",
            "https://two.example.com/y",
            "https://three.example.com/z"
        ]
    );
    assert!(run.requests.iter().all(|r| r.body == run.requests[0].body));
    assert_eq!(run.outcome, Some(Outcome::Ended));
    let run = bench.session(SRV, |_, _| redirect(307, "/again"));
    assert_eq!(run.requests.len(), 4);
    assert!(matches!(
        run.outcome,
        Some(Outcome::Refused { status: 307, .. })
    ));
    // The bound counts for each package anew.
    let run = bench.session(SRV, |_, n| match n {
        0 | 3 | 6 => redirect(307, "/a"),
        1 | 4 | 7 => redirect(308, "/b"),
        2 | 5 => answer(200, CMD_GET),
        _ => answer(200, ""),
    });
    assert_eq!((run.requests.len(), run.outcome), (9, Some(Outcome::Ended)));
}

#[test]
fn other_redirects_and_those_to_plain_http_end_the_session_d08() {
    let mut bench = Bench::owing();
    for answer in [
        redirect(301, "https://two.example.com/"),
        redirect(302, "https://two.example.com/"),
        redirect(303, "https://two.example.com/"),
        redirect(307, "http://two.example.com/"),
        redirect(307, "ftp://two.example.com/"),
        answer(307, ""),
    ] {
        let run = bench.session(SRV, |_, _| answer.clone());
        assert_eq!(run.requests.len(), 1);
        assert!(matches!(run.outcome, Some(Outcome::Refused { .. })));
        assert!(owes(&bench));
    }
}

#[test]
fn an_http_error_ends_the_session_and_leaves_the_completion_owed_d07() {
    let mut bench = Bench::owing();
    for status in [400, 401, 403, 404, 409, 413, 415, 429, 500, 503] {
        let long = "ü".repeat(600);
        let run = bench.session(SRV, |_, _| {
            answer(status, &long).map(|response| Response {
                retry_after: Some(7),
                ..response
            })
        });
        let Some(Outcome::Refused {
            status: found,
            retry_after,
            detail,
            after_first_answer,
        }) = run.outcome
        else {
            panic!("{:?}", run.outcome)
        };
        assert_eq!(
            (found, retry_after, after_first_answer),
            (status, Some(7), false)
        );
        assert!(detail.starts_with('ü') && detail.len() <= 512);
        assert!(owes(&bench));
    }
    let run = bench.session(SRV, |_, n| {
        if n == 0 {
            answer(200, CMD_GET)
        } else {
            answer(409, "")
        }
    });
    assert!(matches!(
        run.outcome,
        Some(Outcome::Refused {
            status: 409,
            after_first_answer: true,
            ..
        })
    ));
    assert!(!owes(&bench));
}

#[test]
fn a_package_without_answer_ends_the_session_and_is_not_sent_again_d02() {
    let mut bench = Bench::owing();
    let cause = Cause::Unreachable("x".to_owned());
    let run = bench.session(SRV, |_, _| Err(cause.clone()));
    assert_eq!(
        (run.requests.len(), run.outcome),
        (1, Some(Outcome::Lost(cause)))
    );
    assert!(owes(&bench));
}

#[test]
fn an_empty_body_and_an_empty_list_are_end_d11() {
    for text in ["", r#"{"CMD":[]}"#, r#"{"CMD":[["END"]]}"#] {
        let run = Bench::new().session(SRV, |_, _| answer(200, text));
        assert_eq!(
            (run.requests.len(), run.outcome),
            (1, Some(Outcome::Ended)),
            "{text}"
        );
    }
    let run = Bench::new().session(SRV, |_, _| answer(204, ""));
    assert_eq!(run.outcome, Some(Outcome::Ended));
}

#[test]
fn an_answer_nobody_waits_for_is_passed_over() {
    let bench = Bench::new();
    let mut session = bench.start(SRV);
    while session.poll_effect().is_some() {}
    let view = &bench.pair.end.device;
    session.handle_input(view, Input::UploadDone(EffectId(1), Ok(())));
    session.handle_input(view, Input::Response(answer(200, CMD_GET).unwrap()));
    let Some(Effect::Report(_)) = session.poll_effect() else {
        panic!("the alerts were delivered")
    };
    let Some(Effect::ReadLive(id, _)) = session.poll_effect() else {
        panic!("a live read")
    };
    for wrong in [
        Input::ReadLiveDone(EffectId(id.0 + 1), Ok(Vec::new())),
        Input::UploadDone(EffectId(99), Ok(())),
        Input::SendFailed(Cause::Forbidden(
            omadm_session::client::AddressRule::Private,
        )),
        Input::Response(answer(200, "").unwrap()),
    ] {
        session.handle_input(view, wrong);
        assert_eq!(session.poll_effect(), None);
        assert!(!session.is_over());
    }
}

#[test]
fn without_an_account_there_is_no_session() {
    let bench = Bench::new();
    let opening = Opening {
        reason: SessionReason::Client,
        to: None,
        server: SrvId::parse("nobody.example.com").unwrap(),
        alerts: Vec::new(),
        report_type: true,
        browser: false,
        live: bench.pair.end.live(),
        limits: bench.limits,
    };
    let device = &bench.pair.end.device;
    let mut session = ClientSession::start(opening, registry(), device);
    let last = std::iter::from_fn(|| session.poll_effect()).last();
    assert_eq!(last, Some(Effect::Finish(Outcome::NoAccount)));
    assert_eq!(device.accounts().unwrap().len(), 2);
}

#[test]
fn an_account_that_is_gone_meanwhile_answers_500_and_ends() {
    let mut bench = Bench::new();
    let mut session = bench.start(SRV);
    while session.poll_effect().is_some() {}
    let mut plan =
        omadm_bootstrap::plan::TreePlan::at(omadm_mo::TreeView::version(&bench.pair.end.device));
    plan.removed_accounts.push(SrvId::parse(SRV).unwrap());
    bench.pair.end.device.apply(&plan).unwrap();
    let text = format!(r#"{{"CMD":[["GET","{GPS}/left/ID"]]}}"#);
    session.handle_input(
        &bench.pair.end.device,
        Input::Response(answer(200, &text).unwrap()),
    );
    let sent = std::iter::from_fn(|| session.poll_effect()).find_map(|e| {
        if let Effect::Send(request) = e {
            Some(request)
        } else {
            None
        }
    });
    assert_eq!(statuses(&sent.unwrap())[0].code.get(), 500);
}

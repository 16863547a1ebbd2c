use omadm_bootstrap::Utc;
use omadm_dm2::{Command, StatusCode};
use omadm_mo::json::{JsonError, JsonLimits};

use super::super::{
    CommandOutcome, DeviceFacts, PackageIn, Refusal, Reply, SentCommand, SessionEvent,
    SessionState, Step, WantedCommand,
};
use super::advance;

const CLIENT: &str = r#"{"Alert":[{"AlertType":"urn:oma:at:dm:2.0:ClientInitiatedMgmt"}]}"#;
const COMPLETE: &str = r#"{"AlertType":"urn:oma:at:dm:2.0:BootstrapComplete","SourceURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/","Data":{"BootstrapType":{"Seq":1,"EventId":"5f0c1d2e3a4b5c6d7e8f901122334455"}}}"#;
const READ_DEV_INFO: &str = r#"{"CMD":[["GET","urn:oma:mo:oma-dm-devinfo:1.2//"]]}"#;
const END: &str = r#"{"CMD":[["END"]]}"#;
const ONE_OK: &str = r#"{"Status":[{"sc":200}]}"#;
const GET_DEV_INFO: [&str; 2] = ["GET", "urn:oma:mo:oma-dm-devinfo:1.2//"];
const GET_A: [&str; 2] = ["GET", "urn:oma:mo:m:1.0//A"];
const GET_B: [&str; 2] = ["GET", "urn:oma:mo:m:1.0//B"];
const GET_C: [&str; 2] = ["GET", "urn:oma:mo:m:1.0//C"];
const EXEC: [&str; 2] = ["EXEC", "urn:oma:mo:m:1.0//Restart"];

fn facts(entropy: u8, words: &[&[&str]]) -> DeviceFacts {
    DeviceFacts {
        wanted: words.iter().map(|words| wanted(words)).collect(),
        read_dev_info: true,
        dev_info_missing: false,
        entropy: [entropy; 16],
    }
}

/// A command whose id is its words, so that the same words are the same command.
fn wanted(words: &[&str]) -> WantedCommand {
    WantedCommand {
        id: words.join(" "),
        command: Command::read(words).unwrap(),
        cv: None,
    }
}

fn sent(words: &[&str]) -> SessionEvent {
    given(words, 1)
}

fn given(words: &[&str], given: u32) -> SessionEvent {
    let command = sent_command(words);
    SessionEvent::Sent { command, given }
}

/// A queued command; the server's own read of DevInfo has no id.
fn sent_command(words: &[&str]) -> SentCommand {
    let own = words.iter().any(|word| word.contains("devinfo"));
    SentCommand {
        id: (!own).then(|| words.join(" ")),
        words: words.iter().map(|&word| word.to_owned()).collect(),
        cv: None,
    }
}

fn package1(now: i64, state: Option<SessionState>, device: &DeviceFacts, body: &str) -> Step {
    let body = body.as_bytes();
    let package = PackageIn::Package1 { body };
    advance(Utc(now), state, device, package, JsonLimits::default())
}

fn package3(
    now: i64,
    state: Option<SessionState>,
    device: &DeviceFacts,
    body: &str,
    cookie: Option<&str>,
) -> Step {
    let body = body.as_bytes();
    let package = PackageIn::Package3 { body, cookie };
    advance(Utc(now), state, device, package, JsonLimits::default())
}

fn completed() -> String {
    format!(r#"{{"Alert":[{COMPLETE}]}}"#)
}

fn body(step: &Step) -> &str {
    match &step.reply {
        Reply::Package2 { body, .. } => std::str::from_utf8(body).unwrap(),
        Reply::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

fn cookie(step: &Step) -> Option<String> {
    match &step.reply {
        Reply::Package2 { set_cookie, .. } => set_cookie.clone(),
        Reply::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

fn refusal(step: &Step) -> &Refusal {
    match &step.reply {
        Reply::Refused(refusal) => refusal,
        Reply::Package2 { .. } => panic!("answered: {}", body(step)),
    }
}

fn outcome(words: &[&str], status: u16, duration_ms: u64) -> SessionEvent {
    let own = words.iter().any(|word| word.contains("devinfo"));
    SessionEvent::Answered(CommandOutcome {
        id: (!own).then(|| words.join(" ")),
        command: words.iter().map(|&word| word.to_owned()).collect(),
        status: StatusCode::new(status).unwrap(),
        duration_ms,
        uris: vec![],
        result: None,
        cv: None,
        unchanged: None,
    })
}

fn started(causes: &[&str]) -> SessionEvent {
    let urn = |cause: &&str| format!("urn:oma:at:dm:2.0:{cause}");
    SessionEvent::Started {
        causes: causes.iter().map(urn).collect(),
    }
}

fn superseded(older: &SessionState, commands: &[&[&str]], duration_ms: u64) -> SessionEvent {
    SessionEvent::Superseded {
        session: older.id.clone(),
        duration_ms,
        outcome_unknown: commands.iter().map(|words| sent_command(words)).collect(),
    }
}

/// A client-initiated session whose first Package#2 holds these commands.
fn session(wanted: &[&[&str]]) -> Step {
    let step = package1(1_000, None, &facts(1, wanted), CLIENT);
    assert!(step.state.is_some());
    step
}

#[test]
fn b_30_the_first_session_of_a_bootstrap_completes_reads_dev_info_and_ends() {
    let opened = package1(1_000, None, &facts(0xab, &[]), &completed());
    assert_eq!(body(&opened), READ_DEV_INFO);
    assert_eq!(cookie(&opened).unwrap(), "ab".repeat(16));
    let events = [started(&["BootstrapComplete"]), sent(&GET_DEV_INFO)];
    assert_eq!(opened.delta.events, events);
    let [completion] = &opened.delta.completions[..] else {
        panic!("{:?}", opened.delta)
    };
    assert_eq!(
        completion.source.as_deref(),
        Some("urn:oma:mo:oma-dm-dmacc:1.2/1/")
    );
    assert_eq!(completion.seq, Some(1));

    let answer = r#"{"Status":[{"sc":200,"Result":[{"ClientURI":"urn:oma:mo:oma-dm-devinfo:1.2/1/","MOData":{"DevInfo":{"DevID":"IMEI:493005100592800"}}}]}]}"#;
    let ended = package3(
        1_250,
        opened.state.clone(),
        &facts(2, &[]),
        answer,
        cookie(&opened).as_deref(),
    );
    assert_eq!(body(&ended), END);
    assert_eq!(cookie(&ended), None);
    assert_eq!(ended.state, None);
    let [SessionEvent::Answered(read), SessionEvent::Ended] = &ended.delta.events[..] else {
        panic!("{:?}", ended.delta)
    };
    assert_eq!((&read.id, read.duration_ms), (&None, 250));
    assert!(read.result.as_ref().unwrap().starts_with("[{"));
    assert_eq!(ended.delta.completions, []);
    let dev_info = ended.delta.dev_info.unwrap();
    assert_eq!(dev_info.to_compact(), r#"{"DevID":"IMEI:493005100592800"}"#);
}

#[test]
fn x_flow_001_commands_go_on_until_none_is_wanted_then_the_session_ends() {
    let first = session(&[&GET_A, &EXEC]);
    assert_eq!(
        body(&first),
        r#"{"CMD":[["GET","urn:oma:mo:m:1.0//A"],["EXEC","urn:oma:mo:m:1.0//Restart"]]}"#
    );
    let statuses = r#"{"Status":[{"sc":404},{"sc":202}],"Alert":[{"AlertType":"urn:x"}]}"#;
    let second = package3(1_500, first.state, &facts(2, &[&GET_B]), statuses, None);
    assert_eq!(body(&second), r#"{"CMD":[["GET","urn:oma:mo:m:1.0//B"]]}"#);
    assert_eq!(cookie(&second), None);
    assert_eq!(
        second.delta.events[..2],
        [outcome(&GET_A, 404, 500), outcome(&EXEC, 202, 500)]
    );
    assert!(
        matches!(&second.delta.events[2..], [SessionEvent::Alert(alert), SessionEvent::Sent { .. }] if alert.alert_type.as_str() == "urn:x")
    );
    let state = second.state.clone().unwrap();
    assert_eq!((state.started_at, state.sent_at), (Utc(1_000), Utc(1_500)));
    let third = package3(1_507, second.state, &facts(3, &[]), ONE_OK, None);
    assert_eq!(body(&third), END);
    assert_eq!(
        third.delta.events,
        [outcome(&GET_B, 200, 7), SessionEvent::Ended]
    );
    assert_eq!(third.state, None);
}

#[test]
fn a_device_for_which_there_is_nothing_to_do_gets_end_at_once_d70() {
    let step = package1(0, None, &facts(1, &[]), CLIENT);
    assert_eq!(
        (body(&step), cookie(&step), &step.state),
        (END, None, &None)
    );
    assert_eq!(
        step.delta.events,
        [started(&["ClientInitiatedMgmt"]), SessionEvent::Ended]
    );
}

#[test]
fn end_is_never_sent_beside_commands_and_never_waited_for() {
    let step = package1(0, None, &facts(1, &[&["END"], &GET_A]), CLIENT);
    assert_eq!(body(&step), r#"{"CMD":[["GET","urn:oma:mo:m:1.0//A"]]}"#);
    let step = package1(0, None, &facts(1, &[&["END"]]), CLIENT);
    assert_eq!((body(&step), &step.state), (END, &None));
}

#[test]
fn x_alrt_001_bootstrap_complete_dominates_and_other_alerts_are_reported_d04() {
    let alerts = format!(
        r#"{{"Alert":[{{"AlertType":"urn:x"}},{{"AlertType":"urn:oma:at:dm:2.0:ServerInitiatedMgmt"}},{COMPLETE}]}}"#
    );
    let step = package1(0, None, &facts(1, &[]), &alerts);
    assert_eq!(
        step.delta.events[0],
        started(&["BootstrapComplete", "ServerInitiatedMgmt"])
    );
    assert!(
        matches!(&step.delta.events[1..], [SessionEvent::Alert(alert), SessionEvent::Sent { .. }] if alert.alert_type.as_str() == "urn:x")
    );
    assert_eq!(step.delta.completions.len(), 1);
}

#[test]
fn dev_info_is_read_first_and_only_after_a_bootstrap_of_a_device_that_has_it() {
    let with_mos =
        |moid: &str| format!(r#"{{"MOS":[{{"MOID":"{moid}","MIID":[]}}],"Alert":[{COMPLETE}]}}"#);
    let wanted = facts(1, &[&GET_A]);
    let both =
        r#"{"CMD":[["GET","urn:oma:mo:oma-dm-devinfo:1.2//"],["GET","urn:oma:mo:m:1.0//A"]]}"#;
    let alone = r#"{"CMD":[["GET","urn:oma:mo:m:1.0//A"]]}"#;
    for (package, expected) in [
        (completed(), both),
        (with_mos("urn:oma:mo:oma-dm-devinfo:1.2"), both),
        (with_mos("urn:oma:mo:oma-fumo:1.0"), alone),
        (CLIENT.to_owned(), alone),
    ] {
        assert_eq!(
            body(&package1(0, None, &wanted, &package)),
            expected,
            "{package}"
        );
    }
    let unread = DeviceFacts {
        read_dev_info: false,
        ..wanted
    };
    assert_eq!(body(&package1(0, None, &unread, &completed())), alone);
}

#[test]
fn dev_info_that_a_completed_device_never_told_is_read_in_its_next_session() {
    let missing = DeviceFacts {
        dev_info_missing: true,
        ..facts(1, &[&GET_A])
    };
    let step = package1(0, None, &missing, CLIENT);
    assert!(
        body(&step).contains("urn:oma:mo:oma-dm-devinfo:1.2"),
        "{}",
        body(&step)
    );
    let known = package1(0, None, &facts(1, &[&GET_A]), CLIENT);
    assert!(!body(&known).contains("devinfo"), "{}", body(&known));
}

#[test]
fn a_new_package1_supersedes_the_older_session_and_voids_its_cookie_d02() {
    let older = session(&[&GET_A]);
    let newer = package1(
        2_000,
        older.state.clone(),
        &facts(2, &[&GET_A]),
        &completed(),
    );
    let expected = [
        superseded(older.state.as_ref().unwrap(), &[&GET_A], 1_000),
        started(&["BootstrapComplete"]),
        sent(&GET_DEV_INFO),
        sent(&GET_A),
    ];
    assert_eq!(newer.delta.events, expected);
    assert!(body(&newer).contains("urn:oma:mo:m:1.0//A"));
    assert_eq!(newer.state.as_ref().unwrap().started_at, Utc(2_000));
    let two = r#"{"Status":[{"sc":200},{"sc":200}]}"#;
    let device = facts(3, &[]);
    let late = package3(
        2_100,
        newer.state.clone(),
        &device,
        two,
        cookie(&older).as_deref(),
    );
    assert_eq!(*refusal(&late), Refusal::NoSession);
    assert_eq!(late.state, newer.state);
    for right in [cookie(&newer), None] {
        let step = package3(2_100, newer.state.clone(), &device, two, right.as_deref());
        assert_eq!(body(&step), END, "{right:?}");
    }
}

#[test]
fn the_same_package1_gets_the_same_answer_under_a_new_cookie_and_completes_nothing_twice() {
    let first = package1(1_000, None, &facts(1, &[&GET_A]), &completed());
    let again = package1(4_000, first.state.clone(), &facts(2, &[]), &completed());
    assert_eq!(body(&again), body(&first));
    assert_eq!(again.delta.completions, []);
    let twice = [given(&GET_DEV_INFO, 2), given(&GET_A, 2)];
    assert_eq!(again.delta.events, twice, "seen as sent twice");
    let state = again.state.clone().unwrap();
    assert_eq!(state.id, first.state.as_ref().unwrap().id);
    assert_eq!((state.started_at, state.sent_at), (Utc(1_000), Utc(4_000)));
    assert_eq!(state.sent, first.state.as_ref().unwrap().sent);

    let two = r#"{"Status":[{"sc":200},{"sc":200}]}"#;
    let device = facts(3, &[]);
    assert_ne!(cookie(&again), cookie(&first));
    let old = package3(
        4_010,
        again.state.clone(),
        &device,
        two,
        cookie(&first).as_deref(),
    );
    assert_eq!(*refusal(&old), Refusal::NoSession);
    let new = package3(
        4_010,
        again.state.clone(),
        &device,
        two,
        cookie(&again).as_deref(),
    );
    assert_eq!(new.delta.events[1], outcome(&GET_A, 200, 10));
}

#[test]
fn the_same_package1_after_the_first_exchange_opens_a_new_session() {
    let first = session(&[&GET_A]);
    let second = package3(1_100, first.state, &facts(2, &[&GET_B]), ONE_OK, None);
    let older = second.state.clone().unwrap();
    let again = package1(1_200, second.state, &facts(3, &[&GET_B]), CLIENT);
    assert_eq!(
        again.delta.events,
        [
            superseded(&older, &[&GET_B], 100),
            started(&["ClientInitiatedMgmt"]),
            sent(&GET_B)
        ]
    );
}

#[test]
fn an_exec_of_unknown_outcome_is_not_repeated_by_itself_d02() {
    let wanted: [&[&str]; 2] = [&EXEC, &GET_A];
    for next in [CLIENT.to_owned(), completed()] {
        let older = session(&wanted);
        let device = DeviceFacts {
            read_dev_info: false,
            ..facts(2, &wanted)
        };
        let state = older.state.clone().unwrap();
        let newer = package1(2_000, older.state, &device, &next);
        assert_eq!(newer.delta.events[0], superseded(&state, &wanted, 1_000));
        assert_eq!(body(&newer), r#"{"CMD":[["GET","urn:oma:mo:m:1.0//A"]]}"#);
    }
}

#[test]
fn a_package1_that_is_refused_leaves_the_session_as_it_is() {
    let running = session(&[&GET_A]).state;
    let refused = |text: &str| {
        let step = package1(2_000, running.clone(), &facts(2, &[]), text);
        assert_eq!(step.state, running, "{text}");
        assert_eq!(step.delta, super::SessionDelta::default(), "{text}");
        refusal(&step).clone()
    };
    assert!(matches!(
        refused("{"),
        Refusal::Json(JsonError::Truncated { .. })
    ));
    assert!(matches!(refused(r#"{"MOS":[{}]}"#), Refusal::Package(_)));
    assert_eq!(refused("{}"), Refusal::NoSessionCause);
    let other = r#"{"Alert":[{"AlertType":"urn:x"}]}"#;
    assert_eq!(refused(other), Refusal::NoSessionCause);
    assert_eq!(Refusal::NoSessionCause.http_status(), 400);
}

#[test]
fn a_package3_that_is_refused_leaves_the_session_as_it_is() {
    let running = session(&[&GET_A]).state;
    let refused = |text: &str| {
        let step = package3(2_000, running.clone(), &facts(2, &[&GET_B]), text, None);
        assert_eq!(step.state, running, "{text}");
        assert_eq!(step.delta, super::SessionDelta::default(), "{text}");
        refusal(&step).clone()
    };
    for (found, text) in [
        (0, r#"{"Status":[]}"#),
        (2, r#"{"Status":[{"sc":200},{"sc":200}]}"#),
    ] {
        let count = Refusal::StatusCount { expected: 1, found };
        assert_eq!(refused(text), count);
        assert_eq!(count.http_status(), 400);
    }
    assert!(matches!(refused("[]"), Refusal::Package(_)));
    assert!(matches!(
        refused("x"),
        Refusal::Json(JsonError::Syntax { .. })
    ));
}

#[test]
fn a_body_over_the_limit_is_413_d70() {
    let limits = JsonLimits {
        octets: 10,
        ..JsonLimits::default()
    };
    let package = PackageIn::Package1 {
        body: CLIENT.as_bytes(),
    };
    let step = advance(Utc(0), None, &facts(1, &[]), package, limits);
    assert_eq!(refusal(&step).http_status(), 413);
}

#[test]
fn a_package3_without_a_session_is_409_after_end_too_d70() {
    let refused = package3(0, None, &facts(1, &[&GET_A]), ONE_OK, Some("x"));
    assert_eq!(refusal(&refused).http_status(), 409);
    let opened = session(&[&GET_A]);
    let given = cookie(&opened);
    let device = facts(2, &[]);
    let ended = package3(2_000, opened.state, &device, ONE_OK, given.as_deref());
    assert_eq!(body(&ended), END);
    let again = package3(2_001, ended.state, &device, ONE_OK, given.as_deref());
    assert_eq!(*refusal(&again), Refusal::NoSession);
}

#[test]
fn the_same_package3_gets_the_same_answer_and_is_recorded_once() {
    let first = session(&[&GET_A]);
    let second = package3(
        1_100,
        first.state,
        &facts(2, &[&GET_A, &GET_B, &GET_C]),
        ONE_OK,
        None,
    );
    let again = package3(1_200, second.state.clone(), &facts(3, &[]), ONE_OK, None);
    assert_eq!(body(&again), body(&second));
    assert_eq!(again.delta.events, [given(&GET_B, 2), given(&GET_C, 2)]);
    let mut state = again.state.unwrap();
    state.given = 1;
    assert_eq!(Some(state), second.state);
}

#[test]
fn equal_bytes_that_fit_the_next_commands_are_their_answer() {
    let mut step = session(&[&GET_A]);
    for (wanted, answered) in [(&GET_B, &GET_A), (&EXEC, &GET_B), (&GET_A, &EXEC)] {
        step = package3(1_100, step.state, &facts(2, &[wanted]), ONE_OK, None);
        assert!(
            matches!(&step.delta.events[..], [SessionEvent::Answered(outcome), SessionEvent::Sent { .. }] if outcome.command == *answered)
        );
    }
    let ended = package3(1_200, step.state, &facts(2, &[]), ONE_OK, None);
    assert_eq!(body(&ended), END);
}

#[test]
fn a_clock_that_went_back_gives_a_duration_of_zero() {
    let first = session(&[&GET_A]);
    let ended = package3(0, first.state, &facts(2, &[]), ONE_OK, None);
    assert_eq!(ended.delta.events[0], outcome(&GET_A, 200, 0));
}

#[test]
fn a_session_goes_on_from_the_text_it_was_stored_as() {
    let first = session(&[&GET_A]);
    let stored = first.state.as_ref().unwrap().to_text();
    let state = SessionState::from_text(&stored).ok();
    let ended = package3(
        1_001,
        state,
        &facts(2, &[]),
        ONE_OK,
        cookie(&first).as_deref(),
    );
    assert_eq!(body(&ended), END);
}

#[test]
fn what_a_package3_answers_is_not_sent_again_though_it_still_counts_as_wanted() {
    let wanted: [&[&str]; 2] = [&GET_A, &EXEC];
    let first = session(&wanted);
    let later: [&[&str]; 4] = [&GET_A, &EXEC, &GET_B, &GET_C];
    let two = r#"{"Status":[{"sc":200},{"sc":200}]}"#;
    let second = package3(1_100, first.state.clone(), &facts(2, &later), two, None);
    assert_eq!(
        body(&second),
        r#"{"CMD":[["GET","urn:oma:mo:m:1.0//B"],["GET","urn:oma:mo:m:1.0//C"]]}"#
    );
    let ended = package3(1_100, first.state, &facts(2, &wanted), two, None);
    assert_eq!(body(&ended), END);
}

#[test]
fn what_has_no_room_in_a_package2_follows_in_the_next() {
    let uris: Vec<_> = (0..70).map(|n| format!("urn:oma:mo:m:1.0//{n}")).collect();
    let all: Vec<[&str; 2]> = uris.iter().map(|uri| ["GET", uri.as_str()]).collect();
    let words: Vec<&[&str]> = all.iter().map(|words| &words[..]).collect();
    let mut step = package1(0, None, &facts(1, &words), CLIENT);
    let mut answered = Vec::new();
    while let Some(state) = step.state.clone() {
        let count = state.sent.len();
        assert!(count <= super::super::MAX_COMMANDS);
        let statuses = vec![r#"{"sc":200}"#; count].join(",");
        let body = format!(r#"{{"Status":[{statuses}]}}"#);
        answered.extend(state.sent.iter().map(|sent| sent.words[1].clone()));
        let left: Vec<&[&str]> = words[answered.len() - count..].to_vec();
        step = package3(1, Some(state), &facts(2, &left), &body, None);
    }
    assert_eq!(answered, uris);
}

#[test]
fn a_status_brings_its_result_its_uris_and_its_validator() {
    let whole: [&str; 2] = ["GET", "urn:oma:mo:m:1.0/1/"];
    let hget: [&str; 2] = ["HGET", "https://repo.example.com/x"];
    let opened = session(&[&whole, &hget, &GET_A]);
    let statuses = r#"{"Status":[{"sc":200,"Result":[{"ClientURI":"urn:oma:mo:m:1.0/1/","CV":"5f-1","MOData":{"M":{"A":1}}}]},
        {"sc":200,"URI":["urn:oma:mo:m:1.0/2/"]},{"sc":200}],"MOData":[{"ClientURI":"urn:oma:mo:m:1.0/1/A","MOData":{"A":1}}]}"#;
    let step = package3(1_001, opened.state, &facts(2, &[]), statuses, None);
    let outcomes: Vec<_> = step.delta.events[..3]
        .iter()
        .map(|event| match event {
            SessionEvent::Answered(outcome) => outcome,
            other => panic!("{other:?}"),
        })
        .collect();
    let result = r#"[{"ClientURI":"urn:oma:mo:m:1.0/1/","CV":"5f-1","MOData":{"M":{"A":1}}}]"#;
    assert_eq!(outcomes[0].result.as_deref(), Some(result));
    assert_eq!(outcomes[0].cv.as_deref(), Some("5f-1"));
    assert_eq!(outcomes[1].uris, ["urn:oma:mo:m:1.0/2/"]);
    let stray = r#"[{"ClientURI":"urn:oma:mo:m:1.0/1/A","MOData":{"A":1}}]"#;
    assert_eq!(outcomes[2].result.as_deref(), Some(stray));
    assert_eq!((&outcomes[2].cv, &outcomes[1].result), (&None, &None));
}

#[test]
fn x_cache_001_a_known_validator_is_sent_and_told_where_it_still_holds() {
    let whole: [&str; 2] = ["GET", "urn:oma:mo:m:1.0/1/"];
    let mut device = facts(1, &[&whole]);
    device.wanted[0].cv = Some(omadm_mo::CacheValidator::new("5f-1"));
    for (answer, unchanged) in [(r#"{"sc":304}"#, Some("5f-1")), (r#"{"sc":200}"#, None)] {
        let opened = package1(0, None, &device, CLIENT);
        assert_eq!(
            body(&opened),
            r#"{"CMD":[["GET","urn:oma:mo:m:1.0/1/?cv=5f-1"]]}"#
        );
        let statuses = format!(r#"{{"Status":[{answer}]}}"#);
        let step = package3(1, opened.state, &facts(2, &[]), &statuses, None);
        let SessionEvent::Answered(outcome) = &step.delta.events[0] else {
            panic!("{:?}", step.delta)
        };
        assert_eq!(outcome.unchanged.as_deref(), unchanged);
        assert_eq!(outcome.command, whole);
    }
}

#[test]
fn every_event_of_a_package_belongs_to_the_session_it_names() {
    let opened = session(&[&GET_A]);
    let id = opened.state.as_ref().unwrap().id.clone();
    assert_eq!(opened.delta.session.as_ref(), Some(&id));
    let ended = package3(1_001, opened.state, &facts(2, &[]), ONE_OK, None);
    assert_eq!(ended.delta.session, Some(id));
}

use omadm_dm1::syncml::{Alert, AlertCode, CmdId, Command, StatusCode};
use omadm_mo::{ExecOutcome, TreeView as _};

use super::{Bed, add, at, atomic, delete, exec, get, group, replace, sequence};
use crate::client::dm1::commands::{Answer, Need, Progress, begin, resume};

fn alert(code: AlertCode) -> Command {
    Command::Alert(Alert {
        cmd_id: Some(CmdId::number(5)),
        code: Some(code),
        correlator: None,
        items: Vec::new(),
    })
}

fn on() -> Command {
    replace("./Gadget/1/State", "on")
}

fn fails() -> Command {
    replace("./Gadget/1/Nothing", "x")
}

#[test]
fn an_atomic_is_carried_out_as_a_whole_or_not_at_all() {
    for (members, codes) in [
        (vec![on(), delete("./Gadget/1/Level")], vec![200, 200, 200]),
        (vec![on(), fails(), on()], vec![507, 216, 404, 215]),
        (vec![fails(), atomic(vec![on()])], vec![507, 404, 215, 215]),
        (vec![on(), get("./Gadget/1/State")], vec![507, 216, 500]),
        (
            vec![on(), atomic(vec![on()]), on()],
            vec![507, 216, 500, 215, 215],
        ),
        (vec![on(), exec("./Gadget/1/Run")], vec![507, 216, 406]),
        (vec![on(), alert(AlertCode::DISPLAY)], vec![507, 216, 406]),
        (
            vec![sequence(vec![on(), fails(), on()])],
            vec![507, 216, 216, 404, 215],
        ),
        (
            vec![sequence(vec![on()]), delete("./Gadget/1/Level")],
            vec![200; 4],
        ),
        (vec![], vec![200]),
    ] {
        let mut bed = Bed::new();
        let before = bed.snapshot();
        let what = format!("{members:?}");
        let changes = !members.is_empty();
        assert_eq!(bed.codes(&[atomic(members)]), codes, "{what}");
        assert_eq!(
            bed.snapshot() != before,
            codes[0] == 200 && changes,
            "{what}"
        );
    }
}

#[test]
fn what_an_atomic_took_back_was_there_before_it_in_the_same_message() {
    let mut bed = Bed::new();
    let codes = bed.codes(&[
        replace("./Gadget/1/Parts/a?prop=Title", "A part"),
        add("./Gadget/1/Note", "n"),
        atomic(vec![
            delete("./Gadget/1/Parts"),
            replace("./Gadget/1/Note", "m"),
            replace("./Gadget/1?prop=Name", "left"),
            delete("./Gadget/left"),
            fails(),
        ]),
        get("./Gadget/1/Parts/a/Name"),
        get("./Gadget/1/Note"),
        get("./Gadget/left"),
    ]);
    assert_eq!(
        codes,
        [200, 200, 507, 216, 216, 216, 216, 404, 200, 200, 404]
    );
    let note = bed.device.leaf(&at("Gadget/1/Note")).unwrap().unwrap();
    assert_eq!(note.as_text(), Some("n"));
    assert!(bed.snapshot().contains("A part"));
    assert_eq!(
        bed.codes(&[delete("./Gadget/1")]),
        [200],
        "still the server's own"
    );
}

#[test]
fn a_sequence_goes_on_after_a_failure_and_stops_at_a_rejection() {
    let mut bed = Bed::new();
    assert_eq!(bed.codes(&[sequence(vec![fails(), on()])]), [200, 404, 200]);
    let account = bed.dms();
    for (kind, answer, codes) in [
        (
            AlertCode::CONFIRM_OR_REJECT,
            StatusCode::OK,
            vec![200, 200, 200],
        ),
        (
            AlertCode::CONFIRM_OR_REJECT,
            StatusCode::NOT_MODIFIED,
            vec![200, 304, 215],
        ),
        (
            AlertCode::CONFIRM_OR_REJECT,
            StatusCode::NOT_SUPPORTED,
            vec![200, 406, 215],
        ),
        (
            AlertCode::SINGLE_CHOICE,
            StatusCode::CANCELLED,
            vec![200, 214, 215],
        ),
        (
            AlertCode::DISPLAY,
            StatusCode::NOT_SUPPORTED,
            vec![200, 406, 200],
        ),
    ] {
        let mut workspace = bed.workspace();
        let begun = begin(&mut workspace, &account, &sequence(vec![alert(kind), on()]));
        let Progress::Wait(Need::Alert(asked), paused) = begun else {
            panic!("the user is asked");
        };
        assert_eq!(asked.code, Some(kind));
        let mut fresh = bed.workspace();
        let answer = Answer::Alert(answer, Vec::new());
        let Progress::Done(done) = resume(&mut fresh, &account, paused.clone(), answer) else {
            panic!("it is done");
        };
        let found: Vec<_> = done.iter().map(|one| one.code.0).collect();
        assert_eq!(found, codes, "{kind:?}");
    }
}

#[test]
fn a_sequence_waits_for_each_of_its_executions_in_turn() {
    let bed = Bed::new();
    let account = bed.dms();
    let inner = sequence(vec![exec("./Gadget/1/Run"), exec("./Gadget/1/Level")]);
    let outer = sequence(vec![
        on(),
        inner,
        exec("./Gadget/1/Run"),
        get("./Gadget/1/Level"),
    ]);
    let mut workspace = bed.workspace();
    let mut progress = begin(&mut workspace, &account, &outer);
    let mut waited = 0;
    let done = loop {
        match progress {
            Progress::Done(done) => break done,
            Progress::Wait(_, paused) => {
                waited += 1;
                let answer = Answer::Exec(Ok(ExecOutcome::Later));
                progress = resume(&mut workspace, &account, paused, answer);
            }
        }
    };
    assert_eq!(waited, 2);
    let codes: Vec<_> = done.iter().map(|one| one.code.0).collect();
    assert_eq!(codes, [200, 200, 200, 202, 405, 202, 200]);
}

#[test]
fn deep_nesting_is_carried_out_or_refused() {
    let mut bed = Bed::new();
    let mut deep = on();
    for _ in 0..60 {
        deep = Command::Sequence(group(vec![deep]));
    }
    let codes = bed.codes(&[deep.clone()]);
    assert_eq!(
        (codes.len(), codes.iter().all(|code| *code == 200)),
        (61, true)
    );
    let mut deep = on();
    for _ in 0..60 {
        deep = atomic(vec![deep]);
    }
    let codes = bed.codes(&[deep]);
    assert_eq!((codes[0], codes[1], codes.len()), (507, 500, 61));
}

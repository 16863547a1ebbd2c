//! Packages, statuses, sizes, repeats (§1.5 to §1.10).

use omadm_dm1::syncml::{AlertCode, Command, Data, StatusCode};
use omadm_session::server::dm1::{Dm1Event, Outcome};

use crate::bed::{Bed, DEVICE, ENCODINGS, Say, get, nonce, replace};

/// A session whose package 1 is proven on the package's nonce; the answer to it.
pub(crate) fn opened(bed: &mut Bed) -> crate::bed::Answer {
    let package1 = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
    bed.say(&package1, None)
}

#[test]
fn a_whole_session_reads_writes_and_ends_in_order() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./DevDetail/FwV"));
        bed.want("2", replace("./X/A", "v"));
        let answer = opened(&mut bed);
        assert_eq!(answer.code(), 212);
        assert_eq!(answer.codes(), [200, 200]);
        assert!(answer.message.r#final);
        assert_eq!(answer.message.header.msg_id, 1);
        assert!(answer.message.header.cred.is_some());
        let dev_info = bed.delta.dev_info.clone().unwrap();
        assert_eq!(dev_info["DevId"], DEVICE);
        let [read, write] = answer.commands()[..] else {
            panic!("{:?}", answer.commands());
        };
        let package3 = Say::new("A5", 2)
            .header(&answer, 212, Some(&nonce("server next")))
            .of(&answer, read, 200)
            .results(&answer, read, "./DevDetail/FwV", Data::from("7.1"))
            .of(&answer, write, 404);
        let end = bed.say(&package3, Some(&answer.token()));
        assert_eq!(end.code(), 200);
        assert!(end.codes().is_empty());
        assert!(end.commands().is_empty() && end.message.r#final);
        assert_eq!(end.message.header.msg_id, 2);
        assert!(end.message.header.cred.is_none(), "after 212 in none");
        let Some(Outcome::Answered { code, results, .. }) = bed.outcome("1") else {
            panic!("{:?}", bed.events);
        };
        assert_eq!(*code, StatusCode::OK);
        assert_eq!(results[0].data, Data::from("7.1"));
        assert!(matches!(bed.outcome("2"), Some(Outcome::Answered { code, .. }) if code.0 == 404));
        assert!(bed.has(&Dm1Event::Ended));
        assert!(bed.state.unwrap().ended);
        assert_eq!(
            bed.account.server.unwrap().nonce,
            Some(nonce("server next"))
        );
    }
}

#[test]
fn a_package_of_several_messages_is_asked_for_and_only_its_end_brings_commands() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let first = Say::new("A5", 1)
            .alert(AlertCode::CLIENT_INITIATED)
            .open()
            .md5("client boot", &nonce("client package nonce"));
        let answer = bed.say(&first, None);
        assert_eq!((answer.code(), answer.alerts()), (212, vec![1222]));
        assert!(!answer.message.r#final);
        assert_eq!(answer.commands().len(), 1, "no command but the alert");
        let rest = Say::new("A5", 2)
            .header(&answer, 212, None)
            .dev_info(DEVICE);
        let answer = bed.say(&rest, Some(&answer.token()));
        assert!(matches!(answer.commands()[..], [Command::Get(_)]));
        assert_eq!(answer.codes(), [200]);
        assert!(answer.message.r#final);
    }
}

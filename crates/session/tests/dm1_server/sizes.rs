//! Sizes and large objects, both ways (M07, M08).

use omadm_dm1::syncml::{AlertCode, Command, Data, Encoding, Item, NodeCommand};
use omadm_session::server::dm1::{Dm1Event, NotSentCause, Outcome};

use crate::bed::{Answer, Bed, ENCODINGS, Say, get, nonce, opened, replace};

/// A session of a client that takes messages and objects of these sizes.
fn sized(bed: &mut Bed, message: u64, object: Option<u64>) -> Answer {
    let mut say = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
    say.message.header.meta.max_msg_size = Some(message);
    say.message.header.meta.max_obj_size = object;
    bed.say(&say, None)
}

#[test]
fn m07_no_answer_is_larger_than_the_client_takes_and_commands_are_spread_over_packages() {
    for encoding in ENCODINGS {
        for most in [2048, 4096, 16_384] {
            let mut bed = Bed::new(encoding);
            for at in 0..40 {
                bed.want(&at.to_string(), replace("./X", &"<&>".repeat(at)));
            }
            let mut answer = sized(&mut bed, most, None);
            let mut packages = 0;
            while !bed.has(&Dm1Event::Ended) {
                assert!(
                    answer.body.len() as u64 <= most,
                    "{} of {most}",
                    answer.body.len()
                );
                packages += 1;
                let say = Say::new("A5", 1 + packages)
                    .header(&answer, 212, None)
                    .all(&answer, 200);
                answer = bed.say(&say, Some(&answer.token()));
            }
            assert!(packages > 1);
            assert!(bed.account.wanted.is_empty());
            for at in 0..40 {
                let outcome = bed.outcome(&at.to_string());
                assert!(
                    matches!(outcome, Some(Outcome::Answered { .. })),
                    "{at} {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn m07_without_an_announced_size_an_answer_stays_below_65536_octets() {
    let mut bed = Bed::new(ENCODINGS[1]);
    for id in ["1", "2", "3"] {
        bed.want(id, replace("./X", &"x".repeat(30_000)));
    }
    let answer = opened(&mut bed);
    assert!(answer.body.len() < 65_536);
    assert_eq!(answer.commands().len(), 2);
}

#[test]
fn m07_what_cannot_be_sent_is_told_and_holds_nothing_up() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("large", replace("./X", &"x".repeat(10_000)));
        bed.want(
            "status",
            Command::Results(omadm_dm1::syncml::Results {
                cmd_id: None,
                msg_ref: None,
                cmd_ref: None,
                meta: Default::default(),
                items: Vec::new(),
            }),
        );
        bed.want("small", get("./A"));
        let answer = sized(&mut bed, 4096, None);
        assert!(matches!(answer.commands()[..], [Command::Get(_)]));
        let not = |cause| Some(Outcome::NotSent(cause));
        assert_eq!(bed.outcome("large"), not(NotSentCause::TooLarge).as_ref());
        assert_eq!(bed.outcome("status"), not(NotSentCause::NoCommand).as_ref());
    }
}

/// What the device put together of an object that came in chunks.
struct Taken {
    octets: Vec<u8>,
    is_text: bool,
    size: Option<u64>,
    messages: u32,
    end: Answer,
}

fn take(bed: &mut Bed, mut answer: Answer, most: u64) -> Taken {
    let mut taken = (Vec::new(), true, None);
    for messages in 1.. {
        assert!(
            answer.body.len() as u64 <= most,
            "{} of {most}",
            answer.body.len()
        );
        let [command @ Command::Replace(one)] = answer.commands()[..] else {
            panic!("nothing else between chunks: {:?}", answer.commands());
        };
        let item = &one.items[0];
        assert_eq!(item.target.as_ref().unwrap().uri, "./X");
        let data = item.data.as_ref().unwrap();
        taken.0.extend_from_slice(data.octets());
        taken.1 &= matches!(data, Data::Text(_));
        if messages == 1 {
            taken.2 = item.meta.size;
        } else {
            assert_eq!(item.meta.size, None);
        }
        assert_eq!(answer.message.r#final, !item.more_data);
        let say = Say::new("A5", 1 + messages).header(&answer, 212, None);
        let say = if item.more_data {
            say.of(&answer, command, 213)
                .alert(AlertCode::NEXT_MESSAGE)
                .open()
        } else {
            say.of(&answer, command, 200)
        };
        let is_last = !item.more_data;
        answer = bed.say(&say, Some(&answer.token()));
        if is_last {
            return Taken {
                octets: taken.0,
                is_text: taken.1,
                size: taken.2,
                messages,
                end: answer,
            };
        }
    }
    unreachable!("the loop ends by return")
}

#[test]
fn m08_an_object_that_is_too_large_for_a_message_goes_in_chunks() {
    for encoding in ENCODINGS {
        let text = "ä<€&".repeat(3000);
        let binary = Data::Octets((0..20_000_u32).map(|at| at as u8).collect());
        for data in [Data::Text(text), binary] {
            let mut bed = Bed::new(encoding);
            let item = Item {
                data: Some(data.clone()),
                ..Item::at("./X")
            };
            bed.want(
                "1",
                Command::Replace(NodeCommand {
                    items: vec![item],
                    ..NodeCommand::default()
                }),
            );
            let most = 4096;
            let answer = sized(&mut bed, most, Some(100_000));
            let taken = take(&mut bed, answer, most);
            assert!(taken.messages > 4);
            let size = taken.octets.len() as u64;
            assert_eq!(taken.size, Some(size), "as the decoder delivers it");
            let is_binary = matches!(data, Data::Octets(_));
            assert_eq!(taken.is_text, !is_binary || encoding == Encoding::Xml);
            if taken.is_text && is_binary {
                assert_eq!(size, 20_000_u64.div_ceil(3) * 4, "base64 counts as text");
            } else {
                assert_eq!(taken.octets, data.octets());
            }
            assert!(taken.end.commands().is_empty());
            assert!(
                matches!(bed.outcome("1"), Some(Outcome::Answered { code, .. }) if code.0 == 200)
            );
        }
    }
}

#[test]
fn m08_an_object_beyond_what_the_client_takes_or_broken_off_is_not_sent() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", replace("./X", &"x".repeat(20_000)));
        let answer = sized(&mut bed, 4096, Some(19_999));
        assert!(answer.commands().is_empty());
        assert_eq!(
            bed.outcome("1"),
            Some(&Outcome::NotSent(NotSentCause::TooLarge))
        );

        let chunked = |bed: &mut Bed| {
            bed.want("1", replace("./X", &"x".repeat(20_000)));
            bed.want("2", get("./A"));
            sized(bed, 4096, Some(20_000))
        };
        let mut bed = Bed::new(encoding);
        let answer = chunked(&mut bed);
        let say = Say::new("A5", 2)
            .header(&answer, 212, None)
            .alert(AlertCode::NO_END_OF_DATA)
            .open();
        let answer = bed.say(&say, Some(&answer.token()));
        assert_eq!(
            bed.outcome("1"),
            Some(&Outcome::NotSent(NotSentCause::ChunksBroken))
        );
        assert!(matches!(answer.commands()[..], [Command::Get(_)]));

        let mut bed = Bed::new(encoding);
        let answer = chunked(&mut bed);
        let say = Say::new("A5", 2)
            .header(&answer, 212, None)
            .all(&answer, 413);
        bed.say(&say, Some(&answer.token()));
        assert!(matches!(bed.outcome("1"), Some(Outcome::Answered { code, .. }) if code.0 == 413));
    }
}

/// One chunk of the results of the only Get.
fn chunk(
    answer: &Answer,
    of: &Command,
    msg_id: u32,
    data: Data,
    size: Option<u64>,
    more: bool,
) -> Say {
    let mut say = Say::new("A5", msg_id).header(answer, 212, None);
    if msg_id == 2 {
        say = say.of(answer, of, 200);
    }
    let mut say = say.results(answer, of, "./A", data);
    if let Some(Command::Results(results)) = say.message.commands.last_mut() {
        results.msg_ref = Some(1);
        results.items[0].meta.size = size;
        results.items[0].more_data = more;
    }
    say.message.r#final = !more;
    say
}

#[test]
fn m08_results_in_chunks_are_put_together_or_their_fault_is_told() {
    let parts = ["eins, ", "zwei, ", "drei"];
    for encoding in ENCODINGS {
        for (size, last) in [
            (Some(16), None),
            (None, None),
            (Some(15), Some(424)),
            (Some(17), Some(424)),
        ] {
            let mut bed = Bed::new(encoding);
            bed.want("1", get("./A"));
            let first = opened(&mut bed);
            let [read] = first.commands()[..] else {
                panic!("{:?}", first.commands());
            };
            let mut answer = None;
            for (at, part) in parts.iter().enumerate() {
                let more = at < 2;
                let msg_id = 2 + u32::try_from(at).unwrap();
                let to = answer.as_ref().unwrap_or(&first);
                let size = size.filter(|_| at == 0);
                let say = chunk(to, read, msg_id, Data::from(*part), size, more);
                let said = bed.say(&say, Some(&first.token()));
                if more {
                    assert_eq!((said.codes(), said.alerts()), (vec![213], vec![1222]));
                } else {
                    assert_eq!(said.codes(), last.into_iter().collect::<Vec<_>>());
                }
                answer = Some(said);
            }
            let Some(Outcome::Answered { results, .. }) = bed.outcome("1") else {
                panic!("{:?}", bed.events);
            };
            if last.is_none() {
                assert_eq!(results[0].data, Data::from("eins, zwei, drei"));
            } else {
                assert!(results.is_empty(), "not committed");
            }
        }
    }
}

#[test]
fn m08_too_much_endless_and_broken_chunks_are_bounded() {
    for encoding in ENCODINGS {
        let most = 1000;
        let fresh = || {
            let mut bed = Bed::new(encoding);
            bed.server.limits.max_obj_size = most;
            bed.want("1", get("./A"));
            let first = opened(&mut bed);
            (bed, first)
        };
        let (mut bed, first) = fresh();
        let read = first.commands()[0];
        let say = chunk(&first, read, 2, Data::from("x"), Some(most + 1), true);
        assert_eq!(
            bed.say(&say, Some(&first.token())).codes(),
            [413],
            "announced too large"
        );

        let (mut bed, first) = fresh();
        let mut codes = Vec::new();
        for msg_id in 2..6 {
            let say = chunk(
                &first,
                first.commands()[0],
                msg_id,
                Data::Text("x".repeat(400)),
                None,
                true,
            );
            codes.extend(bed.say(&say, Some(&first.token())).codes());
        }
        assert_eq!(codes, [213, 213, 413, 213], "without an end");

        let (mut bed, first) = fresh();
        let read = first.commands()[0];
        bed.say(
            &chunk(&first, read, 2, Data::from("x"), None, true),
            Some(&first.token()),
        );
        let mut other = chunk(&first, read, 3, Data::from("whole"), None, false);
        if let Some(Command::Results(results)) = other.message.commands.last_mut() {
            results.items[0].source.as_mut().unwrap().uri = "./B".into();
        }
        let said = bed.say(&other, Some(&first.token()));
        assert!(said.alerts().contains(&1225));
        let Some(Outcome::Answered { results, .. }) = bed.outcome("1") else {
            panic!("{:?}", bed.events);
        };
        assert_eq!((results.len(), &*results[0].uri), (1, "./B"));
    }
}

/// A chunk: text, the size that is announced, and whether there is more.
type Piece = (&'static str, Option<u64>, bool);

/// A generic alert of which this is a chunk.
fn piece(say: Say, text: &str, size: Option<u64>, more: bool) -> Say {
    let mut say = say.generic("org.example.log", text);
    if let Some(Command::Alert(alert)) = say.message.commands.last_mut() {
        alert.correlator = Some("c1".into());
        alert.items[0].meta.size = size;
        alert.items[0].more_data = more;
    }
    say.message.r#final = !more;
    say
}

fn told(bed: &Bed) -> Vec<String> {
    let told = bed.events.iter().filter_map(|event| match event {
        Dm1Event::Alert(alert) => {
            assert_eq!(alert.correlator.as_deref(), Some("c1"));
            Some(alert.data.as_ref()?.text()?.to_owned())
        }
        _ => None,
    });
    told.collect()
}

/// What a device has to say in these messages behind its first one, of which each may be a chunk; codes and alerts of each answer.
fn pieces(bed: &mut Bed, parts: &[Piece]) -> Vec<(Vec<u16>, Vec<u16>)> {
    let first = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
    let mut answer = bed.say(&first.open(), None);
    let token = answer.token();
    let mut all = Vec::new();
    for ((text, size, more), msg_id) in parts.iter().zip(2..) {
        let say = Say::new("A5", msg_id).header(&answer, 212, None);
        answer = bed.say(&piece(say, text, *size, *more), Some(&token));
        all.push((answer.codes(), answer.alerts()));
    }
    all
}

#[test]
fn m08_an_alert_in_chunks_is_kept_once_it_is_whole_or_its_fault_is_told() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let parts = [
            ("eins, ", Some(16), true),
            ("zwei, ", None, true),
            ("drei", None, false),
        ];
        let said = pieces(&mut bed, &parts);
        let [one, two, three] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!((&one.0, &one.1), (&vec![213], &vec![1222]));
        assert_eq!((&two.0, &two.1), (&vec![213], &vec![1222]));
        assert_eq!(three.0, [200]);
        assert_eq!(told(&bed), ["eins, zwei, drei"]);

        let rows: [(&[Piece], u16); 5] = [
            (&[("x", None, true)], 411),
            (&[("x", Some(2 << 20), true)], 413),
            (&[("eins", Some(3), true)], 424),
            (&[("eins", Some(9), true), ("zwei", None, false)], 424),
            (&[("eins", Some(5), true), ("zwei", None, false)], 424),
        ];
        for (parts, code) in rows {
            let mut bed = Bed::new(encoding);
            let said = pieces(&mut bed, parts);
            assert_eq!(said.last().unwrap().0, [code], "{parts:?}");
            assert!(told(&bed).is_empty());
        }
    }
}

#[test]
fn m08_an_alert_broken_off_by_another_or_by_the_packages_end_is_not_kept_and_1225_says_so() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let mut answer = {
            let first = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
            bed.say(&first.open(), None)
        };
        let token = answer.token();
        let say = Say::new("A5", 2).header(&answer, 212, None);
        answer = bed.say(&piece(say, "eins", Some(9), true), Some(&token));
        let mut other = piece(
            Say::new("A5", 3).header(&answer, 212, None),
            "whole",
            None,
            false,
        );
        if let Some(Command::Alert(alert)) = other.message.commands.last_mut() {
            alert.items[0].source.as_mut().unwrap().uri = "./Other".into();
        }
        answer = bed.say(&other, Some(&token));
        assert_eq!(answer.codes(), [200]);
        assert!(answer.alerts().contains(&1225));
        assert_eq!(told(&bed), ["whole"]);

        let mut bed = Bed::new(encoding);
        let first = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
        let mut say = piece(first, "eins", Some(9), true);
        say.message.r#final = true;
        let answer = bed.say(&say, None);
        assert!(answer.alerts().contains(&1225));
        assert!(told(&bed).is_empty() && bed.state.unwrap().ended);
    }
}

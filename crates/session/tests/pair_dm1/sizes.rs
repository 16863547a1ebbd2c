//! What is larger than a message, from one end to the other (`dm1x.md` §1.6).

use omadm_dm1::syncml::{Alert, AlertCode, Data, Encoding, Item, Location, Meta};
use omadm_mo::standard::dm_acc1::AuthType1;
use omadm_session::client::dm1::Dm1SessionEvent;
use omadm_session::server::dm1::{Dm1Event, Outcome};

use crate::bed::{BOTH, ENDED, SERVER, get, managed, read};

#[test]
fn m08_what_is_larger_than_a_message_arrives_whole_in_either_direction() {
    for encoding in BOTH {
        for kind in [AuthType1::Digest, AuthType1::Hmac, AuthType1::Basic] {
            let mut pair = managed(encoding, kind);
            // The client's first message goes by its own bound, all others by the server's.
            pair.server.facts.limits.markup.octets = 1800;
            pair.limits.max_msg_size = 1800;
            let long: String = (0..2500).map(|n| ["ü", "&", "x", "€"][n % 4]).collect();
            let alert = |name: &str, text: &str| Alert {
                cmd_id: None,
                code: Some(AlertCode::GENERIC_ALERT),
                correlator: Some(name.into()),
                items: vec![Item {
                    source: Some(Location::new("./DMAcc/1")),
                    meta: Meta {
                        r#type: Some(format!("org.example.{name}")),
                        format: Some("chr".into()),
                        ..Meta::default()
                    },
                    data: Some(Data::from(text)),
                    ..Item::default()
                }],
            };
            pair.alerts = vec![alert("a", "short"), alert("b", &long), alert("c", "last")];
            pair.server.want("tnds", get("./DMAcc/1?list=TNDS"));
            pair.server.want("name", get("./DMAcc/1/ServerID"));
            pair.server.events.clear();
            pair.told.clear();
            assert_eq!(
                pair.session(),
                ENDED,
                "{encoding:?} {kind:?} {:?}",
                pair.server.events
            );
            let heard = pair.server.events.iter().filter_map(|event| match event {
                Dm1Event::Alert(alert) => Some((
                    alert.correlator.clone().unwrap(),
                    alert.data.as_ref().unwrap().text().unwrap().to_owned(),
                )),
                _ => None,
            });
            let heard: Vec<_> = heard.collect();
            let told = [("a", "short"), ("b", &*long), ("c", "last")];
            assert_eq!(
                heard,
                told.map(|(name, text)| (name.to_owned(), text.to_owned()))
            );
            let answered = pair.told.iter().filter(|told| {
                matches!(told, Dm1SessionEvent::AlertAnswered { status, .. } if status.0 == 200)
            });
            assert_eq!(answered.count(), 3);
            let tnds = pair.server.events.iter().find_map(|event| match event {
                Dm1Event::Outcome(outcome) if outcome.id == "tnds" => match &outcome.outcome {
                    Outcome::Answered { results, .. } => {
                        results.first().map(|one| one.data.clone())
                    }
                    _ => None,
                },
                _ => None,
            });
            assert!(
                tnds.unwrap().octets().len() > if encoding == Encoding::Xml { 1800 } else { 400 }
            );
            assert_eq!(read(&pair, "name").as_deref(), Some(SERVER));
        }
    }
}

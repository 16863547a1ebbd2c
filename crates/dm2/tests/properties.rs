//! Reading is the inverse of writing for every package, and no bytes make a reader panic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use omadm_dm2::{
    Alert, AlertData, AlertType, ClientUris, Command, CommandName, Document, Mark, Package1,
    Package2, Package3, Status, StatusCode, SubscriptionUri, SupportedMo, mask,
};
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{ClientUri, Moid, ServerUri};
use proptest::prelude::*;
use proptest::{collection::vec, option};

fn reread(json: &Json) -> Json {
    Json::read(json.to_compact().as_bytes(), JsonLimits::default()).unwrap()
}

fn server() -> impl Strategy<Value = ServerUri> {
    "https?://[a-z]{1,8}\\.example(:[1-9][0-9]{0,3})?(/[a-z0-9.~-]{0,6}){0,3}(\\?[a-z=&]{0,8})?"
        .prop_map(|text| ServerUri::parse(&text).unwrap())
}

fn moid() -> impl Strategy<Value = Moid> {
    "urn:[a-z]{1,6}:[a-z0-9:.-]{1,12}".prop_map(|text| Moid::parse(&text).unwrap())
}

fn client() -> impl Strategy<Value = ClientUri> {
    let uri = "(|[A-Za-z0-9._-]{1,8}|\\*)/([A-Za-zé0-9 ]{1,8}(/(\\*|[a-z]{1,5})){0,3})?(\\?cv=[a-f0-9-]{0,8})?";
    (moid(), uri).prop_map(|(moid, rest)| ClientUri::parse(&format!("{moid}/{rest}")).unwrap())
}

fn clients() -> impl Strategy<Value = ClientUris> {
    vec(client(), 1..4).prop_map(|uris| ClientUris::new(uris).unwrap())
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (server(), option::of(client()))
            .prop_map(|(server, client)| Command::HGet { server, client }),
        (server(), clients()).prop_map(|(server, clients)| Command::HPut { server, clients }),
        (server(), clients()).prop_map(|(server, clients)| Command::HPost { server, clients }),
        client().prop_map(|client| Command::Delete { client }),
        (client(), option::of(server()))
            .prop_map(|(client, server)| Command::Exec { client, server }),
        clients().prop_map(|clients| Command::Get { clients }),
        server().prop_map(|server| Command::Show { server }),
        server().prop_map(|server| Command::Cont { server }),
        Just(Command::End),
        (server(), moid()).prop_map(|(server, moid)| Command::Default { server, moid }),
        (server(), client()).prop_map(|(server, client)| Command::Sub {
            server,
            client: client.into()
        }),
        client().prop_map(|client| Command::Unsub {
            client: SubscriptionUri::from(client)
        }),
    ]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Int),
        "\\PC{0,12}".prop_map(Json::Text),
        Just(Json::Null),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::btree_map("[A-Za-z]{1,8}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn alert() -> impl Strategy<Value = Alert> {
    let data = json().prop_map(|value| AlertData::object([("DM1x", value)]));
    let alert_type = prop_oneof![
        Just(AlertType::BOOTSTRAP_COMPLETE),
        Just(AlertType::SERVER_INITIATED_MGMT),
        Just(AlertType::CLIENT_INITIATED_MGMT),
        "\\PC{0,20}".prop_map(|urn| AlertType::new(&urn)),
    ];
    let word =
        option::of("[a-z]{1,12}|fatal|critical|minor|warning|informational|harmless|indeterminate");
    let text = || option::of("\\PC{0,20}");
    (alert_type, text(), text(), word, text(), option::of(data)).prop_map(
        |(alert_type, source, target, mark, data_type, data)| Alert {
            alert_type,
            source,
            target,
            mark: mark.map(|word| Mark::new(&word)),
            data_type,
            data,
        },
    )
}

fn supported() -> impl Strategy<Value = SupportedMo> {
    (
        option::of("\\PC{0,20}"),
        option::of(moid()),
        vec("\\PC{0,8}", 0..3),
    )
        .prop_map(|(ddf, moid, miids)| SupportedMo { ddf, moid, miids })
}

fn status() -> impl Strategy<Value = Status> {
    (
        100u16..=999,
        vec("\\PC{0,12}", 0..3),
        option::of(vec(json(), 0..3).prop_map(Json::Array)),
    )
        .prop_map(|(code, uri, result)| Status {
            code: StatusCode::new(code).unwrap(),
            uri,
            result,
        })
}

proptest! {
    #[test]
    fn package1_is_read_as_it_was_written(mos in option::of(vec(supported(), 0..4)), alerts in vec(alert(), 0..4)) {
        let package = Package1 { mos, alerts };
        prop_assert_eq!(Package1::read(&reread(&package.write())), Ok(package));
    }

    #[test]
    fn package2_is_read_as_it_was_written(commands in vec(command(), 1..6)) {
        let read = Package2::read(&reread(&Package2::write(&commands))).unwrap();
        prop_assert_eq!(read.has_end(), commands.iter().any(|command| command.name() == CommandName::End));
        prop_assert_eq!(read.commands, commands.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn package3_is_read_as_it_was_written(statuses in vec(status(), 0..5), alerts in vec(alert(), 0..3)) {
        let package = Package3 { statuses, alerts, stray_items: Vec::new() };
        prop_assert_eq!(Package3::read(&reread(&package.write())), Ok(package));
    }

    #[test]
    fn alert_documents_are_read_as_they_were_written(alerts in vec(alert(), 0..4)) {
        prop_assert_eq!(Alert::read_all(&reread(&Alert::write_document(&alerts))), Ok(alerts));
    }

    #[test]
    fn unknown_members_change_nothing(alerts in vec(alert(), 0..3), extra in json()) {
        let package = Package1 { mos: None, alerts };
        let Json::Object(mut members) = package.write() else { unreachable!("a package is an object") };
        members.insert(0, ("MgmtTree".to_owned(), extra));
        prop_assert_eq!(Package1::read(&Json::Object(members)), Ok(package));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Document::read(&bytes, JsonLimits::default()).is_ok();
    }

    #[test]
    fn no_document_makes_the_readers_panic(
        name in "MOS|CMD|Status|Alert|MOData|Result|ClientURI", value in json(), uri in "\\PC{0,30}",
        parts in vec("HGET|EXEC|SUB|DEFAULT|END|https?://|urn:a//|\\PC{0,12}", 0..5),
    ) {
        let item = Json::object([("ClientURI", Json::text(uri)), ("MOData", value.clone())]);
        let list = Json::Array(parts.iter().map(Json::text).collect());
        for document in [
            value.clone(),
            Json::object([(name.as_str(), value.clone())]),
            Json::object([(name.as_str(), Json::Array(vec![value]))]),
            Json::object([("CMD", Json::Array(vec![list]))]),
            Json::object([("Status", Json::Array(vec![])), ("Result", Json::Array(vec![item.clone()]))]),
            Json::Array(vec![item]),
        ] {
            let _ = mask(&document, &MoRegistry::standard());
            let read = Document::read(document.to_compact().as_bytes(), JsonLimits::default());
            prop_assert!(read.is_ok() || !read.unwrap_err().to_string().is_empty());
        }
    }
}

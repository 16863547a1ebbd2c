//! Rows with documents as a server builds them and a device plans them, and with servers of other manners than ours.

use omadm_bootstrap::BootstrapKind::{First, Re};
use omadm_bootstrap::BootstrapMethod::{
    self, ClientInitiated, Factory, ServerInitiated, Smartcard,
};
use omadm_bootstrap::dm1::{Dm1Format, Dm1Security};
use omadm_bootstrap::generation::Generation;
use omadm_bootstrap::plan::dm1::{Dm1Delivery, Dm1Rules, plan_bootstrap};
use omadm_bootstrap::plan::{BootstrapPlan, TreePlan};
use omadm_bootstrap::profile::{
    BootstrapProfile, Dm1Credentials as Drawn, Dm1Package, ProfileInputs,
};
use omadm_bootstrap::{
    BootstrapFailureCause, BootstrapKind, BootstrapPolicy, BootstrapSource, DeviceView as _,
    EventId, OwedCompletion, Refusal,
};
use omadm_dm1::credential::Nonce;
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Alert, AlertCode, CmdId, Command, Encoding, Message, Status, StatusCode};
use omadm_mo::standard::MoRegistry;
use omadm_mo::standard::dm_acc1::{AuthLevel1, AuthType1};
use omadm_mo::{DevId, TreeView as _};
use omadm_session::client::dm1::Dm1Outcome;
use omadm_session::pair::dm1::{Dm1Credentials, Dm1Pair, Dm1SessionEnd};
use omadm_session::server::dm1::{ChallengeCause, Direction, Dm1Event, Failures};

use crate::bed::{
    BOTH, DEVICE, ENDED, SERVER, agrees, card, fresh, get, managed, read, rotated, settle,
    shares_boot,
};

/// Both profiles, by the word of the event.
const PROFILES: [(Dm1Format, &str); 2] = [(Dm1Format::Cp, "cp"), (Dm1Format::Dm, "dm")];

/// What another server than ours would have written.
type Manners = fn(&mut Message);

/// A document for the device with the account of this server, its secrets drawn of `n`.
fn package(server: &str, format: Dm1Format, n: u8) -> Dm1Package {
    let text = format!(
        "[account]\nsrv_id = \"{server}\"\nsrv_uri = \"https://{{server}}/dm/2.0\"\nname = \"DM\"\n[dm1]\naddress = \"https://{{server}}/dm/1.x\"\n"
    );
    let dev_id = DevId::parse(DEVICE).unwrap();
    let inputs = ProfileInputs::new(dev_id, "dm.example.com".to_owned());
    let profile = BootstrapProfile::read(&text).unwrap();
    let drawn = Drawn::of_entropy(&[n; 224]);
    profile.build_dm1(&inputs, &drawn, format).unwrap()
}

fn credentials(package: &Dm1Package) -> Dm1Credentials {
    let of = |level| {
        let auth = package.account.auth(level).unwrap();
        let nonce = auth.nonce.as_ref().unwrap().expose().to_vec();
        (auth.secret.clone().unwrap(), nonce)
    };
    Dm1Credentials {
        kind: AuthType1::Digest,
        client: of(AuthLevel1::ClCred),
        server: of(AuthLevel1::SrvCred),
    }
}

/// What a device does with a document; its plan is carried out.
fn deliver(
    pair: &mut Dm1Pair,
    document: &[u8],
    method: BootstrapMethod,
    event: u8,
) -> Result<BootstrapPlan, Refusal> {
    let (source, security) = match method {
        Factory => (BootstrapSource::FactoryImage, Dm1Security::None),
        Smartcard => (BootstrapSource::Card("8949".to_owned()), Dm1Security::Card),
        ClientInitiated => (BootstrapSource::Server("url".to_owned()), Dm1Security::Tls),
        ServerInitiated => (
            BootstrapSource::Server("push".to_owned()),
            Dm1Security::NetworkId,
        ),
    };
    let delivery = Dm1Delivery {
        document,
        method,
        source,
        security,
        at: Some(pair.now),
        event_id: EventId::of([event; 16]),
        consent: false,
        after_reset: false,
        reapply: false,
    };
    let planned = plan_bootstrap(
        &pair.device.tree,
        &MoRegistry::standard(),
        &BootstrapPolicy::default(),
        &Dm1Rules::default(),
        &delivery,
    )?;
    if let BootstrapPlan::Apply(planned) = &planned {
        pair.device.tree.apply(&planned.plan).unwrap();
    }
    Ok(planned)
}

/// A device that took this document, and the server that issued it.
fn delivered(encoding: Encoding, format: Dm1Format, method: BootstrapMethod) -> Dm1Pair {
    let mut pair = fresh(encoding);
    let package = package(SERVER, format, 1);
    pair.server.issue(&credentials(&package));
    deliver(&mut pair, package.document.expose(), method, 1).unwrap();
    pair
}

/// The event of the last bootstrap is owed once more, as where its acknowledgement got lost.
fn owe_again(pair: &mut Dm1Pair) {
    let device = &mut pair.device;
    let account = device.tree.account(&device.server).unwrap();
    let mut account = account.unwrap();
    account.owed = Some(OwedCompletion::fresh());
    let mut plan = TreePlan::at(device.tree.version());
    plan.accounts.push(account);
    device.tree.apply(&plan).unwrap();
}

#[test]
fn a_first_bootstrap_by_each_method_and_profile_is_reported_and_its_account_is_managed() {
    for encoding in BOTH {
        for (format, word) in PROFILES {
            for method in BootstrapMethod::ALL {
                let mut pair = delivered(encoding, format, method);
                pair.server.want("1", get("./DMAcc/1/ServerID"));
                assert_eq!(pair.session(), ENDED, "{word} {:?}", pair.server.events);
                let [report] = &pair.server.reports[..] else {
                    panic!("{:?}", pair.server.reports);
                };
                assert_eq!((report.data.method, report.data.kind), (method, First));
                assert_eq!(report.data.profile, word);
                assert!(!pair.device.owes());
                assert_eq!(read(&pair, "1").as_deref(), Some(SERVER));
                pair.server.account.rotate = true;
                assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
                settle(&mut pair);
            }
        }
    }
}

/// A device that does not take one of two new secrets: the place of the client's, or of the server's, is none of its tree.
fn no_place_for(message: &mut Message, node: &str) {
    for command in &mut message.commands {
        let (Command::Atomic(group) | Command::Sequence(group)) = command else {
            continue;
        };
        let replaces = group.members.iter_mut().filter_map(|member| match member {
            Command::Replace(replace) => replace.items.first_mut()?.target.as_mut(),
            _ => None,
        });
        let place = format!("/AppAuth/{node}/AAuthSecret");
        for target in replaces.filter(|target| target.uri.ends_with(&place)) {
            target.uri = format!("./DMAcc/1/AppAuth/none/{node}");
        }
    }
}

#[test]
fn a_device_of_which_one_direction_was_replaced_is_recovered_in_that_direction() {
    let not_servers: Manners = |message| no_place_for(message, "1");
    let not_clients: Manners = |message| no_place_for(message, "2");
    for encoding in BOTH {
        for (refused, replaced) in [
            (not_servers, Direction::Client),
            (not_clients, Direction::Server),
        ] {
            let mut pair = managed(encoding, AuthType1::Digest);
            pair.rewrite = Some(refused);
            // An Atomic would replace both or none.
            pair.server.account.model.quirks.atomic = false;
            pair.server.account.rotate = true;
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            pair.rewrite = None;
            settle(&mut pair);
            let boot = card(AuthType1::Digest);
            let (client, server) = pair.device.secrets().unwrap();
            assert_eq!(client != boot.client.0, replaced == Direction::Client);
            assert_eq!(server != boot.server.0, replaced == Direction::Server);
            pair.bootstrap(&boot, Smartcard, BootstrapKind::Reset)
                .unwrap();
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            assert!(!pair.device.owes());
            settle(&mut pair);
            let recovered = |direction| pair.server.count(&Dm1Event::Recovered(direction));
            assert_eq!(recovered(replaced), 1, "{:?}", pair.server.events);
            assert_eq!(
                recovered(Direction::Client) + recovered(Direction::Server),
                1
            );
        }
    }
}

#[test]
fn a_stale_nonce_of_either_direction_is_healed_by_one_challenge_and_all_statuses_come_again() {
    let challenged = |pair: &Dm1Pair| {
        let client = pair
            .server
            .count(&Dm1Event::Challenged(ChallengeCause::Wrong));
        (client, pair.server.count(&Dm1Event::ServerChallenged))
    };
    for encoding in BOTH {
        for (client, server) in [(true, false), (false, true), (true, true)] {
            let mut pair = managed(encoding, AuthType1::Digest);
            let before = challenged(&pair);
            if client {
                pair.server.account.client_nonces.next = None;
                pair.server.account.client_nonces.package = None;
            }
            if server {
                let side = pair.server.account.server.as_mut().unwrap();
                side.nonce = Nonce::new(vec![9; 24]).ok();
            }
            owe_again(&mut pair);
            pair.server.want("1", get("./DMAcc/1/ServerID"));
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            let after = challenged(&pair);
            assert_eq!(after.0 - before.0, usize::from(client));
            assert_eq!(after.1 - before.1, usize::from(server));
            assert_eq!(read(&pair, "1").as_deref(), Some(SERVER));
            assert!(
                !pair.device.owes(),
                "the repeated Status acknowledges (M06)"
            );
            assert_eq!(pair.session(), ENDED);
            assert_eq!(challenged(&pair), after, "both hold the newest nonces");
        }
    }
}

#[test]
fn a_replayed_package_1_proves_nothing_and_learns_nothing() {
    for encoding in BOTH {
        let mut pair = managed(encoding, AuthType1::Digest);
        let request = pair.first_request().unwrap();
        let opened = pair.post(&request);
        let twin = pair.post(&request);
        assert!(opened == twin, "within a minute it is a repeat (M03)");
        pair.server.want("1", get("./DMAcc/1/ServerID"));
        for secs in [61, 3600, 90_000] {
            pair.now = pair.now.plus_secs(secs);
            let before = pair.server.account.client_nonces.clone();
            let answer = pair.post(&request);
            let message = Message::decode(&answer.body, encoding, MarkupLimits::MESSAGE);
            let message = message.unwrap();
            let statuses = message.commands.iter().map(|command| match command {
                Command::Status(Status { code, .. }) => code.unwrap(),
                other => panic!("{other:?}"),
            });
            assert!(
                statuses
                    .into_iter()
                    .all(|code| code == StatusCode::INVALID_CREDENTIALS)
            );
            assert!(message.header.cred.is_none());
            assert_eq!(pair.server.account.client_nonces, before);
        }
        pair.server.account.failures = Failures::default();
        assert_eq!(pair.session(), ENDED, "the device itself is not held up");
    }
}

#[test]
fn an_event_that_comes_twice_is_acknowledged_twice_and_stored_once() {
    for encoding in BOTH {
        let mut pair = managed(encoding, AuthType1::Digest);
        owe_again(&mut pair);
        assert!(pair.device.owes());
        assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
        assert!(!pair.device.owes());
        assert_eq!(pair.server.reports.len(), 1);
        assert_eq!(pair.server.count(&Dm1Event::BootstrapSeen { seq: 1 }), 1);
    }
}

/// Gives the event, the second command of the first package, this status; takes it away without one.
fn event_status(message: &mut Message, code: Option<StatusCode>) {
    let is_events = |status: &Status| {
        status.cmd.as_deref() == Some("Alert") && status.cmd_ref == Some(CmdId::number(2))
    };
    message.commands.retain(|command| match command {
        Command::Status(status) => code.is_some() || !is_events(status),
        _ => true,
    });
    for command in &mut message.commands {
        match command {
            Command::Status(status) if is_events(status) => status.code = code,
            _ => {}
        }
    }
}

#[test]
fn an_event_is_settled_by_415_406_and_202_and_stays_owed_where_nothing_answers_it() {
    let rows: [(Manners, &str); 5] = [
        (
            |message| event_status(message, Some(StatusCode(415))),
            "unsupported",
        ),
        (
            |message| event_status(message, Some(StatusCode(406))),
            "unsupported",
        ),
        (
            |message| event_status(message, Some(StatusCode(202))),
            "acked",
        ),
        (
            |message| event_status(message, Some(StatusCode(500))),
            "pending",
        ),
        (|message| event_status(message, None), "pending"),
    ];
    for encoding in BOTH {
        for (manners, state) in rows {
            let mut pair = fresh(encoding);
            pair.bootstrap(&card(AuthType1::Digest), Smartcard, First)
                .unwrap();
            pair.rewrite = Some(manners);
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            assert_eq!(pair.device.event_state().as_deref(), Some(state));
            assert_eq!(pair.device.owes(), state == "pending");
            pair.rewrite = None;
            assert_eq!(pair.session(), ENDED);
            let due = if state == "pending" { "acked" } else { state };
            assert_eq!(pair.device.event_state().as_deref(), Some(due));
            assert!(!pair.device.owes());
            assert_eq!(pair.server.reports.len(), 1);
        }
    }
}

#[test]
fn a_session_that_is_aborted_before_the_event_is_acknowledged_leaves_it_owed() {
    let aborts: Manners = |message| {
        message
            .commands
            .retain(|command| matches!(command, Command::Status(status) if status.is_of_header()));
        let abort = Alert {
            cmd_id: Some(CmdId::number(99)),
            code: Some(AlertCode::SESSION_ABORT),
            correlator: None,
            items: Vec::new(),
        };
        message.commands.push(Command::Alert(abort));
    };
    for encoding in BOTH {
        let mut pair = fresh(encoding);
        pair.bootstrap(&card(AuthType1::Digest), Smartcard, First)
            .unwrap();
        pair.rewrite = Some(aborts);
        let aborted = Dm1SessionEnd::Finished(Dm1Outcome::Aborted);
        assert_eq!(pair.session(), aborted);
        assert!(pair.device.owes());
        pair.rewrite = None;
        assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
        assert!(!pair.device.owes());
        assert_eq!(pair.server.reports.len(), 1);
    }
}

#[test]
fn a_card_that_is_unchanged_at_power_on_is_no_event_and_one_written_anew_is() {
    for encoding in BOTH {
        for (format, _) in PROFILES {
            let mut pair = delivered(encoding, format, Smartcard);
            assert_eq!(pair.session(), ENDED);
            let same = package(SERVER, format, 1);
            let again = deliver(&mut pair, same.document.expose(), Smartcard, 2);
            assert_eq!(again, Ok(BootstrapPlan::AlreadyApplied));
            assert!(!pair.device.owes());
            assert_eq!(pair.session(), ENDED);
            assert_eq!(pair.server.reports.len(), 1);

            let anew = package(SERVER, format, 2);
            deliver(&mut pair, anew.document.expose(), Smartcard, 3).unwrap();
            pair.server.issue(&credentials(&anew));
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            let data = &pair.server.reports[1].data;
            assert_eq!((data.kind, data.seq), (Re, 2));
        }
    }
}

#[test]
fn a_card_for_another_server_leaves_this_ones_account_and_sessions_as_they_are() {
    for encoding in BOTH {
        for (format, _) in PROFILES {
            let mut pair = delivered(encoding, format, Smartcard);
            assert_eq!(pair.session(), ENDED);
            let before = pair.device.tree.account(&pair.device.server).unwrap();
            let other = package("com.other.manage", format, 7);
            deliver(&mut pair, other.document.expose(), Smartcard, 2).unwrap();
            let after = pair.device.tree.account(&pair.device.server).unwrap();
            assert_eq!(after, before);
            assert_eq!(pair.device.tree.accounts().unwrap().len(), 2);
            pair.server.want("own", get("./DMAcc/1/ServerID"));
            pair.server.want("foreign", get("./DMAcc/2/AppAddr"));
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            assert_eq!(read(&pair, "own").as_deref(), Some(SERVER));
            assert_eq!(read(&pair, "foreign"), None, "it is the other server's");
            assert_eq!(pair.server.reports.len(), 1);
        }
    }
}

#[test]
fn an_old_push_that_is_replayed_changes_nothing_and_the_newest_again_is_no_event() {
    for encoding in BOTH {
        for (format, _) in PROFILES {
            let mut pair = delivered(encoding, format, ServerInitiated);
            assert_eq!(pair.session(), ENDED);
            let newer = package(SERVER, format, 2);
            deliver(&mut pair, newer.document.expose(), ServerInitiated, 2).unwrap();
            pair.server.issue(&credentials(&newer));
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            let before = pair.device.secrets();
            let old = package(SERVER, format, 1);
            let refused = deliver(&mut pair, old.document.expose(), ServerInitiated, 3);
            let cause = refused.unwrap_err().cause;
            assert_eq!(cause, BootstrapFailureCause::Replayed);
            let newest = deliver(&mut pair, newer.document.expose(), ServerInitiated, 4);
            assert_eq!(newest, Ok(BootstrapPlan::AlreadyApplied));
            assert!(pair.device.secrets() == before && !pair.device.owes());
            assert_eq!(pair.session(), ENDED);
            assert_eq!(pair.server.reports.len(), 2);
        }
    }
}

#[test]
fn an_account_that_is_let_alone_for_its_failures_serves_the_honest_device_in_the_next_window() {
    for encoding in BOTH {
        let mut pair = rotated(encoding, AuthType1::Digest);
        pair.server.account.failures = Failures {
            from_source: 0,
            from_all: Failures::MOST_FROM_ALL,
        };
        let end = Dm1SessionEnd::Finished(Dm1Outcome::NotBelieved);
        assert_eq!(pair.session(), end);
        assert!(pair.server.count(&Dm1Event::AttemptsExhausted) > 0);
        assert_eq!(
            pair.server.account.failures.from_all,
            Failures::MOST_FROM_ALL,
            "what is not looked at is not counted"
        );
        pair.server.account.failures = Failures::default();
        assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
        assert!(agrees(&pair) && !shares_boot(&pair));
        let kinds = &pair.server.account.client_secrets;
        let boot = |generation| generation == Generation::Boot;
        assert!(kinds.iter().any(|kept| boot(kept.standing.generation)));
    }
}

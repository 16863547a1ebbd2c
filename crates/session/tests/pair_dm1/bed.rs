//! Devices and servers as the rows find them.

use omadm_bootstrap::BootstrapKind::First;
use omadm_bootstrap::BootstrapMethod::Smartcard;
use omadm_bootstrap::generation::Generation;
use omadm_dm1::syncml::{Command, Encoding, Item, NodeCommand};
use omadm_mo::Secret;
use omadm_mo::standard::dm_acc1::AuthType1;
use omadm_session::client::dm1::Dm1Outcome;
use omadm_session::pair::dm1::{Dm1Credentials, Dm1Pair, Dm1SessionEnd};
use omadm_session::server::dm1::{Dm1Event, Outcome};

pub(crate) const SERVER: &str = "com.mgmtsrv.manage";
pub(crate) const DEVICE: &str = "IMEI:493005100592800";
pub(crate) const ENDPOINT: &str = "https://dm.example.com/dm/1.x";
pub(crate) const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];
pub(crate) const ENDED: Dm1SessionEnd = Dm1SessionEnd::Finished(Dm1Outcome::Ended {
    server_proven: true,
});

pub(crate) fn card(kind: AuthType1) -> Dm1Credentials {
    let secret = |text: &str| Secret::from(text.to_owned());
    Dm1Credentials {
        kind,
        client: (
            secret("client of the card"),
            b"client nonce, 24 octets.".to_vec(),
        ),
        server: (
            secret("server of the card"),
            b"server nonce, 24 octets.".to_vec(),
        ),
    }
}

/// A server that issued what a card holds, and a device that nobody bootstrapped.
pub(crate) fn fresh(encoding: Encoding) -> Dm1Pair {
    fresh_with(encoding, AuthType1::Digest)
}

pub(crate) fn fresh_with(encoding: Encoding, kind: AuthType1) -> Dm1Pair {
    let mut pair = Dm1Pair::new(SERVER, DEVICE, ENDPOINT, encoding).unwrap();
    pair.server.issue(&card(kind));
    pair
}

/// A device that was bootstrapped and acknowledged.
pub(crate) fn managed(encoding: Encoding, kind: AuthType1) -> Dm1Pair {
    let mut pair = fresh_with(encoding, kind);
    pair.bootstrap(&card(kind), Smartcard, First).unwrap();
    assert_eq!(pair.session(), ENDED);
    assert!(!pair.device.owes());
    pair
}

/// A device whose secrets were replaced, and proven since.
pub(crate) fn rotated(encoding: Encoding, kind: AuthType1) -> Dm1Pair {
    let mut pair = managed(encoding, kind);
    pair.server.account.rotate = true;
    assert_eq!(pair.session(), ENDED);
    settle(&mut pair);
    assert!(
        !shares_boot(&pair),
        "{:?} {:?}",
        pair.server.events,
        pair.told
    );
    pair
}

/// Sessions until both ends prove themselves with the newest secrets.
pub(crate) fn settle(pair: &mut Dm1Pair) {
    for n in 0..4 {
        pair.server
            .want(&format!("settle {n}"), get("./DMAcc/1/ServerID"));
        assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
    }
    assert!(
        agrees(pair),
        "{:?} {:?}",
        pair.server.account,
        pair.server.events
    );
}

/// Whether both ends hold the same secrets, and the server waits for no others.
pub(crate) fn agrees(pair: &Dm1Pair) -> bool {
    let (client, server) = pair.device.secrets().unwrap();
    let account = &pair.server.account;
    let current = |kept: &[omadm_session::server::dm1::KeptSecret]| {
        let mut live = kept.iter().filter(|kept| !kept.previous);
        live.find(|kept| kept.standing.generation == Generation::Current)
            .map(|kept| kept.secret.clone())
    };
    current(&account.client_secrets) == Some(client)
        && current(&account.server.as_ref().unwrap().secrets) == Some(server)
}

/// Whether the device holds a secret of the card.
pub(crate) fn shares_boot(pair: &Dm1Pair) -> bool {
    let boot = card(AuthType1::Digest);
    let (client, server) = pair.device.secrets().unwrap();
    client == boot.client.0 || server == boot.server.0
}

pub(crate) fn get(uri: &str) -> Command {
    Command::Get(NodeCommand {
        items: vec![Item::at(uri)],
        ..NodeCommand::default()
    })
}

pub(crate) fn read(pair: &Dm1Pair, id: &str) -> Option<String> {
    pair.server.events.iter().find_map(|event| match event {
        Dm1Event::Outcome(outcome) if outcome.id == id => match &outcome.outcome {
            Outcome::Answered { results, .. } => Some(results.first()?.data.text()?.to_owned()),
            _ => None,
        },
        _ => None,
    })
}

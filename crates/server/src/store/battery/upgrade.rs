//! A store that the first schema filled, in the SQL of both back ends, and what a later program finds in it.

use omadm_bootstrap::{BootstrapMethod, Utc};

use super::{dev, exchange, log, record_id};
use crate::model::{BootstrapState, CredentialProof, DeviceEpoch, DmGeneration, Generation};
use crate::store::Store;

/// Fills an empty store of schema 1. `octets` makes a literal of hexadecimal digits.
pub(crate) fn first_schema(octets: impl Fn(&str) -> String) -> String {
    let [one, two] = [1, 2].map(|number| {
        (
            dev(number).to_string(),
            record_id(number as u32).to_string(),
        )
    });
    let (print, code) = (octets(&"07".repeat(32)), octets(&"08".repeat(48)));
    let [session, boot, newer] =
        [9, 10, 11].map(|octet| octets(&format!("{octet:02x}").repeat(32)));
    let sealed = octets("00ff10");
    let hash = "00".repeat(32);
    format!(
        r#"
INSERT INTO devices (dev_id, epoch, registered_at, last_seen_at, bootstrapped_method, bootstrapped_at, dev_info, next_event_seq) VALUES
    ('{one}', 3, 1700000000000, 1700000005000, 'factory', 1700000005000, '{{"Man":"Acme"}}', 3),
    ('{two}', 1, 1700000000000, NULL, NULL, NULL, NULL, 2);
INSERT INTO bootstraps (dev_id, id, profile, srv_id, method, has_trsp, state, cause, payload_hash, event_id, kind, created_at, expires_at, fetched_at, ended_at)
VALUES ('{one}', '{first}', 'minimal', 'dms1.example.com', 'factory', 1, 'completed', NULL, '{hash}', NULL, 'first', 1700000000000, 1700086400000, NULL, 1700000005000),
    ('{two}', '{second}', 'full', 'dms1.example.com', 'client-initiated', 0, 'fetched', NULL, '{hash}', NULL, NULL, 1700000001000, 1700086400000, 1700000002000, NULL);
INSERT INTO documents (dev_id, id, sealed) VALUES ('{one}', '{first}', {sealed}), ('{two}', '{second}', {sealed});
INSERT INTO credentials (dev_id, nr, kind, proof, scope, generation, record, added_at, expires_at, revoked_at, tries_left) VALUES
    ('{one}', 1, 'certificate', {print}, 'device', 'current', NULL, 1700000000000, NULL, NULL, NULL),
    ('{one}', 2, 'certificate', {session}, 'session', 'boot', '{first}', 1700000000000, NULL, NULL, NULL),
    ('{one}', 3, 'certificate', {boot}, 'bootstrap', 'boot', '{first}', 1700000000000, NULL, NULL, NULL),
    ('{one}', 4, 'certificate', {newer}, 'bootstrap', 'current', '{first}', 1700000001000, NULL, NULL, NULL),
    ('{two}', 1, 'bootstrap-code', {code}, 'bootstrap', 'current', '{second}', 1700000000000, 1700086400000, NULL, 9);
INSERT INTO certificates (fingerprint, dev_id) VALUES ({print}, '{one}'), ({session}, '{one}'), ({boot}, '{one}'), ({newer}, '{one}');
INSERT INTO sessions (dev_id, state, expires_at) VALUES ('{one}', '{{}}', 1700000900000), ('{two}', 'dm1:c2VhbGVk', 1700000900000);
INSERT INTO events (dev_id, seq, position, at, correlation, kind) VALUES
    ('{one}', 1, 1, 1700000000000, '00112233aabbccdd', '{{"event":"device-registered"}}'),
    ('{two}', 1, 2, 1700000000000, '00112233aabbccdd', '{{"event":"device-registered"}}'),
    ('', 1, 3, 1700000001000, '00112233aabbccde', '{{"event":"session-superseded"}}'),
    ('{one}', 2, 4, 1700000005000, '00112233aabbccdf', '{{"event":"session-ended"}}');
UPDATE sequencer SET next_position = 5, next_seq = 2 WHERE id = 1;
"#,
        one = one.0,
        first = one.1,
        two = two.0,
        second = two.1,
    )
}

/// Everything of [`first_schema`] is there, and the store goes on from it.
pub(crate) async fn assert_holds_the_first_schema(store: &dyn Store) {
    let device = store.device(&dev(1)).await.unwrap().unwrap();
    assert_eq!(
        (device.epoch, device.next_event_seq, device.bootstrapped),
        (
            DeviceEpoch(3),
            3,
            Some((BootstrapMethod::Factory, Utc(1_700_000_005_000)))
        )
    );
    for (number, state) in [(1, BootstrapState::Completed), (2, BootstrapState::Fetched)] {
        let id = record_id(number);
        let found = store.bootstrap(&id).await.unwrap().unwrap();
        assert_eq!((found.dev_id, found.state), (dev(number as usize), state));
        let sealed = store.sealed_document(&dev(number as usize), &id).await;
        assert_eq!(sealed.unwrap(), Some(vec![0, 255, 16]));
    }
    let proof = CredentialProof::Certificate([7; 32]);
    let certificate = store.credential(&proof).await.unwrap().unwrap();
    assert_eq!((certificate.dev_id, certificate.serial), (dev(1), None));
    // What nothing had replaced comes into use when it is used next; the card or image can bring both back.
    let generations: Vec<_> = store
        .credentials(&dev(1))
        .await
        .unwrap()
        .into_iter()
        .map(|one| (one.generation, one.escrowed))
        .collect();
    let expected = [
        (Generation::Current, false),
        (Generation::Pending, true),
        (Generation::Boot, true),
        (Generation::Current, false),
    ];
    assert_eq!(generations, expected);
    let codes = store.credentials(&dev(2)).await.unwrap();
    assert_eq!(codes[0].tries_left, Some(9));
    for (number, generation, state) in [
        (1, DmGeneration::Dm2, "{}"),
        (2, DmGeneration::Dm1, "dm1:c2VhbGVk"),
    ] {
        let sessions = store.sessions(&dev(number)).await.unwrap();
        let sessions: Vec<_> = sessions
            .iter()
            .map(|one| (one.generation, one.state.as_str()))
            .collect();
        assert_eq!(sessions, [(generation, state)]);
    }
    assert_eq!(store.deployment().await.unwrap(), None);
    store.commit(exchange(&dev(2), 1)).await.unwrap();
    let numbers: Vec<_> = log(store)
        .await
        .into_iter()
        .map(|event| (event.position.unwrap(), event.dev_id, event.seq))
        .collect();
    let expected = [
        (1, Some(dev(1)), 1),
        (2, Some(dev(2)), 1),
        (3, None, 1),
        (4, Some(dev(1)), 2),
        (5, Some(dev(2)), 2),
    ];
    assert_eq!(numbers, expected);
}

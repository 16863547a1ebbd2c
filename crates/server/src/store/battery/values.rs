use omadm_bootstrap::{
    BootstrapFailureCause, BootstrapKind, BootstrapMethod, EventId, ProfileFormat, Utc,
};
use omadm_mo::DevId;

use super::{
    BackEnd, START, Settings, adding, certificate, dev, drafted, exchange, http_user, notification,
    psk, record, record_id, registration,
};
use crate::model::{
    BootstrapChange, BootstrapPush, BootstrapState, CommandId, Credential, CredentialChange,
    CredentialProof, CredentialScope, Deployment, DeviceChange, DmGeneration, Generation,
    NotifySettings, PskRow, PushCarrierKind, PushSec, PushSecurity, RevokedCertificate,
    SessionChange, SessionRow,
};
use crate::store::CommitError;

pub(crate) async fn every_value_comes_back_as_it_was_written(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let mut delta = registration(&dev(1));
    let mut records = Vec::new();
    let causes = BootstrapFailureCause::ALL
        .iter()
        .copied()
        .map(Some)
        .chain([None]);
    let kinds = [
        None,
        Some(BootstrapKind::First),
        Some(BootstrapKind::Re),
        Some(BootstrapKind::Reset),
    ];
    for (number, cause) in (0..).zip(causes) {
        let mut record = record(&dev(1), number);
        let place = number as usize;
        record.cause = cause;
        record.state = BootstrapState::ALL[place % BootstrapState::ALL.len()];
        record.method = BootstrapMethod::ALL[place % BootstrapMethod::ALL.len()];
        record.kind = kinds[place % kinds.len()];
        record.has_trsp = number % 2 == 0;
        record.format = [ProfileFormat::Dm2, ProfileFormat::Cp, ProfileFormat::Dm][place % 3];
        records.push(record);
    }
    let changes = records
        .iter()
        .map(|record| BootstrapChange::Create(Box::new(record.clone()), vec![]));
    delta.bootstraps.extend(changes);
    let mut credentials = Vec::new();
    for (number, scope) in (0..).zip(CredentialScope::ALL) {
        for generation in Generation::ALL {
            let mut credential = certificate(&dev(1), number * 4 + generation as u8);
            (credential.scope, credential.generation) = (scope, generation);
            credential.escrowed = generation == Generation::Boot;
            credential.since = (number > 0).then_some(START.plus_millis(1));
            credential.used_at = (number > 1).then_some(START.plus_millis(2));
            credential.held_at = (number > 2).then_some(START.plus_millis(3));
            credential.command = (number > 1).then(|| CommandId(EventId::of([number; 16])));
            credentials.push(credential);
        }
    }
    delta
        .credentials
        .extend(credentials.iter().cloned().map(CredentialChange::Add));
    store.commit(delta).await.unwrap();
    records.reverse();
    assert_eq!(store.bootstraps_of(&dev(1)).await.unwrap(), records);
    assert_eq!(store.credentials(&dev(1)).await.unwrap(), credentials);

    for (epoch, method) in (1..).zip(BootstrapMethod::ALL) {
        let mut delta = exchange(&dev(1), epoch);
        delta.device.push(DeviceChange::Bootstrapped(method));
        store.commit(delta).await.unwrap();
        let device = store.device(&dev(1)).await.unwrap().unwrap();
        assert_eq!(device.bootstrapped, Some((method, START.plus_secs(60))));
    }
}

pub(crate) async fn a_record_and_its_document_come_back(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let document: Vec<u8> = (0..20_000_u32).map(|number| (number % 251) as u8).collect();
    let mut written = record(&dev(1), 1);
    let mut delta = registration(&dev(1));
    delta.bootstraps.push(BootstrapChange::Create(
        Box::new(written.clone()),
        document.clone(),
    ));
    store.commit(delta).await.unwrap();
    assert_eq!(
        store.bootstrap(&record_id(1)).await.unwrap(),
        Some(written.clone())
    );
    assert_eq!(
        store.sealed_document(&dev(1), &record_id(1)).await.unwrap(),
        Some(document.clone())
    );
    assert_eq!(store.bootstrap(&record_id(2)).await.unwrap(), None);
    assert_eq!(
        store.sealed_document(&dev(2), &record_id(2)).await.unwrap(),
        None
    );

    written.state = BootstrapState::Completed;
    written.event_id = Some(EventId::of([3; 16]));
    written.kind = Some(BootstrapKind::Re);
    written.method = BootstrapMethod::Factory;
    written.fetched_at = Some(START.plus_millis(1));
    written.ended_at = Some(START.plus_millis(2));
    let mut delta = exchange(&dev(1), 1);
    delta
        .bootstraps
        .push(BootstrapChange::Update(Box::new(written.clone())));
    store.commit(delta).await.unwrap();
    assert_eq!(store.bootstrap(&record_id(1)).await.unwrap(), Some(written));
    assert_eq!(
        store.sealed_document(&dev(1), &record_id(1)).await.unwrap(),
        Some(document)
    );
}

fn code(octet: u8, tries: u8) -> Credential {
    let mut credential = certificate(&dev(1), 0);
    credential.proof = CredentialProof::BootstrapCode {
        salt: [octet; 16],
        hash: [!octet; 32],
    };
    credential.scope = CredentialScope::Bootstrap;
    credential.tries_left = Some(tries);
    credential.expires_at = Some(START.plus_secs(86_400));
    credential
}

pub(crate) async fn credentials_come_back_oldest_first(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    drafted(&*store, &dev(1), 1).await;
    let mut of_record = certificate(&dev(1), 200);
    of_record.record = Some(record_id(1));
    of_record.revoked_at = Some(START);
    let written = [
        certificate(&dev(1), 9),
        code(4, 5),
        of_record,
        certificate(&dev(1), 1),
        code(3, 5),
        psk(&dev(1), "one"),
        http_user(&dev(1), "one"),
        notification(&dev(1), 7),
        dm1_account(&dev(1), "one"),
    ];
    for (epoch, credential) in (1..).zip(&written) {
        store.commit(adding(credential, epoch)).await.unwrap();
    }
    assert_eq!(store.credentials(&dev(1)).await.unwrap(), written);
    for found in [2, 8] {
        let credential = store.credential(&written[found].proof).await.unwrap();
        assert_eq!(credential.as_ref(), Some(&written[found]));
    }
    assert_eq!(
        store.credential(&written[1].proof).await.unwrap(),
        None,
        "a code is found by its device"
    );
    assert_eq!(store.credentials(&dev(2)).await.unwrap(), []);
    let (account, sealed) = (&written[8].proof, vec![0, 255]);
    let mut delta = exchange(&dev(1), 10);
    let reseal = CredentialChange::Reseal(account.clone(), sealed.clone());
    delta.credentials.push(reseal);
    store.commit(delta).await.unwrap();
    let resealed = store.credential(account).await.unwrap().unwrap();
    assert_eq!(resealed.sealed, Some(sealed));
}

fn dm1_account(dev_id: &DevId, user: &str) -> Credential {
    let mut credential = http_user(dev_id, user);
    credential.proof = CredentialProof::Dm1Account { user: user.into() };
    credential.scope = CredentialScope::Dm1;
    credential
}

pub(crate) async fn a_credential_passes_through_its_generations(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let mut written = psk(&dev(1), "one");
    (written.generation, written.since) = (Generation::Pending, None);
    store.commit(adding(&written, 1)).await.unwrap();
    let proof = || written.proof.clone();
    let at = Some(START.plus_secs(60));
    for (epoch, change) in (2..).zip([
        CredentialChange::Hold(proof()),
        CredentialChange::Promote(proof(), Generation::Current),
        CredentialChange::Used(proof()),
        CredentialChange::EndEscrow(proof()),
    ]) {
        let mut delta = exchange(&dev(1), epoch);
        delta.credentials.push(change.clone());
        store.commit(delta).await.unwrap();
        let found = store.credential(&written.proof).await.unwrap().unwrap();
        match change {
            CredentialChange::Hold(_) => assert_eq!(found.held_at, at),
            CredentialChange::Promote(..) => {
                let now = (found.generation, found.since, found.held_at);
                assert_eq!(now, (Generation::Current, at, None));
            }
            CredentialChange::Used(_) => assert_eq!(found.used_at, at),
            _ => assert!(!found.escrowed),
        }
    }
}

pub(crate) async fn psks_are_found_by_when_they_were_added(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let mut delta = registration(&dev(1));
    for (number, name) in (0..).zip(["c", "b", "revoked", "a"]) {
        let mut made = psk(&dev(1), name);
        made.added_at = START.plus_secs(number);
        made.sealed = Some(name.as_bytes().to_vec());
        made.revoked_at = (name == "revoked").then_some(START);
        delta.credentials.push(CredentialChange::Add(made));
    }
    delta
        .credentials
        .push(CredentialChange::Add(http_user(&dev(1), "d")));
    store.commit(delta).await.unwrap();
    let row = |name: &str| PskRow {
        dev_id: dev(1),
        identity: name.to_owned(),
        nr: 0,
        sealed: name.as_bytes().to_vec(),
    };
    let since = async |secs| store.psks(START.plus_secs(secs)).await.unwrap();
    assert_eq!(since(0).await, ["c", "b", "a"].map(row));
    assert_eq!(since(1).await, ["b", "a"].map(row));
    assert_eq!(since(4).await, []);
    let further = |dev_id: &DevId, nr: u32| {
        let mut made = psk(dev_id, "a");
        made.proof = CredentialProof::Psk {
            identity: "a".to_owned(),
            nr,
        };
        made.sealed = Some(b"a".to_vec());
        made.added_at = START.plus_secs(5);
        CredentialChange::Add(made)
    };
    store.commit(registration(&dev(2))).await.unwrap();
    for (dev_id, nr, taken) in [(dev(2), 7, true), (dev(1), 7, false), (dev(1), 7, true)] {
        let epoch = store.device(&dev_id).await.unwrap().unwrap().epoch;
        let mut delta = exchange(&dev_id, epoch.0);
        delta.credentials.push(further(&dev_id, nr));
        let done = store.commit(delta).await;
        assert_eq!(matches!(done, Err(CommitError::CredentialTaken)), taken);
    }
    let found = since(5).await;
    assert_eq!(found.iter().map(|row| row.nr).collect::<Vec<_>>(), [7]);
    let CredentialChange::Add(made) = further(&dev(1), 7) else {
        unreachable!()
    };
    let found = store.credential(&made.proof).await.unwrap().unwrap();
    assert_eq!((found.dev_id, found.proof), (dev(1), made.proof));
}

pub(crate) async fn wrong_codes_count_down_to_death(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let mut delta = registration(&dev(1));
    let credentials = [code(1, 5), certificate(&dev(1), 9), code(2, 2)];
    delta
        .credentials
        .extend(credentials.map(CredentialChange::Add));
    store.commit(delta).await.unwrap();
    let mut seen = Vec::new();
    for epoch in 1..=6 {
        let mut delta = exchange(&dev(1), epoch);
        delta.credentials.push(CredentialChange::WrongCode);
        store.commit(delta).await.unwrap();
        let tries: Vec<_> = store
            .credentials(&dev(1))
            .await
            .unwrap()
            .iter()
            .map(|found| found.tries_left)
            .collect();
        assert_eq!(tries[1], None);
        seen.push((tries[0].unwrap(), tries[2].unwrap()));
    }
    assert_eq!(seen, [(4, 1), (3, 0), (2, 0), (1, 0), (0, 0), (0, 0)]);
}

pub(crate) async fn promotion_and_revocation_are_kept(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let proof = CredentialProof::Certificate([1; 32]);
    let mut delta = registration(&dev(1));
    delta
        .credentials
        .push(CredentialChange::Add(certificate(&dev(1), 1)));
    delta
        .credentials
        .push(CredentialChange::Add(certificate(&dev(1), 2)));
    store.commit(delta).await.unwrap();
    let mut delta = exchange(&dev(1), 1);
    delta.credentials.push(CredentialChange::Promote(
        proof.clone(),
        Generation::Current,
    ));
    delta
        .credentials
        .push(CredentialChange::Revoke(proof.clone()));
    store.commit(delta).await.unwrap();
    let mut again = exchange(&dev(1), 2);
    again.at = START.plus_secs(999);
    again
        .credentials
        .push(CredentialChange::Revoke(proof.clone()));
    store.commit(again).await.unwrap();
    let found = store.credential(&proof).await.unwrap().unwrap();
    assert_eq!(
        (found.generation, found.revoked_at),
        (Generation::Current, Some(START.plus_secs(60)))
    );
    let other = store
        .credential(&CredentialProof::Certificate([2; 32]))
        .await
        .unwrap();
    assert_eq!(other, Some(certificate(&dev(1), 2)));
}

pub(crate) async fn a_session_is_set_replaced_and_ended(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let session = |generation, number: i64| SessionRow {
        generation,
        state: format!("{{\"n\":{number}}}"),
        expires_at: START.plus_secs(number),
    };
    let (dm1, dm2) = (DmGeneration::Dm1, DmGeneration::Dm2);
    // Those of the two generations stand beside each other.
    let steps = [
        (SessionChange::Set(session(dm2, 1)), vec![session(dm2, 1)]),
        (SessionChange::Keep, vec![session(dm2, 1)]),
        (
            SessionChange::Set(session(dm1, 3)),
            vec![session(dm1, 3), session(dm2, 1)],
        ),
        (
            SessionChange::Set(session(dm2, 2)),
            vec![session(dm1, 3), session(dm2, 2)],
        ),
        (SessionChange::End(dm2), vec![session(dm1, 3)]),
        (SessionChange::End(dm2), vec![session(dm1, 3)]),
        (SessionChange::End(dm1), vec![]),
    ];
    for (epoch, (change, expected)) in (1..).zip(steps) {
        let mut delta = exchange(&dev(1), epoch);
        delta.session = change;
        store.commit(delta).await.unwrap();
        assert_eq!(store.sessions(&dev(1)).await.unwrap(), expected);
    }
}

pub(crate) async fn changes_of_the_device_row_are_kept(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let device = store.device(&dev(1)).await.unwrap().unwrap();
    assert_eq!(device.notify, NotifySettings::default());
    let notify = NotifySettings {
        addresses: vec!["udp://device.example.com:5683".into()],
        on_queue: false,
        imsi: Some("310150123456789".into()),
        esn: None,
    };
    let mut delta = exchange(&dev(1), 1);
    delta.device = vec![
        DeviceChange::DevInfo("{\"Man\":\"old\"}".into()),
        DeviceChange::Seen,
        DeviceChange::DevInfo("{\"Man\":\"ü\"}".into()),
        DeviceChange::Notify(notify.clone()),
    ];
    store.commit(delta).await.unwrap();
    store.commit(exchange(&dev(1), 2)).await.unwrap();
    let device = store.device(&dev(1)).await.unwrap().unwrap();
    assert_eq!(
        (device.dev_info.as_deref(), device.last_seen_at),
        (Some("{\"Man\":\"ü\"}"), Some(START.plus_secs(60)))
    );
    assert_eq!(device.notify, notify);
}

pub(crate) async fn devices_come_in_pages(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in [4, 0, 3, 1, 2] {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let page = store.devices(seen.last(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|device| device.dev_id));
    }
    assert_eq!(seen, (0..5).map(dev).collect::<Vec<_>>());
}

pub(crate) async fn records_come_in_pages_newest_first(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in 0..7_u32 {
        let mut made = record(&dev(number as usize), number);
        // Two and two of one age: the id decides.
        made.created_at = START.plus_secs((number / 2).into());
        let mut delta = registration(&made.dev_id);
        delta
            .bootstraps
            .push(BootstrapChange::Create(Box::new(made), vec![]));
        store.commit(delta).await.unwrap();
    }
    let mut seen = Vec::new();
    loop {
        let page = store.bootstraps(seen.last(), 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|record| record.id));
    }
    assert_eq!(seen, (0..7).rev().map(record_id).collect::<Vec<_>>());
    assert_eq!(store.bootstraps(Some(&record_id(99)), 3).await.unwrap(), []);
}

pub(crate) async fn overdue_are_records_that_are_open_and_whose_time_is_over(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    let mut delta = registration(&dev(1));
    for (number, state) in (0..).zip(BootstrapState::ALL) {
        for (late, expires_at) in [(100, START), (0, START.plus_millis(1))] {
            let mut made = record(&dev(1), number + late);
            (made.state, made.expires_at) = (
                state,
                expires_at.plus_millis(-i64::from(number) * i64::from(late)),
            );
            delta
                .bootstraps
                .push(BootstrapChange::Create(Box::new(made), vec![]));
        }
    }
    store.commit(delta).await.unwrap();
    let overdue = store.overdue(START, 100).await.unwrap();
    let open: Vec<_> = BootstrapState::ALL
        .into_iter()
        .filter(|state| !state.is_terminal())
        .rev()
        .collect();
    assert_eq!(
        overdue
            .iter()
            .map(|record| record.state)
            .collect::<Vec<_>>(),
        open
    );
    assert_eq!(store.overdue(START, 2).await.unwrap(), overdue[..2]);
    assert_eq!(
        store
            .overdue(START.plus_millis(1), 100)
            .await
            .unwrap()
            .len(),
        10
    );
}

pub(crate) async fn a_push_is_found_when_it_is_due_and_not_once_its_record_ended(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    let push = |due: Option<i64>| BootstrapPush {
        carrier: PushCarrierKind::Notification,
        to: "sms:+15551230001".into(),
        source: Some("boot".into()),
        sealed: Some("AAEC".into()),
        security: Some(PushSecurity {
            sec: PushSec::Both,
            mac: "749020C3226ECAED28F70221862C51FF7FF9727D".into(),
        }),
        attempts: 3,
        due: due.map(Utc),
        trouble: Some("no answer".into()),
    };
    let mut delta = registration(&dev(1));
    let dues = [Some(START.0 + 1), Some(START.0 - 5), None, Some(START.0)];
    for (number, due) in (0..).zip(dues) {
        let mut made = record(&dev(1), number);
        (made.state, made.push) = (BootstrapState::Queued, Some(push(due)));
        let create = BootstrapChange::Create(Box::new(made), vec![]);
        delta.bootstraps.push(create);
    }
    store.commit(delta).await.unwrap();
    let due = async |at, limit| {
        let due = store.due_pushes(at, limit).await.unwrap();
        due.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(due(START, 9).await, [1, 3].map(record_id));
    assert_eq!(due(START, 1).await, [record_id(1)]);
    assert_eq!(due(START.plus_millis(1), 9).await, [1, 3, 0].map(record_id));
    let kept = store.bootstrap(&record_id(3)).await.unwrap().unwrap();
    assert_eq!(kept.push, Some(push(Some(START.0))));
    let mut moved = kept.clone();
    (moved.state, moved.push) = (BootstrapState::Sent, Some(push(Some(START.0 + 60))));
    let mut ended = store.bootstrap(&record_id(1)).await.unwrap().unwrap();
    ended.state = BootstrapState::Failed;
    let mut delta = exchange(&dev(1), 1);
    for update in [moved, ended] {
        let update = BootstrapChange::Update(Box::new(update));
        delta.bootstraps.push(update);
    }
    store.commit(delta).await.unwrap();
    assert_eq!(due(START, 9).await, []);
    assert_eq!(due(START.plus_millis(60), 9).await, [0, 3].map(record_id));
}

pub(crate) async fn a_store_is_claimed_once(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    assert_eq!(store.deployment().await.unwrap(), None);
    let deployment = |digit: &str| Deployment {
        ca: digit.repeat(64),
        sealing_key: digit.repeat(16),
    };
    for digit in ["a", "a", "b"] {
        assert_eq!(
            store.claim(deployment(digit)).await.unwrap(),
            deployment("a")
        );
    }
    drop(store);
    let store = back_end.open(Settings::default()).await;
    assert_eq!(store.deployment().await.unwrap(), Some(deployment("a")));
}

pub(crate) async fn revoked_certificates_of_the_ca_are_listed(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let mut delta = registration(&dev(1));
    for (octet, serial) in [(1, Some("0b")), (2, Some("0a")), (3, None), (4, Some("0c"))] {
        let mut credential = certificate(&dev(1), octet);
        credential.serial = serial.map(str::to_owned);
        credential.expires_at = (octet == 2).then(|| START.plus_secs(3600));
        delta.credentials.push(CredentialChange::Add(credential));
    }
    store.commit(delta).await.unwrap();
    let revoked = async |since, now| store.revoked(Utc(since), Utc(now)).await.unwrap();
    assert_eq!(revoked(0, 0).await, []);
    let mut delta = exchange(&dev(1), 1);
    delta.credentials = [1, 2, 3]
        .map(|octet| CredentialChange::Revoke(CredentialProof::Certificate([octet; 32])))
        .to_vec();
    let at = delta.at;
    store.commit(delta).await.unwrap();
    let listed = |serial: &str| RevokedCertificate {
        serial: serial.to_owned(),
        at,
    };
    let both = [listed("0a"), listed("0b")];
    assert_eq!(revoked(0, at.0).await, both);
    assert_eq!(revoked(at.0, at.0).await, both);
    assert_eq!(revoked(at.0 + 1, at.0).await, []);
    let expiry = START.plus_secs(3600).0;
    assert_eq!(revoked(0, expiry).await, [listed("0b")]);
}

pub(crate) async fn sessions_whose_time_is_over_are_found(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in 1..=3 {
        let mut delta = registration(&dev(number));
        delta.session = SessionChange::Set(SessionRow {
            generation: DmGeneration::Dm2,
            state: "{}".into(),
            expires_at: START.plus_secs(10 * (4 - number as i64)),
        });
        store.commit(delta).await.unwrap();
    }
    let expired = async |secs, limit| {
        let now = START.plus_secs(secs);
        store.expired_sessions(now, limit).await.unwrap()
    };
    assert_eq!(expired(9, 10).await, []);
    assert_eq!(expired(10, 10).await, [dev(3)]);
    assert_eq!(expired(30, 2).await, [dev(3), dev(2)]);
    let mut delta = exchange(&dev(3), 1);
    delta.session = SessionChange::End(DmGeneration::Dm2);
    store.commit(delta).await.unwrap();
    assert_eq!(expired(30, 10).await, [dev(2), dev(1)]);
}

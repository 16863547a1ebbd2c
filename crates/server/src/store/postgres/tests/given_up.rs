//! The database gives a transaction up in favour of another one, at every statement once.

use std::sync::Arc;

use omadm_bootstrap::BootstrapMethod;
use omadm_lab::postgres::Database;
use omadm_mo::DevId;
use tokio_postgres::Client;

use super::{Place, impatient, open};
use crate::model::{
    BootstrapChange, BootstrapState, CredentialChange, CredentialProof, CredentialScope,
    DeviceChange, DeviceEpoch, DmGeneration, EventKind, ExchangeDelta, Generation, Object,
    ObjectChange, ObjectOwner, SessionChange, SessionRow,
};
use crate::store::battery::{
    START, certificate, dev, event, exchange, fetched, record, record_id, registration,
};
use crate::store::postgres::{PostgresOptions, PostgresStore, connect};
use crate::store::{
    Bootstraps as _, Commit as _, CommitError, Committed, Devices as _, Events as _,
    Repository as _, Sessions as _,
};

/// What a call of the trigger has to be numbered to raise the error.
const LAST: i64 = 1_000_000;

/// A database whose triggers raise an error once, at the call that they are set to.
struct Contested {
    database: Database,
    client: Client,
}

impl Contested {
    /// `tables` with the operations at which their triggers are called; of `at_commit`, at COMMIT as well.
    async fn new(code: &str, tables: &[(&str, &str)], at_commit: &str) -> Self {
        let Place(database) = Place::new().await;
        let client = connect(&database.url().parse().unwrap()).await.unwrap();
        let mut sql = format!(
            "CREATE SEQUENCE trigger_calls;
             CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF nextval('trigger_calls') = {LAST} THEN RAISE EXCEPTION 'another transaction goes first' USING ERRCODE = '{code}'; END IF;
                 RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON {at_commit} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION give_up();"
        );
        for (table, operations) in tables {
            for when in ["BEFORE", "AFTER"] {
                sql += &format!(
                    "CREATE TRIGGER {when}_all {when} {operations} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION give_up();"
                );
            }
        }
        client.batch_execute(&sql).await.unwrap();
        Self { database, client }
    }

    /// The error is raised at this call from now.
    async fn give_up_at(&self, call: i64) {
        let set = format!("SELECT setval('trigger_calls', {LAST} - {call})");
        self.client.batch_execute(&set).await.unwrap();
    }

    /// Whether it was raised.
    async fn gave_up(&self) -> bool {
        let raised = format!("SELECT last_value >= {LAST} FROM trigger_calls");
        self.client.query_one(&raised, &[]).await.unwrap().get(0)
    }
}

fn code(dev_id: &DevId) -> crate::model::Credential {
    let mut code = certificate(dev_id, 0);
    code.proof = CredentialProof::BootstrapCode {
        salt: [1; 16],
        hash: [2; 32],
    };
    code.scope = CredentialScope::Bootstrap;
    code.tries_left = Some(9);
    code
}

/// A device has a record, a certificate and a code; then a delta changes everything, and a mark rides on it.
async fn rich_delta(store: &PostgresStore, number: u32) -> ExchangeDelta {
    let dev_id = dev(number as usize);
    let mut registration = registration(&dev_id);
    let there = record(&dev_id, 2 * number);
    let change = BootstrapChange::Create(Box::new(there.clone()), b"there".to_vec());
    registration.bootstraps.push(change);
    let mut known = certificate(&dev_id, 1);
    known.proof = CredentialProof::Certificate(proof(number, 1));
    registration
        .credentials
        .extend([known.clone(), code(&dev_id)].map(CredentialChange::Add));
    store.commit(registration).await.unwrap();

    let mut delta = exchange(&dev_id, 1);
    delta.device = vec![
        DeviceChange::Seen,
        DeviceChange::Bootstrapped(BootstrapMethod::Factory),
        DeviceChange::DevInfo("{}".into()),
    ];
    let (mut completed, new) = (there, record(&dev_id, 2 * number + 1));
    completed.state = BootstrapState::Completed;
    delta.bootstraps = vec![
        BootstrapChange::Create(Box::new(new), b"new".to_vec()),
        BootstrapChange::Update(Box::new(completed)),
    ];
    let mut added = certificate(&dev_id, 2);
    added.proof = CredentialProof::Certificate(proof(number, 2));
    delta.credentials = vec![
        CredentialChange::Add(added),
        CredentialChange::Promote(known.proof.clone(), Generation::Current),
        CredentialChange::Revoke(known.proof),
        CredentialChange::WrongCode,
    ];
    delta.session = SessionChange::Set(SessionRow {
        generation: DmGeneration::Dm2,
        state: "{}".into(),
        expires_at: START,
    });
    delta.objects = ["a", "b"]
        .map(|path| {
            let owner = ObjectOwner::Operator;
            ObjectChange::Put(Object::whole(path, owner, "text/plain", path.into(), START))
        })
        .into();
    delta.events = vec![event(EventKind::SessionEnded { session: None }); 3];
    delta
}

fn proof(number: u32, octet: u8) -> [u8; 32] {
    let mut proof = [octet; 32];
    proof[..4].copy_from_slice(&number.to_be_bytes());
    proof
}

/// The delta and the mark are there, once.
async fn assert_there_once(store: &PostgresStore, number: u32) {
    let dev_id = dev(number as usize);
    let device = store.device(&dev_id).await.unwrap().unwrap();
    assert_eq!((device.epoch, device.next_event_seq), (DeviceEpoch(2), 6));
    let log = store.events_of(&dev_id, 0, 100).await.unwrap();
    let kinds: Vec<_> = log.into_iter().map(|event| event.event.kind).collect();
    let mark = EventKind::BootstrapFetched {
        bootstrap: record_id(2 * number).to_string(),
    };
    let ended = EventKind::SessionEnded { session: None };
    assert_eq!(
        kinds,
        [
            EventKind::DeviceRegistered,
            mark,
            ended.clone(),
            ended.clone(),
            ended
        ]
    );
    let records = store.bootstraps_of(&dev_id).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[1].state, BootstrapState::Completed);
    let credentials = store.credentials(&dev_id).await.unwrap();
    let tries: Vec<_> = credentials.iter().map(|found| found.tries_left).collect();
    assert_eq!(tries, [None, Some(8), None]);
    assert_eq!(credentials[0].generation, Generation::Current);
    let objects = store.objects(&dev_id, None, 9).await.unwrap();
    assert_eq!(objects.len(), 2);
    assert!(!store.sessions(&dev_id).await.unwrap().is_empty());
}

async fn every_statement_is_given_up_once(code: &str) {
    let all = "INSERT OR UPDATE OR DELETE";
    let tables = [
        ("devices", all),
        ("bootstrap_ids", all),
        ("bootstraps", all),
        ("documents", all),
        ("credentials", all),
        ("certificates", all),
        ("sessions", all),
        ("objects", all),
        // Positions are given by another transaction.
        ("events", "INSERT"),
    ];
    let contested = Contested::new(code, &tables, "devices").await;
    let options = PostgresOptions {
        defer_interval: std::time::Duration::from_secs(3600),
        ..PostgresOptions::default()
    };
    let store = open(&contested.database.url(), &options).await;
    for call in 1.. {
        let delta = rich_delta(&store, call).await;
        store.defer(fetched(&delta.dev_id, 2 * call, START));
        contested.give_up_at(call.into()).await;
        let epoch = DeviceEpoch(2);
        assert_eq!(store.commit(delta).await, Ok(Committed { epoch }), "{call}");
        assert_there_once(&store, call).await;
        if !contested.gave_up().await {
            assert!(call > 40, "the triggers were called {call} times alone");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_takes_place_once_though_each_statement_fails_to_serialize_once() {
    every_statement_is_given_up_once("40001").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_takes_place_once_though_each_statement_meets_a_deadlock_once() {
    every_statement_is_given_up_once("40P01").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_stay_dense_though_each_statement_that_gives_them_is_given_up_once() {
    let tables = [("events", "UPDATE"), ("sequencer", "UPDATE")];
    let contested = Contested::new("40001", &tables, "sequencer").await;
    let store = open(&contested.database.url(), &impatient()).await;
    for call in 1..=10 {
        contested.give_up_at(call).await;
        store
            .commit(registration(&dev(call as usize)))
            .await
            .unwrap();
        store.flush().await.unwrap();
        let log = store.events_after(0, 100).await.unwrap();
        let positions: Vec<_> = log.iter().map(|event| event.position.unwrap()).collect();
        assert_eq!(positions, (1..=call as u64).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_serializable_by_default_makes_no_difference() {
    let Place(database) = Place::new().await;
    let strict = format!(
        "ALTER DATABASE {} SET default_transaction_isolation = 'serializable'",
        database.name()
    );
    database.execute(&strict).unwrap();
    let mut tasks = Vec::new();
    let mut stores = Vec::new();
    for _ in 0..2 {
        stores.push(Arc::new(open(&database.url(), &impatient()).await));
    }
    stores[0].commit(registration(&dev(1))).await.unwrap();
    for store in &stores {
        for _ in 0..2 {
            tasks.push(tokio::spawn(commit_ten(Arc::clone(store))));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    stores[1].flush().await.unwrap();
    let device = stores[0].device(&dev(1)).await.unwrap().unwrap();
    assert_eq!(device.epoch, DeviceEpoch(41));
    let log = stores[1].events_after(0, 100).await.unwrap();
    let numbers: Vec<_> = log
        .iter()
        .map(|it| (it.position.unwrap(), it.seq))
        .collect();
    assert_eq!(numbers, (1..=41).map(|it| (it, it)).collect::<Vec<_>>());
}

/// Ten deltas, each decided anew where another writer was first.
async fn commit_ten(store: Arc<PostgresStore>) {
    let mut committed = 0;
    while committed < 10 {
        let device = store.device(&dev(1)).await.unwrap().unwrap();
        match store.commit(exchange(&dev(1), device.epoch.0)).await {
            Ok(_) => committed += 1,
            Err(CommitError::Conflict) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

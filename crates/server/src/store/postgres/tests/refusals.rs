//! What a server refuses to start on: told with what is wrong, and nothing is created or altered by it.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use omadm_lab::postgres::{Database, PostgresSettings, PostgresTls, PrivatePostgres, Shutdown};
use omadm_tls::pem::encode_private_key;
use omadm_tls::{CertificateValidity, DevelopmentCa};
use rustls::pki_types::UnixTime;
use tokio_postgres::Config;

use super::{Place, open};
use crate::store::StoreError;
use crate::store::battery::SCHEMA;
use crate::store::postgres::schema::migrate_to;
use crate::store::postgres::{PostgresOptions, PostgresStore, migrate};

/// Every relation, column, constraint and right.
const CATALOG: &str = "
    SELECT md5(string_agg(concat_ws(' ', c.oid, relname, relkind, relnatts, relowner, relacl), ',' ORDER BY c.oid)),
        (SELECT count(*) FROM pg_attribute), (SELECT md5(string_agg(conname, ',' ORDER BY oid)) FROM pg_constraint),
        (SELECT md5(string_agg(concat_ws(' ', nspname, nspacl), ',' ORDER BY oid)) FROM pg_namespace WHERE nspname NOT LIKE 'pg_%')
    FROM pg_class c WHERE relnamespace <> 'pg_toast'::regnamespace";

fn password(url: &str) -> String {
    let config: Config = url.parse().unwrap();
    String::from_utf8(config.get_password().unwrap().to_vec()).unwrap()
}

/// The refusal of this URL, which leaves the database as it was and names no password.
async fn refusal(database: &Database, url: &str) -> StoreError {
    let before = database.execute(CATALOG).unwrap();
    let opened = PostgresStore::open(&url.parse().unwrap(), &PostgresOptions::default()).await;
    let refusal = opened.err().unwrap();
    assert_eq!(database.execute(CATALOG).unwrap(), before);
    assert!(!refusal.to_string().contains(&password(url)), "{refusal}");
    refusal
}

/// As [`refusal`], of `migrate`.
async fn migration_refusal(database: &Database) -> StoreError {
    let before = database.execute(CATALOG).unwrap();
    let refusal = migrate(&database.url().parse().unwrap()).await.unwrap_err();
    assert_eq!(database.execute(CATALOG).unwrap(), before);
    assert!(!refusal.to_string().contains(&password(&database.url())));
    refusal
}

/// A role that ends with the value.
struct Role<'a> {
    database: &'a Database,
    name: String,
}

impl<'a> Role<'a> {
    const PASSWORD: &'static str = "s3cr3t-of-the-role";

    fn new(database: &'a Database) -> Self {
        let name = format!("role_of_{}", database.name());
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD '{}'", Self::PASSWORD);
        database.execute(&create).unwrap();
        Self { database, name }
    }

    fn url(&self) -> String {
        self.database.url_as(&self.name, Self::PASSWORD)
    }

    fn execute(&self, sql: &str) {
        self.database
            .execute(&sql.replace("ROLE_NAME", &self.name))
            .unwrap();
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        let gone = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name);
        // The test that failed before says why.
        let _ = self.database.execute(&gone);
    }
}

/// What a server's user needs, as `GRANT` has it.
const NEEDED: &[(&str, &[&str])] = &[
    ("devices", &["SELECT", "INSERT", "UPDATE"]),
    ("bootstraps", &["SELECT", "INSERT", "UPDATE"]),
    ("bootstrap_ids", &["SELECT", "INSERT"]),
    ("documents", &["SELECT", "INSERT"]),
    ("credentials", &["SELECT", "INSERT", "UPDATE"]),
    ("certificates", &["SELECT", "INSERT"]),
    ("sessions", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("commands", &["SELECT", "INSERT", "UPDATE"]),
    ("objects", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("pieces", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("uploads", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("waiting_devices", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("triggers", &["SELECT", "INSERT"]),
    ("allow_list", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    (
        "awaited_receipts",
        &["SELECT", "INSERT", "UPDATE", "DELETE"],
    ),
    ("calls", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("failed_creds", &["SELECT", "INSERT", "DELETE"]),
    ("events", &["SELECT", "INSERT", "UPDATE"]),
    ("sequencer", &["SELECT", "UPDATE"]),
    ("deployment", &["SELECT", "INSERT"]),
    ("event_numbers", &["USAGE", "SELECT"]),
    ("refinery_schema_history", &["SELECT"]),
];

#[tokio::test]
async fn who_is_not_let_in_is_told_so() {
    let Place(database) = Place::new().await;
    let config: Config = database.url().parse().unwrap();
    let user = config.get_user().unwrap();
    let wrong = refusal(&database, &database.url_as(user, "wr0ng-passw0rd")).await;
    assert!(
        matches!(&wrong, StoreError::Login(_, why) if why.contains(user)),
        "{wrong}"
    );
    let with = format!(":{}@", password(&database.url()));
    let without = database.url().replacen(&with, "@", 1);
    let opened = PostgresStore::open(&without.parse().unwrap(), &PostgresOptions::default()).await;
    let missing = opened.err().unwrap();
    assert!(
        matches!(&missing, StoreError::Address(_, why) if why.contains("password missing")),
        "{missing}"
    );
    let unknown = refusal(
        &database,
        &database.url_as("nobody_at_all", "wr0ng-passw0rd"),
    )
    .await;
    let told = |why: &str| why.contains("nobody_at_all");
    assert!(
        matches!(&unknown, StoreError::Login(_, why) if told(why)),
        "{unknown}"
    );
    let elsewhere = database.url().replace(database.name(), "no_such_database");
    let nowhere = refusal(&database, &elsewhere).await;
    assert!(matches!(&nowhere, StoreError::NoDatabase(name) if name.ends_with("no_such_database")));
}

#[tokio::test]
async fn another_schema_than_this_versions_is_refused() {
    let database = Database::fresh().unwrap();
    let empty = refusal(&database, &database.url()).await;
    assert!(
        matches!(empty, StoreError::Unmigrated(_, 0, SCHEMA)),
        "{empty}"
    );
    migrate_to(&database.url().parse().unwrap(), 1)
        .await
        .unwrap();
    let older = refusal(&database, &database.url()).await;
    assert!(
        matches!(older, StoreError::Unmigrated(_, 1, SCHEMA)),
        "{older}"
    );
    migrate(&database.url().parse().unwrap()).await.unwrap();
    let tomorrow = SCHEMA + 1;
    let newer = format!(
        "INSERT INTO refinery_schema_history VALUES ({tomorrow}, 'of_tomorrow', 'now', '1')"
    );
    database.execute(&newer).unwrap();
    let newer = refusal(&database, &database.url()).await;
    assert!(
        matches!(newer, StoreError::Newer(_, found) if found == tomorrow),
        "{newer}"
    );
    let newer = migration_refusal(&database).await;
    assert!(
        matches!(newer, StoreError::Newer(_, found) if found == tomorrow),
        "{newer}"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let histories = [
        "CREATE TABLE refinery_schema_history (version integer, name text, applied_on text, checksum text);
         INSERT INTO refinery_schema_history VALUES (1, 'first_schema_of_theirs', 'now', '1')",
        // Made by another release of refinery.
        "CREATE TABLE refinery_schema_history (version bigint, name varchar(255), applied_on text, checksum text);
         INSERT INTO refinery_schema_history VALUES (20200101, 'theirs', 'now', '1')",
        "CREATE TABLE refinery_schema_history (number integer)",
    ];
    for history in histories {
        let database = Database::fresh().unwrap();
        database.execute(history).unwrap();
        let theirs = refusal(&database, &database.url()).await;
        assert!(matches!(theirs, StoreError::Corrupt(..)), "{theirs}");
        let theirs = migration_refusal(&database).await;
        assert!(matches!(theirs, StoreError::Corrupt(..)), "{theirs}");
    }
    let database = Database::fresh().unwrap();
    database
        .execute("CREATE TABLE devices (theirs text)")
        .unwrap();
    let theirs = refusal(&database, &database.url()).await;
    assert!(
        matches!(theirs, StoreError::Unmigrated(_, 0, SCHEMA)),
        "{theirs}"
    );
    let theirs = migration_refusal(&database).await;
    let told = |why: &str| why.contains("empty database");
    assert!(
        matches!(&theirs, StoreError::Corrupt(_, why) if told(why)),
        "{theirs}"
    );
}

#[tokio::test]
async fn each_missing_right_is_named() {
    let Place(database) = Place::new().await;
    let role = Role::new(&database);
    for (table, rights) in NEEDED {
        let kind = if *table == "event_numbers" {
            "SEQUENCE"
        } else {
            "TABLE"
        };
        role.execute(&format!(
            "GRANT {} ON {kind} {table} TO ROLE_NAME",
            rights.join(", ")
        ));
    }
    drop(open(&role.url(), &PostgresOptions::default()).await);
    for (table, rights) in NEEDED {
        let kind = if *table == "event_numbers" {
            "SEQUENCE"
        } else {
            "TABLE"
        };
        for right in *rights {
            role.execute(&format!("REVOKE {right} ON {kind} {table} FROM ROLE_NAME"));
            let missing = refusal(&database, &role.url()).await;
            let StoreError::MissingRight(_, why) = &missing else {
                panic!("{right} on {table}: {missing}")
            };
            let named = if *table == "refinery_schema_history" {
                why.contains(table)
            } else {
                why.contains(&format!("grant {right} on ")) && why.contains(&format!("{table} to"))
            };
            assert!(named, "{right} on {table}: {why}");
            role.execute(&format!("GRANT {right} ON {kind} {table} TO ROLE_NAME"));
        }
    }
    role.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC");
    let missing = refusal(&database, &role.url()).await;
    let told = |why: &str| why.contains("USAGE on the schema");
    assert!(
        matches!(&missing, StoreError::MissingRight(_, why) if told(why)),
        "{missing}"
    );
    role.execute("GRANT USAGE ON SCHEMA public TO ROLE_NAME");
    let closed = format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", database.name());
    role.execute(&closed);
    let missing = refusal(&database, &role.url()).await;
    assert!(matches!(missing, StoreError::MissingRight(..)), "{missing}");
}

#[tokio::test]
async fn a_user_that_may_not_make_tables_is_told_so_by_migrate() {
    let database = Database::fresh().unwrap();
    let role = Role::new(&database);
    role.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let before = database.execute(CATALOG).unwrap();
    let missing = migrate(&role.url().parse().unwrap()).await.unwrap_err();
    assert!(matches!(missing, StoreError::MissingRight(..)), "{missing}");
    assert_eq!(database.execute(CATALOG).unwrap(), before);
}

#[tokio::test]
async fn a_read_only_user_is_refused() {
    let Place(database) = Place::new().await;
    let role = Role::new(&database);
    role.execute("GRANT pg_read_all_data, pg_write_all_data TO ROLE_NAME");
    role.execute("ALTER ROLE ROLE_NAME SET default_transaction_read_only = on");
    let read_only = refusal(&database, &role.url()).await;
    let told = |why: &str| why.contains("default_transaction_read_only");
    assert!(
        matches!(&read_only, StoreError::ReadOnly(_, why) if told(why)),
        "{read_only}"
    );
}

#[tokio::test]
async fn a_standby_is_refused() {
    let server = PrivatePostgres::start(PostgresSettings::careless()).unwrap();
    server.create_database("dm").unwrap();
    let address = server.url("dm").parse().unwrap();
    migrate(&address).await.unwrap();
    // With nobody to follow it stays as it is.
    server.stop(Shutdown::Fast).unwrap();
    let data = server.folder().join("data");
    let signal = data.join("standby.signal");
    std::fs::write(&signal, "").unwrap();
    let owner = data.metadata().unwrap();
    chown(&signal, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.start_again().unwrap();
    let opened = PostgresStore::open(&address, &PostgresOptions::default()).await;
    let standby = opened.err().unwrap();
    let told = |why: &str| why.contains("name the primary");
    assert!(
        matches!(&standby, StoreError::ReadOnly(_, why) if told(why)),
        "{standby}"
    );
    let standby = migrate(&address).await.unwrap_err();
    assert!(
        matches!(&standby, StoreError::ReadOnly(_, why) if told(why)),
        "{standby}"
    );
}

#[tokio::test]
async fn who_does_not_answer_is_named_in_time() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    let url = format!("postgres://omadm:s3cr3t@127.0.0.1:{port}/dm");
    let opened = async || {
        let began = Instant::now();
        let opened = PostgresStore::open(&url.parse().unwrap(), &PostgresOptions::default()).await;
        let refusal = opened.err().unwrap();
        assert!(matches!(refusal, StoreError::Unavailable(..)), "{refusal}");
        assert!(!refusal.to_string().contains("s3cr3t"), "{refusal}");
        began.elapsed()
    };
    // The kernel takes the connection for a listener that is silent.
    let silent = opened().await;
    assert!(silent < Duration::from_secs(15), "{silent:?}");
    drop(closed);
    let refused = opened().await;
    assert!(refused < Duration::from_secs(4), "{refused:?}");
}

#[tokio::test]
async fn a_database_that_does_not_prove_itself_is_refused() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = UnixTime::since_unix_epoch(now);
    let validity = CertificateValidity::starting(now, Duration::from_secs(3600));
    let [ours, other] =
        ["ours", "other"].map(|name| DevelopmentCa::create(name, validity).unwrap());
    let identity = ours.issue_server(&["127.0.0.1"], validity).unwrap();
    let mut settings = PostgresSettings::careless();
    settings.tls = Some(PostgresTls {
        certificate: identity.chain_pem(),
        key: encode_private_key(identity.key()),
    });
    let server = PrivatePostgres::start(settings).unwrap();
    server.create_database("dm").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = |ca: &DevelopmentCa, name: &str| {
        let root = folder.path().join(name);
        std::fs::write(&root, ca.certificate_pem()).unwrap();
        let verified = format!("sslmode=verify-full&sslrootcert={}", root.display());
        server.url("dm").replace("sslmode=disable", &verified)
    };
    let (right, wrong) = (url(&ours, "ours.pem"), url(&other, "other.pem"));
    migrate(&right.parse().unwrap()).await.unwrap();
    open(&right, &PostgresOptions::default()).await;
    let opened = PostgresStore::open(&wrong.parse().unwrap(), &PostgresOptions::default()).await;
    let refusal = opened.err().unwrap();
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
    assert!(
        !refusal.to_string().contains(&password(&server.url("dm"))),
        "{refusal}"
    );
    // The certificate is for the address alone.
    let by_name = right.replace("127.0.0.1", "localhost");
    let opened = PostgresStore::open(&by_name.parse().unwrap(), &PostgresOptions::default()).await;
    let refusal = opened.err().unwrap();
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
    // Nor is a server without TLS taken for one with it.
    let plain = PrivatePostgres::start(PostgresSettings::careless()).unwrap();
    let verified = right.split_once('?').unwrap().1;
    let without = plain.url("postgres").replace("sslmode=disable", verified);
    let opened = PostgresStore::open(&without.parse().unwrap(), &PostgresOptions::default()).await;
    let refusal = opened.err().unwrap();
    assert!(refusal.to_string().contains("TLS"), "{refusal}");
}

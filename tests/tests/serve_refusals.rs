//! `omadm serve` on a database that it cannot use: refused at start with what is wrong and what to do, and nothing is made or altered.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use omadm_lab::postgres::Database;
use omadm_tests::process::{Ended, Omadm, PATIENCE, Signal, omadm};
use tempfile::TempDir;

/// Every table with every row, and every sequence.
const CONTENT: &str = "SELECT md5(database_to_xml(true, true, '')::text),
    (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT string_agg(sequencename || coalesce(last_value, 0), ',') FROM pg_sequences)";

const PASSWORD: &str = "s3cr3t+of/the role";
const WRONG: &str = "wr0ng+passw0rd";

/// A database, and a server's place and ports.
struct Site {
    database: Database,
    ports: [u16; 2],
    folder: TempDir,
}

/// A role that ends with the value.
struct Role<'a> {
    database: &'a Database,
    name: String,
}

impl Site {
    fn new() -> Self {
        Self {
            database: Database::fresh().unwrap(),
            ports: free_ports(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn serve(&self, state: &Path, store: &str) -> Omadm {
        let [devices, operators] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let ports = ["--devices", &devices, "--operators", &operators];
        let serve = omadm(["serve", "--store", store]).args(ports);
        serve.arg("--state").arg(state)
    }

    /// Insists that a server does not start, says so with these words and this advice, and leaves no trace.
    fn refuses(&self, store: &str, words: &[&str], advice: &str) {
        self.refuses_at(&self.state(), store, words, advice);
    }

    fn refuses_at(&self, state: &Path, store: &str, words: &[&str], advice: &str) {
        let before = (self.content(), listing(state));
        let ended = self.serve(state, store).run().refused();
        assert_eq!((self.content(), listing(state)), before, "{ended:#?}");
        // Above them are the warnings about a database that a test has.
        let lines: Vec<_> = ended.stderr.lines().rev().collect();
        let [todo, why, what, ref warnings @ ..] = lines[..] else {
            panic!("{ended:#?}")
        };
        assert!(
            warnings.iter().all(|it| it.contains(" WARN ")),
            "{ended:#?}"
        );
        assert_eq!(what, "error: the DM Server did not start");
        for word in words {
            assert!(why.contains(word), "{word}: {ended:#?}");
        }
        assert_eq!(todo, format!("  do: nothing was changed; {advice}"));
        assert_eq!(ended.stdout, "");
        self.names_no_password(&ended, store);
        for port in self.ports {
            drop(TcpListener::bind(("127.0.0.1", port)).unwrap());
        }
    }

    fn names_no_password(&self, ended: &Ended, store: &str) {
        let url = self.database.url();
        for secret in [password(&url), password(store), PASSWORD, WRONG] {
            assert!(secret.len() > 8);
            let told = ended.stdout.contains(secret) || ended.stderr.contains(secret);
            assert!(!told, "{ended:#?}");
        }
    }

    /// Insists that a server starts and ends well; what it wrote.
    fn starts(&self, state: &Path, store: &str) -> Ended {
        let mut server = self.serve(state, store).start().unwrap();
        server.until("CA fingerprint:", PATIENCE).unwrap();
        server.signal(Signal::Term).unwrap();
        let ended = server.wait(PATIENCE).unwrap().good();
        self.names_no_password(&ended, store);
        ended
    }

    fn migrate(&self) {
        let made = omadm(["store", "migrate", &self.database.url()]).run();
        self.names_no_password(&made.good(), &self.database.url());
    }

    fn execute(&self, sql: &str) -> String {
        self.database.execute(sql).unwrap()
    }

    fn content(&self) -> String {
        self.execute(CONTENT)
    }
}

impl<'a> Role<'a> {
    /// It has every right on what is there.
    fn new(database: &'a Database) -> Self {
        let name = format!("role_of_{}", database.name());
        let role = Self { database, name };
        role.execute(&format!(
            "CREATE ROLE ROLE_NAME LOGIN PASSWORD '{PASSWORD}'"
        ));
        role.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE_NAME",
        );
        role.execute("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ROLE_NAME");
        role
    }

    fn url(&self) -> String {
        self.database.url_as(&self.name, PASSWORD)
    }

    fn execute(&self, sql: &str) {
        let sql = sql.replace("ROLE_NAME", &self.name);
        self.database.execute(&sql).unwrap();
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        let gone = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name);
        // The test that failed before says why.
        let _gone = self.database.execute(&gone);
    }
}

/// Two ports below those that Linux gives to outgoing connections: one of these could take it between two starts.
fn free_ports() -> [u16; 2] {
    let random = || {
        let number = RandomState::new().build_hasher().finish() % 22_000;
        10_000 + u16::try_from(number).unwrap()
    };
    let mut free = std::iter::repeat_with(random)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    [free.next().unwrap(), free.next().unwrap()]
}

/// Whose password stands in a URL as here.
fn user(url: &str) -> &str {
    let (user, _) = url
        .strip_prefix("postgres://")
        .unwrap()
        .split_once(':')
        .unwrap();
    user
}

fn password(url: &str) -> &str {
    let (_, rest) = url
        .strip_prefix("postgres://")
        .unwrap()
        .split_once(':')
        .unwrap();
    rest.split_once('@').unwrap().0
}

/// Every file with its content; none where there is no folder.
fn listing(dir: &Path) -> Option<Vec<(PathBuf, Vec<u8>)>> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .ok()?
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    Some(files)
}

#[test]
fn who_cannot_get_in_is_refused_and_leaves_no_trace_and_then_starts() {
    let site = Site::new();
    let url = site.database.url();
    let login = "mend user or password; PGPASSWORD serves as well";
    let wrong = site.database.url_as(user(&url), WRONG);
    site.refuses(&wrong, &["does not let this server in", user(&url)], login);
    let unknown = site.database.url_as("nobody_at_all", WRONG);
    site.refuses(
        &unknown,
        &["does not let this server in", "nobody_at_all"],
        login,
    );

    let absent = url.replace(site.database.name(), "no_such_database");
    let create = "create the database, then omadm store migrate";
    site.refuses(
        &absent,
        &["no_such_database", "there is no such database"],
        create,
    );

    let closed = free_ports()[0];
    let (before, rest) = url.rsplit_once('@').unwrap();
    let (_, after) = rest.split_once('/').unwrap();
    let nowhere = format!("{before}@127.0.0.1:{closed}/{after}");
    let place = format!("127.0.0.1:{closed}");
    let wait = "start it again when the database answers";
    site.refuses(&nowhere, &[&place, "does not answer now", "refused"], wait);

    let migrate = "omadm store migrate makes or upgrades the schema";
    site.refuses(&url, &["has schema 0, this version needs"], migrate);
    assert!(!site.state().exists());
    site.migrate();
    let first = site.starts(&site.state(), &url);
    assert!(first.stdout.contains("shown this once"), "{first:#?}");
    site.refuses(&wrong, &["does not let this server in"], login);
    let second = site.starts(&site.state(), &url);
    assert!(!second.stdout.contains("shown this once"), "{second:#?}");
}

#[test]
fn a_schema_of_tomorrow_is_refused_and_left_as_it_is() {
    let site = Site::new();
    let url = site.database.url();
    site.migrate();
    let newest = "SELECT max(version) + 1 FROM refinery_schema_history";
    let tomorrow = site.execute(newest);
    site.execute(&format!(
        "INSERT INTO refinery_schema_history VALUES ({tomorrow}, 'of_tomorrow', 'now', '1')"
    ));
    let words = format!("was made by a newer version (schema {tomorrow})");
    site.refuses(
        &url,
        &[&words],
        "use the omadm that made it, or a newer one",
    );
    site.execute(&format!(
        "DELETE FROM refinery_schema_history WHERE version = {tomorrow}"
    ));
    let _started = site.starts(&site.state(), &url);
}

#[test]
fn a_role_without_a_right_or_without_writes_is_refused_until_it_has_them() {
    let site = Site::new();
    site.migrate();
    let role = Role::new(&site.database);
    let grant = "let the database's owner grant it";
    for (right, object) in [
        ("INSERT", "TABLE events"),
        ("SELECT", "TABLE deployment"),
        ("USAGE", "SEQUENCE event_numbers"),
    ] {
        role.execute(&format!("REVOKE {right} ON {object} FROM ROLE_NAME"));
        let (_, name) = object.split_once(' ').unwrap();
        let missing = format!("grant {right} on ");
        site.refuses(&role.url(), &["a right is missing", &missing, name], grant);
        role.execute(&format!("GRANT {right} ON {object} TO ROLE_NAME"));
    }
    role.execute("ALTER ROLE ROLE_NAME SET default_transaction_read_only = on");
    site.refuses(
        &role.url(),
        &["is read-only", "default_transaction_read_only"],
        "name the primary, or let this user write to the database",
    );
    role.execute("ALTER ROLE ROLE_NAME RESET default_transaction_read_only");
    assert!(!site.state().exists());
    let _started = site.starts(&site.state(), &role.url());
}

#[test]
fn the_store_of_another_deployment_is_refused_to_a_first_start_and_to_a_node_with_other_keys() {
    let site = Site::new();
    let url = site.database.url();
    site.migrate();
    let other = site.folder.path().join("other");
    let theirs = site.starts(&other, &url);
    let ca = theirs.field("CA fingerprint:  SHA-256");
    let name = "name the store of this deployment";
    let words = [
        "belongs to another deployment",
        &ca,
        "copy the state directory",
    ];
    site.refuses(&url, &words, name);
    assert!(!site.state().exists());

    // Keys of its own, made over SQLite.
    let ours = site.state();
    let file = format!(
        "sqlite:{}",
        site.folder.path().join("ours.sqlite").display()
    );
    let mut server = site.serve(&ours, &file).start().unwrap();
    server.until("shown this once", PATIENCE).unwrap();
    server.signal(Signal::Term).unwrap();
    let ended = server.wait(PATIENCE).unwrap().good();
    fs::remove_file(ours.join("store")).unwrap();
    let mine = ended.field("CA fingerprint:  SHA-256");
    site.refuses_at(
        &ours,
        &url,
        &["belongs to another deployment", &ca, &mine],
        name,
    );
    let _started = site.starts(&other, &url);
}

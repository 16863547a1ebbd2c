//! A private PostgreSQL server answers, can be disturbed on purpose, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use omadm_lab::postgres::{
    Database, PostgresSettings, PostgresTls, PrivatePostgres, PrivatePostgresError, Shutdown,
};
use omadm_tls::pem::encode_private_key;
use omadm_tls::{CertificateValidity, DevelopmentCa, UnixTime};

fn server() -> PrivatePostgres {
    PrivatePostgres::start(PostgresSettings::careless()).unwrap()
}

fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn is_there(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

/// `private_postgres`, the URL it printed, its server's folder and the processes in it.
struct Owner {
    child: Child,
    folder: PathBuf,
    processes: Vec<u32>,
}

impl Owner {
    fn start() -> Self {
        // The folder of its server, and of no other, is in here.
        let base = tempfile::Builder::new()
            .prefix("owner-")
            .tempdir_in("/tmp")
            .unwrap();
        let base = base.keep();
        open_to_all(&base);
        let mut child = Command::new(env!("CARGO_BIN_EXE_private_postgres"))
            .env("TMPDIR", &base)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("postgres://omadm:"), "{line:?}");
        let folder = std::fs::read_dir(&base).unwrap().next().unwrap().unwrap();
        let lock = folder.path().join("data/postmaster.pid");
        let lock = std::fs::read_to_string(lock).unwrap();
        let postmaster = lock.lines().next().unwrap().parse().unwrap();
        let processes = family(postmaster);
        assert!(processes.len() > 1, "{processes:?}");
        Self {
            child,
            folder: base,
            processes,
        }
    }

    fn wait_for_nothing(&self) {
        wait_until("no process, no folder", Duration::from_secs(15), || {
            let empty = std::fs::read_dir(&self.folder).unwrap().next().is_none();
            empty && !self.processes.iter().any(|it| is_there(*it))
        });
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o1777)).unwrap();
}

/// A process and its children.
fn family(parent: u32) -> Vec<u32> {
    let mut found = vec![parent];
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if status.contains(&format!("\nPPid:\t{parent}\n")) {
            found.push(entry.file_name().to_str().unwrap().parse().unwrap());
        }
    }
    found
}

#[test]
fn a_fresh_server_answers_and_a_restart_of_either_kind_keeps_what_was_committed() {
    let server = server();
    server.create_database("shop").unwrap();
    server
        .execute(
            "shop",
            "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2);",
        )
        .unwrap();
    let port = server.port();

    for how in [Shutdown::Fast, Shutdown::Immediate] {
        server.restart(how).unwrap();
        assert_eq!(
            server
                .execute("shop", "SELECT n, 'x' FROM t ORDER BY n")
                .unwrap(),
            "1|x\n2|x"
        );
        assert_eq!(server.port(), port);
    }

    server.stop(Shutdown::Fast).unwrap();
    assert!(matches!(
        server.freeze(),
        Err(PrivatePostgresError::Stopped)
    ));
    let refused = server.execute("shop", "SELECT 1");
    assert!(matches!(refused, Err(PrivatePostgresError::Unreachable(_))));
    server.start_again().unwrap();
    assert_eq!(
        server.execute("shop", "SELECT count(*) FROM t").unwrap(),
        "2"
    );

    server.drop_database("shop").unwrap();
    let gone = server.execute("shop", "SELECT 1");
    assert!(matches!(gone, Err(PrivatePostgresError::Unreachable(_))));
}

#[test]
fn a_frozen_server_does_not_answer_and_a_thawed_one_does() {
    let server = server();
    server.freeze().unwrap();
    let (send, answer) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| send.send(server.execute("postgres", "SELECT 42")).unwrap());
        let silence = answer.recv_timeout(Duration::from_millis(500));
        assert!(matches!(silence, Err(RecvTimeoutError::Timeout)));
        server.thaw().unwrap();
        let answer = answer.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(answer.unwrap(), "42");
    });
}

#[test]
fn cutting_the_connections_ends_what_others_do_and_not_the_server() {
    let server = server();
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    thread::scope(|scope| {
        let cut = scope.spawn(|| server.execute("postgres", "SELECT pg_sleep(60)"));
        wait_until("the other sleeps", Duration::from_secs(20), || {
            server.execute("postgres", sleeping).unwrap() == "1"
        });
        assert_eq!(server.cut_connections().unwrap(), 1);
        let cut = cut.join().unwrap();
        assert!(matches!(cut, Err(PrivatePostgresError::Unreachable(_))));
    });
    assert_eq!(server.execute("postgres", "SELECT 1").unwrap(), "1");
}

#[test]
fn settings_reach_the_server_and_a_wrong_one_is_explained_by_its_log() {
    let mut settings = PostgresSettings::durable();
    settings.max_connections = 17;
    let work_mem = ("work_mem".to_owned(), "5MB".to_owned());
    settings.parameters.push(work_mem);
    let server = PrivatePostgres::start(settings.clone()).unwrap();
    let shown = "SHOW fsync; SHOW max_connections; SHOW work_mem;";
    assert_eq!(server.execute("postgres", shown).unwrap(), "on\n17\n5MB");

    settings.parameters = vec![("no_such_setting".to_owned(), "1".to_owned())];
    match PrivatePostgres::start(settings).err().unwrap() {
        PrivatePostgresError::NotStarted(why) => assert!(why.contains("no_such_setting"), "{why}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_server_with_a_certificate_proves_itself_over_tls() {
    let validity = CertificateValidity::starting(UnixTime::now(), Duration::from_secs(3600));
    let ca = DevelopmentCa::create("database", validity).unwrap();
    let identity = ca.issue_server(&["127.0.0.1"], validity).unwrap();
    let mut settings = PostgresSettings::careless();
    settings.tls = Some(PostgresTls {
        certificate: identity.chain_pem(),
        key: encode_private_key(identity.key()),
    });
    let server = PrivatePostgres::start(settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let anchor = folder.path().join("ca.pem");
    std::fs::write(&anchor, ca.certificate_pem()).unwrap();

    let verified = format!("sslmode=verify-full&sslrootcert={}", anchor.display());
    let url = server.url("postgres").replace("sslmode=disable", &verified);
    let said = Command::new("psql")
        .args([
            "-XAtc",
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        ])
        .arg(url)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "t\n", "{said:?}");
}

#[test]
fn dropping_a_server_leaves_no_process_and_no_folder_even_when_it_is_frozen() {
    for frozen in [false, true] {
        let server = server();
        let folder = server.folder().to_owned();
        let processes = server.processes().unwrap();
        assert!(processes.len() > 1 && processes.iter().all(|it| is_there(*it)));
        assert!(folder.is_dir());
        if frozen {
            server.freeze().unwrap();
        }
        drop(server);
        assert!(!folder.exists());
        assert!(!is_there(processes[0]));
        wait_until("no process", Duration::from_secs(10), || {
            !processes.iter().any(|it| is_there(*it))
        });
    }
}

#[test]
fn killing_the_owner_leaves_no_process_and_no_folder() {
    let mut owner = Owner::start();
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();
    owner.wait_for_nothing();
}

#[test]
fn closing_the_input_of_the_owner_ends_it_orderly() {
    let mut owner = Owner::start();
    drop(owner.child.stdin.take());
    assert!(owner.child.wait().unwrap().success());
    owner.wait_for_nothing();
}

#[test]
fn each_test_has_a_database_to_itself_that_goes_with_it() {
    let [one, other] = [(); 2].map(|()| Database::fresh().unwrap());
    one.execute("CREATE TABLE t (n int)").unwrap();
    let unknown = other.execute("SELECT * FROM t");
    assert!(matches!(unknown, Err(PrivatePostgresError::Statement(_))));
    assert!(one.url().contains(one.name()));

    let listed = |name: &str| {
        let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        other.execute(&sql).unwrap()
    };
    let name = one.name().to_owned();
    assert_eq!(listed(&name), "1");
    drop(one);
    assert_eq!(listed(&name), "0");
}

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use omadm_tls::{PeerIdentity, Verdict};

use super::{FirstStart, StateDir, StateDirError, StoreKind, serial_text};
use crate::clock::{Clock as _, SystemClock, unix_time};
use crate::model::RevokedCertificate;
use std::sync::Arc;

fn now() -> Utc {
    SystemClock.now()
}

fn open(path: &Path) -> Result<(StateDir, Option<FirstStart>), StateDirError> {
    StateDir::open_or_create(path, &["localhost".to_owned()], now())
}

fn refusal(path: &Path) -> String {
    open(path)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

#[test]
fn an_empty_directory_becomes_one_and_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let (made, first) = open(&dir.path().join("state")).unwrap();
    let first = first.unwrap();
    assert!(made.is_admin_token(first.token.expose()));
    assert!(!made.is_admin_token(b""));
    let (found, again) = open(&dir.path().join("state")).unwrap();
    assert!(again.is_none());
    assert_eq!(found.ca_fingerprint(), first.ca_fingerprint);
    assert!(found.is_admin_token(first.token.expose()));
    assert!(found.sealing_key() == made.sealing_key());
}

#[test]
fn secrets_are_for_the_owner_alone_and_the_token_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (_, first) = open(dir.path()).unwrap();
    for name in ["ca.key", "server.key", "sealing.key", "admin-token.sha256"] {
        assert_eq!(
            fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600,
            "{name}"
        );
    }
    let token = first.unwrap().token;
    for file in fs::read_dir(dir.path()).unwrap() {
        let content = fs::read(file.unwrap().path()).unwrap();
        assert!(
            !content
                .windows(token.len())
                .any(|window| window == token.expose())
        );
    }
}

#[test]
fn a_half_made_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap();
    fs::remove_file(dir.path().join("omadm-state")).unwrap();
    assert!(matches!(
        open(dir.path()),
        Err(StateDirError::NotAStateDirectory { .. })
    ));
    let strange = tempfile::tempdir().unwrap();
    fs::write(strange.path().join("thesis.txt"), "x").unwrap();
    assert!(refusal(strange.path()).contains("thesis.txt"));
}

#[test]
fn a_damaged_or_missing_file_is_named_and_not_made_anew() {
    for name in [
        "ca.crt",
        "ca.key",
        "server.crt",
        "server.key",
        "sealing.key",
        "admin-token.sha256",
    ] {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap();
        fs::write(dir.path().join(name), "damaged").unwrap();
        assert!(
            refusal(dir.path()).contains(name),
            "{name}: {}",
            refusal(dir.path())
        );
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"damaged");
        fs::remove_file(dir.path().join(name)).unwrap();
        assert!(
            refusal(dir.path()).contains(name),
            "{name}: {}",
            refusal(dir.path())
        );
    }
}

#[test]
fn a_crl_of_the_stores_serial_numbers_revokes_those_certificates_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let dev_id = DevId::parse("IMEI:493005100592800").unwrap();
    let day = Duration::from_secs(86_400);
    let (state, _) = open(dir.path()).unwrap();
    let (issued, _) = state.issue_for_generated_key(&dev_id, now(), day).unwrap();
    let (other, _) = state.issue_for_generated_key(&dev_id, now(), day).unwrap();
    let revoked = RevokedCertificate {
        serial: serial_text(&issued.serial),
        at: now(),
    };
    let crl = state.sign_crl(&[revoked], 1, now()).unwrap();
    let trust = Arc::new(state.client_trust(&[crl]).unwrap());
    let judge = |der| {
        PeerIdentity::judge(&[der], Arc::clone(&trust), unix_time(now()))
            .verdict()
            .clone()
    };
    assert_eq!(judge(issued.der), Verdict::Revoked);
    assert!(judge(other.der).is_trusted());
}

#[test]
fn a_serial_number_that_is_none_is_named_and_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = open(dir.path()).unwrap();
    let revoked = RevokedCertificate {
        serial: "8f0g".to_owned(),
        at: now(),
    };
    let refused = state.sign_crl(&[revoked], 1, now()).err().unwrap();
    assert!(refused.to_string().contains("8f0g"), "{refused}");
}

#[test]
fn a_directory_remembers_the_kind_of_its_store() {
    let dir = tempfile::tempdir().unwrap();
    let (state, _) = open(dir.path()).unwrap();
    assert_eq!(state.store_kind().unwrap(), None);
    // As an earlier version left it.
    fs::write(state.store_path(), "").unwrap();
    assert_eq!(state.store_kind().unwrap(), Some(StoreKind::Sqlite));
    state.remember_store_kind(StoreKind::Postgres).unwrap();
    assert_eq!(
        fs::read_to_string(dir.path().join("store")).unwrap(),
        "postgres\n"
    );
    let (state, _) = open(dir.path()).unwrap();
    assert_eq!(state.store_kind().unwrap(), Some(StoreKind::Postgres));
    fs::write(dir.path().join("store"), "oracle\n").unwrap();
    let refused = state.store_kind().err().unwrap().to_string();
    assert!(refused.contains("/store is damaged"), "{refused}");
}

//! Passwords and pre-shared keys that profiles bring.

use omadm_mo::standard::dm_acc::SecMode;

use super::*;

/// What a profile of pre-shared keys needs.
pub(super) fn psk_inputs() -> ProfileInputs {
    let psk = |identity: &str| IssuedCredential {
        kind: CredentialKind::Psk,
        public: identity.as_bytes().to_vec(),
        secret: Secret::new(vec![5; 32]),
    };
    ProfileInputs {
        credentials: BTreeMap::from([
            (CredentialSlot::Bootstrap, psk("fetch")),
            (CredentialSlot::Trsp, psk("session")),
        ]),
        server_ca: None,
        ..inputs()
    }
}

/// The account in the document that is built from this.
fn account(toml: &str, inputs: &ProfileInputs) -> DmAcc {
    let package = profile(toml).build(inputs, &MoRegistry::standard());
    let package = package.unwrap_or_else(|error| panic!("{error}"));
    let bound = items(&package)[0]
        .bind(dm_acc::ddf(), &NodePath::root(), "DMAcc")
        .unwrap();
    assert_eq!(dm_acc::ddf().validate(&bound.node), Ok(()));
    DmAcc::from_node(&bound.node).unwrap()
}

#[test]
fn x_sec_001_a_password_is_brought_as_ext_http_auth_d45() {
    let http = template(Template::Http);
    assert_eq!(profile(http).needs(), [Need::HttpLogin, Need::ServerCa]);
    let auth = account(http, &inputs()).http_auth.unwrap();
    assert_eq!(auth.user, "user");
    assert!(auth.password == Secret::from("password".to_owned()));
    let mut without = inputs();
    without.http = None;
    assert!(matches!(refused(http, &without), BuildError::Missing(_)));
}

#[test]
fn x_sec_002_pre_shared_keys_are_brought_with_sec_mode_0_d41_d44() {
    let psk = template(Template::Psk);
    let need = |slot| Need::Credential(slot, CredentialKind::Psk);
    assert_eq!(
        profile(psk).needs(),
        [need(CredentialSlot::Bootstrap), need(CredentialSlot::Trsp)]
    );
    assert!(profile(psk).needs_psk() && !profile(FULL).needs_psk());
    let read = account(psk, &psk_inputs());
    let (trsp, bootstrap) = (read.trsp.unwrap(), read.bootstrap.unwrap());
    assert_eq!(trsp.data, b"session");
    assert_eq!(bootstrap.sec_mode, SecMode::Psk);
    assert_eq!(bootstrap.client_pub_key, b"fetch");
    assert!(trsp.secret.len() == 32 && bootstrap.client_secret_key.len() == 32);
    // A certificate is none.
    assert!(matches!(refused(psk, &inputs()), BuildError::Missing(_)));
    let unknown = replaced(psk, "kind = \"psk\"", "kind = \"raw\"");
    let error = BootstrapProfile::read(&unknown).unwrap_err();
    assert_eq!(error.source_line, "kind = …");
}

#[test]
fn x_sec_001_x_sec_002_credentials_that_stand_in_each_others_way_are_warnings() {
    let warning = |at: &str| (Severity::Warning, at.to_owned(), None);
    let both = replaced(FULL, "[account.trsp]", "[account.http]\n[account.trsp]");
    assert_eq!(only(&both), warning("account.http"));
    let psk = template(Template::Psk);
    let mut mixed = psk_inputs();
    let certificate = inputs().credentials.remove(&CredentialSlot::Trsp).unwrap();
    mixed.credentials.insert(CredentialSlot::Trsp, certificate);
    let trsp = replaced(psk, "[account.trsp]\nkind = \"psk\"", "[account.trsp]");
    let http = replaced(psk, "[account.trsp]\nkind = \"psk\"", "[account.http]");
    for toml in [&trsp, &http] {
        let found = validate(&profile(toml), &mixed, &MoRegistry::standard());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].at, "account.bootstrap.server_uri");
        let apart = replaced(toml, "{server}/bootstrap", "psk.example.com/bootstrap");
        let found = validate(&profile(&apart), &mixed, &MoRegistry::standard());
        assert_eq!(found, []);
    }
}

//! A connection to the database: encrypted as the address says, bounded in time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::Config;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{fault, silent};
use crate::store::StoreError;
use crate::store::address::{DatabaseTls, PostgresAddress};

/// For the TCP connections to all hosts and the login.
const CONNECT: Duration = Duration::from_secs(5);
/// A transaction that its node left lying is ended by the database after this time, so that it blocks nobody for longer.
const ABANDONED_MS: u32 = 5_000;

/// How connections are encrypted.
#[derive(Clone)]
pub(super) enum Encryption {
    Off,
    Verified(MakeRustlsConnect),
}

/// A connection of its own, which ends when the client is dropped.
///
/// # Errors
/// [`StoreError`], as [`super::PostgresStore::open`] tells them apart.
pub async fn connect(address: &PostgresAddress) -> Result<Client, StoreError> {
    let config = config(address);
    let name = address.to_string();
    let connected = async {
        match encryption(address)? {
            Encryption::Off => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed(&name))?;
                tokio::spawn(connection);
                Ok(client)
            }
            Encryption::Verified(tls) => {
                let (client, connection) = config.connect(tls).await.map_err(failed(&name))?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    };
    // The driver bounds the TCP connection alone: a server that takes it and says nothing would hold us for ever.
    let most = config.get_connect_timeout().map_or(CONNECT, |tcp| {
        *tcp * u32::try_from(config.get_hosts().len()).unwrap_or(1) + CONNECT
    });
    tokio::time::timeout(most, connected)
        .await
        .unwrap_or_else(|_elapsed| Err(silent(&name, most)))
}

fn failed(name: &str) -> impl Fn(tokio_postgres::Error) -> StoreError {
    move |err| fault(name, &err).into_error()
}

/// What every connection is opened with. The password may stand in `PGPASSWORD` instead of the address.
pub(super) fn config(address: &PostgresAddress) -> Config {
    let mut config = address.config.clone();
    if config.get_password().is_none()
        && let Some(password) = std::env::var_os("PGPASSWORD")
    {
        config.password(password.as_encoded_bytes());
    }
    if config.get_connect_timeout().is_none() {
        // A host that is gone leaves time for the next one.
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1);
        config.connect_timeout(if hosts > 1 {
            CONNECT / (hosts + 1)
        } else {
            CONNECT
        });
    }
    if config.get_application_name().is_none() {
        config.application_name("omadm");
    }
    // What the address says comes last and wins. Of partitioned tables the planner would plan each execution anew, although one partition is all a statement
    // ever touches.
    let options = format!(
        "-c plan_cache_mode=force_generic_plan -c idle_in_transaction_session_timeout={ABANDONED_MS} {}",
        config.get_options().unwrap_or_default()
    );
    config.options(options.trim_end());
    config
}

/// Reads the certificates that the address names.
pub(super) fn encryption(address: &PostgresAddress) -> Result<Encryption, StoreError> {
    let DatabaseTls::Verified { root, own } = &address.tls else {
        return Ok(Encryption::Off);
    };
    let unusable = |why: String| StoreError::Address(address.to_string(), why);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(root).map_err(unusable)? {
        roots
            .add(certificate)
            .map_err(|err| unusable(format!("{}: {err}", root.display())))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|err| unusable(err.to_string()))?
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate).map_err(unusable)?;
            let key_der = PrivateKeyDer::from_pem_file(key)
                .map_err(|err| unusable(format!("sslkey {}: {err}", key.display())))?;
            builder
                .with_client_auth_cert(chain, key_der)
                .map_err(|err| unusable(format!("sslcert {}: {err}", certificate.display())))?
        }
    };
    Ok(Encryption::Verified(MakeRustlsConnect::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |err| format!("{}: {err}", file.display());
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if found.is_empty() {
        return Err(format!("{} holds no certificate", file.display()));
    }
    Ok(found)
}

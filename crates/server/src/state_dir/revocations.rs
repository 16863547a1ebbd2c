//! The development CA's book: which certificate has which serial number, and which were revoked, so that a CRL can be signed.

use std::path::Path;

use omadm_tls::{
    DevelopmentCa, Fingerprint, IssuedCertificate, Revocation, SerialNumber, UnixTime, pem,
};
use serde::{Deserialize, Serialize};

use super::files::{self, Mode};
use super::{CRL, ISSUED, REVOCATIONS, StateDirError};

/// How long a CRL says it holds. A later one replaces it; a late one keeps its effect.
const CRL_LIFETIME_SECS: u64 = 30 * 86_400;

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Book {
    /// Number of the last CRL; grows with each (RFC 5280 §5.2.3).
    number: u64,
    revoked: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    serial: String,
    /// Unix time in seconds.
    at: u64,
}

/// Notes a certificate's serial number. Not waited for: without the line a revocation by record still counts.
pub(super) fn note_issued(dir: &Path, issued: &IssuedCertificate) -> Result<(), StateDirError> {
    files::append(
        dir,
        ISSUED,
        &format!(
            "{} {} {}",
            issued.fingerprint.to_hex(),
            issued.serial,
            issued.not_after.as_secs()
        ),
    )
}

/// Puts a certificate of this CA on its CRL; false where the CA did not issue it, or it is there already.
pub(super) fn revoke(
    dir: &Path,
    ca: &DevelopmentCa,
    print: Fingerprint,
    now: UnixTime,
) -> Result<bool, StateDirError> {
    let Some(serial) = serial_of(dir, print)? else {
        return Ok(false);
    };
    let mut book = read_book(dir)?;
    if book.revoked.iter().any(|entry| entry.serial == serial) {
        return Ok(false);
    }
    book.revoked.push(Entry {
        serial,
        at: now.as_secs(),
    });
    book.number = book.number.saturating_add(1);
    write_crl(dir, ca, &book, now)?;
    let text =
        serde_json::to_vec(&book).map_err(|cause| files::damaged(dir, REVOCATIONS, cause))?;
    files::write(dir, REVOCATIONS, &text, Mode::Public)?;
    Ok(true)
}

/// Signs a first, empty CRL.
pub(super) fn write_empty(
    dir: &Path,
    ca: &DevelopmentCa,
    now: UnixTime,
) -> Result<(), StateDirError> {
    let book = Book {
        number: 1,
        revoked: Vec::new(),
    };
    write_crl(dir, ca, &book, now)?;
    let text =
        serde_json::to_vec(&book).map_err(|cause| files::damaged(dir, REVOCATIONS, cause))?;
    files::write(dir, REVOCATIONS, &text, Mode::Public)
}

/// Whether the book can be read.
pub(super) fn check(dir: &Path) -> Result<(), StateDirError> {
    read_book(dir).map(|_| ())
}

fn write_crl(
    dir: &Path,
    ca: &DevelopmentCa,
    book: &Book,
    now: UnixTime,
) -> Result<(), StateDirError> {
    let mut revoked = Vec::with_capacity(book.revoked.len());
    for entry in &book.revoked {
        let octets = octets(&entry.serial).ok_or_else(|| {
            files::damaged(dir, REVOCATIONS, "a serial number is not hexadecimal")
        })?;
        revoked.push(Revocation {
            serial: SerialNumber::from_octets(&octets),
            at: moment(entry.at),
        });
    }
    let next = moment(now.as_secs().saturating_add(CRL_LIFETIME_SECS));
    let crl = ca.crl(&revoked, book.number, now, next)?;
    files::write(
        dir,
        CRL,
        pem::encode(pem::PemKind::CertificateRevocationList, &crl).as_bytes(),
        Mode::Public,
    )
}

fn read_book(dir: &Path) -> Result<Book, StateDirError> {
    serde_json::from_slice(&files::read(dir, REVOCATIONS)?)
        .map_err(|cause| files::damaged(dir, REVOCATIONS, cause))
}

fn serial_of(dir: &Path, print: Fingerprint) -> Result<Option<String>, StateDirError> {
    let print = print.to_hex();
    let book = match files::read_text(dir, ISSUED) {
        Err(StateDirError::Missing { .. }) => return Ok(None),
        read => read?,
    };
    let entry = book
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(known, _)| *known == print);
    Ok(entry
        .and_then(|(_, rest)| rest.split(' ').next())
        .map(str::to_owned))
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

const fn moment(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs))
}

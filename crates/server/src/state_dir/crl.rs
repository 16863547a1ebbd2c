//! The CRL of the development CA. It is derived: the store knows what was revoked, the file is for those who want to know it too.

use std::time::Duration;

use omadm_bootstrap::Utc;
use omadm_tls::{CertificateRevocationListDer, DevelopmentCa, Revocation, SerialNumber};

use super::StateDirError;
use crate::clock::unix_time;
use crate::model::RevokedCertificate;

/// How long a CRL says it holds. A later one replaces it; a late one keeps its effect.
const LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// Signs a CRL of these certificates.
pub(super) fn sign(
    ca: &DevelopmentCa,
    revoked: &[RevokedCertificate],
    number: u64,
    now: Utc,
) -> Result<CertificateRevocationListDer<'static>, StateDirError> {
    let mut listed = Vec::with_capacity(revoked.len());
    for certificate in revoked {
        let octets = octets(&certificate.serial).ok_or_else(|| StateDirError::SerialNumber {
            found: certificate.serial.clone(),
        })?;
        listed.push(Revocation {
            serial: SerialNumber::from_octets(&octets),
            at: unix_time(certificate.at),
        });
    }
    let next = i64::try_from(LIFETIME.as_millis()).unwrap_or(i64::MAX);
    Ok(ca.crl(
        &listed,
        number,
        unix_time(now),
        unix_time(now.plus_millis(next)),
    )?)
}

/// A certificate's serial number as the store keeps it: lower-case hexadecimal, two digits an octet.
pub(crate) fn serial_text(serial: &SerialNumber) -> String {
    serial.to_string().to_ascii_lowercase()
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use omadm_tls::SerialNumber;

    use super::{octets, serial_text};

    #[test]
    fn a_serial_number_comes_back_from_the_store_as_it_went_in() {
        for serial in [&[0x8f, 0x01][..], &[7], &[]] {
            let serial = SerialNumber::from_octets(serial);
            let text = serial_text(&serial);
            assert_eq!(text, text.to_lowercase());
            assert_eq!(SerialNumber::from_octets(&octets(&text).unwrap()), serial);
        }
        for wrong in ["", "8", "xx", "é"] {
            assert_eq!(octets(wrong), None, "{wrong}");
        }
    }
}

//! The profiles that rustls does not have by design, on OpenSSL (DESIGN §7): settings that hold whatever the system's
//! OpenSSL configuration says, so that every suite of dm20.md §16.2 is negotiated and nothing weaker.

mod accept;
mod connect;
mod failure;

use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::x509::X509;

pub(crate) use accept::OpenSslAcceptor;
pub(crate) use connect::OpenSslConnector;
pub(crate) use failure::alert_in;

use crate::{Identity, PskSuite};

/// dm20.md §16.2, X.509 mode, and the TLS 1.2 suites of D66; by preference: first those with forward secrecy, AEAD before CBC.
const LEGACY_SUITES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:DHE-RSA-AES128-SHA256:AES128-GCM-SHA256:AES128-SHA256";
const TLS13_SUITES: &str =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
const GROUPS: &str = "X25519:P-256:P-384";
const SIGNATURES: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
/// 112 bits: RSA and DH from 2048 bits on, no SHA-1 signatures. Level 3 would refuse the suites without forward secrecy.
const SECURITY_LEVEL: u32 = 2;

/// What both ends and both profiles have in common. Sessions are not resumed: the credential is proven on every
/// connection, so that a key that was taken back opens none.
fn context(suites: &str, newest: SslVersion) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls())?;
    // The level first: the lists after it are measured by it.
    builder.set_security_level(SECURITY_LEVEL);
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_max_proto_version(Some(newest))?;
    builder.set_cipher_list(suites)?;
    builder.set_ciphersuites(TLS13_SUITES)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_sigalgs_list(SIGNATURES)?;
    // The system's configuration may have turned versions off.
    builder.clear_options(SslOptions::NO_TLSV1_2 | SslOptions::NO_TLSV1_3);
    builder.set_options(
        SslOptions::NO_TICKET
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_COMPRESSION
            | SslOptions::SINGLE_DH_USE
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_mode(
        SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    Ok(builder)
}

/// A cipher list of PSK suites.
fn psk_suites(suites: &[PskSuite]) -> String {
    let names: Vec<_> = suites.iter().map(|suite| suite.openssl_name()).collect();
    names.join(":")
}

/// Adds a certificate and its key. Of several chains the intermediates are sent with each leaf.
fn add_identity(builder: &mut SslContextBuilder, identity: &Identity) -> Result<(), ErrorStack> {
    for (place, der) in identity.chain().iter().enumerate() {
        let certificate = X509::from_der(der)?;
        if place == 0 {
            builder.set_certificate(&certificate)?;
        } else {
            builder.add_extra_chain_cert(certificate)?;
        }
    }
    builder.set_private_key(&*PKey::private_key_from_der(identity.key().expose())?)
}

/// The 2048-bit group of RFC 3526 §3, whose prime is safe and everywhere known.
fn add_dh_group(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let prime = BigNum::get_rfc3526_prime_2048()?;
    let group = Dh::from_pqg(prime, None, BigNum::from_u32(2)?)?;
    builder.set_tmp_dh(&group)
}

//! ClientHellos: bare ones with one version and one suite, which show what a server speaks, and those of others, which show what a client offers.

mod offer;
mod probe;

pub(super) use offer::Offer;
pub(super) use probe::{Hello, SSL_3, TLS_1_1, TLS_1_2, ask, client_hello};

/// The X.509 suites of §16.2 that everybody may still offer, then those that RFC 9325 advises against.
pub(super) const X509: [(u16, &str); 6] = [
    (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
];

/// The PSK suites of §16.2.
pub(super) const PSK: [(u16, &str); 7] = [
    (0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256"),
    (0x00AA, "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256"),
    (0x00AC, "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256"),
    (0x00AE, "TLS_PSK_WITH_AES_128_CBC_SHA256"),
    (0x00B2, "TLS_DHE_PSK_WITH_AES_128_CBC_SHA256"),
    (0x00B6, "TLS_RSA_PSK_WITH_AES_128_CBC_SHA256"),
    (0xC037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256"),
];

/// The PSK suites of dm20.md §16.2, all of TLS 1.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PskSuite {
    /// 00AA: forward secrecy by finite-field DHE.
    DhePskGcm,
    /// C037: forward secrecy by ECDHE.
    EcdhePskCbc,
    /// 00B2: forward secrecy by finite-field DHE.
    DhePskCbc,
    /// 00A8
    PskGcm,
    /// 00AE
    PskCbc,
    /// 00AC: the server shows its RSA certificate as well.
    RsaPskGcm,
    /// 00B6: the server shows its RSA certificate as well.
    RsaPskCbc,
}

impl PskSuite {
    /// Every one, by preference: first those with forward secrecy, AEAD before CBC, those with a certificate last.
    pub const ALL: [Self; 7] = [
        Self::DhePskGcm,
        Self::EcdhePskCbc,
        Self::DhePskCbc,
        Self::PskGcm,
        Self::PskCbc,
        Self::RsaPskGcm,
        Self::RsaPskCbc,
    ];

    /// Its name in the TLS registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DhePskGcm => "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256",
            Self::EcdhePskCbc => "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256",
            Self::DhePskCbc => "TLS_DHE_PSK_WITH_AES_128_CBC_SHA256",
            Self::PskGcm => "TLS_PSK_WITH_AES_128_GCM_SHA256",
            Self::PskCbc => "TLS_PSK_WITH_AES_128_CBC_SHA256",
            Self::RsaPskGcm => "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256",
            Self::RsaPskCbc => "TLS_RSA_PSK_WITH_AES_128_CBC_SHA256",
        }
    }

    /// Whether the server shows a certificate, which the client checks.
    #[must_use]
    pub const fn has_certificate(self) -> bool {
        matches!(self, Self::RsaPskGcm | Self::RsaPskCbc)
    }

    /// As OpenSSL calls it.
    #[cfg(feature = "psk")]
    pub(crate) const fn openssl_name(self) -> &'static str {
        match self {
            Self::DhePskGcm => "DHE-PSK-AES128-GCM-SHA256",
            Self::EcdhePskCbc => "ECDHE-PSK-AES128-CBC-SHA256",
            Self::DhePskCbc => "DHE-PSK-AES128-CBC-SHA256",
            Self::PskGcm => "PSK-AES128-GCM-SHA256",
            Self::PskCbc => "PSK-AES128-CBC-SHA256",
            Self::RsaPskGcm => "RSA-PSK-AES128-GCM-SHA256",
            Self::RsaPskCbc => "RSA-PSK-AES128-CBC-SHA256",
        }
    }
}

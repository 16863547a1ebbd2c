use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_mo::json::{Json, JsonError, JsonLimits};

/// A factory image that one device alone can open: a DM Bootstrap under HPKE (RFC 9180, base mode) to the device's public key. Our own form, since D50 leaves
/// the image's protection open; the octets are JSON, so that a look into the file tells what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedImage {
    /// SHA-256 of the DER SubjectPublicKeyInfo of the key that opens it.
    pub recipient: [u8; 32],
    /// The encapsulated key: for P-256 an uncompressed point of 65 octets.
    pub encapsulated: Vec<u8>,
    /// The document under AES-256-GCM, with its tag of 16 octets.
    pub ciphertext: Vec<u8>,
}

/// Why octets are no sealed image. Whoever wrote them is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealedImageError {
    /// No JSON within the limits.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member is missing, or is no text of its form.
    #[error("the member {0} is missing or is not what it has to be")]
    Member(&'static str),
    /// Another suite than the one this build knows.
    #[error("it is sealed by another method than {}", SealedImage::SUITE)]
    Suite,
}

const KIND: &str = "omadm";
const SEALED: &str = "sealed DM Bootstrap";
const SUITE: &str = "suite";
const RECIPIENT: &str = "recipient";
const ENCAPSULATED: &str = "encapsulated";
const CIPHERTEXT: &str = "ciphertext";

impl SealedImage {
    /// The one suite: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
    pub const SUITE: &'static str = "DHKEM-P256-HKDF-SHA256/HKDF-SHA256/AES-256-GCM";
    /// `info` of HPKE; keeps the key from opening what was sealed for another purpose.
    pub const INFO: &'static [u8] = b"omadm sealed DM Bootstrap 1";

    /// Whether a file begins as a sealed image does. A DM Bootstrap begins with `[`.
    #[must_use]
    pub fn is_meant(octets: &[u8]) -> bool {
        octets.trim_ascii_start().starts_with(b"{")
    }

    /// Longest file of a document of this many octets.
    #[must_use]
    pub const fn longest(document: usize) -> usize {
        document / 3 * 4 + 4096
    }

    /// Reads an image; members that it does not know are passed over.
    ///
    /// # Errors
    /// [`SealedImageError`] naming the member.
    pub fn read(octets: &[u8], limits: JsonLimits) -> Result<Self, SealedImageError> {
        let json = Json::read(octets, limits)?;
        let text = |name| {
            let member = json.member(name).and_then(Json::as_text);
            member.ok_or(SealedImageError::Member(name))
        };
        let decoded = |name| {
            let octets = STANDARD.decode(text(name)?);
            octets.map_err(|_| SealedImageError::Member(name))
        };
        if text(KIND)? != SEALED {
            return Err(SealedImageError::Member(KIND));
        }
        if text(SUITE)? != Self::SUITE {
            return Err(SealedImageError::Suite);
        }
        let recipient = crate::PayloadHash::parse(text(RECIPIENT)?);
        let recipient = recipient.map_err(|_| SealedImageError::Member(RECIPIENT))?;
        Ok(Self {
            recipient: *recipient.octets(),
            encapsulated: decoded(ENCAPSULATED)?,
            ciphertext: decoded(CIPHERTEXT)?,
        })
    }

    /// Writes the image.
    #[must_use]
    pub fn write(&self) -> String {
        let recipient: String = self.recipient.iter().map(|o| format!("{o:02x}")).collect();
        let members = [
            (KIND, SEALED.to_owned()),
            (SUITE, Self::SUITE.to_owned()),
            (RECIPIENT, recipient),
            (ENCAPSULATED, STANDARD.encode(&self.encapsulated)),
            (CIPHERTEXT, STANDARD.encode(&self.ciphertext)),
        ];
        let members = members.map(|(name, text)| (name.to_owned(), Json::Text(text)));
        Json::Object(members.into()).to_compact()
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::json::JsonLimits;

    use super::{SealedImage, SealedImageError};

    fn image() -> SealedImage {
        SealedImage {
            recipient: [7; 32],
            encapsulated: vec![4; 65],
            ciphertext: vec![9; 40],
        }
    }

    #[test]
    fn a_sealed_image_is_read_as_it_was_written() {
        let text = image().write();
        assert!(SealedImage::is_meant(text.as_bytes()) && !SealedImage::is_meant(b" [1]"));
        assert_eq!(
            SealedImage::read(text.as_bytes(), JsonLimits::default()),
            Ok(image())
        );
        assert!(text.len() <= SealedImage::longest(24));
    }

    #[test]
    fn a_member_that_is_missing_or_foreign_is_named() {
        for (from, to, member) in [
            ("\"omadm\"", "\"other\"", "omadm"),
            ("sealed DM Bootstrap", "something", "omadm"),
            ("\"recipient\":\"0707", "\"recipient\":\"07", "recipient"),
            (
                "\"encapsulated\":\"",
                "\"encapsulated\":\"!",
                "encapsulated",
            ),
            ("\"ciphertext\"", "\"cipher\"", "ciphertext"),
        ] {
            let text = image().write().replacen(from, to, 1);
            assert_eq!(
                SealedImage::read(text.as_bytes(), JsonLimits::default()),
                Err(SealedImageError::Member(member))
            );
        }
        let other = image().write().replace("P256", "P384");
        assert_eq!(
            SealedImage::read(other.as_bytes(), JsonLimits::default()),
            Err(SealedImageError::Suite)
        );
    }
}

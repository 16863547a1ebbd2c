use omadm_mo::client_uri::InstanceStep;
use omadm_mo::json::{Json, JsonError, JsonLimits};
use omadm_mo::serialization::{MoItem, SerializationError};
use omadm_mo::standard::{MoRegistry, dm_acc};

use crate::{Alert, Package1, Package2, Package3, PackageError, mask};

/// Any document of DM 2.0, told by its shape.
#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    content: Content,
    json: Json,
}

/// What a document is.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// Package#1: has `MOS`, or a session cause among its alerts.
    Package1(Package1),
    /// Package#2: has `CMD`.
    Package2(Package2),
    /// Package#3: has `Status`.
    Package3(Package3),
    /// MO serialization: an array of items, or one item.
    MoSerialization(Vec<MoItem>),
    /// MO serialization that holds a whole DM Account with a place left to the client, as a DM Bootstrap does (§14.2).
    Bootstrap(Vec<MoItem>),
    /// A stand-alone alert document (Appendix A): has `Alert` and no session cause.
    Alert(Vec<Alert>),
}

/// What is wrong with a document, and where. Its author is at fault.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON within the limits; line and column.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Violates the schema of what it is; JSON path.
    #[error("{title}: {error}")]
    Package {
        /// What it is.
        title: &'static str,
        /// The violation.
        error: PackageError,
    },
    /// Violates the schema of MO serialization; JSON path.
    #[error("MO serialization: {0}")]
    Serialization(#[from] SerializationError),
    /// JSON, but none of the documents of DM 2.0.
    #[error(
        "no document of DM 2.0: {found}, where an array of items or an object with CMD, Status, MOS, Alert or MOData has to stand"
    )]
    Unrecognized {
        /// What stands there.
        found: &'static str,
    },
}

const PACKAGE1: &str = "Package#1";
const PACKAGE2: &str = "Package#2";
const PACKAGE3: &str = "Package#3";
const ALERT: &str = "Generic Alert";

impl Document {
    /// Reads a document and tells what it is.
    ///
    /// # Errors
    /// [`DocumentError`] with what is wrong and where.
    pub fn read(body: &[u8], limits: JsonLimits) -> Result<Self, DocumentError> {
        let json = Json::read(body, limits)?;
        Ok(Self {
            content: Content::of(&json)?,
            json,
        })
    }

    /// What it is.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// What it is, for people.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self.content {
            Content::Package1(_) => PACKAGE1,
            Content::Package2(_) => PACKAGE2,
            Content::Package3(_) => PACKAGE3,
            Content::MoSerialization(_) => "MO serialization",
            Content::Bootstrap(_) => "DM Bootstrap",
            Content::Alert(_) => ALERT,
        }
    }

    /// The document over several lines, secrets and unknown members included.
    #[must_use]
    pub fn pretty(&self) -> String {
        self.json.to_pretty()
    }

    /// The document over several lines without its secrets, see [`mask`].
    #[must_use]
    pub fn masked(&self, registry: &MoRegistry) -> String {
        mask(&self.json, registry).to_pretty()
    }

    /// The document as it was read.
    #[must_use]
    pub const fn json(&self) -> &Json {
        &self.json
    }
}

impl Content {
    /// Tells what a JSON value is, and reads it.
    ///
    /// # Errors
    /// [`DocumentError`], never of its kind `Json`.
    pub fn of(json: &Json) -> Result<Self, DocumentError> {
        let failed = |title| move |error| DocumentError::Package { title, error };
        let has = |name| json.member(name).is_some();
        if has("CMD") {
            Package2::read(json)
                .map(Self::Package2)
                .map_err(failed(PACKAGE2))
        } else if has("Status") {
            Package3::read(json)
                .map(Self::Package3)
                .map_err(failed(PACKAGE3))
        } else if has("MOS") {
            Package1::read(json)
                .map(Self::Package1)
                .map_err(failed(PACKAGE1))
        } else if has(Alert::MEMBER) {
            let package = Package1::read(json).map_err(failed(ALERT))?;
            let opens_session = !package.session_causes().is_empty();
            Ok(if opens_session {
                Self::Package1(package)
            } else {
                Self::Alert(package.alerts)
            })
        } else if has("MOData") || json.as_array().is_some() {
            let items = MoItem::read_all(json)?;
            Ok(if items.iter().any(is_new_account) {
                Self::Bootstrap(items)
            } else {
                Self::MoSerialization(items)
            })
        } else {
            Err(DocumentError::Unrecognized { found: json.kind() })
        }
    }
}

/// A whole DM Account that the client has yet to place, or one that brings its permissions, which no client ever shows (§12.2).
fn is_new_account(item: &MoItem) -> bool {
    let Some(uri) = item
        .client_uri
        .as_ref()
        .filter(|uri| uri.moid == dm_acc::moid() && uri.path.is_empty())
    else {
        return false;
    };
    let root = item
        .data
        .as_object()
        .and_then(|members| members.first())
        .map(|(_, root)| root);
    let brings_permissions = item.data.member(dm_acc::names::PERM).is_some()
        || root.is_some_and(|root| root.member(dm_acc::names::PERM).is_some());
    uri.instance == InstanceStep::Only || brings_permissions
}

#[cfg(test)]
mod tests {
    use omadm_mo::json::{JsonError, JsonLimits};
    use omadm_mo::standard::MoRegistry;

    use super::{Document, DocumentError};

    fn read(text: &str) -> Result<Document, DocumentError> {
        Document::read(text.as_bytes(), JsonLimits::default())
    }

    #[test]
    fn each_document_is_told_by_its_shape() {
        for (text, title) in [
            (r#"{"MOS":[]}"#, "Package#1"),
            (
                r#"{"Alert":[{"AlertType":"urn:oma:at:dm:2.0:ClientInitiatedMgmt"}]}"#,
                "Package#1",
            ),
            (r#"{"CMD":[]}"#, "Package#2"),
            (r#"{"Status":[],"Alert":null,"MOS":[]}"#, "Package#3"),
            (r#"{"Alert":[{"AlertType":"urn:x"}]}"#, "Generic Alert"),
            ("[]", "MO serialization"),
            (r#"{"MOData":{"DevInfo":{}}}"#, "MO serialization"),
            (
                r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/","MOData":{"DMAcc":{"SrvID":"s"}}}]"#,
                "MO serialization",
            ),
            (
                r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/Auth/Trsp","MOData":{"Trsp":{}}}]"#,
                "MO serialization",
            ),
            (
                r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/","MOData":{"DMAcc":{"Perm":{}}}}]"#,
                "DM Bootstrap",
            ),
            (
                r#"[{"ClientURI":"oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{}}}]"#,
                "DM Bootstrap",
            ),
        ] {
            assert_eq!(read(text).unwrap().title(), title, "{text}");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_where() {
        for (text, message) in [
            ("{\"CMD\":[}", "line 1, column 9: not JSON"),
            (
                "",
                "line 1, column 0: the text ends in the middle of a value",
            ),
            (
                r#"{"CMD":[["GET",7]]}"#,
                "Package#2: $.CMD[0][1]: has to be a string, is a number",
            ),
            (
                r#"{"Status":[{}]}"#,
                "Package#3: $.Status[0]: the member sc is missing",
            ),
            (
                r#"{"MOS":[{}]}"#,
                "Package#1: $.MOS[0]: the member MIID is missing",
            ),
            (
                r#"[{"ClientURI":"urn:a//"}]"#,
                "MO serialization: $[0]: the member MOData is missing",
            ),
            (
                "{}",
                "no document of DM 2.0: an object, where an array of items or an object with CMD, Status, MOS, Alert or MOData has to stand",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message, "{text}");
        }
        let limits = JsonLimits {
            octets: 1,
            ..JsonLimits::default()
        };
        let error = Document::read(b"[]", limits).unwrap_err();
        assert_eq!(
            error,
            DocumentError::Json(JsonError::TooLarge {
                octets: 2,
                limit: 1
            })
        );
    }

    #[test]
    fn a_masked_document_keeps_everything_but_its_secrets() {
        let text =
            r#"{"Alert":[{"AlertType":"urn:x","Data":{"Secret":"hunter2","n":1}}],"Later":true}"#;
        let document = read(text).unwrap();
        assert!(document.pretty().contains("hunter2"));
        let masked = document.masked(&MoRegistry::standard());
        assert_eq!(masked, document.pretty().replace("hunter2", "•••"));
    }
}

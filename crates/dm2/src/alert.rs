use std::borrow::Cow;
use std::fmt;

use omadm_mo::ClientUri;
use omadm_mo::client_uri::ClientUriError;
use omadm_mo::json::Json;

use crate::schema::{array, member, object, optional_text, required, text, whole_number};
use crate::{AlertData, PackageError};

/// A generic alert (`dm20.md` §4.4, §6): client to server, never acknowledged by itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    /// `AlertType`.
    pub alert_type: AlertType,
    /// `SourceURI`: the ClientURI of the node the alert is about, as it was written. See [`Self::source_uri`].
    pub source: Option<String>,
    /// `TargetURI`: a further address.
    pub target: Option<String>,
    /// `Mark`: the importance.
    pub mark: Option<Mark>,
    /// `DataType`: a media type, or the name of a node format.
    pub data_type: Option<String>,
    /// `Data`.
    pub data: Option<AlertData>,
}

/// The URN of an alert type. Unknown ones are kept as they came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AlertType(Cow<'static, str>);

/// How important an alert is (§4.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mark {
    /// `fatal`
    Fatal,
    /// `critical`
    Critical,
    /// `minor`
    Minor,
    /// `warning`
    Warning,
    /// `informational`
    Informational,
    /// `harmless`
    Harmless,
    /// `indeterminate`
    Indeterminate,
    /// Another word; the schema allows any.
    Other(Box<str>),
}

/// The member that carries the NOTIFICATION-ID (D26).
const NOTIFICATION_ID: &str = "NOTIFICATION-ID";
/// The `DataType` of a NOTIFICATION-ID (D26).
const NOTIFICATION_ID_TYPE: &str = "int";

impl Alert {
    /// The name of the member that holds the alerts of a package or of a stand-alone document.
    pub const MEMBER: &'static str = "Alert";

    /// An alert of this type and nothing more.
    #[must_use]
    pub const fn new(alert_type: AlertType) -> Self {
        Self {
            alert_type,
            source: None,
            target: None,
            mark: None,
            data_type: None,
            data: None,
        }
    }

    /// The session cause of a session that answers a Notification, with that Notification's NOTIFICATION-ID where it had one (D26).
    #[must_use]
    pub fn server_initiated(notification_id: Option<u16>) -> Self {
        let alert = Self::new(AlertType::SERVER_INITIATED_MGMT);
        match notification_id {
            None => alert,
            Some(id) => alert.with_data(
                NOTIFICATION_ID_TYPE,
                AlertData::object([(NOTIFICATION_ID, Json::Int(id.into()))]),
            ),
        }
    }

    /// The same alert about this node.
    #[must_use]
    pub fn about(mut self, node: &ClientUri) -> Self {
        self.source = Some(node.to_string());
        self
    }

    /// The same alert with this importance.
    #[must_use]
    pub fn marked(mut self, mark: Mark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// The same alert with this content.
    #[must_use]
    pub fn with_data(mut self, data_type: impl Into<String>, data: AlertData) -> Self {
        self.data_type = Some(data_type.into());
        self.data = Some(data);
        self
    }

    /// `SourceURI` as a ClientURI; none where it is absent. The schema asks for a string only, so a bad one costs the alert nothing else.
    #[must_use]
    pub fn source_uri(&self) -> Option<Result<ClientUri, ClientUriError>> {
        self.source.as_deref().map(ClientUri::parse)
    }

    /// The NOTIFICATION-ID (D26): the member of that name, else the integer of an object of one member.
    #[must_use]
    pub fn notification_id(&self) -> Option<u16> {
        let data = self.data.as_ref()?;
        let value = data
            .member(NOTIFICATION_ID)
            .or_else(|| match data.as_json().as_object() {
                Some([(_, only)]) => Some(only),
                _ => None,
            })?;
        u16::try_from(whole_number(value)?).ok()
    }

    /// Reads one alert at this JSON path.
    ///
    /// # Errors
    /// [`PackageError`] naming the first member that violates the schema.
    pub fn read(json: &Json, at: &str) -> Result<Self, PackageError> {
        object(json, at)?;
        let alert_type = text(required(json, "AlertType", at)?, &format!("{at}.AlertType"))?;
        let owned = |name| optional_text(json, name, at).map(|text| text.map(str::to_owned));
        Ok(Self {
            alert_type: AlertType::new(alert_type),
            source: owned("SourceURI")?,
            target: owned("TargetURI")?,
            mark: optional_text(json, "Mark", at)?.map(Mark::new),
            data_type: owned("DataType")?,
            data: member(json, "Data").cloned().map(AlertData::received),
        })
    }

    /// Reads the `Alert` member of a package or of a stand-alone document (Appendix A); none where it is absent or `null` (E10).
    ///
    /// # Errors
    /// [`PackageError`] naming the first member that violates the schema.
    pub fn read_all(document: &Json) -> Result<Vec<Self>, PackageError> {
        object(document, "$")?;
        let Some(alerts) = member(document, Self::MEMBER) else {
            return Ok(Vec::new());
        };
        let alerts = array(alerts, "$.Alert")?.iter().enumerate();
        alerts
            .map(|(n, alert)| Self::read(alert, &format!("$.Alert[{n}]")))
            .collect()
    }

    /// Writes one alert.
    #[must_use]
    pub fn write(&self) -> Json {
        let mut members = vec![("AlertType".to_owned(), Json::text(self.alert_type.as_str()))];
        let mut push = |name: &str, text: Option<&str>| {
            members.extend(text.map(|text| (name.to_owned(), Json::text(text))));
        };
        push("SourceURI", self.source.as_deref());
        push("TargetURI", self.target.as_deref());
        push("Mark", self.mark.as_ref().map(Mark::as_str));
        push("DataType", self.data_type.as_deref());
        members.extend(
            self.data
                .as_ref()
                .map(|data| ("Data".to_owned(), data.write())),
        );
        Json::Object(members)
    }

    /// Writes a stand-alone document (Appendix A).
    #[must_use]
    pub fn write_document(alerts: &[Self]) -> Json {
        Json::object([(Self::MEMBER, Self::write_all(alerts))])
    }

    /// The value of an `Alert` member.
    pub(crate) fn write_all(alerts: &[Self]) -> Json {
        Json::Array(alerts.iter().map(Self::write).collect())
    }
}

impl AlertType {
    /// Package#1 of a session that answers a DM Notification.
    pub const SERVER_INITIATED_MGMT: Self =
        Self(Cow::Borrowed("urn:oma:at:dm:2.0:ServerInitiatedMgmt"));
    /// Package#1 of a session the client opened by itself.
    pub const CLIENT_INITIATED_MGMT: Self =
        Self(Cow::Borrowed("urn:oma:at:dm:2.0:ClientInitiatedMgmt"));
    /// Package#1 of the session that a successful bootstrap caused.
    pub const BOOTSTRAP_COMPLETE: Self = Self(Cow::Borrowed("urn:oma:at:dm:2.0:BootstrapComplete"));

    /// Any alert type.
    #[must_use]
    pub fn new(urn: &str) -> Self {
        let known = [
            Self::SERVER_INITIATED_MGMT,
            Self::CLIENT_INITIATED_MGMT,
            Self::BOOTSTRAP_COMPLETE,
        ];
        known
            .into_iter()
            .find(|known| known.0 == urn)
            .unwrap_or_else(|| Self(Cow::Owned(urn.to_owned())))
    }

    /// The URN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it says why a session was opened (§2).
    #[must_use]
    pub fn is_session_cause(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }
}

impl Mark {
    const NAMED: [(&'static str, Self); 7] = [
        ("fatal", Self::Fatal),
        ("critical", Self::Critical),
        ("minor", Self::Minor),
        ("warning", Self::Warning),
        ("informational", Self::Informational),
        ("harmless", Self::Harmless),
        ("indeterminate", Self::Indeterminate),
    ];

    /// The mark of this word.
    #[must_use]
    pub fn new(word: &str) -> Self {
        let named = Self::NAMED.into_iter().find(|(name, _)| *name == word);
        named.map_or_else(|| Self::Other(word.into()), |(_, mark)| mark)
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(word) => word,
            named => Self::NAMED
                .iter()
                .find(|(_, mark)| mark == named)
                .map_or("", |(name, _)| name),
        }
    }
}

impl fmt::Display for AlertType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::json::{Json, JsonLimits};

    use super::{Alert, AlertType, Mark};

    fn read(text: &str) -> Alert {
        Alert::read(
            &Json::read(text.as_bytes(), JsonLimits::default()).unwrap(),
            "$",
        )
        .unwrap()
    }

    #[test]
    fn a_notification_id_is_written_as_d26_says() {
        assert_eq!(
            Alert::server_initiated(Some(4660)).write().to_compact(),
            r#"{"AlertType":"urn:oma:at:dm:2.0:ServerInitiatedMgmt","DataType":"int","Data":{"NOTIFICATION-ID":4660}}"#
        );
        let without = Alert::server_initiated(None).write().to_compact();
        assert_eq!(
            without,
            r#"{"AlertType":"urn:oma:at:dm:2.0:ServerInitiatedMgmt"}"#
        );
    }

    #[test]
    fn a_notification_id_is_read_in_each_form_of_d26() {
        for (data, expected) in [
            (r#"{"NOTIFICATION-ID":7}"#, Some(7)),
            (r#"{"NOTIFICATION-ID":65535,"Extra":1}"#, Some(65535)),
            (r#"{"DM1x":7}"#, Some(7)),
            (r#"{"whatever":7.0}"#, Some(7)),
            (r#"{"a":7,"b":8}"#, None),
            (r#"{"NOTIFICATION-ID":65536}"#, None),
            (r#"{"NOTIFICATION-ID":-1}"#, None),
            (r#"{"NOTIFICATION-ID":1.5}"#, None),
            (r#""7""#, None),
            ("null", None),
        ] {
            let alert = read(&format!(
                r#"{{"AlertType":"urn:oma:at:dm:2.0:ServerInitiatedMgmt","Data":{data}}}"#
            ));
            assert_eq!(alert.notification_id(), expected, "{data}");
        }
    }

    #[test]
    fn data_of_any_type_is_read_and_an_object_is_written_d13() {
        for data in ["7", r#""text""#, "[1]", "true", r#"{"DM1x":"a"}"#] {
            let alert = read(&format!(r#"{{"AlertType":"urn:x","Data":{data}}}"#));
            assert_eq!(alert.data.as_ref().unwrap().as_json().to_compact(), data);
            assert!(
                alert.write().member("Data").unwrap().as_object().is_some(),
                "{data}"
            );
        }
    }

    #[test]
    fn unknown_types_and_marks_are_kept() {
        let alert = read(r#"{"AlertType":"urn:oma:at:scomo:1.0:OperationComplete","Mark":"dire"}"#);
        assert_eq!(
            alert.alert_type.as_str(),
            "urn:oma:at:scomo:1.0:OperationComplete"
        );
        assert!(!alert.alert_type.is_session_cause());
        assert_eq!(alert.mark, Some(Mark::Other("dire".into())));
        assert_eq!(
            AlertType::new("urn:oma:at:dm:2.0:BootstrapComplete"),
            AlertType::BOOTSTRAP_COMPLETE
        );
        assert!(AlertType::new("urn:oma:at:dm:2.0:BootstrapComplete").is_session_cause());
    }

    #[test]
    fn every_mark_is_read_from_its_own_word() {
        for (word, mark) in Mark::NAMED {
            assert_eq!(mark.as_str(), word);
            assert_eq!(Mark::new(word), mark);
        }
    }
}

use omadm_mo::Moid;
use omadm_mo::json::Json;

use crate::schema::{array, member, object, optional_text, required, texts, write_texts};
use crate::{Alert, PackageError, SessionCause};

/// Package#1 (`dm20.md` §4.1): the client opens a session.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Package1 {
    /// `MOS`: what the client supports and this server may know of; none where it was not asked for (D03).
    pub mos: Option<Vec<SupportedMo>>,
    /// `Alert`; at least one session cause among them (§2), which the schema does not ask for.
    pub alerts: Vec<Alert>,
}

/// One entry of `MOS`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SupportedMo {
    /// Link to the DDF.
    pub ddf: Option<String>,
    /// The MOID. Not required by the schema (E04); our client always sends it (D10).
    pub moid: Option<Moid>,
    /// The instances that this server may manage, as they were written.
    pub miids: Vec<String>,
}

impl Package1 {
    /// Reads the body.
    ///
    /// # Errors
    /// [`PackageError`] naming the first member that violates the schema. That a session cause is there is not checked: see [`Self::session_causes`].
    pub fn read(body: &Json) -> Result<Self, PackageError> {
        object(body, "$")?;
        let mos = match member(body, "MOS") {
            None => None,
            Some(mos) => {
                let entries = array(mos, "$.MOS")?.iter().enumerate();
                Some(
                    entries
                        .map(|(n, entry)| SupportedMo::read(entry, &format!("$.MOS[{n}]")))
                        .collect::<Result<_, _>>()?,
                )
            }
        };
        Ok(Self {
            mos,
            alerts: Alert::read_all(body)?,
        })
    }

    /// Writes the body. The caller puts a session cause among the alerts (§2).
    #[must_use]
    pub fn write(&self) -> Json {
        let mut members = Vec::new();
        if let Some(mos) = &self.mos {
            members.push((
                "MOS".to_owned(),
                Json::Array(mos.iter().map(SupportedMo::write).collect()),
            ));
        }
        if !self.alerts.is_empty() {
            members.push((Alert::MEMBER.to_owned(), Alert::write_all(&self.alerts)));
        }
        Json::Object(members)
    }

    /// Why the session was opened, the dominant cause first: BootstrapComplete over ServerInitiatedMgmt over ClientInitiatedMgmt (D04).
    /// Empty where the client named none, which a server answers with 400 (D70).
    #[must_use]
    pub fn session_causes(&self) -> Vec<SessionCause<'_>> {
        let mut causes: Vec<_> = self.alerts.iter().filter_map(SessionCause::of).collect();
        causes.sort_by_key(SessionCause::rank);
        causes
    }
}

impl SupportedMo {
    fn read(entry: &Json, at: &str) -> Result<Self, PackageError> {
        object(entry, at)?;
        let moid = match optional_text(entry, "MOID", at)? {
            None => None,
            Some(moid) => Some(
                Moid::parse(moid)
                    .map_err(|error| PackageError::new(format!("{at}.MOID"), error))?,
            ),
        };
        Ok(Self {
            ddf: optional_text(entry, "DDF", at)?.map(str::to_owned),
            moid,
            miids: texts(required(entry, "MIID", at)?, &format!("{at}.MIID"))?,
        })
    }

    fn write(&self) -> Json {
        let mut members = Vec::new();
        members.extend(
            self.ddf
                .as_ref()
                .map(|url| ("DDF".to_owned(), Json::text(url))),
        );
        members.extend(
            self.moid
                .as_ref()
                .map(|moid| ("MOID".to_owned(), Json::text(moid.as_str()))),
        );
        members.push(("MIID".to_owned(), write_texts(&self.miids)));
        Json::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::Package1;
    use crate::{Alert, AlertType, PackageProblem, SessionCause};
    use omadm_mo::json::{Json, JsonLimits};

    fn read(text: &str) -> Result<Package1, crate::PackageError> {
        Package1::read(&Json::read(text.as_bytes(), JsonLimits::default()).unwrap())
    }

    #[test]
    fn bootstrap_complete_dominates_the_other_causes_d04() {
        let completed = Alert::new(AlertType::BOOTSTRAP_COMPLETE);
        let package = Package1 {
            mos: None,
            alerts: vec![
                Alert::new(AlertType::CLIENT_INITIATED_MGMT),
                Alert::new(AlertType::new("urn:x")),
                Alert::server_initiated(Some(7)),
                completed.clone(),
            ],
        };
        let causes = package.session_causes();
        assert_eq!(
            causes,
            [
                SessionCause::BootstrapComplete(&completed),
                SessionCause::ServerInitiatedMgmt {
                    notification_id: Some(7)
                },
                SessionCause::ClientInitiatedMgmt
            ]
        );
        assert!(Package1::default().session_causes().is_empty());
    }

    #[test]
    fn a_violation_names_the_member() {
        for (text, at) in [
            ("[]", "$"),
            (r#"{"MOS":{}}"#, "$.MOS"),
            (r#"{"MOS":[7]}"#, "$.MOS[0]"),
            (r#"{"MOS":[{"MIID":[]},{"MOID":"urn:a"}]}"#, "$.MOS[1]"),
            (r#"{"MOS":[{"MIID":["1",2]}]}"#, "$.MOS[0].MIID[1]"),
            (r#"{"MOS":[{"MIID":[],"MOID":"urn:a/b"}]}"#, "$.MOS[0].MOID"),
            (r#"{"Alert":{}}"#, "$.Alert"),
            (r#"{"Alert":[{}]}"#, "$.Alert[0]"),
            (r#"{"Alert":[{"AlertType":7}]}"#, "$.Alert[0].AlertType"),
            (
                r#"{"Alert":[{"AlertType":"urn:a","Mark":7}]}"#,
                "$.Alert[0].Mark",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().at, at, "{text}");
        }
        assert_eq!(
            read(r#"{"MOS":[{}]}"#).unwrap_err().problem,
            PackageProblem::Missing("MIID")
        );
    }

    #[test]
    fn null_members_and_unknown_ones_are_passed_over_e10() {
        let package = read(r#"{"MgmtTree":{"dump":[1,2]},"MOS":null,"Alert":null}"#).unwrap();
        assert_eq!(package, Package1::default());
        let package = read(r#"{"MOS":[{"MIID":[],"DDF":null,"Later":1}],"Alert":[]}"#).unwrap();
        assert_eq!(package.mos.unwrap()[0].moid, None);
    }
}

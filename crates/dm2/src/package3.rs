use omadm_mo::ClientUri;
use omadm_mo::client_uri::{InstanceStep, Step};
use omadm_mo::json::Json;
use omadm_mo::serialization::{MoItem, SerializationError};

use crate::schema::{array, object, required};
use crate::{Alert, Command, PackageError, Status};

/// Package#3 (`dm20.md` §4.3): what became of the commands of a Package#2.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Package3 {
    /// One for each command, in the order of the commands.
    pub statuses: Vec<Status>,
    /// `Alert`.
    pub alerts: Vec<Alert>,
    /// Serialized items that stand beside the statuses instead of in one of them (D12). Read from other clients, never written.
    pub stray_items: Vec<Json>,
}

/// Top-level arrays in which other clients put what a GET read (D12).
const STRAY_MEMBERS: [&str; 3] = ["MOS", "MOData", "Result"];

impl Package3 {
    /// Reads the body.
    ///
    /// # Errors
    /// [`PackageError`] naming the first member that violates the schema. The caller compares the number of statuses with that of its commands (D70).
    pub fn read(body: &Json) -> Result<Self, PackageError> {
        object(body, "$")?;
        let statuses = array(required(body, "Status", "$")?, "$.Status")?
            .iter()
            .enumerate();
        let stray = STRAY_MEMBERS
            .iter()
            .filter_map(|name| body.member(name)?.as_array())
            .flatten();
        Ok(Self {
            statuses: statuses
                .map(|(n, status)| Status::read(status, &format!("$.Status[{n}]")))
                .collect::<Result<_, _>>()?,
            alerts: Alert::read_all(body)?,
            stray_items: stray.cloned().collect(),
        })
    }

    /// Writes the body.
    #[must_use]
    pub fn write(&self) -> Json {
        let statuses = self.statuses.iter().map(Status::write).collect();
        let mut members = vec![("Status".to_owned(), Json::Array(statuses))];
        if !self.alerts.is_empty() {
            members.push((Alert::MEMBER.to_owned(), Alert::write_all(&self.alerts)));
        }
        Json::Object(members)
    }

    /// What the command at this place of the Package#2 brought (D12), parsed; empty where [`Self::result_of`] is none.
    ///
    /// # Errors
    /// [`SerializationError`]; the client is at fault.
    pub fn results_for(
        &self,
        index: usize,
        commands: &[Command],
    ) -> Result<Vec<MoItem>, SerializationError> {
        self.result_of(index, commands)
            .map_or_else(|| Ok(Vec::new()), |result| MoItem::read_all(&result))
    }

    /// What the command at this place of the Package#2 brought (D12), as it was written: the `Result` of its status, else, for a GET, the stray items that
    /// its ClientURIs name. None for every other command.
    #[must_use]
    pub fn result_of(&self, index: usize, commands: &[Command]) -> Option<Json> {
        let (status, Command::Get { clients }) = (self.statuses.get(index)?, commands.get(index)?)
        else {
            return None;
        };
        if status.result.is_some() {
            return status.result.clone();
        }
        let asked = |item: &&Json| {
            let at = item.member("ClientURI").and_then(Json::as_text);
            at.and_then(|at| ClientUri::parse(at).ok())
                .is_some_and(|at| clients.iter().any(|asked| names(asked, &at)))
        };
        let items: Vec<Json> = self.stray_items.iter().filter(asked).cloned().collect();
        (!items.is_empty()).then_some(Json::Array(items))
    }
}

/// Whether the node at `at`, written out, can be one that `asked` resolved to. What conditions select, only the device knows.
fn names(asked: &ClientUri, at: &ClientUri) -> bool {
    let instance = match (&asked.instance, &at.instance) {
        (InstanceStep::Miid(asked), InstanceStep::Miid(at)) => asked == at,
        _ => true,
    };
    let step = |(asked, at): (&Step, &Step)| match (asked, at) {
        (Step::Name(asked), Step::Name(at)) => asked == at,
        _ => true,
    };
    instance
        && asked.moid == at.moid
        && asked.path.len() == at.path.len()
        && asked.path.iter().zip(&at.path).all(step)
}

#[cfg(test)]
mod tests {
    use omadm_mo::json::{Json, JsonLimits};

    use super::Package3;
    use crate::{Command, PackageProblem, StatusCode};

    fn read(text: &str) -> Result<Package3, crate::PackageError> {
        Package3::read(&Json::read(text.as_bytes(), JsonLimits::default()).unwrap())
    }

    fn get(uri: &str) -> Command {
        Command::read(&["GET", uri]).unwrap()
    }

    #[test]
    fn stray_items_are_matched_to_gets_by_client_uri_d12() {
        for member in ["MOS", "MOData", "Result"] {
            let package = read(&format!(
                r#"{{"Status":[{{"sc":200}},{{"sc":200}},{{"sc":200}}],"{member}":[
                    {{"ClientURI":"urn:m/1/A","MOData":{{"A":1}}}},{{"ClientURI":"urn:m/2/A","MOData":{{"A":2}}}},
                    {{"ClientURI":"urn:n/1/","MOData":{{"N":{{}}}}}},{{"MOData":{{"X":{{}}}}}}]}}"#
            ))
            .unwrap();
            let commands = [get("urn:m/*/A"), Command::End, get("urn:n//")];
            let places = |index| {
                let items = package.results_for(index, &commands).unwrap();
                items
                    .into_iter()
                    .map(|item| item.client_uri.unwrap().to_string())
                    .collect::<Vec<_>>()
            };
            assert_eq!(places(0), ["urn:m/1/A", "urn:m/2/A"], "{member}");
            assert!(places(1).is_empty());
            assert_eq!(places(2), ["urn:n/1/"]);
            assert!(places(7).is_empty());
        }
    }

    #[test]
    fn a_status_of_its_own_result_needs_no_match_d12() {
        let package = read(
            r#"{"Status":[{"sc":200,"Result":[{"ClientURI":"urn:m/1/A","MOData":{"A":1}}]},{"sc":200,"Result":7}],
                "Result":[{"ClientURI":"urn:m/9/A","MOData":{"A":9}}]}"#,
        )
        .unwrap();
        let commands = [get("urn:m//A"), get("urn:m//A")];
        let items = package.results_for(0, &commands).unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(
            items[0].client_uri.as_ref().unwrap().to_string(),
            "urn:m/1/A"
        );
        assert!(package.results_for(1, &commands).is_err());
    }

    #[test]
    fn a_code_may_be_written_as_a_float() {
        let package = read(r#"{"Status":[{"sc":200.0},{"sc":2.04e2}]}"#).unwrap();
        assert_eq!(package.statuses[0].code, StatusCode::OK);
        assert_eq!(package.statuses[1].code, StatusCode::NO_CONTENT);
        for sc in ["200.5", "99", "1000", "-200", "1e300", "2e9"] {
            let error = read(&format!(r#"{{"Status":[{{"sc":{sc}}}]}}"#)).unwrap_err();
            assert_eq!(
                (error.at.as_str(), error.problem),
                ("$.Status[0].sc", PackageProblem::StatusCode),
                "{sc}"
            );
        }
    }

    #[test]
    fn null_alert_and_unknown_members_are_passed_over_e10() {
        let package = read(
            r#"{"Status":[{"sc":200,"URI":null,"Result":null,"Later":1}],"Alert":null,"X":{}}"#,
        )
        .unwrap();
        assert_eq!(package.alerts, []);
        assert_eq!(package.statuses[0].result, None);
    }

    #[test]
    fn a_violation_names_the_member() {
        for (text, at) in [
            ("[]", "$"),
            ("{}", "$"),
            (r#"{"Status":7}"#, "$.Status"),
            (r#"{"Status":[200]}"#, "$.Status[0]"),
            (r#"{"Status":[{"sc":200},{}]}"#, "$.Status[1]"),
            (r#"{"Status":[{"sc":"200"}]}"#, "$.Status[0].sc"),
            (
                r#"{"Status":[{"sc":200,"URI":["a",7]}]}"#,
                "$.Status[0].URI[1]",
            ),
            (r#"{"Status":[],"Alert":7}"#, "$.Alert"),
        ] {
            assert_eq!(read(text).unwrap_err().at, at, "{text}");
        }
    }
}

use omadm_dm2::{ClientUris, Command};
use omadm_mo::json::Json;
use omadm_mo::serialization::write_item;
use omadm_mo::standard::MoRegistry;
use omadm_mo::{Miid, Node, NodeName, Secret, ServerUri};

use super::{NeutralCommand, NotExpressible, Target};

/// The DM 2.0 command that says it. What is put somewhere lies as a [`document`] at `document_at`, from where the device fetches it: DM 2.0 does not tell adding
/// from replacing.
///
/// # Errors
/// [`NotExpressible`] where DM 2.0 has no word for it.
pub fn to_dm2(
    command: &NeutralCommand,
    document_at: &ServerUri,
) -> Result<Command, NotExpressible> {
    let fetch = |at: &Target| Command::HGet {
        server: document_at.clone(),
        client: Some(at.client_uri()),
    };
    Ok(match command {
        NeutralCommand::Read(at) => Command::Get {
            clients: ClientUris::one(at.client_uri()),
        },
        NeutralCommand::Replace(at, _) | NeutralCommand::Add(at, _) => fetch(at),
        NeutralCommand::Remove(at) => Command::Delete {
            client: at.client_uri(),
        },
        NeutralCommand::Execute(at, None) => Command::Exec {
            client: at.client_uri(),
            server: None,
        },
        NeutralCommand::Execute(_, Some(_)) => return Err(NotExpressible::ExecDataInDm2),
        NeutralCommand::Raw(_) => return Err(NotExpressible::RawInDm2),
    })
}

/// The document that the HGET of `to_dm2` fetches: an MO serialization of one item (D33). None for a command that puts nothing anywhere.
#[must_use]
pub fn document(command: &NeutralCommand, registry: &MoRegistry) -> Option<Secret> {
    let (at, node) = match command {
        NeutralCommand::Replace(at, value) => (at, Node::from(value.clone())),
        NeutralCommand::Add(at, node) => (at, node.clone()),
        NeutralCommand::Read(_)
        | NeutralCommand::Remove(_)
        | NeutralCommand::Execute(..)
        | NeutralCommand::Raw(_) => return None,
    };
    let own = at.path.names().last().map(NodeName::as_str);
    let of_root = || registry.root_name(&at.moid);
    let of_instance = || at.instance.as_ref().map(Miid::as_str);
    let name = own.or_else(of_root).or_else(of_instance).unwrap_or("MO");
    let item = write_item(&at.client_uri(), name, &node, None, None, None);
    Some(Secret::from(Json::Array(vec![item]).to_compact()))
}

#[cfg(test)]
mod tests {
    use omadm_mo::ServerUri;
    use omadm_mo::standard::MoRegistry;

    use super::super::NeutralCommand;
    use super::{NotExpressible, document, to_dm2};

    const URL: &str = "https://dm.example.com/repo/cmd/7";

    fn said(words: &[&str]) -> Result<(Vec<String>, Option<String>), NotExpressible> {
        let command = NeutralCommand::read(words).unwrap().unwrap();
        let said = to_dm2(&command, &ServerUri::parse(URL).unwrap())?;
        let document = document(&command, &MoRegistry::standard());
        let document = document.map(|text| String::from_utf8(text.expose().to_vec()).unwrap());
        Ok((said.write(), document))
    }

    #[test]
    fn every_row_has_its_command_of_dm_2_0() {
        let gps = "urn:example:mo:gps:1.0/1/Data/Rate";
        let rate =
            |value: &str| format!(r#"[{{"ClientURI":"{gps}","MOData":{{"Rate":{value}}}}}]"#);
        for (words, command, document) in [
            (vec!["read", gps], vec!["GET", gps], None),
            (vec!["remove", gps], vec!["DELETE", gps], None),
            (vec!["execute", gps], vec!["EXEC", gps], None),
            (
                vec!["replace", gps, "int", "5"],
                vec!["HGET", URL, gps],
                Some(rate("5")),
            ),
            (
                vec!["add", gps, "bool", "true"],
                vec!["HGET", URL, gps],
                Some(rate("true")),
            ),
            (
                vec!["add", gps, "bin", "AQI="],
                vec!["HGET", URL, gps],
                Some(rate(r#""AQI=""#)),
            ),
            (
                vec!["add", gps, "node"],
                vec!["HGET", URL, gps],
                Some(rate("{}")),
            ),
            (
                vec!["add", "urn:example:mo:gps:1.0/2/", "node"],
                vec!["HGET", URL, "urn:example:mo:gps:1.0/2/"],
                Some(r#"[{"ClientURI":"urn:example:mo:gps:1.0/2/","MOData":{"2":{}}}]"#.to_owned()),
            ),
        ] {
            let command = command.into_iter().map(str::to_owned).collect();
            assert_eq!(said(&words), Ok((command, document)), "{words:?}");
        }
    }

    #[test]
    fn what_dm_2_0_has_no_word_for_is_refused_with_its_cause() {
        let gps = "urn:example:mo:gps:1.0/1/Run";
        let with_data = said(&["execute", gps, "chr", "now"]);
        assert_eq!(with_data, Err(NotExpressible::ExecDataInDm2));
        let raw = "<Get><Item><Target><LocURI>./DevInfo</LocURI></Target></Item></Get>";
        assert_eq!(said(&["raw", raw]), Err(NotExpressible::RawInDm2));
    }
}

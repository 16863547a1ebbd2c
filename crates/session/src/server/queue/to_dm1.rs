use omadm_dm1::markup::{MarkupLimits, MarkupReader as _, XmlVocabulary};
use omadm_dm1::syncml::{
    AlertCode, Command, Data, Encoding, Exec, Item, Message, Meta, NodeCommand,
};
use omadm_dm1::xml::XmlReader;
use omadm_mo::{Format, Node, Value};

use super::{DeviceLayout, NeutralCommand, NeutralCommandError, NotExpressible, Target};

/// The DM 1.x command that says it: one command with one item, without `CmdID`.
///
/// # Errors
/// [`NotExpressible`] where the device's layout does not lead there.
pub fn to_dm1(command: &NeutralCommand, layout: &DeviceLayout) -> Result<Command, NotExpressible> {
    let plain = |at: &Target| {
        Ok(NodeCommand {
            items: vec![Item::at(layout.loc_uri(at)?)],
            ..NodeCommand::default()
        })
    };
    let with = |at: &Target, value: &Value| {
        let mut command = plain(at)?;
        for item in &mut command.items {
            (item.meta, item.data) = carried(value);
        }
        Ok(command)
    };
    Ok(match command {
        NeutralCommand::Read(at) => Command::Get(plain(at)?),
        NeutralCommand::Replace(at, value) => Command::Replace(with(at, value)?),
        NeutralCommand::Add(at, Node::Leaf(value)) => Command::Add(with(at, value)?),
        NeutralCommand::Add(at, Node::Interior(_)) => {
            let mut command = plain(at)?;
            for item in &mut command.items {
                item.meta.format = Some(Format::Node.name().to_owned());
            }
            Command::Add(command)
        }
        NeutralCommand::Remove(at) => Command::Delete(plain(at)?),
        NeutralCommand::Execute(at, value) => {
            let command = match value {
                Some(value) => with(at, value)?,
                None => plain(at)?,
            };
            Command::Exec(Exec {
                items: command.items,
                ..Exec::default()
            })
        }
        NeutralCommand::Raw(command) => command.as_ref().clone(),
    })
}

/// A value as an item carries it. Octets go as they are; where the encoding is XML, the writer makes base64 of what it cannot hold.
fn carried(value: &Value) -> (Meta, Option<Data>) {
    let meta = Meta {
        format: Some(value.format().name().to_owned()),
        ..Meta::default()
    };
    let data = match value {
        Value::Null => None,
        Value::Bin(octets) => Some(Data::Octets(octets.to_vec())),
        other => Some(Data::Text(other.to_text().to_string())),
    };
    (meta, data)
}

/// Reads the XML of one command.
pub(super) fn read_raw(xml: &str) -> Result<Command, NeutralCommandError> {
    // By itself first: a place that is named is one of what was given.
    let limits = MarkupLimits::MESSAGE;
    let mut alone = XmlReader::new(xml.as_bytes(), XmlVocabulary::SyncMlAndMgmtTree, limits)?;
    while alone.next_event()?.is_some() {}
    let whole = format!(
        "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>t</LocURI></Target><Source><LocURI>s</LocURI></Source></SyncHdr><SyncBody>{xml}</SyncBody></SyncML>"
    );
    let message = Message::decode(whole.as_bytes(), Encoding::Xml, limits)?;
    match <[Command; 1]>::try_from(message.commands) {
        Ok([command])
            if !message.r#final && is_sent_by_servers(&command) && closes_nothing(xml) =>
        {
            Ok(without_ids(command))
        }
        _ => Err(NeutralCommandError::NotOneCommand),
    }
}

/// Whether the text stays within the body that it is read in: what follows the message's end is not read.
fn closes_nothing(xml: &str) -> bool {
    !xml.contains("</SyncBody") && !xml.contains("</SyncML")
}

/// Whether a server may send it by itself: the session's own words are the session's.
fn is_sent_by_servers(command: &Command) -> bool {
    match command {
        Command::Add(_)
        | Command::Replace(_)
        | Command::Copy(_)
        | Command::Delete(_)
        | Command::Get(_)
        | Command::Exec(_) => true,
        Command::Atomic(group) | Command::Sequence(group) => {
            group.members.iter().all(is_sent_by_servers)
        }
        Command::Alert(alert) => alert
            .code
            .is_some_and(|code| (AlertCode::DISPLAY..=AlertCode::MULTIPLE_CHOICE).contains(&code)),
        Command::Status(_) | Command::Results(_) | Command::Other(_) => false,
    }
}

/// The session numbers the commands.
fn without_ids(mut command: Command) -> Command {
    match &mut command {
        Command::Add(node)
        | Command::Replace(node)
        | Command::Copy(node)
        | Command::Delete(node)
        | Command::Get(node) => node.cmd_id = None,
        Command::Exec(exec) => exec.cmd_id = None,
        Command::Alert(alert) => alert.cmd_id = None,
        Command::Atomic(group) | Command::Sequence(group) => {
            group.cmd_id = None;
            let members = std::mem::take(&mut group.members);
            group.members = members.into_iter().map(without_ids).collect();
        }
        Command::Status(_) | Command::Results(_) | Command::Other(_) => {}
    }
    command
}

/// The LocURIs that a command is about.
pub(super) fn places(command: &Command) -> Vec<String> {
    let of = |items: &[Item]| {
        let targets = items.iter().filter_map(|item| item.target.as_ref());
        targets.map(|target| target.uri.clone()).collect()
    };
    match command {
        Command::Add(node)
        | Command::Replace(node)
        | Command::Copy(node)
        | Command::Delete(node)
        | Command::Get(node) => of(&node.items),
        Command::Exec(exec) => of(&exec.items),
        Command::Atomic(group) | Command::Sequence(group) => {
            group.members.iter().flat_map(places).collect()
        }
        Command::Alert(_) | Command::Status(_) | Command::Results(_) | Command::Other(_) => {
            Vec::new()
        }
    }
}

/// Whether something is executed by it.
pub(super) fn executes(command: &Command) -> bool {
    match command {
        Command::Exec(_) => true,
        Command::Atomic(group) | Command::Sequence(group) => group.members.iter().any(executes),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use omadm_dm1::syncml::{Command, Data, Item, NodeCommand};

    use super::super::{DeviceLayout, NeutralCommand, NotExpressible, Root};
    use super::to_dm1;

    const GPS: &str = "urn:example:mo:gps:1.0/1/Rate";

    fn said(words: &[&str]) -> Result<Command, NotExpressible> {
        let layout = DeviceLayout::default().with(
            "urn:example:mo:gps:1.0",
            Root::Instances("./Gps".to_owned()),
        );
        to_dm1(&NeutralCommand::read(words).unwrap().unwrap(), &layout)
    }

    fn item(of: &Command) -> &Item {
        match of {
            Command::Add(NodeCommand { items, .. })
            | Command::Replace(NodeCommand { items, .. })
            | Command::Delete(NodeCommand { items, .. })
            | Command::Get(NodeCommand { items, .. }) => &items[0],
            Command::Exec(exec) => &exec.items[0],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_row_has_its_command_of_dm_1_x() {
        let text = |text: &str| Some(Data::from(text));
        for (words, name, format, data) in [
            (vec!["read", GPS], "Get", None, None),
            (vec!["remove", GPS], "Delete", None, None),
            (vec!["execute", GPS], "Exec", None, None),
            (
                vec!["execute", GPS, "chr", "now"],
                "Exec",
                Some("chr"),
                text("now"),
            ),
            (
                vec!["replace", GPS, "int", "5"],
                "Replace",
                Some("int"),
                text("5"),
            ),
            (
                vec!["add", GPS, "bool", "1"],
                "Add",
                Some("bool"),
                text("true"),
            ),
            (
                vec!["add", GPS, "b64", "AQI="],
                "Add",
                Some("b64"),
                text("AQI="),
            ),
            (
                vec!["add", GPS, "bin", "AQI="],
                "Add",
                Some("bin"),
                Some(Data::Octets(vec![1, 2])),
            ),
            (vec!["add", GPS, "null"], "Add", Some("null"), None),
            (vec!["add", GPS, "node"], "Add", Some("node"), None),
        ] {
            let said = said(&words).unwrap();
            let item = item(&said);
            assert_eq!(said.name(), name, "{words:?}");
            assert_eq!(said.cmd_id(), None);
            assert_eq!(item.target.as_ref().unwrap().uri, "./Gps/1/Rate");
            assert_eq!(item.meta.format.as_deref(), format, "{words:?}");
            assert_eq!(item.data, data, "{words:?}");
        }
    }

    #[test]
    fn a_raw_command_is_sent_as_it_was_written_but_numbered_by_the_session() {
        let raw = "<Atomic><CmdID>9</CmdID><Replace><CmdID>8</CmdID><Item><Target><LocURI>./Gps/1/Rate</LocURI></Target><Data>5</Data></Item></Replace></Atomic>";
        let Command::Atomic(group) = said(&["raw", raw]).unwrap() else {
            unreachable!("it is an Atomic");
        };
        assert_eq!(group.cmd_id, None);
        let member = &group.members[0];
        assert_eq!((member.name(), member.cmd_id()), ("Replace", None));
        assert_eq!(item(member).data, Some(Data::from("5")));
    }

    #[test]
    fn what_the_layout_does_not_lead_to_is_refused_with_its_cause() {
        for words in [
            ["read", "urn:example:mo:other:1.0/1/"],
            ["remove", "urn:example:mo:other:1.0/1/a"],
        ] {
            assert!(matches!(said(&words), Err(NotExpressible::NoRoot(_))));
        }
        let any = said(&["replace", "urn:example:mo:gps:1.0//Rate", "int", "5"]);
        assert!(matches!(any, Err(NotExpressible::NoInstance(_))));
    }
}

//! Dialogues of device families, as files of `data/dialogues`: composed from what the digest says of each, every line with the clause it comes from.

use std::collections::BTreeMap;

use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Command, Encoding, Message};

use super::through;

pub(crate) const WINDOWS: &str = include_str!("../data/dialogues/windows.txt");
pub(crate) const FEATURE_PHONE: &str = include_str!("../data/dialogues/feature-phone.txt");
pub(crate) const HOTSPOT: &str = include_str!("../data/dialogues/hotspot-2.0.txt");

/// The messages of both ends in their order, with names in braces for what only a session tells.
pub(crate) struct Dialogue {
    pub(crate) client: Vec<String>,
    pub(crate) server: Vec<String>,
}

impl Dialogue {
    /// `#` begins a remark, `>` a message of the client, `<` one of the server; every other line has its source before the bar.
    pub(crate) fn read(text: &str) -> Self {
        let (mut client, mut server) = (Vec::new(), Vec::new());
        let mut is_client = true;
        for line in text.lines() {
            if line.starts_with('#') {
                continue;
            }
            if line.starts_with(['>', '<']) {
                is_client = line.starts_with('>');
            }
            let whose = if is_client { &mut client } else { &mut server };
            if line.starts_with(['>', '<']) {
                whose.push(String::new());
                continue;
            }
            let (source, words) = line.split_once(" | ").expect(line);
            assert!(is_clause(source), "{line}");
            whose.last_mut().expect(line).push_str(words);
        }
        Self { client, server }
    }
}

/// `§9`, `§1.5`, or a numbered decision like `M04`.
fn is_clause(source: &str) -> bool {
    let number = source
        .strip_prefix('§')
        .or_else(|| source.strip_prefix('M'));
    number.is_some_and(|number| {
        let mut parts = number.split('.');
        parts.all(|part| part.parse::<u8>().is_ok())
    })
}

/// What stands for the names in braces.
#[derive(Default)]
pub(crate) struct Facts(BTreeMap<String, String>);

impl Facts {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The `CmdID`s of the commands of a message and of their members: `{Get.1}` is the first `Get`.
    pub(crate) fn commands_of(mut self, message: &Message) -> Self {
        let mut counts = BTreeMap::new();
        self.name(&message.commands, &mut counts);
        self
    }

    fn name(&mut self, commands: &[Command], counts: &mut BTreeMap<String, u32>) {
        for command in commands {
            let count = counts.entry(command.name().to_owned()).or_default();
            *count += 1;
            if let Some(id) = command.cmd_id() {
                let name = format!("{}.{count}", command.name());
                self.0.insert(name, id.as_str().to_owned());
            }
            if let Command::Atomic(group) | Command::Sequence(group) = command {
                self.name(&group.members, counts);
            }
        }
    }

    /// The message in an encoding: WBXML is made by libwbxml.
    pub(crate) fn said(&self, message: &str, encoding: Encoding) -> Vec<u8> {
        let mut text = message.to_owned();
        for (name, value) in &self.0 {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        assert!(!text.contains(['{', '}']), "not everything is told: {text}");
        match encoding {
            Encoding::Xml => text.into_bytes(),
            Encoding::Wbxml => through("xml2wbxml", &["-n", "-v", "1.2"], text.as_bytes()),
        }
    }
}

/// A credential by MD5, or the like.
pub(crate) fn cred(digest: &str) -> String {
    format!(
        "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format><Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type></Meta><Data>{digest}</Data></Cred>"
    )
}

/// A message that came.
pub(crate) fn heard(body: &[u8], encoding: Encoding) -> Message {
    assert_eq!(Encoding::of_body(body), Some(encoding));
    Message::decode(body, encoding, MarkupLimits::MESSAGE).unwrap()
}

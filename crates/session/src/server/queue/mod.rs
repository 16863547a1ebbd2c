//! Commands of the queue that say the same to a device of either generation (DESIGN §11.8): what is done to (MOID, instance, path), and how DM 2.0 and DM 1.x
//! say it.

mod layout;
mod to_dm1;
mod to_dm2;

use omadm_dm1::markup::MarkupError;
use omadm_dm1::syncml::{Command as Command1, MessageFault, UnreadableMessage};
use omadm_dm2::CommandName;
use omadm_mo::client_uri::{ClientUriError, InstanceStep};
use omadm_mo::{ClientUri, Format, Miid, Moid, Node, NodePath, Value};

pub use layout::{DeviceLayout, Root};
pub use to_dm1::to_dm1;
pub use to_dm2::{document, to_dm2};

/// A command in no generation's words. Its `Debug` tells no value: any may be a secret.
#[derive(Clone, PartialEq, Debug)]
pub enum NeutralCommand {
    /// Tell what stands there.
    Read(Target),
    /// Put this in the place of what stands there.
    Replace(Target, Value),
    /// Make this node: a leaf with its value, or an interior node with nothing below it.
    Add(Target, Node),
    /// Delete it with all below it.
    Remove(Target),
    /// Execute it.
    Execute(Target, Option<Value>),
    /// One DM 1.x command as it was written, for what the others cannot say.
    Raw(Box<Command1>),
}

/// What a command is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Type of the management object.
    pub moid: Moid,
    /// Its instance; none for the only one there is.
    pub instance: Option<Miid>,
    /// The node below the instance's root.
    pub path: NodePath,
}

/// Words that are no command. Who queued it is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NeutralCommandError {
    /// Too few or too many words.
    #[error("`{0}` takes {1}")]
    Words(&'static str, &'static str),
    /// The place cannot be read.
    #[error("{text:?} is no place in the DM tree: {error}")]
    Place {
        /// What was read.
        text: String,
        /// What is wrong with it.
        error: ClientUriError,
    },
    /// The place is a pattern, or carries a condition or validator.
    #[error("{0:?} has to name one node, without wildcard, x-name and query")]
    Pattern(String),
    /// No format of that name.
    #[error(
        "{0:?} is no format: chr, int, bool, bin, b64, float, date, time, xml, null or, to add, node"
    )]
    Format(String),
    /// The value does not fit. It is not repeated here: it may be a secret.
    #[error("the value is none of format {0}")]
    Value(Format),
    /// Not the XML of a DM 1.x command.
    #[error("this is not the XML of a DM 1.x command: {0}")]
    Xml(String),
    /// Something else than one command on nodes.
    #[error(
        "raw takes one Get, Replace, Add, Delete, Copy, Exec, Atomic, Sequence, or an Alert to the user (1100 to 1104)"
    )]
    NotOneCommand,
}

/// Why a generation cannot say a command. Who queued it is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotExpressible {
    /// A raw DM 1.x command for a DM 2.0 device.
    #[error("a raw command is one of DM 1.x, and the device speaks DM 2.0")]
    RawInDm2,
    /// EXEC of DM 2.0 has no data.
    #[error("an execution with data is of DM 1.x, and the device speaks DM 2.0")]
    ExecDataInDm2,
    /// A DM 2.0 command for a DM 1.x device.
    #[error("{0} is a command of DM 2.0, and the device speaks DM 1.x")]
    Dm2InDm1(CommandName),
    /// Nobody told where the device keeps these objects.
    #[error("where a DM 1.x device keeps {0} is not known")]
    NoRoot(Moid),
    /// DM 1.x has no word for "the only instance".
    #[error("{0} may have several instances on a DM 1.x device; name the one that is meant")]
    NoInstance(Moid),
    /// A MOID without root is not a place.
    #[error("the place has more octets than a LocURI may have")]
    TooLong,
}

impl NotExpressible {
    /// What to do instead.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::RawInDm2 => "Use get, set, add, delete or exec, or the command of DM 2.0.",
            Self::ExecDataInDm2 => "Set the data in a node of the object first.",
            Self::Dm2InDm1(_) => "Use get, set, add, delete or exec, or a raw command of DM 1.x.",
            Self::NoRoot(_) | Self::TooLong => "Use a raw command with the LocURI.",
            Self::NoInstance(_) => "Write the instance between the slashes, as in `MOID/1/Path`.",
        }
    }
}

impl Target {
    /// Reads `MOID/instance/path`, or `MOID//path` for the only instance.
    ///
    /// # Errors
    /// [`NeutralCommandError`] where it names not exactly one node.
    pub fn parse(text: &str) -> Result<Self, NeutralCommandError> {
        let uri = ClientUri::parse(text).map_err(|error| NeutralCommandError::Place {
            text: text.to_owned(),
            error,
        })?;
        let pattern = || NeutralCommandError::Pattern(text.to_owned());
        if uri.cv.is_some() || !uri.conditions.is_empty() {
            return Err(pattern());
        }
        let path = uri.plain_path().ok_or_else(pattern)?;
        let instance = match uri.instance {
            InstanceStep::Only => None,
            InstanceStep::Miid(miid) => Some(miid),
            InstanceStep::XName(_) | InstanceStep::All => return Err(pattern()),
        };
        Ok(Self {
            moid: uri.moid,
            instance,
            path,
        })
    }

    /// As a ClientURI.
    #[must_use]
    pub fn client_uri(&self) -> ClientUri {
        let steps = self.path.names().iter().cloned();
        ClientUri {
            instance: self
                .instance
                .clone()
                .map_or(InstanceStep::Only, InstanceStep::Miid),
            path: steps.map(omadm_mo::client_uri::Step::Name).collect(),
            ..ClientUri::only_instance(self.moid.clone())
        }
    }
}

impl NeutralCommand {
    /// Reads the words it is queued by: `read`, `remove` and a place; `replace` and `add` with a format and a value behind it (`add` of an interior node with
    /// `node` alone); `execute` with or without such data; `raw` and the XML of a command. None where the first word is none of these: a command of DM 2.0.
    ///
    /// # Errors
    /// [`NeutralCommandError`] for words that are none.
    pub fn read(words: &[&str]) -> Option<Result<Self, NeutralCommandError>> {
        let (name, rest) = words.split_first()?;
        Some(match *name {
            "read" => one(rest, "read").map(Self::Read),
            "remove" => one(rest, "remove").map(Self::Remove),
            "replace" => valued(rest, "replace").map(|(at, value)| Self::Replace(at, value)),
            "add" => match rest {
                [at, "node"] => Target::parse(at).map(|at| Self::Add(at, Node::empty())),
                _ => valued(rest, "add").map(|(at, value)| Self::Add(at, value.into())),
            },
            "execute" => match rest {
                [_] => one(rest, "execute").map(|at| Self::Execute(at, None)),
                _ => valued(rest, "execute").map(|(at, value)| Self::Execute(at, Some(value))),
            },
            "raw" => match rest {
                [xml] => to_dm1::read_raw(xml).map(|command| Self::Raw(Box::new(command))),
                _ => Err(NeutralCommandError::Words("raw", "the XML of one command")),
            },
            _ => return None,
        })
    }

    /// Its words without any value: for events, and for whoever asks what was queued.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let words = |name: &str, at: &Target| vec![name.to_owned(), at.client_uri().to_string()];
        let with = |name: &str, at: &Target, format: Format| {
            let mut words = words(name, at);
            words.push(format.name().to_owned());
            words
        };
        match self {
            Self::Read(at) => words("read", at),
            Self::Remove(at) => words("remove", at),
            Self::Replace(at, value) => with("replace", at, value.format()),
            Self::Add(at, Node::Leaf(value)) => with("add", at, value.format()),
            Self::Add(at, Node::Interior(_)) => with("add", at, Format::Node),
            Self::Execute(at, None) => words("execute", at),
            Self::Execute(at, Some(value)) => with("execute", at, value.format()),
            Self::Raw(command) => {
                let places = to_dm1::places(command);
                let named = [command.name().to_owned()].into_iter().chain(places);
                ["raw".to_owned()].into_iter().chain(named).collect()
            }
        }
    }

    /// Whether it executes something, which is not repeated by itself where nobody knows if it was done (D02).
    #[must_use]
    pub fn executes(&self) -> bool {
        match self {
            Self::Execute(..) => true,
            Self::Raw(command) => to_dm1::executes(command),
            Self::Read(_) | Self::Replace(..) | Self::Add(..) | Self::Remove(_) => false,
        }
    }
}

/// Words as [`NeutralCommand::told`] for any queued command: those of DM 2.0 hold no values.
#[must_use]
pub fn told(words: &[String]) -> Vec<String> {
    let read: Vec<_> = words.iter().map(String::as_str).collect();
    match NeutralCommand::read(&read) {
        Some(Ok(command)) => command.told(),
        Some(Err(_)) => words.iter().take(1).cloned().collect(),
        None => words.to_vec(),
    }
}

/// Whether any queued command executes something.
#[must_use]
pub fn executes(words: &[String]) -> bool {
    let read: Vec<_> = words.iter().map(String::as_str).collect();
    match NeutralCommand::read(&read) {
        Some(command) => command.is_ok_and(|command| command.executes()),
        None => words.first().map(String::as_str) == Some(CommandName::Exec.as_str()),
    }
}

fn one(rest: &[&str], name: &'static str) -> Result<Target, NeutralCommandError> {
    match rest {
        [at] => Target::parse(at),
        _ => Err(NeutralCommandError::Words(
            name,
            "one place, MOID/instance/path",
        )),
    }
}

fn valued(rest: &[&str], name: &'static str) -> Result<(Target, Value), NeutralCommandError> {
    let (at, format, text) = match rest {
        [at, format, text] => (at, format, *text),
        [at, format @ "null"] => (at, format, ""),
        _ => {
            let takes = "a place (MOID/instance/path), a format and a value";
            return Err(NeutralCommandError::Words(name, takes));
        }
    };
    let unknown = || NeutralCommandError::Format((*format).to_owned());
    let format = Format::from_name(format).ok_or_else(unknown)?;
    if format == Format::Node {
        return Err(unknown());
    }
    let value = Value::from_text(format, text).map_err(|_| NeutralCommandError::Value(format))?;
    Ok((Target::parse(at)?, value))
}

impl From<UnreadableMessage> for NeutralCommandError {
    fn from(unreadable: UnreadableMessage) -> Self {
        // Its place would be one of the message that it was read in.
        Self::Xml(match unreadable.fault {
            MessageFault::Markup(error) => error.fault().to_string(),
            fault => fault.to_string(),
        })
    }
}

impl From<MarkupError> for NeutralCommandError {
    fn from(unreadable: MarkupError) -> Self {
        Self::Xml(unreadable.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{NeutralCommand, NeutralCommandError, executes, told};

    const GPS: &str = "urn:example:mo:gps:1.0/1/Data/Rate";

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn every_command_is_told_without_its_value() {
        for (words, expected) in [
            (vec!["read", GPS], vec!["read", GPS]),
            (vec!["remove", GPS], vec!["remove", GPS]),
            (
                vec!["replace", GPS, "chr", "hush"],
                vec!["replace", GPS, "chr"],
            ),
            (vec!["add", GPS, "bin", "aHVzaA=="], vec!["add", GPS, "bin"]),
            (vec!["add", GPS, "node"], vec!["add", GPS, "node"]),
            (vec!["execute", GPS], vec!["execute", GPS]),
            (
                vec!["execute", GPS, "chr", "hush"],
                vec!["execute", GPS, "chr"],
            ),
            (
                vec![
                    "raw",
                    "<Replace><Item><Target><LocURI>./a</LocURI></Target><Data>hush</Data></Item></Replace>",
                ],
                vec!["raw", "Replace", "./a"],
            ),
            (vec!["GET", GPS], vec!["GET", GPS]),
        ] {
            assert_eq!(told(&strings(&words)), expected, "{words:?}");
        }
        let debug = format!(
            "{:?}",
            NeutralCommand::read(&["replace", GPS, "chr", "hush"])
        );
        assert!(!debug.contains("hush"), "{debug}");
    }

    #[test]
    fn what_executes_is_told_in_the_words_of_both_generations() {
        for words in [
            vec!["execute", GPS],
            vec!["EXEC", GPS],
            vec![
                "raw",
                "<Exec><Item><Target><LocURI>./a</LocURI></Target></Item></Exec>",
            ],
            vec![
                "raw",
                "<Sequence><Exec><Item><Target><LocURI>./a</LocURI></Target></Item></Exec></Sequence>",
            ],
        ] {
            assert!(executes(&strings(&words)), "{words:?}");
        }
        for words in [
            vec!["read", GPS],
            vec!["GET", GPS],
            vec!["add", GPS, "node"],
        ] {
            assert!(!executes(&strings(&words)), "{words:?}");
        }
    }

    #[test]
    fn words_that_are_no_command_are_refused_and_no_value_is_repeated() {
        for words in [
            vec!["read"],
            vec!["read", GPS, GPS],
            vec!["replace", GPS],
            vec!["replace", GPS, "hush"],
            vec!["replace", GPS, "node", ""],
            vec!["replace", GPS, "chr", "hush", "hush"],
            vec!["replace", GPS, "int", "hush"],
            vec!["read", "nonsense"],
            vec!["read", "urn:example:mo:gps:1.0/*/"],
            vec!["read", "urn:example:mo:gps:1.0/1/?cv=5"],
            vec!["raw", "hush"],
            vec!["raw", "<Status><Data>200</Data></Status>"],
            vec!["raw", "<Get/><Get/>"],
            vec!["raw", "<Alert><Data>1223</Data></Alert>"],
            vec!["raw", "<Get/></SyncBody></SyncML><SyncML>"],
        ] {
            let refused = NeutralCommand::read(&words).unwrap().unwrap_err();
            let text = refused.to_string();
            let is_a_format = matches!(refused, NeutralCommandError::Format(_));
            assert!(is_a_format || !text.contains("hush"), "{text}");
        }
        // Places are those of what was given, not of the message that it is read in.
        for (xml, at) in [
            ("<Get><Item", 10),
            ("<Get></Put>", 5),
            ("<Get>&a;</Get>", 8),
        ] {
            let refused = NeutralCommand::read(&["raw", xml]).unwrap().unwrap_err();
            let text = refused.to_string();
            let octet = text
                .split_once("octet ")
                .unwrap()
                .1
                .split_once(':')
                .unwrap()
                .0;
            assert!(octet.parse::<usize>().unwrap().abs_diff(at) <= 6, "{text}");
            assert!(!text.contains("SyncBody"), "{text}");
        }
        assert_eq!(NeutralCommand::read(&["GET", GPS]), None);
        assert_eq!(NeutralCommand::read(&[]), None);
    }
}

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use omadm_card::{
    CardEntry, CardOid, CardOutcome, CardPin, CardReading, CardSettings, CardTrouble, ReaderName,
};
use omadm_client::reader::{CardFiles, CardReaders};
use omadm_mo::Secret;
use serde_json::{Value, json};

use super::{read_text, say};
use crate::failure::{Explain as _, Failure};

/// Looks at the cards in the readers
#[derive(Subcommand)]
#[command(after_help = "Examples:
  omadm card read --virtual card.json
  omadm card read --virtual card.json --pin-file pin.txt --json
  omadm card watch --virtual card.json")]
pub(crate) enum Card {
    /// Show each card's identity and every bootstrap on it; contents are never shown
    #[command(
        after_help = "Examples:\n  omadm card read --virtual card.json\n  omadm card read --virtual card.json --json"
    )]
    Read(Look),
    /// Show each card that is put in, until interrupted
    #[command(after_help = "Examples:\n  omadm card watch --virtual card.json")]
    Watch(Look),
}

#[derive(Args)]
pub(crate) struct Look {
    /// A card description (JSON) in the place of a reader; may be repeated
    #[arg(long = "virtual", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File with the card's PIN; tried once, and never when less than two tries are left
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// An OID that names a bootstrap, instead of 2.23.43.7.1; may be repeated
    #[arg(long = "oid", value_name = "OID")]
    oids: Vec<String>,
    /// Print one JSON object a reader
    #[arg(long)]
    json: bool,
}

/// How long an insertion is waited for at a stretch.
const GLANCE: Duration = Duration::from_secs(1);

impl Card {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Read(look) => look.read(),
            Self::Watch(look) => look.watch(),
        }
    }
}

impl Look {
    fn readers(&self) -> Result<CardFiles, Failure> {
        if self.files.is_empty() {
            return Err(Failure::new(
                "no card can be read",
                "this build reads virtual cards alone, not those in PC/SC readers",
                "name a card description with --virtual FILE",
            ));
        }
        let mut settings = CardSettings::default();
        if let Some(file) = &self.pin_file {
            let text = Secret::from(read_text(file)?);
            let digits = Secret::new(text.expose().trim_ascii().to_vec());
            settings.pin = Some(CardPin::new(digits).explain(
                format!("{} holds no PIN", file.display()),
                "write the PIN's digits into the file, and nothing else",
            )?);
        }
        if !self.oids.is_empty() {
            let oids: Result<Vec<CardOid>, _> = self.oids.iter().map(|oid| oid.parse()).collect();
            settings.accepted =
                oids.explain("--oid cannot be used", "write it like 2.23.43.7.1")?;
        }
        Ok(CardFiles::new(self.files.clone(), settings))
    }

    fn read(&self) -> Result<(), Failure> {
        let readings = self.readers()?.read(None);
        for reading in &readings {
            self.show(reading)?;
        }
        match readings
            .iter()
            .find_map(|reading| Some((&reading.reader, doubt(reading)?)))
        {
            None => Ok(()),
            Some((reader, trouble)) => Err(Failure::new(
                format!("the card in {reader} was not read completely"),
                trouble,
                trouble.action(),
            )),
        }
    }

    fn watch(&self) -> Result<(), Failure> {
        let readers = self.readers()?;
        loop {
            if let Some(reader) = readers.inserted(GLANCE) {
                for reading in readers.read(Some(&[reader])) {
                    self.show(&reading)?;
                }
            }
        }
    }

    fn show(&self, reading: &CardReading) -> Result<(), Failure> {
        if self.json {
            return say(as_json(reading));
        }
        let card = reading
            .identity
            .as_ref()
            .map_or_else(|| "card unknown".to_owned(), ToString::to_string);
        say(format_args!("{}  {card}", reading.reader))?;
        match &reading.outcome {
            CardOutcome::NoBootstrap => say("  no DM Bootstrap on this card"),
            CardOutcome::NoCard => say("  no card"),
            CardOutcome::Rejected(reason) => say(format_args!("  {reason}\n  {}", reason.action())),
            CardOutcome::Undetermined(trouble) => say(format_args!("  {trouble}")),
            CardOutcome::Read(entries) => entries.iter().try_for_each(|entry| {
                say(format_args!(
                    "  {}  {}  {}",
                    entry.path,
                    entry.oid,
                    content(entry)
                ))
            }),
        }
    }
}

/// The first trouble of a reading.
fn doubt(reading: &CardReading) -> Option<CardTrouble> {
    match &reading.outcome {
        CardOutcome::Undetermined(trouble) => Some(*trouble),
        CardOutcome::Read(entries) => entries
            .iter()
            .find_map(|entry| entry.content.as_ref().err().copied()),
        _ => None,
    }
}

fn content(entry: &CardEntry) -> String {
    match &entry.content {
        Ok(Some(document)) => format!(
            "{:?}, {} octets, SHA-256 {}",
            document.encoding(),
            document.bytes().len(),
            hex(&document.sha256)
        ),
        Ok(None) => "nothing in it".to_owned(),
        Err(trouble) => trouble.to_string(),
    }
}

fn as_json(reading: &CardReading) -> Value {
    let named = |trouble: &CardTrouble| json!({ "code": trouble.code(), "message": trouble.to_string(), "action": trouble.action() });
    let entry = |entry: &CardEntry| {
        let mut value = json!({ "oid": entry.oid.to_string(), "path": entry.path.to_string() });
        let more = match &entry.content {
            Ok(Some(document)) => (
                "document",
                json!({
                    "encoding": format!("{:?}", document.encoding()).to_lowercase(),
                    "octets": document.bytes().len(),
                    "sha256": hex(&document.sha256),
                }),
            ),
            Ok(None) => ("document", Value::Null),
            Err(trouble) => ("trouble", named(trouble)),
        };
        if let Some(members) = value.as_object_mut() {
            members.insert(more.0.to_owned(), more.1);
        }
        value
    };
    let (outcome, detail) = match &reading.outcome {
        CardOutcome::Read(entries) => ("read", entries.iter().map(entry).collect()),
        CardOutcome::NoBootstrap => ("no-bootstrap", Value::Null),
        CardOutcome::NoCard => ("no-card", Value::Null),
        CardOutcome::Rejected(reason) => (
            "rejected",
            json!({ "code": reason.code(), "message": reason.to_string(), "action": reason.action() }),
        ),
        CardOutcome::Undetermined(trouble) => ("undetermined", named(trouble)),
    };
    let reader: &ReaderName = &reading.reader;
    json!({
        "reader": reader.as_str(),
        "card": reading.identity.as_ref().map(ToString::to_string),
        "outcome": outcome,
        "detail": detail,
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use omadm_bootstrap::CardBootstrap;
use omadm_card::dialogue::CardClass;
use omadm_card::reading::CardDocument;
use omadm_card::{
    CardEntry, CardOid, CardOutcome, CardPin, CardReading, CardRoute, CardSettings, CardTrouble,
    ReaderName,
};
use omadm_client::policy::CardReaderName;
use omadm_client::reader::{CardEvent, CardReaders as _, ReaderList};
use omadm_mo::Secret;
use serde_json::{Value, json};

use super::card_write::{Erase, Write};
use super::{read_text, say};
use crate::failure::{Explain as _, Failure};

/// Looks at the cards in the readers, and writes them
#[derive(Subcommand)]
#[command(after_help = "Examples:
  omadm card read
  omadm card read --reader 'ACS*' --pin-file pin.txt --json
  omadm card read --virtual card.json
  omadm card write --reader 'ACS ACR39U 00 00' --adm-file adm.txt out/card
  omadm card erase --reader 'ACS ACR39U 00 00' --adm-file adm.txt
  omadm card watch")]
pub(crate) enum Card {
    /// Show each card's identity, the way taken on it and every bootstrap on it; contents are never shown
    #[command(
        after_help = "A reader counts as empty when it was so for five seconds.\n\nExamples:\n  omadm card read\n  omadm card read --reader 'Test PCD 00 00' --json\n  omadm card read --virtual card.json"
    )]
    Read(Look),
    /// Show each card that is put in, and what goes, until interrupted
    #[command(
        after_help = "Begins with what is there.\n\nExamples:\n  omadm card watch\n  omadm card watch --virtual card.json --json"
    )]
    Watch(Look),
    /// Put DM Bootstraps on a card that has the files for them, in place of those on it
    #[command(
        after_help = "The card's own layout is followed: EF(ODF), DODF, the files that its entries name, else 3F00/7F50/6432 and what follows. Sizes and the right to update are checked before anything is changed; entries of others stay. A card that is pulled meanwhile has the former bootstraps or none, and can be written again. Every file is read back.\n\nExamples:\n  omadm card write --reader 'ACS ACR39U 00 00' --adm-file adm.txt out/card\n  omadm card write --virtual card.json document.json --json\n  omadm card write --reader 'ACS ACR39U 00 00' --adm-file adm.txt --opensc document.json"
    )]
    Write(Write),
    /// Take every DM Bootstrap of either generation off a card: entries and contents
    #[command(
        after_help = "Entries of others stay, client provisioning without a DM Account among them.\n\nExamples:\n  omadm card erase --reader 'ACS ACR39U 00 00' --adm-file adm.txt\n  omadm card erase --virtual card.json\n  omadm card erase --virtual card.json --oid 2.23.43.5.1"
    )]
    Erase(Erase),
}

/// Which readers, and how their cards are read.
#[derive(Args)]
pub(crate) struct Look {
    /// A reader of the system (PC/SC) by its name; NAME* stands for all that begin so; may be repeated. All of them where none is named
    #[arg(long = "reader", value_name = "NAME")]
    readers: Vec<String>,
    /// A card description (JSON) in the place of a reader; may be repeated
    #[arg(long = "virtual", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File with the card's PIN; tried once, and never when less than two tries are left
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// An OID that names a bootstrap, instead of 2.23.43.7.1 and, for DM 1.x, 2.23.43.5.1 to .3; may be repeated
    #[arg(long = "oid", value_name = "OID")]
    oids: Vec<String>,
    /// How long a card or its reader may be silent before it is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Print one JSON object a reader
    #[arg(long)]
    json: bool,
}

/// Stands for every reader of the system.
const ALL: &str = "*";
/// How long a change is waited for at a stretch.
const GLANCE: Duration = Duration::from_secs(1);

impl Card {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Read(look) => look.read(),
            Self::Watch(look) => look.watch(),
            Self::Write(write) => write.run(),
            Self::Erase(erase) => erase.run(),
        }
    }
}

impl Look {
    fn readers(&self) -> Result<ReaderList, Failure> {
        let files = self.files.iter().cloned().map(CardReaderName::File);
        let named = self.readers.iter().cloned().map(CardReaderName::System);
        let mut names: Vec<_> = files.chain(named).collect();
        if names.is_empty() {
            names.push(CardReaderName::System(ALL.to_owned()));
        }
        let mut settings = reading_settings(self.pin_file.as_ref(), &self.oids)?;
        if self.oids.is_empty() {
            settings.accepted = CardOid::BOTH_GENERATIONS.to_vec();
        }
        let readers = ReaderList::new(&names, &settings).explain(
            "no card can be read",
            "name a card description with --virtual FILE, or build omadm with the feature `pcsc`",
        )?;
        Ok(readers.patience(Duration::from_secs(self.timeout)))
    }

    fn read(&self) -> Result<(), Failure> {
        let looks = self.readers()?.read_by_route(None);
        for (reading, route) in &looks {
            self.show(reading, route)?;
        }
        match looks
            .iter()
            .find_map(|(reading, _)| Some((&reading.reader, doubt(reading)?)))
        {
            None => Ok(()),
            Some((reader, trouble)) => {
                let what = match reader.as_str() {
                    ALL => "no card was read".to_owned(),
                    reader => format!("the card in {reader} was not read completely"),
                };
                Err(Failure::new(what, trouble, trouble.action()))
            }
        }
    }

    fn watch(&self) -> Result<(), Failure> {
        let readers = self.readers()?.with_all_as_news();
        loop {
            let Some(change) = readers.changed(GLANCE) else {
                continue;
            };
            let told = match change.event {
                CardEvent::Inserted => "a card was put in",
                CardEvent::Removed => "the card was taken out",
                CardEvent::ReaderAttached => "an empty reader",
                CardEvent::ReaderGone => "the reader is gone",
            };
            if self.json {
                say(json!({ "reader": change.reader.as_str(), "event": change.event.code() }))?;
            } else {
                say(format_args!("{}  {told}", change.reader))?;
            }
            if change.event == CardEvent::Inserted {
                for (reading, route) in readers.read_by_route(Some(&[change.reader])) {
                    self.show(&reading, &route)?;
                }
            }
        }
    }

    fn show(&self, reading: &CardReading, route: &CardRoute) -> Result<(), Failure> {
        if self.json {
            return say(as_json(reading, route));
        }
        let card = reading
            .identity
            .as_ref()
            .map_or_else(|| "card unknown".to_owned(), ToString::to_string);
        say(format_args!("{}  {card}", reading.reader))?;
        if let Some(way) = way(route) {
            say(format_args!("  {way}"))?;
        }
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

/// How cards are read: the PIN of a file, and other OIDs than the registered one.
pub(super) fn reading_settings(
    pin_file: Option<&PathBuf>,
    oids: &[String],
) -> Result<CardSettings, Failure> {
    let mut settings = CardSettings::default();
    if let Some(file) = pin_file {
        let text = Secret::from(read_text(file)?);
        let digits = Secret::new(text.expose().trim_ascii().to_vec());
        settings.pin = Some(CardPin::new(digits).explain(
            format!("{} holds no PIN", file.display()),
            "write the PIN's digits into the file, and nothing else",
        )?);
    }
    if !oids.is_empty() {
        let oids: Result<Vec<CardOid>, _> = oids.iter().map(|oid| oid.parse()).collect();
        settings.accepted = oids.explain("--oid cannot be used", "write it like 2.23.43.7.1")?;
    }
    Ok(settings)
}

/// The way taken on a card: its class, its applications, its directories.
fn way(route: &CardRoute) -> Option<String> {
    let mut way = format!("class {}", class(route.class?));
    let paths = |paths: &[omadm_card::CardPath]| {
        let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
        paths.join(", ")
    };
    for (name, text) in [
        ("EF(DIR)", route.applications.join(", ")),
        ("EF(ODF)", paths(&route.odf)),
        ("DODF", paths(&route.dodf)),
    ] {
        if !text.is_empty() {
            way.push_str(&format!("; {name} {text}"));
        }
    }
    Some(way)
}

const fn class(class: CardClass) -> &'static str {
    match class {
        CardClass::Iso => "00",
        CardClass::Sim => "A0",
    }
}

/// The first trouble of a reading.
fn doubt(reading: &CardReading) -> Option<CardTrouble> {
    match &reading.outcome {
        CardOutcome::Undetermined(trouble) => Some(*trouble),
        CardOutcome::Read(entries) => entries.iter().find_map(|entry| {
            let trouble = entry.content.as_ref().err().copied()?;
            let foreign = matches!(trouble, CardTrouble::UnsupportedEncoding(_));
            (!foreign || !entry.oid.is_provisioning()).then_some(trouble)
        }),
        _ => None,
    }
}

fn content(entry: &CardEntry) -> String {
    match &entry.content {
        Ok(Some(file)) => match CardBootstrap::of(file) {
            Ok(found) => format!(
                "{}, {} octets, SHA-256 {}",
                found.format,
                found.octets.len(),
                found.digest.to_hex()
            ),
            Err(why) => format!("{why}, {} octets", file.bytes().len()),
        },
        Ok(None) => "nothing in it".to_owned(),
        Err(trouble) => trouble.to_string(),
    }
}

fn as_json(reading: &CardReading, route: &CardRoute) -> Value {
    let named = |trouble: &CardTrouble| json!({ "code": trouble.code(), "message": trouble.to_string(), "action": trouble.action() });
    let entry = |entry: &CardEntry| {
        let mut value = json!({ "oid": entry.oid.to_string(), "path": entry.path.to_string() });
        let more = match &entry.content {
            Ok(Some(file)) => ("document", document(file)),
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
        "route": {
            "class": route.class.map(class),
            "applications": route.applications,
            "odf": route.odf.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "dodf": route.dodf.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    })
}

fn document(file: &CardDocument) -> Value {
    let encoding = format!("{:?}", file.encoding()).to_lowercase();
    match CardBootstrap::of(file) {
        Ok(found) => json!({
            "encoding": encoding,
            "generation": found.format.generation(),
            "format": found.format.node_value(),
            "octets": found.octets.len(),
            "sha256": found.digest.to_hex(),
        }),
        Err(why) => {
            json!({ "encoding": encoding, "octets": file.bytes().len(), "foreign": why.to_string() })
        }
    }
}

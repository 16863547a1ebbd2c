//! DM Bootstraps are put on a card, and taken off it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use omadm_bootstrap::PayloadHash;
use omadm_card::{
    CardFileSet, CardOid, CardPath, CardTransport, CardWriteFailure, CardWriteSettings,
    CardWritten, IssuerKey, ReaderName, erase_card, write_card,
};
use omadm_carrier::{Found, OpenedDocument, card_oid, provisions_dm};
use omadm_client::policy::CardReaderName;
use omadm_client::reader::{CardFiles, CardWorkError, ReaderList};
use omadm_mo::Secret;
use serde_json::json;

use super::card::reading_settings;
use super::{read_text, say};
use crate::failure::{Explain as _, Failure};

/// Octets of a serial number that is made for a card without one.
const SERIAL: usize = 8;

/// Puts DM Bootstraps on a card.
#[derive(Args)]
pub(crate) struct Write {
    /// What is put on it: documents of either generation, or what `omadm bootstrap build` made, each a bootstrap; the first has the highest priority, those
    /// of client provisioning behind the others
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    /// Write a second entry for each document, in the form that OpenSC knows
    #[arg(long)]
    opensc: bool,
    #[command(flatten)]
    target: Target,
}

/// Takes every DM Bootstrap of both generations off a card.
#[derive(Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    target: Target,
}

/// Which card, and by which keys.
#[derive(Args)]
struct Target {
    /// The reader of the system (PC/SC) with the card, by its whole name; `omadm card read` tells the names
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    reader: Option<String>,
    /// A card description (JSON) in the place of a reader; it is written back
    #[arg(long = "virtual", value_name = "FILE", conflicts_with = "reader")]
    file: Option<PathBuf>,
    /// File with the issuer's key (ADM): sixteen hexadecimal digits, or four to eight characters; tried once, where the card asks for it, and never on its
    /// last try
    #[arg(long, value_name = "FILE")]
    adm_file: Option<PathBuf>,
    /// The key's reference, in hexadecimal
    #[arg(
        long,
        value_name = "REFERENCE",
        default_value = "0A",
        requires = "adm_file"
    )]
    adm_reference: String,
    /// File with the card's PIN; tried once, and never when less than two tries are left
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// An OID whose entries go, whatever they hold, and no others; may be repeated. Without it: 2.23.43.7.1 of both generations, and of client provisioning
    /// (2.23.43.5.1 to .3) those that hold a DM Account
    #[arg(long = "oid", value_name = "OID")]
    oids: Vec<String>,
    /// How long the card or its reader may be silent before it is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Write {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut documents = Vec::new();
        for source in &self.sources {
            documents.extend(contents(source)?);
        }
        let contents: Vec<&[u8]> = documents.iter().map(|one| one.octets.expose()).collect();
        let serial = documents.first().map(|one| one.payload);
        let serial = serial.unwrap_or_else(|| PayloadHash::of(&[]));
        let serial: Vec<u8> = serial.octets().iter().copied().take(SERIAL).collect();
        let set = CardFileSet::new(&contents, &serial).explain(
            "no card can hold this",
            "give one to sixteen documents of at most 32767 octets",
        )?;
        let oids: Vec<CardOid> = documents.iter().map(|one| card_oid(one.format())).collect();
        let set = set.named_by(oids.iter().cloned());
        let set = if self.opensc { set.for_opensc() } else { set };
        self.target.work("written", move |card, settings| {
            let mut settings = settings.clone();
            settings.reading.accepted.extend(oids);
            write_card(card, &set, &settings)
        })
    }
}

impl Erase {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.target.work("erased", erase_card)
    }
}

impl Target {
    fn settings(&self) -> Result<CardWriteSettings, Failure> {
        let key = self.adm_file.as_ref().map(|file| {
            let reference = u8::from_str_radix(&self.adm_reference, 16);
            let reference = reference.explain(
                "--adm-reference cannot be used",
                "write it as two hexadecimal digits, like 0A",
            )?;
            let text = Secret::from(read_text(file)?);
            let text = Secret::new(text.expose().trim_ascii().to_vec());
            IssuerKey::new(&text, reference).explain(
                format!("{} holds no issuer's key", file.display()),
                "write the key into the file, and nothing else",
            )
        });
        let mut reading = reading_settings(self.pin_file.as_ref(), &self.oids)?;
        let all = self.oids.is_empty();
        if all {
            reading.accepted = CardOid::BOTH_GENERATIONS.to_vec();
        }
        Ok(CardWriteSettings {
            reading,
            provisions_dm: all.then_some(provisions_dm),
            key: key.transpose()?,
        })
    }

    /// Does something to the card, and tells what.
    fn work(
        &self,
        done: &str,
        work: impl FnOnce(
            &mut dyn CardTransport,
            &CardWriteSettings,
        ) -> Result<CardWritten, CardWriteFailure>
        + Send
        + 'static,
    ) -> Result<(), Failure> {
        let settings = self.settings()?;
        let (name, reader) = match (&self.file, &self.reader) {
            (Some(file), _) => {
                let reader = format!("{}{}", CardFiles::PREFIX, file.display());
                (CardReaderName::File(file.clone()), reader)
            }
            (None, name) => {
                let name = name.clone().unwrap_or_default();
                (CardReaderName::System(name.clone()), name)
            }
        };
        let readers = ReaderList::new(&[name], &settings.reading).explain(
            "no card can be reached",
            "name a card description with --virtual FILE, or build omadm with the feature `pcsc`",
        )?;
        let readers = readers.patience(Duration::from_secs(self.timeout));
        let reader = ReaderName::new(reader);
        let worked = readers.with_card(&reader, move |card| work(card, &settings));
        let worked = worked.map_err(|why| {
            let todo = match &why {
                CardWorkError::NoCard => "put the card in",
                CardWorkError::Trouble(trouble) => trouble.action(),
                CardWorkError::File(_) => "check the file and its folder",
            };
            let what = format!("the card in {reader} was not {done}, as far as is known");
            Failure::new(what, &why, todo)
        })?;
        let written = worked.map_err(|failure| {
            let state = if failure.changed {
                "it has no DM Bootstrap until it is written again"
            } else {
                "it is as before"
            };
            Failure::new(
                format!("the card in {reader} was not {done}; {state}"),
                &failure.error,
                failure.error.action(),
            )
        })?;
        self.tell(&reader, done, &written)
    }

    fn tell(&self, reader: &ReaderName, done: &str, written: &CardWritten) -> Result<(), Failure> {
        let card = written.card.as_ref().map(ToString::to_string);
        let texts =
            |paths: &[CardPath]| -> Vec<String> { paths.iter().map(ToString::to_string).collect() };
        if self.json {
            return say(json!({
                "reader": reader.as_str(),
                "card": card,
                "files": texts(&written.files),
                "documents": texts(&written.documents),
            }));
        }
        let card = card.unwrap_or_else(|| "card without ICCID".to_owned());
        say(format_args!("{reader}  {card}"))?;
        if written.files.is_empty() {
            return say("  nothing had to be changed");
        }
        for file in &written.files {
            say(format_args!("  {done} and read back: {file}"))?;
        }
        match written.documents.as_slice() {
            [] => say("  no DM Bootstrap is on the card now"),
            documents => say(format_args!(
                "  bootstraps: {}",
                texts(documents).join(", ")
            )),
        }
    }
}

/// The documents at a path.
fn contents(source: &std::path::Path) -> Result<Vec<OpenedDocument>, Failure> {
    let what = || format!("{} gives no document for a card", source.display());
    let found = Found::at(source, None).explain(
        what(),
        "name a document, or what `omadm bootstrap build --carrier smartcard` made",
    )?;
    match found {
        Found::Card(card) if !card.troubles.is_empty() => Err(Failure::new(
            what(),
            card.troubles.join("; "),
            "`omadm card read --virtual` tells how a device reads it",
        )),
        Found::Card(card) => Ok(card.documents),
        found => match found.into_document() {
            Some(document) => Ok(vec![document]),
            None => Err(Failure::new(
                what(),
                "it is sealed, damaged, an address, or the folder of a batch",
                "name the folder of one card, built by `omadm bootstrap build --carrier smartcard`",
            )),
        },
    }
}

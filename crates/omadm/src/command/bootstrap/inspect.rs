mod dm1;

use clap::Args;
use omadm_carrier::{DocumentContent, Found, OpenedDocument, terminal_qr};
use omadm_dm2::mask;
use omadm_mo::json::Json;
use omadm_mo::standard::MoRegistry;
use serde_json::{Value, json};

use super::super::say;
use super::Key;
use crate::failure::{Explain as _, Failure};

#[derive(Args)]
pub(crate) struct Inspect {
    /// The folder or file, or - for standard input; several: the parts of one SMS
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    #[command(flatten)]
    key: Key,
    /// Show secrets
    #[arg(long)]
    secrets: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), Failure> {
        let found = match &self.paths[..] {
            [path] => self.key.look(path)?,
            parts => super::parts(parts)?,
        };
        let damaged = match &found {
            Found::Carrier { damaged, .. } | Found::Batch { damaged, .. } => damaged.clone(),
            _ => Vec::new(),
        };
        if self.json {
            say(self.as_json(&found)?)?;
        } else {
            self.tell(&found)?;
        }
        if let Found::Card(card) = &found
            && !card.troubles.is_empty()
        {
            return Err(Failure::new(
                format!("{} was not read completely", self.paths.join(", ")),
                card.troubles.join("; "),
                "`omadm card read --virtual` tells how a device reads it",
            ));
        }
        if damaged.is_empty() {
            return Ok(());
        }
        let (shown, more) = damaged.split_at(damaged.len().min(10));
        let more = match more.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(Failure::new(
            format!("{} is not whole", self.paths.join(", ")),
            format!("damaged or missing: {}{more}", shown.join(", ")),
            "build it again with the same command",
        ))
    }

    fn tell(&self, found: &Found) -> Result<(), Failure> {
        match found {
            Found::Carrier {
                description,
                document,
                ..
            } => {
                say(format!("carrier:  {}", description.carrier.name()))?;
                if let Some(card) = &description.card {
                    say(format!("card:     {card}"))?;
                }
                if let Some(device) = &description.device {
                    say(format!("device:   {device}"))?;
                }
                if let Some(key) = description.sealed_to {
                    say(format!("sealed:   to the key {}", key.to_hex()))?;
                }
                if let Some(push) = &description.push {
                    say(format!("signed:   by {}, in {} SMS", push.sec, push.sms))?;
                }
                for file in &description.files {
                    say(format!("file:     {}  {} octets", file.name, file.octets))?;
                }
                if let Some(url) = &description.url {
                    self.tell_url(url)?;
                }
                match (document, description.payload_sha256) {
                    (Some(document), _) => self.tell_document(document)?,
                    (None, Some(hash)) => {
                        say(format!("servers:  {}", description.servers.join(", ")))?;
                        say(format!(
                            "SHA-256:  {} (of the document; --key-file opens it)",
                            hash.to_hex()
                        ))?;
                    }
                    (None, None) => {}
                }
                Ok(())
            }
            Found::Batch {
                carrier, entries, ..
            } => {
                say(format!(
                    "batch:    {} devices, carrier {}",
                    entries.len(),
                    carrier.name()
                ))?;
                for entry in entries {
                    let names: Vec<_> = entry.files.iter().map(|file| file.name.as_str()).collect();
                    let sealed = entry.sealed_to.map_or("", |_| "  sealed");
                    say(format!("  {}  {}{sealed}", entry.device, names.join(" ")))?;
                }
                Ok(())
            }
            Found::Document(document) => self.tell_document(document),
            Found::Push(push) => {
                dm1::tell_push(push)?;
                self.tell_document(&push.document)
            }
            Found::Card(card) => {
                if let Some(identity) = &card.card {
                    say(format!("card:     {identity}"))?;
                }
                if card.documents.is_empty() {
                    say("no DM Bootstrap was read from it")?;
                }
                let mut documents = card.documents.iter();
                documents.try_for_each(|document| self.tell_document(document))
            }
            Found::Sealed { recipient } => say(format!(
                "sealed:   to the key {} (--key-file opens it)",
                recipient.to_hex()
            )),
            Found::Url(url) => self.tell_url(url.as_str()),
        }
    }

    fn tell_url(&self, url: &str) -> Result<(), Failure> {
        say(format!("address:  {url}"))?;
        if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            say(terminal_qr(url).explain("the QR code cannot be shown", "")?)?;
        }
        Ok(())
    }

    fn tell_document(&self, document: &OpenedDocument) -> Result<(), Failure> {
        if let Some(key) = document.sealed_to {
            say(format!("sealed:   to the key {}", key.to_hex()))?;
        }
        say(format!("servers:  {}", document.servers.join(", ")))?;
        say(format!(
            "SHA-256:  {} (of the document, {} octets)",
            document.payload.to_hex(),
            document.octets.len()
        ))?;
        match &document.content {
            DocumentContent::Dm2(json) => say(self.shown(json)),
            DocumentContent::Dm1(read) => {
                dm1::tell(read)?;
                say(dm1::xml(document, self.secrets)?)
            }
        }
    }

    fn shown(&self, json: &Json) -> String {
        if self.secrets {
            json.to_pretty()
        } else {
            mask(json, &MoRegistry::standard()).to_pretty()
        }
    }

    fn as_json(&self, found: &Found) -> Result<Value, Failure> {
        let what = "it cannot be printed";
        let document = |document: &OpenedDocument| -> Result<Value, Failure> {
            let json = match &document.content {
                DocumentContent::Dm2(json) => json,
                DocumentContent::Dm1(read) => return dm1::as_json(document, read, self.secrets),
            };
            let body: Value = serde_json::from_str(&self.shown(json)).explain(what, "")?;
            Ok(json!({
                "servers": document.servers,
                "payload_sha256": document.payload.to_hex(),
                "octets": document.octets.len(),
                "sealed_to": document.sealed_to.map(|key| key.to_hex()),
                "document": body,
            }))
        };
        Ok(match found {
            Found::Carrier {
                description,
                damaged,
                document: opened,
            } => {
                let opened = opened.as_ref().map(document).transpose()?;
                json!({ "kind": "carrier", "description": description, "damaged": damaged, "document": opened })
            }
            Found::Batch {
                carrier,
                entries,
                damaged,
            } => {
                json!({ "kind": "batch", "carrier": carrier.name(), "damaged": damaged, "devices": entries })
            }
            Found::Document(opened) => json!({ "kind": "document", "document": document(opened)? }),
            Found::Push(push) => json!({
                "kind": "push",
                "transaction_id": push.transaction_id,
                "sec": push.sec.map(omadm_carrier::sec_name),
                "mac": push.has_mac,
                "sms": push.sms,
                "document": document(&push.document)?,
            }),
            Found::Card(card) => {
                let documents = card.documents.iter().map(document);
                let documents = documents.collect::<Result<Vec<_>, _>>()?;
                json!({ "kind": "card", "card": card.card, "documents": documents, "troubles": card.troubles })
            }
            Found::Sealed { recipient } => {
                json!({ "kind": "sealed", "sealed_to": recipient.to_hex() })
            }
            Found::Url(url) => json!({ "kind": "url", "url": url.as_str() }),
        })
    }
}

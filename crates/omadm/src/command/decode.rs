use clap::Args;
use omadm_dm2::Document;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;

use super::{read_input, say};
use crate::failure::{Explain as _, Failure};

/// Tells what a DM 2.0 document is and prints it, or says what is wrong with it and where
///
/// Knows Package#1, #2 and #3, MO serialization, DM Bootstrap and stand-alone alerts. Secrets are masked unless asked for.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  omadm decode message.json\n  curl -s … | omadm decode -\n  omadm decode --secrets bootstrap.json"
)]
pub(crate) struct Decode {
    /// The file, or - for standard input
    file: String,
    /// Show secrets
    #[arg(long)]
    secrets: bool,
    /// Print one JSON object: `kind` and `document`
    #[arg(long)]
    json: bool,
    /// Longest document in octets
    #[arg(long, default_value_t = JsonLimits::default().octets)]
    max_octets: usize,
    /// Deepest nesting
    #[arg(long, default_value_t = JsonLimits::default().depth)]
    max_depth: usize,
}

impl Decode {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let octets = read_input(&self.file)?;
        let limits = JsonLimits {
            depth: self.max_depth,
            octets: self.max_octets,
        };
        let document = Document::read(&octets, limits).explain(
            format!("{} is no DM 2.0 document", self.file),
            "mend the document at the place named",
        )?;
        let body = if self.secrets {
            document.pretty()
        } else {
            document.masked(&MoRegistry::standard())
        };
        if self.json {
            let what = "the document cannot be printed";
            let body: serde_json::Value = serde_json::from_str(&body).explain(what, "")?;
            return say(serde_json::json!({ "kind": document.title(), "document": body }));
        }
        say(document.title())?;
        say(body)
    }
}

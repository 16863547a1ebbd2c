use std::process::ExitCode;

use clap::Args;
use omadm_bootstrap::{ComparedValue, Difference, compare};
use omadm_mo::standard::MoRegistry;
use serde_json::{Value, json};

use super::super::say;
use super::Key;
use crate::failure::{Explain as _, Failure};

#[derive(Args)]
pub(crate) struct Diff {
    /// The first: a document, or the folder of a factory image or push; - for standard input
    first: String,
    /// The second
    second: String,
    #[command(flatten)]
    key: Key,
    /// Print one JSON object a difference
    #[arg(long)]
    json: bool,
}

/// The exit code of what could not be compared: 1 says that there are differences.
const TROUBLE: u8 = 2;

impl Diff {
    pub(super) fn run(self) -> ExitCode {
        match self.differences() {
            Ok(0) => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(failure) => {
                let _one = failure.report();
                ExitCode::from(TROUBLE)
            }
        }
    }

    fn differences(&self) -> Result<usize, Failure> {
        let first = self.key.document(&self.first)?;
        let second = self.key.document(&self.second)?;
        let found = compare(&first.json, &second.json, &MoRegistry::standard()).explain(
            format!("{} and {} cannot be compared", self.first, self.second),
            "`omadm decode` tells what is wrong with each of them",
        )?;
        for one in &found {
            if self.json {
                say(as_json(one))?;
            } else {
                tell(one)?;
            }
        }
        if found.is_empty() && !self.json {
            let same = first.payload == second.payload;
            say(if same {
                "the same octets"
            } else {
                "they install the same; their octets differ"
            })?;
        }
        Ok(found.len())
    }
}

fn tell(one: &Difference) -> Result<(), Failure> {
    let place = if one.node.is_empty() {
        one.item.clone()
    } else {
        format!("{}  {}", one.item, one.node)
    };
    match (&one.first, &one.second) {
        (ComparedValue::Absent, value) => say(format!("+ {place}{}", shown(value))),
        (value, ComparedValue::Absent) => say(format!("- {place}{}", shown(value))),
        (ComparedValue::Secret, ComparedValue::Secret) => {
            say(format!("~ {place}: the secret differs"))
        }
        (first, second) => say(format!("~ {place}{} ->{}", shown(first), shown(second))),
    }
}

fn shown(value: &ComparedValue) -> String {
    match value {
        ComparedValue::Absent | ComparedValue::Present => String::new(),
        ComparedValue::Text(text) => format!(" {text:?}"),
        ComparedValue::Secret => format!(" {}", omadm_dm2::MASK),
    }
}

fn as_json(one: &Difference) -> Value {
    let value = |value: &ComparedValue| match value {
        ComparedValue::Absent => json!({ "present": false }),
        ComparedValue::Present => json!({ "present": true }),
        ComparedValue::Text(text) => json!({ "present": true, "value": text }),
        ComparedValue::Secret => json!({ "present": true, "secret": true }),
    };
    json!({ "item": one.item, "node": one.node, "first": value(&one.first), "second": value(&one.second) })
}

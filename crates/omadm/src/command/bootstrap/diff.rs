use std::process::ExitCode;

use clap::Args;
use omadm_bootstrap::dm1::{Dm1Document, compare_dm1};
use omadm_bootstrap::{ComparedValue, Difference, compare};
use omadm_carrier::DocumentContent;
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
        let what = format!("{} and {} cannot be compared", self.first, self.second);
        let mut forms = None;
        let found = match (&first.content, &second.content) {
            (DocumentContent::Dm2(one), DocumentContent::Dm2(other)) => {
                let todo = "`omadm decode` tells what is wrong with each of them";
                compare(one, other, &MoRegistry::standard()).explain(what, todo)?
            }
            (DocumentContent::Dm1(one), DocumentContent::Dm1(other)) => {
                forms = Some((one, other)).filter(|_| one.format != other.format);
                compare_dm1(one, other)
            }
            _ => {
                return Err(Failure::new(
                    what,
                    "one is of DM 2.0, the other of DM 1.x: their accounts have nothing in common",
                    "compare documents of one generation",
                ));
            }
        };
        for one in &found {
            if self.json {
                say(as_json(one))?;
            } else {
                tell(one)?;
            }
        }
        if let Some((one, other)) = forms
            && !self.json
        {
            if found.is_empty() {
                for server in &first.servers {
                    let (one, other) = (one.format.name(), other.format.name());
                    say(format!("the same account: {server} ({one}, {other})"))?;
                }
            }
            tell_beside(&self.first, one)?;
            tell_beside(&self.second, other)?;
        } else if found.is_empty() && !self.json {
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

/// What one of two forms has beside its accounts; the other has no place for it.
fn tell_beside(name: &str, document: &Dm1Document) -> Result<(), Failure> {
    let objects = document.objects.iter().map(|one| one.identifier.as_str());
    let others = document.others.iter().map(|one| one.r#type.as_str());
    let beside: Vec<_> = objects.chain(others).collect();
    if beside.is_empty() {
        return Ok(());
    }
    say(format!(
        "{name} has beside it, not compared: {}",
        beside.join(", ")
    ))
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

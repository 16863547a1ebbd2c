//! The allow-list that the server's store keeps.

use clap::{Args, Subcommand};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{AllowBody, NewAllow};

use super::{Asked as _, say_json};
use crate::command::say;
use crate::failure::Failure;

#[derive(Subcommand)]
pub(super) enum Allow {
    /// Let a device in by its DevID, or all of a pattern
    #[command(
        after_help = "Examples:\n  omadm device allow add IMEI:493005100592800 --profile minimal --certificate 6a39906f69bc24c3ee5bb5213f4be1dadbe4f59d3acc550d397e5efb988c57a8\n  omadm device allow add 'IMEI:4930*' --profile minimal"
    )]
    Add(Add),
    /// List whom it lets in; what the file of `omadm serve --admission` says is not among it
    #[command(
        after_help = "Examples:\n  omadm device allow list\n  omadm device allow list --json"
    )]
    List,
    /// Take an entry off; who came in by it stays
    #[command(
        after_help = "Examples:\n  omadm device allow remove 5f0c1d2e3a4b5c6d7e8f901122334455"
    )]
    Remove {
        /// What `list` shows as its id
        id: String,
    },
}

#[derive(Args)]
pub(super) struct Add {
    /// A DevID, or a pattern: * stands for any run of characters
    dev_id: String,
    /// The profile it gets
    #[arg(long)]
    profile: String,
    /// SHA-256 of the certificate that it has to prove: `omadm client show` tells it on the device. Without it a maker's CA, or the server's own, has to vouch for the DevID
    #[arg(long, value_name = "SHA-256")]
    certificate: Option<String>,
}

impl Allow {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(api, json).await,
            Self::List => list(api, json).await,
            Self::Remove { id } => {
                let what = format!("{id} was not taken off the allow-list");
                api.disallow(&id).await.asked(what)?;
                if json {
                    return Ok(());
                }
                say(format!("removed:     {id}"))
            }
        }
    }
}

impl Add {
    async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let what = format!("{} was not put on the allow-list", self.dev_id);
        let new = NewAllow {
            dev_id: self.dev_id,
            certificate: self.certificate,
            profile: self.profile,
        };
        let entry = api.allow(&new).await.asked(what)?;
        if json { say_json(&entry) } else { tell(&entry) }
    }
}

async fn list(api: &ApiClient, json: bool) -> Result<(), Failure> {
    let (mut after, mut shown) = (None, 0);
    loop {
        let page = api
            .allow_list(after.as_deref())
            .await
            .asked("the allow-list cannot be listed")?;
        shown += page.entries.len();
        for entry in &page.entries {
            if json {
                say_json(entry)?;
            } else {
                tell(entry)?;
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if shown == 0 && !json {
        say("the allow-list is empty")?;
    }
    Ok(())
}

fn tell(entry: &AllowBody) -> Result<(), Failure> {
    say(format!("id:       {}", entry.id))?;
    say(format!(
        "device:   {}, profile {}",
        entry.dev_id, entry.profile
    ))?;
    match &entry.certificate {
        Some(print) => say(format!("SHA-256:  {print}")),
        None => say("          (a maker's CA, or the server's, has to vouch for it)"),
    }
}

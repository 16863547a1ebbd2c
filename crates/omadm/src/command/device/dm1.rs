use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use omadm_mo::{Format, Value};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{
    Dm1AccountAdded, Dm1AccountBody, Dm1Revocation, Dm1SecretBody, NewDm1Account,
};

use super::{Asked as _, say_json};
use crate::command::{say, secret_text};
use crate::failure::{Explain as _, Failure};

#[derive(Args)]
pub(super) struct Dm1 {
    #[command(subcommand)]
    command: Dm1Command,
}

#[derive(Subcommand)]
enum Dm1Command {
    /// Make an account by hand; what the device has to be given is shown once
    #[command(
        after_help = "Examples:\n  omadm device dm1 add IMEI:493005100592800\n  omadm device dm1 add IMEI:493005100592800 --user meter-7 --credential mac --server-id com.example.dm\n  omadm device dm1 add IMEI:493005100592800 --client-secret-file client.txt --server-credential none --model Windows\n  omadm device dm1 add IMEI:493005100592800 --profile dm1x --format cp --out bootstrap.wbxml"
    )]
    Add(Box<Add>),
    /// Show the account and how its secrets stand
    #[command(after_help = "Examples:\n  omadm device dm1 show IMEI:493005100592800")]
    Show {
        /// The device's DevID
        dev_id: String,
    },
    /// Have both secrets replaced in the next session; what is in use stays so until the device used the new ones
    #[command(after_help = "Examples:\n  omadm device dm1 rotate IMEI:493005100592800")]
    Rotate {
        /// The device's DevID
        dev_id: String,
    },
    /// Leave out what waits for your decision, or take back what `omadm device accept` let in; what did not count goes on not counting
    #[command(after_help = "Examples:\n  omadm device dm1 reject IMEI:493005100592800")]
    Reject {
        /// The device's DevID
        dev_id: String,
    },
    /// Revoke the account, or what it was provisioned with
    #[command(
        after_help = "Examples:\n  omadm device dm1 revoke IMEI:493005100592800\n  omadm device dm1 revoke IMEI:493005100592800 --boot"
    )]
    Revoke {
        /// The device's DevID
        dev_id: String,
        /// Only what a card, push or file could bring back: what was replaced never counts again, what is in use leaves escrow
        #[arg(long)]
        boot: bool,
    },
}

#[derive(Args)]
struct Add {
    /// The device's DevID
    dev_id: String,
    /// The account's name (AAuthName), which no other device has; without it the DevID
    #[arg(long)]
    user: Option<String>,
    /// The server identifier (ServerID, PROVIDER-ID); without it the server's public name
    #[arg(long)]
    server_id: Option<String>,
    /// How the client proves itself
    #[arg(long, value_enum, default_value = "md5", conflicts_with = "profile")]
    credential: Proof,
    /// How the server proves itself
    #[arg(long, value_enum, default_value = "md5", conflicts_with = "profile")]
    server_credential: ServerProof,
    /// File that holds the client's password; without it the server draws one, which is shown once
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// File that holds the server's password; without it the server draws one, which is shown once
    #[arg(long, value_name = "FILE")]
    server_secret_file: Option<PathBuf>,
    /// Nonce of the client's first credential, base64; without it the server draws one
    #[arg(long, value_name = "BASE64")]
    client_nonce: Option<String>,
    /// Nonce of the server's first credential, base64; without it the server draws one
    #[arg(long, value_name = "BASE64")]
    server_nonce: Option<String>,
    /// Profile whose `[dm1]` says all of it, and of which the document is made that brings the account to the device
    #[arg(long, requires = "out", conflicts_with_all = ["user", "server_id", "client_secret_file", "server_secret_file", "client_nonce", "server_nonce"])]
    profile: Option<String>,
    /// How that document is written
    #[arg(long, value_enum, requires = "profile")]
    format: Option<DocumentFormat>,
    /// Where the document is written, as WBXML; it holds the secrets
    #[arg(long, value_name = "FILE", requires = "profile")]
    out: Option<PathBuf>,
    /// The device's model, whose peculiarities are kept to; without it what DevInfo tells
    #[arg(long)]
    model: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Proof {
    /// The password itself: over TLS alone
    Basic,
    /// A digest over password and nonce, once a session
    Md5,
    /// A digest over password, nonce and message, with each message
    Mac,
}

#[derive(Clone, Copy, ValueEnum)]
enum DocumentFormat {
    /// OMA Client Provisioning
    Cp,
    /// OMA Device Management: a DM message with TNDS
    Dm,
}

#[derive(Clone, Copy, ValueEnum)]
enum ServerProof {
    /// The password itself: over TLS alone
    Basic,
    /// A digest over password and nonce
    Md5,
    /// A digest over password, nonce and message, with each message
    Mac,
    /// Not at all: TLS alone tells the device who the server is
    None,
}

fn name(choice: &impl ValueEnum) -> String {
    let value = choice.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Dm1 {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let (body, what) = match self.command {
            Dm1Command::Add(add) => return add.run(api, json).await,
            Dm1Command::Show { dev_id } => (
                api.dm1(&dev_id).await,
                format!("the DM 1.x account of {dev_id} cannot be shown"),
            ),
            Dm1Command::Rotate { dev_id } => (
                api.rotate_dm1(&dev_id).await,
                format!("the secrets of {dev_id} are not replaced"),
            ),
            Dm1Command::Reject { dev_id } => (
                api.reject_dm1(&dev_id).await,
                format!("nothing of {dev_id} was rejected"),
            ),
            Dm1Command::Revoke { dev_id, boot } => (
                api.revoke_dm1(&dev_id, &Dm1Revocation { boot }).await,
                format!("the DM 1.x account of {dev_id} was not revoked"),
            ),
        };
        let body = body.asked(what)?;
        if json {
            return say_json(&body);
        }
        tell(&body)
    }
}

impl Add {
    async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let secret = |file: &Option<PathBuf>| file.as_deref().map(secret_text).transpose();
        let told = self.profile.is_none();
        let new = NewDm1Account {
            client_secret: secret(&self.client_secret_file)?,
            server_secret: secret(&self.server_secret_file)?,
            user: self.user,
            server_id: self.server_id,
            credential: told.then(|| name(&self.credential)),
            server_credential: told.then(|| name(&self.server_credential)),
            format: self.format.as_ref().map(name),
            profile: self.profile,
            client_nonce: self.client_nonce,
            server_nonce: self.server_nonce,
            model: self.model,
        };
        let what = format!("{} got no DM 1.x account", self.dev_id);
        let added = api.add_dm1(&self.dev_id, &new).await.asked(what)?;
        if let (Some(out), Some(document)) = (&self.out, &added.document) {
            let octets = Value::from_text(Format::Bin, document).explain(
                "the server's answer holds no document",
                "see whether client and server are of one version",
            )?;
            std::fs::write(out, octets.as_octets().unwrap_or_default()).explain(
                format!("{} cannot be written", out.display()),
                "revoke the account, and make it again with a path that can be written",
            )?;
        }
        if json {
            return say_json(&added);
        }
        let Dm1AccountAdded {
            account,
            address,
            client_secret,
            client_nonce,
            server_secret,
            server_nonce,
            ..
        } = &added;
        tell(account)?;
        say(format!("address:        {address}"))?;
        if let Some(out) = &self.out {
            return say(format!("document:       {}", out.display()));
        }
        let given = self.client_secret_file.is_some();
        let shown = |secret: &str, given: bool| {
            if given {
                "as given".to_owned()
            } else {
                format!("{secret}   (shown this once)")
            }
        };
        say(format!("client secret:  {}", shown(client_secret, given)))?;
        say(format!("client nonce:   {client_nonce}"))?;
        if let Some((secret, nonce)) = server_secret.as_ref().zip(server_nonce.as_ref()) {
            let given = self.server_secret_file.is_some();
            say(format!("server secret:  {}", shown(secret, given)))?;
            say(format!("server nonce:   {nonce}"))?;
        }
        Ok(())
    }
}

pub(super) fn tell(account: &Dm1AccountBody) -> Result<(), Failure> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    say(format!("device:         {}", account.device))?;
    say(format!(
        "account:        {} ({})",
        account.user, account.credential
    ))?;
    say(format!("server:         {}", account.server_id))?;
    say(format!("client secrets: {}", standing(&account.client)))?;
    say(format!("server secrets: {}", standing(&account.server)))?;
    let pending = |secrets: &[Dm1SecretBody]| secrets.iter().any(|one| one.generation == "pending");
    if pending(&account.client) {
        say("the client's pending one is in use once it proves itself with it")?;
    }
    if pending(&account.server) {
        say(
            "the server's pending one is in use once the device takes it: in a session with a command for it",
        )?;
    }
    if account.rotate {
        say("both are replaced in the next session")?;
    }
    if let Some(held) = &account.held {
        let claimed = held.claimed.as_ref();
        let claimed = claimed.map_or_else(String::new, |claimed| format!(", {claimed}"));
        say(format!(
            "WAITS FOR YOU:  {}{claimed}, since {}",
            held.sentence, held.since
        ))?;
        say(format!("                {}", held.action))?;
    }
    if account.accepted {
        say("what was replaced counts once more, when the device proves it next")?;
    }
    say(format!("model:          {}", text(&account.model)))?;
    let used = account.used_at.as_ref();
    let used = used.map_or_else(|| "-".to_owned(), |at| format!("{at} (to the hour)"));
    say(format!("last used:      {used}"))?;
    if let Some(at) = &account.revoked_at {
        say(format!("revoked:        {at}"))?;
    }
    Ok(())
}

fn standing(secrets: &[Dm1SecretBody]) -> String {
    let one = |secret: &Dm1SecretBody| {
        let marks = [
            (secret.escrowed, "can be brought back"),
            (secret.revoked, "revoked"),
            (secret.previous, "kept while a recovery goes on"),
        ];
        // What came back is in use again; what it displaced is not.
        let generation = if secret.previous {
            "former"
        } else {
            secret.generation.as_str()
        };
        let marks = marks.into_iter().filter(|(is, _)| *is);
        let marks: Vec<_> = marks.map(|(_, mark)| mark).collect();
        if marks.is_empty() {
            generation.to_owned()
        } else {
            format!("{generation} ({})", marks.join(", "))
        }
    };
    let all: Vec<_> = secrets.iter().map(one).collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

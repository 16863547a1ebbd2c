use clap::{Args, ValueEnum};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{CredentialBody, NewRotation};

use super::commands::wait_for;
use super::{Asked as _, say_json};
use crate::command::bootstrap::wait_for_bootstrap;
use crate::command::say;
use crate::failure::Failure;

#[derive(Args)]
pub(super) struct Rotate {
    /// Its DevID
    dev_id: String,
    /// What the new secret is for
    #[arg(long, value_enum, default_value = "session")]
    scope: Rotated,
    /// The server whose account is meant, where the device has several; else that of its newest completed bootstrap
    #[arg(long)]
    srv_id: Option<String>,
    /// A certificate for the key that the device made itself, so that no key travels; a client has to know this way, as omadm's does
    #[arg(long)]
    own_key: bool,
    /// Wait so many seconds until the device has it
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// Its DevID
    dev_id: String,
    /// The credential's id, as `show` tells it
    #[arg(required_unless_present = "generation")]
    credential: Option<String>,
    /// All of a generation in place of one credential: `boot` is what a card, image or URL can bring back
    #[arg(long, value_enum, conflicts_with = "credential")]
    generation: Option<Generation>,
    /// Of this scope alone
    #[arg(long, value_enum, requires = "generation")]
    scope: Option<Scope>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rotated {
    /// What the device proves itself with in sessions: Auth/Trsp, Ext/HTTPAuth
    Session,
    /// What the server proves its Notifications with: Auth/Noti
    Notification,
    /// What the device fetches its bootstraps with: Auth/Bootstrap. It comes by a further bootstrap, since no session may change it
    Bootstrap,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    /// Auth/Trsp, Ext/HTTPAuth
    Session,
    /// Auth/Bootstrap
    Bootstrap,
    /// Auth/Noti
    Notification,
}

#[derive(Clone, Copy, ValueEnum)]
enum Generation {
    /// As provisioned: what was replaced opens nothing any more, what is still in use leaves escrow
    Boot,
    /// In use
    Current,
    /// On its way, or not used yet
    Pending,
}

/// The name that the API has for a choice of the command line.
fn name(choice: &impl ValueEnum) -> String {
    let value = choice.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Rotate {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let new = NewRotation {
            scope: Some(name(&self.scope)),
            srv_id: self.srv_id,
            own_key: self.own_key,
        };
        let what = format!("no new secret was made for {}", self.dev_id);
        let made = api.rotate(&self.dev_id, &new).await.asked(what)?;
        if json {
            say_json(&made)?;
        } else {
            if let Some(command) = &made.command {
                say(format!("queued:      {command}"))?;
            }
            if let Some(bootstrap) = &made.bootstrap {
                say(format!("bootstrap:   {}", bootstrap.id))?;
            }
            say(format!("credential:  {}", made.credential))?;
            say(format!("scope:       {}", made.scope))?;
        }
        match (self.wait, made.command, made.bootstrap) {
            (Some(seconds), Some(command), _) => {
                wait_for(api, &self.dev_id, &command, seconds, json).await
            }
            (Some(seconds), None, Some(bootstrap)) => {
                wait_for_bootstrap(api, bootstrap, seconds, json).await
            }
            _ if json => Ok(()),
            (_, _, Some(bootstrap)) if bootstrap.push.is_none() => say(
                "the device gets it when it fetches its bootstrap next; the one in use stays in use until the device reported the new one",
            ),
            (_, _, Some(_)) => say(
                "the device is called to fetch it; the one in use stays in use until the device reported the new one",
            ),
            _ => say(
                "the device gets it in its next session; the one in use stays in use until the device used the new one",
            ),
        }
    }
}

impl Revoke {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        if let Some(credential) = &self.credential {
            let what = format!("the credential of {} was not revoked", self.dev_id);
            api.revoke_credential(&self.dev_id, credential)
                .await
                .asked(what)?;
            return say(format!("revoked: {credential}"));
        }
        let generation = self.generation.as_ref().map(name).unwrap_or_default();
        let what = format!(
            "the generation {generation} of {} was not revoked",
            self.dev_id
        );
        let scope = self.scope.as_ref().map(name);
        let done = api
            .revoke_generation(&self.dev_id, &generation, scope.as_deref())
            .await
            .asked(what)?;
        if json {
            return say_json(&done);
        }
        if done.revoked.is_empty() && done.out_of_escrow.is_empty() {
            return say("nothing: the device has no such credential");
        }
        for credential in &done.revoked {
            say(format!("revoked:       {credential}"))?;
        }
        for credential in &done.out_of_escrow {
            say(format!(
                "out of escrow: {credential}  (in use until it is replaced)"
            ))?;
        }
        Ok(())
    }
}

/// Lets a device come back with what was replaced.
pub(super) async fn accept(api: &ApiClient, dev_id: &str, json: bool) -> Result<(), Failure> {
    let what = format!("{dev_id} may not come back with replaced secrets");
    let done = api.accept_boot(dev_id).await.asked(what)?;
    if json {
        return say_json(&done);
    }
    match done.dm1.as_deref() {
        Some("former") => say(
            "the DM 1.x account is of whoever had it before the recovery; what was provisioned is revoked",
        )?,
        Some(_) => say(
            "DM 1.x: what was replaced counts once more, when the device proves it next; then it is replaced again",
        )?,
        None => {}
    }
    if done.accepted == 0 {
        return Ok(());
    }
    say(format!(
        "{} replaced {} again; what had replaced {} opens nothing any more",
        done.accepted,
        if done.accepted == 1 {
            "secret counts"
        } else {
            "secrets count"
        },
        if done.accepted == 1 { "it" } else { "them" },
    ))
}

/// Prints the credentials of a device by what they are for, a line each; never a secret.
pub(super) fn tell(credentials: &[CredentialBody]) -> Result<(), Failure> {
    for credential in credentials {
        say(format!("  {}", line(credential)))?;
    }
    Ok(())
}

fn line(credential: &CredentialBody) -> String {
    let generation = match credential.revoked_at {
        Some(_) => "revoked",
        None => credential.generation.as_str(),
    };
    let mut told = format!(
        "{:<12}  {generation:<8}  {:<14}  {}",
        credential.scope, credential.proof, credential.id
    );
    let since = |at: &Option<String>, what: &str| at.as_ref().map(|at| format!("{what} {at}"));
    let facts = [
        since(&credential.since, "since"),
        credential
            .used_at
            .as_ref()
            .map(|at| format!("last used {at} (to the hour)")),
        credential.escrowed.then(|| "in escrow".to_owned()),
        credential
            .command
            .as_ref()
            .filter(|_| credential.generation == "pending")
            .map(|command| format!("comes by command {command}")),
        since(&credential.held_at, "WAITS FOR YOU since"),
        since(
            &credential.revoked_at,
            &format!("{} until", credential.generation),
        ),
    ];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    if !facts.is_empty() {
        told.push_str("  ");
        told.push_str(&facts.join(", "));
    }
    told
}

#[cfg(test)]
mod tests {
    use omadm_server::operator::types::CredentialBody;

    use super::line;

    #[test]
    fn a_credential_is_told_with_its_generation_and_what_an_operator_needs_of_it() {
        let mut credential = CredentialBody {
            id: "psk:a1".to_owned(),
            proof: "psk".to_owned(),
            scope: "session".to_owned(),
            generation: "boot".to_owned(),
            since: Some("T1".to_owned()),
            escrowed: true,
            used_at: Some("T2".to_owned()),
            held_at: Some("T3".to_owned()),
            command: Some("c".to_owned()),
            bootstrap: None,
            added_at: "T0".to_owned(),
            expires_at: None,
            revoked_at: None,
            tries_left: None,
        };
        assert_eq!(
            line(&credential),
            "session       boot      psk             psk:a1  since T1, last used T2 (to the hour), in escrow, WAITS FOR YOU since T3"
        );
        credential.generation = "pending".to_owned();
        (credential.since, credential.used_at, credential.held_at) = (None, None, None);
        (credential.escrowed, credential.revoked_at) = (false, Some("T4".to_owned()));
        assert_eq!(
            line(&credential),
            "session       revoked   psk             psk:a1  comes by command c, pending until T4"
        );
    }
}

//! `omadm client tree|get|set|exec`: the tree as a local application of the device sees and changes it.

use clap::Args;
use omadm_client::{Client, Dm1Node, NodeText, TreeInstance};
use omadm_mo::ddf::AccessTypes;
use omadm_mo::{ClientUri, ExecOutcome};

use super::client::Device;
use super::client_asked::Asked;
use super::say;
use crate::failure::{Explain as _, Failure};

#[derive(Args)]
pub(crate) struct Get {
    #[command(flatten)]
    device: Device,
    /// ClientURI, for example urn:oma:mo:oma-dm-devinfo:1.2//Man; x-names and wildcards are taken; or a LocURI of DM 1.x, for example ./DevInfo/DevId
    uri: String,
}

#[derive(Args)]
pub(crate) struct Set {
    #[command(flatten)]
    device: Device,
    /// ClientURI of one leaf, or its LocURI of DM 1.x
    uri: String,
    /// Its value: decimal for int, true or false for bool, base64 for octets, else as it is
    #[arg(allow_hyphen_values = true)]
    value: String,
}

#[derive(Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    device: Device,
    /// ClientURI of one executable node, or its LocURI of DM 1.x
    uri: String,
}

/// Prints the whole tree.
pub(super) async fn tree(client: &Client, json: bool) -> Result<(), Failure> {
    let what = "the tree cannot be read";
    if json {
        for item in client.readable_tree().await.explain(what, "")? {
            say(item.to_compact())?;
        }
        return Ok(());
    }
    for instance in client.tree().await.explain(what, "")? {
        for line in lines(&instance) {
            say(line)?;
        }
    }
    Ok(())
}

impl Get {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.device.ask(Asked::Get(self.uri)).await
    }
}

impl Set {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let (uri, value) = (self.uri, self.value);
        self.device.ask(Asked::Set { uri, value }).await
    }
}

impl Exec {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.device.ask(Asked::Exec(self.uri)).await
    }
}

pub(super) async fn get(client: &Client, uri: &str, json: bool) -> Result<(), Failure> {
    let uri = client_uri(client, uri, "nothing was read")?;
    let read = client.local_get(uri).await;
    let todo = "omadm client tree shows what there is";
    for item in read.explain("nothing was read", todo)? {
        say(if json {
            item.to_compact()
        } else {
            item.to_pretty()
        })?;
    }
    Ok(())
}

pub(super) async fn set(
    client: &Client,
    uri: &str,
    value: String,
    json: bool,
) -> Result<(), Failure> {
    let what = "nothing was set";
    let uri = client_uri(client, uri, what)?;
    let todo = "omadm client tree shows the leaves with their formats";
    let at = client.local_set(uri, value).await.explain(what, todo)?;
    let at = ClientUri::of(&at).to_string();
    say(if json {
        serde_json::json!({ "set": at }).to_string()
    } else {
        format!("set: {at}")
    })
}

pub(super) async fn exec(client: &Client, uri: &str, json: bool) -> Result<(), Failure> {
    let what = "nothing was executed";
    let uri = client_uri(client, uri, what)?;
    let todo = "omadm client tree shows which nodes have Exec";
    let outcome = client.local_exec(uri).await.explain(what, todo)?;
    let done = outcome == ExecOutcome::Done;
    say(match (json, done) {
        (true, _) => serde_json::json!({ "done": done }).to_string(),
        (false, true) => "done".to_owned(),
        (false, false) => "begun: the object reports later".to_owned(),
    })
}

fn client_uri(client: &Client, text: &str, what: &str) -> Result<ClientUri, Failure> {
    let todo =
        "write it like urn:oma:mo:oma-dm-devinfo:1.2//Man, or as DM 1.x servers do: ./DMAcc/1/Name";
    client.local_uri(text).explain(what, todo)
}

/// One line for the instance, one for each node below it.
fn lines(instance: &TreeInstance) -> Vec<String> {
    let mut head = vec![ClientUri::of(&instance.at).to_string()];
    let root = instance.nodes.iter().find(|node| node.path.is_root());
    let seen = root.and_then(|root| root.dm1.as_ref());
    head.extend(seen.map(|seen| seen.loc_uri.to_string()));
    head.extend(
        instance
            .validator
            .as_ref()
            .map(|cv| format!("cv {}", cv.as_str())),
    );
    head.extend(
        instance
            .creator
            .as_ref()
            .map(|by| format!("created by {by}")),
    );
    let rights = instance.rights.iter();
    head.extend(rights.map(|(server, rights)| format!("{server} {rights:?}")));
    head.extend(seen.map(properties));
    let mut all = vec![head.join("  ")];
    for node in instance.nodes.iter().filter(|node| !node.path.is_root()) {
        let names = node.path.names();
        let indent = "  ".repeat(names.len());
        let name = names.last().map_or("", |name| name.as_str());
        let access = node.access.map_or_else(|| "-".to_owned(), letters);
        let value = match &node.value {
            NodeText::Interior => String::new(),
            NodeText::Withheld => "(withheld)".to_owned(),
            NodeText::Text(text) => shortened(text),
        };
        let line = format!(
            "{:<36} {:<5} {access:<6} {value}",
            format!("{indent}{name}"),
            node.format.name()
        );
        let line = line.trim_end();
        all.push(match &node.dm1 {
            Some(seen) => format!("{line}  {}", properties(seen)),
            None => line.to_owned(),
        });
    }
    all
}

/// The properties that DM 1.x servers read; name and format are told before.
fn properties(seen: &Dm1Node) -> String {
    let kept = &seen.kept;
    let has = [
        kept.acl.as_ref().map(|acl| format!("ACL {acl}")),
        Some(format!("Type {}", seen.r#type)).filter(|_| !seen.r#type.is_empty()),
        seen.size.map(|size| format!("Size {size}")),
        kept.title.as_ref().map(|title| format!("Title {title:?}")),
        kept.tstamp.as_ref().map(|time| format!("TStamp {time}")),
        Some(format!("VerNo {}", kept.ver_no)),
    ];
    let has: Vec<_> = has.into_iter().flatten().collect();
    has.join("  ")
}

/// Longest value in a line; certificates are longer. `get` shows all of it.
const SHOWN: usize = 80;

fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= SHOWN {
        return format!("{text:?}");
    }
    let begin: String = text.chars().take(SHOWN / 2).collect();
    format!("{begin:?}… ({count} characters)")
}

/// The first letters of what the DDF gives: Add, Copy, Delete, Exec, Get, Replace.
fn letters(access: AccessTypes) -> String {
    let named = AccessTypes::NAMED.into_iter();
    let given = named.filter(|(one, _)| access.has(*one));
    let letters: String = given.filter_map(|(_, name)| name.chars().next()).collect();
    if letters.is_empty() {
        "none".to_owned()
    } else {
        letters
    }
}

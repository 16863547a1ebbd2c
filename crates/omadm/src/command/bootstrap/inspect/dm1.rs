use omadm_bootstrap::dm1::{Dm1Document, Dm1Format};
use omadm_carrier::{FoundPush, OpenedDocument, sec_name};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::pretty::Pretty;
use omadm_dm1::syncml::Encoding;
use omadm_mo::standard::DmAcc1;
use omadm_mo::standard::dm_acc1::{AppAuth1, AuthLevel1};
use serde_json::{Value, json};

use super::super::super::say;
use crate::failure::{Explain as _, Failure};

/// The accounts of a document of DM 1.x, without their secrets.
pub(super) fn tell(document: &Dm1Document) -> Result<(), Failure> {
    say(format!("format:   {}", form(document.format)))?;
    for one in &document.accounts {
        let account = &one.account;
        say(format!("account:  {}", account.server_id))?;
        if let Some(name) = &account.name {
            say(format!("  name    {name}"))?;
        }
        for address in &account.addresses {
            say(format!("  address {}", address.addr))?;
        }
        for reference in references(account) {
            say(format!("  by      {reference}"))?;
        }
        for auth in &account.auths {
            say(format!("  {}", credential(auth)))?;
        }
        if one.init {
            say("  INIT: a session at once")?;
        }
    }
    for beside in beside(document) {
        say(format!("beside:   {beside}"))?;
    }
    Ok(())
}

/// The same for a machine, with the document as XML for people.
pub(super) fn as_json(
    opened: &OpenedDocument,
    document: &Dm1Document,
    secrets: bool,
) -> Result<Value, Failure> {
    let auth = |auth: &AppAuth1| {
        json!({
            "level": auth.level.name(),
            "type": auth.auth_type.name(),
            "name": auth.name,
            "secret": auth.secret.is_some(),
            "nonce": auth.nonce.is_some(),
        })
    };
    let accounts = document.accounts.iter().map(|one| {
        let account = &one.account;
        let addresses = account.addresses.iter();
        let addresses: Vec<_> = addresses.map(|address| address.addr.as_str()).collect();
        json!({
            "server_id": account.server_id.as_str(),
            "name": account.name,
            "addresses": addresses,
            "connectivity": references(account),
            "credentials": account.auths.iter().map(auth).collect::<Vec<_>>(),
            "init": one.init,
        })
    });
    Ok(json!({
        "servers": opened.servers,
        "payload_sha256": opened.payload.to_hex(),
        "octets": opened.octets.len(),
        "sealed_to": opened.sealed_to.map(|key| key.to_hex()),
        "profile_format": document.format.name(),
        "accounts": accounts.collect::<Vec<_>>(),
        "beside": beside(document),
        "document": xml(opened, secrets)?,
    }))
}

/// The document as indented XML.
pub(super) fn xml(opened: &OpenedDocument, secrets: bool) -> Result<String, Failure> {
    let octets = opened.octets.expose();
    let limits = MarkupLimits {
        octets: octets.len(),
        ..MarkupLimits::UNPROVEN_BOOTSTRAP
    };
    let encoding = Encoding::of_body(octets).unwrap_or(Encoding::Wbxml);
    let pretty = Pretty::read(octets, encoding, limits, secrets);
    let pretty = pretty.explain("the document cannot be shown", "build it again")?;
    Ok(pretty.xml.trim_end().to_owned())
}

/// A push, its document left out.
pub(super) fn tell_push(push: &FoundPush) -> Result<(), Failure> {
    let carried = match push.sms {
        0 => String::new(),
        sms => format!(" in {sms} SMS"),
    };
    say(format!(
        "push:     transaction {}{carried}",
        push.transaction_id
    ))?;
    say(format!("signed:   {}", signed(push)))
}

/// By what a push is signed.
pub(super) fn signed(push: &FoundPush) -> String {
    match push.sec {
        Some(sec) if push.has_mac => {
            format!("by {} (`omadm decode` verifies the MAC)", sec_name(sec))
        }
        Some(sec) => format!("{} without MAC", sec_name(sec)),
        None => "not at all: no device installs it".to_owned(),
    }
}

const fn form(format: Dm1Format) -> &'static str {
    match format {
        Dm1Format::Cp => "cp, a client provisioning document",
        Dm1Format::Dm => "dm, a DM message with TNDS",
    }
}

fn references(account: &DmAcc1) -> Vec<&String> {
    let first = account.pref_con_ref.iter();
    first.chain(&account.to_con_refs).collect()
}

fn credential(auth: &AppAuth1) -> String {
    let who = match auth.level {
        AuthLevel1::ClCred => "client ",
        AuthLevel1::SrvCred => "server ",
        AuthLevel1::Obex => "OBEX   ",
        AuthLevel1::Http => "HTTP   ",
    };
    let mut told = format!("{who} {}", auth.auth_type.name());
    if let Some(name) = &auth.name {
        told.push_str(&format!(" as {name}"));
    }
    let has = [
        ("a secret", auth.secret.is_some()),
        ("a nonce", auth.nonce.is_some()),
    ];
    for (what, is_there) in has {
        if is_there {
            told.push_str(&format!(", {what}"));
        }
    }
    told
}

/// What a document has beside its accounts.
fn beside(document: &Dm1Document) -> Vec<&str> {
    let objects = document.objects.iter().map(|one| one.identifier.as_str());
    let others = document.others.iter().map(|one| one.r#type.as_str());
    objects.chain(others).collect()
}

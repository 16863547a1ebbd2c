//! Devices that wait for an operator, and triggers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{
    NewApproval, NewRejection, NewTrigger, SecretText, WaitingBody,
};

use super::{Asked as _, say_json};
use crate::command::bootstrap::base64_of;
use crate::command::{read_text, say};
use crate::failure::Failure;

#[derive(Args)]
pub(super) struct Approve {
    /// What `omadm device pending` shows as its id: it stands for this certificate of this DevID
    id: String,
    /// The profile of its bootstrap; without it, the one that `pending` shows
    #[arg(long)]
    profile: Option<String>,
}

#[derive(Args)]
pub(super) struct Reject {
    /// What `omadm device pending` shows as its id
    id: String,
    /// Why, for people; the device is told
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Args)]
pub(super) struct Trigger {
    /// Its DevID
    dev_id: String,
    /// The profile of its bootstrap
    #[arg(long)]
    profile: String,
    /// Idempotency key, of your choice: the same command again starts nothing and shows the same bootstrap
    #[arg(long)]
    key: String,
    /// Who knows of the device
    #[arg(long, value_enum, default_value = "other")]
    source: Source,
    /// What the source calls itself or its case
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Where the device is reached: udp://HOST:PORT, https://HOST:PORT/PATH, sms:+NUMBER or file:NAME
    #[arg(long)]
    address: Option<String>,
    /// Bring the bootstrap to that address, or where its record says: server-initiated
    #[arg(long)]
    push: bool,
    /// For a client of DM 1.x: cp (OMA client provisioning) or dm (a DM message), from the profile's account of DM 1.x
    #[arg(long, value_name = "FORMAT")]
    profile_format: Option<String>,
    /// The device's model, which tells what it does differently (DM 1.x); its account keeps it. Else what the account has, or DevInfo told
    #[arg(long, value_name = "NAME", requires = "profile_format")]
    model: Option<String>,
    /// What a WAP push is signed with: networkid (the IMSI), userpin, or both; by default all that is known
    #[arg(long, requires_all = ["push", "profile_format"])]
    sec: Option<String>,
    /// File with the PIN that the user is asked for: 4 to 16 digits. The server does not keep it; tell the user by another way
    #[arg(long, value_name = "FILE", requires_all = ["push", "profile_format"])]
    pin_file: Option<PathBuf>,
    /// The subscriber's IMSI; else that of the device's record (`omadm device set --imsi`)
    #[arg(long, requires_all = ["push", "profile_format"])]
    imsi: Option<String>,
    /// The ESN of a CDMA device, in the place of an IMSI: 8 hexadecimal or 11 decimal digits
    #[arg(long, requires_all = ["push", "profile_format"], conflicts_with = "imsi")]
    esn: Option<String>,
    /// How the IMSI becomes a key: semi-octet, or ascii for devices that take its digits; by default as the device's model has it
    #[arg(long, value_name = "FORM", requires_all = ["push", "profile_format"])]
    imsi_key: Option<String>,
    /// direct: push the document itself, over mutual TLS with a certificate of the device; notification: call the device, which fetches it. By default direct to an https address. wap: what DM 1.x has alone, a signed WAP push
    #[arg(long, requires = "push")]
    carrier: Option<String>,
    /// What the device's policy calls this server: the id of its `[[source]]`. Needed until an account of it says so
    #[arg(long, value_name = "ID", requires_all = ["push", "noti_secret_file"])]
    bootstrap_source: Option<String>,
    /// File with the secret that the policy has for this source; its octets count as they are
    #[arg(long, value_name = "FILE", requires = "bootstrap_source")]
    noti_secret_file: Option<PathBuf>,
    /// File with the data beside that secret
    #[arg(long, value_name = "FILE", requires = "noti_secret_file")]
    noti_data_file: Option<PathBuf>,
    /// Certificate (PEM) that the device has; it is registered by its fingerprint
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Issue a bootstrap code, which the user enters at the device
    #[arg(long)]
    code: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Source {
    /// A shop that sold it
    PointOfSale,
    /// A portal on which the subscriber entered it
    SelfService,
    /// The network in which it registered
    Network,
    /// A voice system that the subscriber called
    Voice,
    /// Somebody else
    Other,
}

pub(super) async fn pending(api: &ApiClient, rejected: bool, json: bool) -> Result<(), Failure> {
    let (mut after, mut shown) = (None, 0);
    loop {
        let page = api
            .waiting_devices(after.as_deref())
            .await
            .asked("the waiting devices cannot be listed")?;
        for device in &page.devices {
            if !rejected && device.state == "rejected" {
                continue;
            }
            shown += 1;
            if json {
                say_json(device)?;
            } else {
                tell(device)?;
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if shown == 0 && !json {
        say("no device waits")?;
    }
    Ok(())
}

fn tell(device: &WaitingBody) -> Result<(), Failure> {
    say(format!("id:       {}", device.id))?;
    say(format!("device:   {}", device.dev_id))?;
    let vouched = match &device.vouched_by {
        Some(by) => format!("{by} vouches for the DevID"),
        None => "nobody vouches for the DevID: compare the SHA-256 with what the device shows"
            .to_owned(),
    };
    say(format!("          {vouched}"))?;
    say(format!("SHA-256:  {}", device.fingerprint))?;
    say(format!(
        "subject:  {}, issuer {}, until {}",
        device.subject, device.issuer, device.not_after
    ))?;
    say(format!(
        "profile:  {}; {} since {}, seen {}, forgotten {}",
        device.profile.as_deref().unwrap_or("-"),
        device.state,
        device.since,
        device.seen_at,
        device.expires_at
    ))?;
    match &device.why {
        Some(why) => say(format!("why:      {why}")),
        None => Ok(()),
    }
}

impl Approve {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let new = NewApproval {
            profile: self.profile,
        };
        let added = api
            .approve(&self.id, &new)
            .await
            .asked(format!("{} was not approved", self.id))?;
        if json {
            return say_json(&added);
        }
        say(format!("registered:  {}", added.device.dev_id))?;
        if let Some(bootstrap) = &added.bootstrap {
            say(format!(
                "bootstrap:   {} from profile {}, expires {}",
                bootstrap.id, bootstrap.profile, bootstrap.expires_at
            ))?;
        }
        say("             (it gets it when it asks next)")
    }
}

impl Reject {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let new = NewRejection { why: self.why };
        let device = api
            .reject(&self.id, &new)
            .await
            .asked(format!("{} was not rejected", self.id))?;
        if json {
            return say_json(&device);
        }
        say(format!(
            "rejected:    {}, until {}",
            device.dev_id, device.expires_at
        ))
    }
}

impl Trigger {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let what = format!("no bootstrap was started for {}", self.dev_id);
        let source = self.source.to_possible_value();
        let pin = self.pin_file.as_deref().map(read_text).transpose()?;
        let new = NewTrigger {
            key: self.key,
            source: source.map_or_else(String::new, |value| value.get_name().to_owned()),
            reference: self.reference,
            dev_id: self.dev_id,
            profile: self.profile,
            address: self.address,
            method: self.push.then(|| "server-initiated".to_owned()),
            profile_format: self.profile_format,
            model: self.model,
            sec: self.sec,
            pin: pin.map(|pin| SecretText(pin.trim().to_owned())),
            imsi: self.imsi,
            esn: self.esn,
            imsi_key: self.imsi_key,
            carrier: self.carrier,
            bootstrap_source: self.bootstrap_source,
            noti_secret: base64_of(self.noti_secret_file.as_deref())?.map(SecretText),
            noti_data: base64_of(self.noti_data_file.as_deref())?,
            certificate: self.certificate.as_deref().map(read_text).transpose()?,
            code: self.code,
        };
        let taken = api.trigger(&new).await.asked(what)?;
        if json {
            return say_json(&taken);
        }
        let again = if taken.repeated {
            " (taken before)"
        } else {
            ""
        };
        say(format!("device:      {}{again}", taken.dev_id))?;
        let bootstrap = &taken.bootstrap;
        say(format!(
            "bootstrap:   {} from profile {}, {}, {}",
            bootstrap.id, bootstrap.profile, bootstrap.method, bootstrap.state
        ))?;
        if let Some(push) = &bootstrap.push {
            say(match push.carrier.as_str() {
                "direct" => format!("pushed:      the document itself, to {}", push.to),
                "wap" => format!("pushed:      a signed WAP push to {}", push.to),
                _ => format!(
                    "pushed:      a Notification to {}, upon which the device fetches it",
                    push.to
                ),
            })?;
            if let (Some(sec), Some(worth)) = (&push.sec, &push.worth) {
                say(format!("signed:      {sec}. {worth}"))?;
            }
        }
        if let Some(code) = &taken.code {
            say(format!("code:        {code}"))?;
        }
        Ok(())
    }
}

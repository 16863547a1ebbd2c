mod admission;
mod allow;
mod bootstrap;
mod commands;
mod dm1;
mod generations;
mod set;
pub(super) mod story;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{CredentialAdded, DeviceDetail, NewCredential, NewDevice};

use super::api::{ApiAddress, Asked};
use super::device_notify::Notify;
use super::object::Objects;
use super::{read_text, say, secret_text};
use crate::failure::{Explain as _, Failure};

/// Registers, shows and manages devices, through the server's API
#[derive(Args)]
#[command(after_help = "Examples:
  export OMADM_API=https://127.0.0.1:8444 OMADM_CA=server/ca.crt OMADM_TOKEN=…
  omadm device add IMEI:493005100592800 --csr device/device-csr.pem --out device/device-cert.pem --profile minimal
  omadm device add IMEI:493005100592801 --code --profile full
  omadm device add IMEI:493005100592802 --http-user meter-7
  omadm device add-credential IMEI:493005100592800 --psk-identity meter-7 --psk-file key.hex
  omadm device bootstrap IMEI:493005100592800 --profile full
  omadm device set IMEI:493005100592800 --notify-at udp://192.0.2.7:5683
  omadm device pending
  omadm device approve 5f0c1d2e3a4b5c6d7e8f901122334455 --profile minimal
  omadm device allow add 'IMEI:4930*' --profile minimal
  omadm device trigger IMEI:493005100592804 --profile full --key shop-7/1042 --source point-of-sale --code
  omadm device list
  omadm device show IMEI:493005100592800
  omadm device rotate IMEI:493005100592800
  omadm device send IMEI:493005100592800 GET urn:oma:mo:oma-dm-devinfo:1.2// --wait 60
  omadm device notify IMEI:493005100592800 --to udp://127.0.0.1:5683 --wait 30
  omadm device object put IMEI:493005100592800 fw/2.0.bin firmware-2.0.bin")]
pub(crate) struct Device {
    #[command(flatten)]
    api: ApiAddress,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: DeviceCommand,
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// Register a device
    #[command(
        after_help = "Examples:\n  omadm device add IMEI:493005100592800 --csr device/device-csr.pem --out device/device-cert.pem --profile minimal\n  omadm device add IMEI:493005100592801 --code --profile full\n  omadm device add IMEI:493005100592802 --http-user meter-7 --password-file password.txt\n  omadm device add IMEI:493005100592803 --profile full --method factory"
    )]
    Add(Add),
    /// Give a registered device one more credential
    #[command(
        after_help = "Examples:\n  omadm device add-credential IMEI:493005100592800 --http-user meter-7\n  omadm device add-credential IMEI:493005100592800 --psk-identity meter-7 --psk-file key.hex\n  omadm device add-credential IMEI:493005100592800 --code"
    )]
    AddCredential(AddCredential),
    /// Start a bootstrap that waits for its device: the first, or a further one
    #[command(
        after_help = "The device fetches it by `omadm client bootstrap`, or by itself while it has no account. A further bootstrap of the same server replaces the account.\n\nExamples:\n  omadm device bootstrap IMEI:493005100592800\n  omadm device bootstrap IMEI:493005100592800 --profile full --expires-in 3600\n  omadm device bootstrap IMEI:493005100592800 --profile dm1x --profile-format cp --model \"NetComm router\""
    )]
    Bootstrap(bootstrap::Start),
    /// Set where a device is called by DM Notifications, and whether a queued command calls it
    #[command(
        after_help = "Examples:\n  omadm device set IMEI:493005100592800 --notify-at udp://192.0.2.7:5683\n  omadm device set IMEI:493005100592800 --notify-at https://192.0.2.7:5684/notification --notify-at udp://192.0.2.7:5683\n  omadm device set IMEI:493005100592800 --notify-on-queue false\n  omadm device set IMEI:493005100592800 --no-notify-at"
    )]
    Set(set::Set),
    /// List devices that ask for a bootstrap, have no record, and wait for you
    ///
    /// Only with `[hold]` in the file of `omadm serve --admission` does a device wait; without it, it is refused.
    #[command(
        after_help = "Examples:\n  omadm device pending\n  omadm device pending --rejected\n  omadm device pending --json"
    )]
    Pending {
        /// Those too that were rejected
        #[arg(long)]
        rejected: bool,
    },
    /// Let a waiting device in: it gets its bootstrap when it asks next
    ///
    /// It is registered with the certificate that it proved. Where nobody vouches for its DevID, compare the fingerprint with the device's first: `omadm client show` tells it there.
    #[command(
        after_help = "Examples:\n  omadm device approve 5f0c1d2e3a4b5c6d7e8f901122334455\n  omadm device approve 5f0c1d2e3a4b5c6d7e8f901122334455 --profile minimal"
    )]
    Approve(admission::Approve),
    /// Reject a waiting device: with this certificate it is refused for as long as devices may wait
    #[command(
        after_help = "Examples:\n  omadm device reject 5f0c1d2e3a4b5c6d7e8f901122334455 --why 'not one of ours'"
    )]
    Reject(admission::Reject),
    /// Let devices in by name, on every node
    ///
    /// A device without record that asks for its bootstrap is refused unless it stands here, in the file of `omadm serve --admission`, or waits for you.
    #[command(
        after_help = "Examples:\n  omadm device allow add IMEI:493005100592800 --profile minimal\n  omadm device allow list\n  omadm device allow remove 5f0c1d2e3a4b5c6d7e8f901122334455"
    )]
    Allow {
        #[command(subcommand)]
        allow: allow::Allow,
    },
    /// Tell the server of a device, as a shop, portal, network or voice system does: it is registered and its bootstrap started, once for each key
    #[command(after_help = "Examples:
  omadm device trigger IMEI:493005100592804 --profile full --key shop-7/1042 --source point-of-sale --code
  omadm device trigger IMEI:493005100592805 --profile minimal --key hlr-88213 --source network --address sms:+491701234567
  omadm device trigger IMEI:493005100592806 --profile minimal --key portal-9 --source self-service --certificate device.crt
  omadm device trigger IMEI:493005100592807 --profile full --key hlr-9 --source network --address sms:+491701234568 --push --bootstrap-source boot --noti-secret-file noti.key
  omadm device trigger IMEI:493005100592808 --profile dm1x --profile-format cp --key hlr-10 --source network --address sms:+491701234569 --push --imsi 310150123456789
  omadm device trigger IMEI:493005100592809 --profile dm1x --profile-format cp --model \"NetComm router\" --key shop-7/1043 --source point-of-sale")]
    Trigger(admission::Trigger),
    /// List devices
    #[command(after_help = "Examples:\n  omadm device list\n  omadm device list --json")]
    List,
    /// Show a device: credentials, bootstraps, and what happened in order: sessions, commands, alerts
    #[command(
        after_help = "Examples:\n  omadm device show IMEI:493005100592800\n  omadm device show IMEI:493005100592800 --all"
    )]
    Show {
        /// Its DevID
        dev_id: String,
        /// All that ever happened, not the latest 50 events alone
        #[arg(long)]
        all: bool,
    },
    /// Queue a command; the device gets it in its next session, and is called for it where its address is known
    #[command(after_help = "Examples:
  omadm device send IMEI:493005100592800 get urn:oma:mo:oma-dm-devinfo:1.2// --wait 60
  omadm device send IMEI:493005100592800 set urn:example:mo:gps:1.0/1/Rate 5 --format int
  omadm device send IMEI:493005100592800 add urn:example:mo:gps:1.0/1/Map --format bin --value-file map.bin
  omadm device send IMEI:493005100592800 delete urn:example:mo:gps:1.0/1/Data/3
  omadm device send IMEI:493005100592800 exec urn:oma:mo:oma-fumo:1.0/1/Update
  omadm device send IMEI:493005100592800 raw '<Get><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>'
  omadm device send IMEI:493005100592800 GET urn:oma:mo:oma-dm-devinfo:1.2// --wait 60
  omadm device send IMEI:493005100592800 HGET https://repo.example.com/config
  omadm device send IMEI:493005100592800 HPUT https://repo.example.com/backup urn:oma:mo:oma-dm-devinfo:1.2// urn:example:mo:gps:1.0/1/
  omadm device send IMEI:493005100592800 DELETE urn:example:mo:gps:1.0/1/Data/3
  omadm device send IMEI:493005100592800 EXEC urn:oma:mo:oma-fumo:1.0//Update
  omadm device send IMEI:493005100592800 SUB https://repo.example.com/changes urn:example:mo:gps:1.0/1/

get, set, add, delete and exec say the same to devices of every generation; raw is one command of DM 1.x, as XML or the file that holds it.
In capitals stand the commands of OMA DM 2.0: HGET, HPUT, HPOST, DELETE, EXEC, GET, SHOW, CONT, DEFAULT, SUB and UNSUB. END is the server's own.
With --wait the exit code is 0 where the device answered with success.")]
    Send(commands::Send),
    /// List the commands of a device, newest first
    #[command(
        after_help = "Examples:\n  omadm device commands IMEI:493005100592800\n  omadm device commands IMEI:493005100592800 --json"
    )]
    Commands {
        /// Its DevID
        dev_id: String,
    },
    /// Show a command with its status and what it brought
    #[command(
        after_help = "Examples:\n  omadm device command IMEI:493005100592800 5f0c1d2e3a4b5c6d7e8f901122334455"
    )]
    Command {
        /// Its DevID
        dev_id: String,
        /// The command's id, as `send` and `commands` tell it
        id: String,
    },
    /// Take a command back that is queued or held
    #[command(
        after_help = "Examples:\n  omadm device cancel IMEI:493005100592800 5f0c1d2e3a4b5c6d7e8f901122334455"
    )]
    Cancel {
        /// Its DevID
        dev_id: String,
        /// The command's id
        id: String,
    },
    /// Send a held command again: an EXEC whose outcome is unknown because its answer was lost
    #[command(
        after_help = "Examples:\n  omadm device release IMEI:493005100592800 5f0c1d2e3a4b5c6d7e8f901122334455"
    )]
    Release {
        /// Its DevID
        dev_id: String,
        /// The command's id
        id: String,
    },
    /// Call a device by a DM Notification: it opens a session
    ///
    /// The address is where the device listens: `[listen]` of its policy.toml, or a gateway before it; without --to, what `omadm device set` told. By UDP nobody tells whether it arrived; --wait does.
    #[command(
        after_help = "Examples:\n  omadm device notify IMEI:493005100592800 --to udp://127.0.0.1:5683 --wait 30\n  omadm device notify IMEI:493005100592800 --to https://192.0.2.7:5684/notification --req-mos --prefer wlan\n  omadm device notify IMEI:493005100592800 --to sms:+15551230001 --generation 1.x --ui-mode informative --wait 60"
    )]
    Notify(Notify),
    /// Put, get, list and delete objects of the data repository
    Object(Objects),
    /// Give a device a new secret: what is in use stays in use until the device used the new one
    #[command(
        after_help = "Examples:\n  omadm device rotate IMEI:493005100592800\n  omadm device rotate IMEI:493005100592800 --scope notification --wait 60\n  omadm device rotate IMEI:493005100592800 --scope bootstrap\n  omadm device rotate IMEI:493005100592800 --own-key"
    )]
    Rotate(generations::Rotate),
    /// Revoke a credential of a device, or a generation of its secrets; it takes effect at once
    #[command(after_help = "Examples:
  omadm device revoke IMEI:493005100592800 6a39906f69bc24c3ee5bb5213f4be1dadbe4f59d3acc550d397e5efb988c57a8
  omadm device revoke IMEI:493005100592800 --generation boot
  omadm device revoke IMEI:493005100592800 --generation pending --scope notification

--generation boot is for a card, image or URL that others may have: what was replaced can never come back, and what is still in use leaves escrow, so that
it ends with the next rotation.")]
    Revoke(generations::Revoke),
    /// Accounts of devices that speak DM 1.2 or 1.3: add, show, rotate, reject, revoke
    #[command(
        after_help = "Examples:\n  omadm device dm1 add IMEI:493005100592800\n  omadm device dm1 show IMEI:493005100592800\n  omadm device dm1 rotate IMEI:493005100592800\n  omadm device dm1 revoke IMEI:493005100592800 --boot"
    )]
    Dm1(dm1::Dm1),
    /// Let a device come back with secrets that were replaced, though it reports no bootstrap that brought them back
    ///
    /// Of a DM 1.x account, for what waits for you by `omadm device dm1 show`: a replaced secret without bootstrap event counts once more when the device proves it next, and is replaced again. Where two hold the account, the one who came second is let in: a recovery that is not finished is taken back, and what was provisioned is revoked.
    #[command(after_help = "Examples:\n  omadm device accept IMEI:493005100592800")]
    Accept {
        /// Its DevID
        dev_id: String,
    },
}

#[derive(Args)]
struct Add {
    /// Its DevID, for example IMEI:493005100592800
    dev_id: String,
    #[command(flatten)]
    credential: NewOne,
    /// Profile of a bootstrap that is started with it
    #[arg(long)]
    profile: Option<String>,
    #[command(flatten)]
    notify: set::NotifyAtArgs,
    /// Its method: factory, smartcard or client-initiated. The document of the first two is taken away by `omadm bootstrap build --from-server`
    #[arg(long, requires = "profile")]
    method: Option<String>,
}

#[derive(Args)]
struct AddCredential {
    /// The device's DevID
    dev_id: String,
    #[command(flatten)]
    credential: NewOne,
}

/// What the device gets.
#[derive(Args)]
struct NewOne {
    /// The device's certificate request (PEM); a certificate is issued for it
    #[arg(long, conflicts_with = "code")]
    csr: Option<PathBuf>,
    /// Take a request that names another registered device: its DevID changed, and its key stayed
    #[arg(long, requires = "csr")]
    take_over: bool,
    /// Where the issued certificate is written; else standard output
    #[arg(long, requires = "csr")]
    out: Option<PathBuf>,
    /// Issue a bootstrap code for a device that has nothing yet; shown once
    #[arg(long)]
    code: bool,
    /// An HTTP user of the device (Basic, Digest), which no other device has
    #[arg(long)]
    http_user: Option<String>,
    /// File that holds its password, 16 to 128 octets; without it the server draws one, which is shown once
    #[arg(long, requires = "http_user")]
    password_file: Option<PathBuf>,
    /// Identity of a pre-shared key of the device, which no other device has. A further key of an identity that it has already takes the place of the former one when it is first used in a session
    #[arg(long)]
    psk_identity: Option<String>,
    /// File that holds the key, 32 to 128 hexadecimal digits; without it the server draws one, which is shown once
    #[arg(long, requires = "psk_identity")]
    psk_file: Option<PathBuf>,
}

impl Device {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let api = self.api.connect()?;
        let json = self.json;
        match self.command {
            DeviceCommand::Add(add) => add.run(&api, json).await,
            DeviceCommand::AddCredential(add) => add.run(&api, json).await,
            DeviceCommand::Bootstrap(start) => start.run(&api, json).await,
            DeviceCommand::Set(set) => set.run(&api, json).await,
            DeviceCommand::Pending { rejected } => admission::pending(&api, rejected, json).await,
            DeviceCommand::Approve(approve) => approve.run(&api, json).await,
            DeviceCommand::Reject(reject) => reject.run(&api, json).await,
            DeviceCommand::Allow { allow } => allow.run(&api, json).await,
            DeviceCommand::Trigger(trigger) => trigger.run(&api, json).await,
            DeviceCommand::List => list(&api, json).await,
            DeviceCommand::Show { dev_id, all } => {
                let mut detail = api
                    .device(&dev_id)
                    .await
                    .asked(format!("{dev_id} cannot be shown"))?;
                if all {
                    detail.events = story::whole(&api, &dev_id).await?;
                }
                if json {
                    say_json(&detail)
                } else {
                    show(&detail)
                }
            }
            DeviceCommand::Send(send) => send.run(&api, json).await,
            DeviceCommand::Commands { dev_id } => commands::list(&api, &dev_id, json).await,
            DeviceCommand::Command { dev_id, id } => commands::one(&api, &dev_id, &id, json).await,
            DeviceCommand::Cancel { dev_id, id } => {
                commands::cancel(&api, &dev_id, &id, json).await
            }
            DeviceCommand::Release { dev_id, id } => {
                commands::release(&api, &dev_id, &id, json).await
            }
            DeviceCommand::Notify(notify) => notify.run(&api, json).await,
            DeviceCommand::Object(objects) => objects.run(&api, json).await,
            DeviceCommand::Rotate(rotate) => rotate.run(&api, json).await,
            DeviceCommand::Revoke(revoke) => revoke.run(&api, json).await,
            DeviceCommand::Dm1(dm1) => dm1.run(&api, json).await,
            DeviceCommand::Accept { dev_id } => generations::accept(&api, &dev_id, json).await,
        }
    }
}

impl Add {
    async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let credential = self.credential.body()?;
        let what = format!("{} was not registered", self.dev_id);
        let new = NewDevice {
            dev_id: self.dev_id,
            csr: credential.csr,
            take_over: credential.take_over,
            code: credential.code,
            http_user: credential.http_user,
            http_password: credential.http_password,
            psk_identity: credential.psk_identity,
            psk: credential.psk,
            profile: self.profile,
            notify: self.notify.body(),
            method: self.method,
            ..NewDevice::default()
        };
        let added = api.add_device(&new).await.asked(what)?;
        self.credential.write(added.certificate.as_deref())?;
        if json {
            return say_json(&added);
        }
        say(format!("registered:  {}", added.device.dev_id))?;
        if let Some(bootstrap) = &added.bootstrap {
            say(format!(
                "bootstrap:   {} from profile {}, {}, expires {}",
                bootstrap.id, bootstrap.profile, bootstrap.method, bootstrap.expires_at
            ))?;
        }
        self.credential.tell(&CredentialAdded {
            certificate: added.certificate,
            code: added.code,
            http_password: added.http_password,
            psk: added.psk,
        })
    }
}

impl AddCredential {
    async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let new = self.credential.body()?;
        let what = format!("{} got no credential", self.dev_id);
        let added = api.add_credential(&self.dev_id, &new).await.asked(what)?;
        self.credential.write(added.certificate.as_deref())?;
        if json {
            return say_json(&added);
        }
        say(format!("device:      {}", self.dev_id))?;
        self.credential.tell(&added)
    }
}

impl NewOne {
    fn body(&self) -> Result<NewCredential, Failure> {
        let secret = |file: &Option<PathBuf>| file.as_deref().map(secret_text).transpose();
        Ok(NewCredential {
            csr: self.csr.as_deref().map(read_text).transpose()?,
            take_over: self.take_over,
            code: self.code,
            http_user: self.http_user.clone(),
            http_password: secret(&self.password_file)?,
            psk_identity: self.psk_identity.clone(),
            psk: secret(&self.psk_file)?,
            ..NewCredential::default()
        })
    }

    fn write(&self, certificate: Option<&str>) -> Result<(), Failure> {
        let (Some(certificate), Some(out)) = (certificate, &self.out) else {
            return Ok(());
        };
        std::fs::write(out, certificate).explain(
            format!("{} cannot be written", out.display()),
            "check the path; `omadm device show` tells what the device has",
        )
    }

    fn tell(&self, added: &CredentialAdded) -> Result<(), Failure> {
        match (&added.certificate, &self.out) {
            (Some(_), Some(out)) => say(format!("certificate: {}", out.display()))?,
            (Some(certificate), None) => say(certificate)?,
            (None, _) => {}
        }
        if let Some(code) = &added.code {
            say(format!("code:        {code}   (shown this once)"))?;
        }
        if let Some(user) = &self.http_user {
            say(format!("HTTP user:   {user}"))?;
        }
        if let Some(password) = &added.http_password {
            say(format!("password:    {password}   (shown this once)"))?;
        }
        if let Some(identity) = &self.psk_identity {
            say(format!("PSK:         {identity}"))?;
        }
        if let Some(key) = &added.psk {
            say(format!("key:         {key}   (shown this once)"))?;
        }
        Ok(())
    }
}

async fn list(api: &ApiClient, json: bool) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = api
            .devices(after.as_deref())
            .await
            .asked("the devices cannot be listed")?;
        if after.is_none() && !json {
            say(format!(
                "{:<28}  {:<17}  {:<24}  {}",
                "DevID", "bootstrapped by", "at", "last seen"
            ))?;
        }
        for device in &page.devices {
            if json {
                say_json(device)?;
                continue;
            }
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            say(format!(
                "{:<28}  {:<17}  {:<24}  {}",
                device.dev_id,
                text(&device.bootstrapped_by),
                text(&device.bootstrapped_at),
                text(&device.last_seen_at)
            ))?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn show(detail: &DeviceDetail) -> Result<(), Failure> {
    let device = &detail.device;
    say(format!(
        "{}  registered {}",
        device.dev_id, device.registered_at
    ))?;
    match (&device.bootstrapped_by, &device.bootstrapped_at) {
        (Some(method), Some(at)) => say(format!("bootstrapped {method} at {at}"))?,
        _ => say("not bootstrapped yet")?,
    }
    if let Some(info) = &device.dev_info {
        say(format!("DevInfo      {info}"))?;
    }
    set::tell(&device.notify)?;
    if let Some(account) = &detail.dm1 {
        say("\nDM 1.x account")?;
        dm1::tell(account)?;
    }
    say("\ncredentials")?;
    generations::tell(&detail.credentials)?;
    say("\nbootstraps")?;
    for bootstrap in &detail.bootstraps {
        let form = match bootstrap.profile_format.as_str() {
            "cp" | "dm" => format!("  DM 1.x ({})", bootstrap.profile_format),
            _ => String::new(),
        };
        say(format!(
            "  {}  {}  {}  {}  {}{form}",
            bootstrap.created_at,
            bootstrap.method,
            bootstrap.profile,
            bootstrap.state,
            bootstrap.srv_id
        ))?;
        if let Some(push) = &bootstrap.push {
            story::tell_push(push)?;
        }
        if let (Some(sentence), Some(action)) = (&bootstrap.cause_sentence, &bootstrap.action) {
            say(format!("    why: {sentence}\n    do:  {action}"))?;
        }
    }
    say("\nevents")?;
    story::tell(&detail.events)
}

pub(super) fn say_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    say(serde_json::to_string(value).explain("the answer cannot be printed", "")?)
}

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{BootstrapBody, NewBootstrap, SecretText};

use crate::command::api::{ApiAddress, Asked as _};
use crate::command::{read_text, say};
use crate::failure::{Explain as _, Failure};

/// How often it is asked how far the bootstrap is.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(crate) struct Send {
    /// The device's DevID
    dev_id: String,
    #[command(flatten)]
    api: ApiAddress,
    /// Where the device listens for bootstraps: https://HOST:PORT/bootstrap; or where it is called to fetch: udp://HOST:PORT, sms:+NUMBER, file:NAME, https://HOST:PORT/notification; else where its record says. Of DM 1.x: where the push goes, sms:+NUMBER, udp://HOST:PORT or file:NAME
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Name of a profile of the server
    #[arg(long, required_unless_present = "profile_file")]
    profile: Option<String>,
    /// A profile (TOML) in place of a name
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    profile_file: Option<PathBuf>,
    /// direct: send the document itself, over mutual TLS; notification: call the device, which fetches it. By default direct to an https address. wap: what DM 1.x has alone, a signed WAP push
    #[arg(long)]
    carrier: Option<String>,
    /// For a client of DM 1.x: cp (OMA client provisioning) or dm (a DM message), from the profile's account of DM 1.x
    #[arg(long, value_name = "FORMAT")]
    profile_format: Option<String>,
    /// The device's model, which tells what it does differently (DM 1.x); its account keeps it. Else what the account has, or DevInfo told
    #[arg(long, value_name = "NAME", requires = "profile_format")]
    model: Option<String>,
    /// What a WAP push is signed with: networkid (the IMSI or ESN), userpin, or both; by default all that is known
    #[arg(long, requires = "profile_format")]
    sec: Option<String>,
    /// File with the PIN that the user is asked for: 4 to 16 digits. The server does not keep it; tell the user by another way
    #[arg(long, value_name = "FILE", requires = "profile_format")]
    pin_file: Option<PathBuf>,
    /// The subscriber's IMSI; else IMSI or ESN of the device's record (`omadm device set --imsi`)
    #[arg(long, requires = "profile_format")]
    imsi: Option<String>,
    /// The ESN of a CDMA device, in the place of an IMSI: 8 hexadecimal or 11 decimal digits
    #[arg(long, requires = "profile_format", conflicts_with = "imsi")]
    esn: Option<String>,
    /// How IMSI or ESN becomes a key: semi-octet (of an ESN its four octets), or ascii for devices that take its digits; by default as the device's model has it
    #[arg(long, value_name = "FORM", requires = "profile_format")]
    imsi_key: Option<String>,
    /// What the device's policy calls this server: the id of its `[[source]]`. Needed until an account of it says so
    #[arg(long, requires = "noti_secret_file")]
    source: Option<String>,
    /// File with the secret that the policy has for this source; its octets count as they are
    #[arg(long, value_name = "FILE", requires = "source")]
    noti_secret_file: Option<PathBuf>,
    /// File with the data beside that secret
    #[arg(long, value_name = "FILE", requires = "noti_secret_file")]
    noti_data_file: Option<PathBuf>,
    /// Seconds until it expires unless it is completed
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
    /// Wait so many seconds until the device reported it complete; the exit code is 0 then, and only then
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Send {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let api = self.api.connect()?;
        let profile_toml = self.profile_file.as_deref().map(read_text).transpose()?;
        let pin = self.pin_file.as_deref().map(read_text).transpose()?;
        let new = NewBootstrap {
            device: self.dev_id.clone(),
            profile: self.profile.clone(),
            profile_toml,
            method: Some("server-initiated".to_owned()),
            expires_in: self.expires_in,
            to: self.to.clone(),
            carrier: self.carrier.clone(),
            source: self.source.clone(),
            noti_secret: base64_of(self.noti_secret_file.as_deref())?.map(SecretText),
            noti_data: base64_of(self.noti_data_file.as_deref())?,
            profile_format: self.profile_format.clone(),
            model: self.model.clone(),
            sec: self.sec.clone(),
            pin: pin.map(|pin| SecretText(pin.trim().to_owned())),
            imsi: self.imsi.clone(),
            esn: self.esn.clone(),
            imsi_key: self.imsi_key.clone(),
        };
        let what = format!("no bootstrap was sent to {}", self.dev_id);
        let begun = api.start_bootstrap(&new).await.asked(what)?;
        if !self.json {
            say(format!("bootstrap:  {}", begun.id))?;
            if let Some(push) = &begun.push {
                say(format!("carrier:    {} to {}", push.carrier, push.to))?;
                if let (Some(sec), Some(worth)) = (&push.sec, &push.worth) {
                    say(format!("signed:     {sec}. {worth}"))?;
                }
            }
        }
        match self.wait {
            Some(seconds) => wait_for_bootstrap(&api, begun, seconds, self.json).await,
            None if self.json => json(&begun),
            None => say(format!("state:      {}", begun.state)),
        }
    }
}

/// The octets of a file, in base64.
pub(crate) fn base64_of(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let read = file.map(|file| {
        std::fs::read(file).explain(
            format!("{} cannot be read", file.display()),
            "check the path",
        )
    });
    Ok(read.transpose()?.map(|octets| STANDARD.encode(octets)))
}

/// Tells each state as it comes, until the last.
pub(crate) async fn wait_for_bootstrap(
    api: &ApiClient,
    mut now: BootstrapBody,
    seconds: u64,
    as_json: bool,
) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut told: Option<(String, Option<String>)> = None;
    loop {
        let trouble = now.push.as_ref().and_then(|push| push.trouble.clone());
        let state = (now.state.clone(), trouble);
        if !as_json && told.as_ref() != Some(&state) {
            let why = state.1.as_ref().map(|why| format!(" ({why})"));
            say(format!(
                "state:      {}{}",
                state.0,
                why.unwrap_or_default()
            ))?;
        }
        told = Some(state);
        if now.ended_at.is_some() || Instant::now() >= until {
            break;
        }
        tokio::time::sleep(LOOK).await;
        let what = format!("how far bootstrap {} is cannot be told", now.id);
        now = api.bootstrap(&now.id).await.asked(what)?;
    }
    if as_json {
        json(&now)?;
    }
    if now.state == "completed" {
        return Ok(());
    }
    let what = format!("{} is not bootstrapped", now.device);
    let action = now.action.as_deref();
    Err(match &now.cause_sentence {
        Some(sentence) => {
            let trouble = now.push.and_then(|push| push.trouble);
            let why = trouble.map_or_else(|| sentence.clone(), |more| format!("{sentence} {more}"));
            Failure::new(what, why, action.unwrap_or_default())
        }
        None => Failure::new(
            what,
            format!("it is {} after {seconds} s", now.state),
            "wait longer; `omadm device show` tells how far it is and what came in the way",
        ),
    })
}

fn json(bootstrap: &BootstrapBody) -> Result<(), Failure> {
    say(serde_json::to_string(bootstrap).explain("the answer cannot be printed", "")?)
}

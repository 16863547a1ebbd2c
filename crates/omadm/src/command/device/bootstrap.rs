use clap::Args;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewBootstrap;

use super::{Asked as _, say_json};
use crate::command::say;
use crate::failure::Failure;

/// A bootstrap that waits for its device.
#[derive(Args)]
pub(super) struct Start {
    /// The device's DevID
    dev_id: String,
    /// Name of a profile of the server; else that of the device's newest bootstrap
    #[arg(long, env = "OMADM_PROFILE")]
    profile: Option<String>,
    /// client-initiated: the device fetches it; factory or smartcard: `omadm bootstrap build --from-server` takes its document away
    #[arg(long, default_value = "client-initiated")]
    method: String,
    /// For a client of DM 1.x: cp (OMA client provisioning) or dm (a DM message), from the profile's account of DM 1.x
    #[arg(long, value_name = "FORMAT")]
    profile_format: Option<String>,
    /// The device's model, which tells what it does differently (DM 1.x); its account keeps it. Else what the account has, or DevInfo told
    #[arg(long, value_name = "NAME", requires = "profile_format")]
    model: Option<String>,
    /// Seconds until it expires unless it is completed
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

impl Start {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let what = format!("no bootstrap of {} was started", self.dev_id);
        let profile = match self.profile {
            Some(profile) => profile,
            None => {
                let shown = api.device(&self.dev_id).await.asked(&what)?;
                let newest = shown.bootstraps.into_iter().next();
                let newest = newest.map(|bootstrap| bootstrap.profile);
                newest.ok_or_else(|| {
                    let why = "the device had none that could tell the profile";
                    Failure::new(&what, why, "name one: --profile")
                })?
            }
        };
        let new = NewBootstrap {
            device: self.dev_id,
            profile: Some(profile),
            method: Some(self.method),
            expires_in: self.expires_in,
            profile_format: self.profile_format,
            model: self.model,
            ..NewBootstrap::default()
        };
        let started = api.start_bootstrap(&new).await.asked(what)?;
        if json {
            return say_json(&started);
        }
        say(format!("device:      {}", started.device))?;
        say(format!(
            "bootstrap:   {} from profile {}, {}, expires {}",
            started.id, started.profile, started.method, started.expires_at
        ))
    }
}

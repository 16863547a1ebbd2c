use std::time::{Duration, Instant};

use clap::Args;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{DeviceDetail, NewNotification, NotificationBody};
use serde_json::Value;

use super::api::Asked as _;
use super::device::say_json;
use super::say;
use crate::failure::Failure;

/// How often the server is asked whether the session came.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(crate) struct Notify {
    /// Its DevID
    dev_id: String,
    /// Where it listens: udp://HOST:PORT or https://HOST:PORT/PATH; or how it is reached: sms:+NUMBER where the server has an SMSC, file:NAME where it has a folder for pushes; else where its record says
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// The server whose account is meant, where the device has several; else that of its newest completed bootstrap
    #[arg(long)]
    srv_id: Option<String>,
    /// Ask for the list of its management objects in the session's first package
    #[arg(long)]
    req_mos: bool,
    /// Connection that it should use: any, cellular, wlan or wireline
    #[arg(long, value_name = "CONNECTION")]
    prefer: Option<String>,
    /// Send it without proof where the account has no Auth/Noti; the device may ignore it
    #[arg(long)]
    unauthenticated: bool,
    /// Generation of the account it is called by, 1.x or 2.0, where it has both; by default 2.0 where that account has Auth/Noti, else 1.x
    #[arg(long)]
    generation: Option<String>,
    /// DM 1.x: how much of the session the user is to see: unspecified, background, informative or interactive
    #[arg(long, value_name = "MODE")]
    ui_mode: Option<String>,
    /// DM 1.x: prove it by the default nonce, for a device that lost the server's and takes that; the secrets are replaced afterwards
    #[arg(long)]
    resync: bool,
    /// Wait until the device's session came
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

impl Notify {
    pub(crate) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let new = NewNotification {
            to: self.to,
            srv_id: self.srv_id,
            prefer: self.prefer,
            req_mos: self.req_mos,
            unauthenticated: self.unauthenticated,
            generation: self.generation,
            ui_mode: self.ui_mode,
            resync: self.resync,
        };
        let what = format!("{} was not called", self.dev_id);
        let sent = api.notify(&self.dev_id, &new).await.asked(what)?;
        if json {
            say_json(&sent)?;
        } else {
            say(format!(
                "notification: {} to {}, {}",
                sent.notification_id, sent.address, sent.outcome
            ))?;
            say(format!("generation:   {}", sent.generation))?;
            say(format!("server:       {}", sent.srv_id))?;
        }
        match self.wait {
            Some(seconds) => answered(api, &self.dev_id, &sent, seconds, json).await,
            None => Ok(()),
        }
    }
}

async fn answered(
    api: &ApiClient,
    dev_id: &str,
    sent: &NotificationBody,
    seconds: u64,
    json: bool,
) -> Result<(), Failure> {
    let what = format!("{dev_id} was called, and whether it answers is not known");
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let detail = api.device(dev_id).await.asked(what.as_str())?;
        if let Some(at) = answer(&detail, sent.notification_id) {
            return if json {
                say_json(
                    &serde_json::json!({ "notification_id": sent.notification_id, "answered_at": at }),
                )
            } else {
                say(format!("answered:     {at}"))
            };
        }
        if Instant::now() >= end {
            return Err(Failure::new(
                format!("{dev_id} was called and opened no session"),
                format!("nothing came within {seconds} s"),
                "check that the device runs and listens at this address; its log tells which Notifications it ignored, and why",
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// When the session of this Notification began. The id alone is not enough: another with the same may have been answered before it.
fn answer(detail: &DeviceDetail, id: u16) -> Option<String> {
    let is = |what: &Value, name: &str| {
        what["event"] == name && what["notification_id"].as_u64() == Some(id.into())
    };
    let mut latest = detail.events.iter().rev();
    latest
        .find(|event| {
            is(&event.what, "notification-answered") || is(&event.what, "notification-queued")
        })
        .filter(|event| is(&event.what, "notification-answered"))
        .map(|event| event.at.clone())
}

use clap::Args;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NotifyAt;

use super::{Asked as _, say_json};
use crate::command::say;
use crate::failure::Failure;

/// Where and when the device is called by DM Notifications.
#[derive(Args)]
pub(super) struct NotifyAtArgs {
    /// Where it listens: udp://HOST:PORT or https://HOST:PORT/PATH. More than once: tried in this order
    #[arg(long, value_name = "ADDRESS")]
    notify_at: Vec<String>,
    /// Whether a queued command calls the device; it does unless this says otherwise
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    notify_on_queue: Option<bool>,
    /// The subscriber's IMSI: pushed bootstraps of DM 1.x are signed with it. Empty: none
    #[arg(long, value_name = "DIGITS")]
    imsi: Option<String>,
    /// The ESN of a CDMA device, in the place of an IMSI: 8 hexadecimal or 11 decimal digits. Empty: none
    #[arg(long, value_name = "DIGITS", conflicts_with = "imsi")]
    esn: Option<String>,
}

impl NotifyAtArgs {
    /// What is to be set; none where nothing is.
    pub(super) fn body(self) -> Option<NotifyAt> {
        let body = NotifyAt {
            addresses: (!self.notify_at.is_empty()).then_some(self.notify_at),
            on_queue: self.notify_on_queue,
            imsi: self.imsi,
            esn: self.esn,
        };
        (body != NotifyAt::default()).then_some(body)
    }
}

#[derive(Args)]
pub(super) struct Set {
    /// Its DevID
    dev_id: String,
    #[command(flatten)]
    notify: NotifyAtArgs,
    /// Forget where it listens
    #[arg(long, conflicts_with = "notify_at")]
    no_notify_at: bool,
}

impl Set {
    pub(super) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        let what = format!("{} was not changed", self.dev_id);
        let mut new = self.notify.body().unwrap_or_default();
        if self.no_notify_at {
            new.addresses = Some(Vec::new());
        }
        if new == NotifyAt::default() {
            return Err(Failure::new(
                what,
                "nothing to set was given",
                "give --notify-at, --no-notify-at, --notify-on-queue, --imsi or --esn",
            ));
        }
        let set = api.set_notify(&self.dev_id, &new).await.asked(what)?;
        if json {
            return say_json(&set);
        }
        say(format!("device:      {}", self.dev_id))?;
        tell(&set)
    }
}

/// Where a device is called, in a line.
pub(super) fn tell(set: &NotifyAt) -> Result<(), Failure> {
    if let Some(imsi) = &set.imsi {
        say(format!("imsi:        {imsi}"))?;
    }
    if let Some(esn) = &set.esn {
        say(format!("esn:         {esn}"))?;
    }
    let addresses = set.addresses.as_deref().unwrap_or_default();
    if addresses.is_empty() {
        return say("called at    nowhere: no address was set");
    }
    let when = match set.on_queue {
        Some(false) => "when told to",
        _ => "when a command is queued",
    };
    say(format!("called at    {}, {when}", addresses.join(", ")))
}

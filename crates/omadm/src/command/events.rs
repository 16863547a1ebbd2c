//! `omadm events`: the event log of a server, those of strangers among it.

use std::time::Duration;

use clap::Args;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{EventBody, EventPage};

use super::api::{ApiAddress, Asked as _};
use super::device::story::words;
use super::say;
use crate::failure::{Explain as _, Failure};

/// How long `--follow` waits before it looks again.
const LOOK: Duration = Duration::from_millis(500);

/// Tells what happened on a server, to all devices and by whom it does not know
#[derive(Args)]
#[command(
    after_help = "Each line begins with the position that --after takes; `omadm device show` tells the story of one device.

Examples:
  export OMADM_API=https://127.0.0.1:8444 OMADM_CA=server/ca.crt OMADM_TOKEN=…
  omadm events
  omadm events --last 500 --only request-refused,handshake-refused
  omadm events --follow
  omadm events --after 1042 --json | jq -r 'select(.what.event == \"bootstrap-completed\") | .device'"
)]
pub(crate) struct Events {
    #[command(flatten)]
    api: ApiAddress,
    /// How many of the newest are told
    #[arg(long, default_value_t = 50, conflicts_with = "after")]
    last: u64,
    /// All after this position instead
    #[arg(long)]
    after: Option<u64>,
    /// Events of these names alone
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Events {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let api = self.api.connect()?;
        let mut after = match self.after {
            Some(after) => after,
            None => end(&api).await?.saturating_sub(self.last),
        };
        loop {
            let page = page(&api, after, None).await?;
            for event in &page.events {
                self.tell(event)?;
            }
            after = page.next;
            if !page.events.is_empty() {
                continue;
            }
            if !self.follow {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tell(&self, event: &EventBody) -> Result<(), Failure> {
        let name = event.what.get("event").and_then(|name| name.as_str());
        if !self.only.is_empty() && !self.only.iter().any(|only| Some(&**only) == name) {
            return Ok(());
        }
        if self.json {
            let line = serde_json::to_string(event);
            return say(line.explain("an event cannot be written as JSON", "report it as a bug")?);
        }
        say(format!(
            "{:>6}  {}  {}  {}",
            event.position.unwrap_or_default(),
            event.at,
            event.device.as_deref().unwrap_or("-"),
            words(&event.what)
        ))
    }
}

/// The last position: positions follow each other, so it lies between two halves that are asked for in turn.
async fn end(api: &ApiClient) -> Result<u64, Failure> {
    let (mut low, mut step) = (0, 512_u64);
    while let Some(next) = next_after(api, low + step).await? {
        low = next;
        step = step.saturating_mul(2);
    }
    while step > 1 {
        step /= 2;
        if let Some(next) = next_after(api, low + step).await? {
            low = next;
        }
    }
    Ok(next_after(api, low).await?.unwrap_or(low))
}

/// The first position after this one.
async fn next_after(api: &ApiClient, position: u64) -> Result<Option<u64>, Failure> {
    let page = page(api, position, Some(1)).await?;
    Ok((!page.events.is_empty()).then_some(page.next))
}

async fn page(api: &ApiClient, after: u64, most: Option<usize>) -> Result<EventPage, Failure> {
    let page = api.events(after, most).await;
    page.asked("the events cannot be listed")
}

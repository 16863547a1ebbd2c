//! `omadm client alerts`: what waits to be delivered, and why the last bootstrap was refused.

use omadm_client::Client;

use super::say;
use crate::failure::{Explain as _, Failure};

pub(super) fn alerts(client: &Client, json: bool) -> Result<(), Failure> {
    let what = "the alerts cannot be read";
    for account in client.accounts().explain(what, "")? {
        let owed = account.owed.is_some();
        let queued = client.queued_alerts(&account.srv_id).explain(what, "")?;
        if json {
            let attempts = account.owed.as_ref().map(|owed| owed.attempts);
            say(
                serde_json::json!({ "server": account.srv_id.as_str(), "bootstrap_complete_owed": owed, "attempts": attempts, "queued": queued }),
            )?;
        } else {
            say(format!(
                "{}  BootstrapComplete {}  queued alerts {}",
                account.srv_id,
                if owed { "owed" } else { "acknowledged" },
                queued.len()
            ))?;
            for alert in queued {
                say(format!("  {alert}"))?;
            }
        }
    }
    if let Some(refusal) = client.last_refusal().explain(what, "")? {
        if json {
            return say(serde_json::json!({ "last_refusal": refusal }));
        }
        say(format!(
            "last bootstrap refused at {}: {} [{}]",
            refusal.at, refusal.sentence, refusal.cause
        ))?;
        for (label, text) in [
            ("item", refusal.item),
            ("uri", refusal.uri),
            ("found", refusal.detail),
            ("do", Some(refusal.action)),
        ] {
            if let Some(text) = text {
                say(format!("  {label}: {text}"))?;
            }
        }
    }
    Ok(())
}

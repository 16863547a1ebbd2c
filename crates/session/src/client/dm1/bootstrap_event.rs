//! The first message of a session, with the event that reports a bootstrap: `dm1x.md` §1.5, §6.2, M26.

use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, ChannelSecurity, EventData, Provenance, Utc,
};
use omadm_dm1::syncml::{Alert, AlertCode, Command, Data, Item, Location, Meta, NodeCommand};

use super::opening::{Dm1Opening, Dm1Reason};
use super::outbox::{About, Outgoing};

/// What the first message tells: why the session is opened, the event, the alerts that wait, and the device.
pub(super) fn first_message(opening: &Dm1Opening, event: Option<Alert>) -> Vec<Outgoing> {
    let code = match opening.reason {
        Dm1Reason::Client => AlertCode::CLIENT_INITIATED,
        Dm1Reason::Triggered { .. } => AlertCode::SERVER_INITIATED,
    };
    let mut all = vec![Outgoing::of(Command::Alert(plain(code)))];
    all.extend(event.map(|event| Outgoing {
        command: Command::Alert(event),
        about: About::Event,
        piece: None,
    }));
    let alerts = opening.alerts.iter().cloned().enumerate();
    all.extend(alerts.map(|(index, alert)| Outgoing {
        command: Command::Alert(alert),
        about: About::Alert(index),
        piece: None,
    }));
    let dev_info = opening.dev_info.to_node();
    let leaves = dev_info.leaves().into_iter().map(|(path, value)| Item {
        source: Some(Location::new(format!("./DevInfo/{path}"))),
        data: Some(Data::from(value.to_text().as_str())),
        ..Item::default()
    });
    all.push(Outgoing::of(Command::Replace(NodeCommand {
        cmd_id: None,
        meta: Meta::default(),
        items: leaves.collect(),
    })));
    all
}

/// An alert that is its number alone.
pub(super) const fn plain(code: AlertCode) -> Alert {
    Alert {
        cmd_id: None,
        code: Some(code),
        correlator: None,
        items: Vec::new(),
    }
}

/// The event, alone in its alert (M26).
pub(super) fn event(account: &Account, loc_uri: &str, alert_type: Option<&str>) -> Alert {
    let again = account.provenance.kind == BootstrapKind::Re;
    let item = Item {
        source: Some(Location::new(loc_uri)),
        meta: Meta {
            r#type: Some(alert_type.unwrap_or(EventData::ALERT_TYPE).to_owned()),
            format: Some("chr".into()),
            mark: Some(if again { "warning" } else { "informational" }.into()),
            ..Meta::default()
        },
        data: Some(Data::from(&*data(account).write())),
        ..Item::default()
    };
    Alert {
        items: vec![item],
        ..plain(AlertCode::GENERIC_ALERT)
    }
}

fn data(account: &Account) -> EventData {
    let (provenance, state) = (&account.provenance, &account.dm1);
    let mut sha = provenance.payload_hash.to_hex();
    sha.truncate(16);
    EventData {
        id: provenance.event_id.clone(),
        seq: provenance.seq,
        method: provenance.method,
        profile: provenance.format.node_value().to_owned(),
        kind: provenance.kind,
        time: provenance.at.map(Utc::to_basic),
        sha: Some(sha),
        security: Some(match state.security {
            Some(verified) => verified.node_value().to_owned(),
            None => security(provenance).to_owned(),
        }),
        skipped: state.skipped.clone(),
        reverted: state.reverted,
    }
}

/// `sec` of an account that was made before what was verified was kept.
const fn security(provenance: &Provenance) -> &'static str {
    match (provenance.channel, provenance.method) {
        (ChannelSecurity::MutualTls | ChannelSecurity::TlsWithBootstrapCode, _) => "tls",
        (ChannelSecurity::Local, BootstrapMethod::Smartcard) => "card",
        (ChannelSecurity::Local | ChannelSecurity::Open, _) => "none",
    }
}

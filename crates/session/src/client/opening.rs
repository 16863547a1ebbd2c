use omadm_bootstrap::{Account, BootstrapComplete, DeviceView};
use omadm_dm2::{Alert, AlertType, Package1, SupportedMo};
use omadm_mo::TreeError;
use omadm_mo::client_uri::Sight as _;

use super::machine::SessionReason;
use super::rights::ServerSight;

/// The Package#1 of a session: one session-cause alert, BootstrapComplete winning over ClientInitiatedMgmt, and both where a Notification was
/// answered (D04); `MOS` where it is due (D03).
pub(super) fn package1(
    sight: &ServerSight<'_>,
    reason: SessionReason,
    report_type: bool,
    alerts: Vec<Alert>,
) -> Result<Package1, TreeError> {
    let account = sight.account;
    let owed = account.owed.is_some() && reason != SessionReason::Repair;
    let mut all = Vec::new();
    match reason {
        SessionReason::Notified {
            notification_id, ..
        } => all.push(Alert::server_initiated(notification_id)),
        SessionReason::Client | SessionReason::Repair if !owed => {
            all.push(Alert::new(AlertType::CLIENT_INITIATED_MGMT));
        }
        SessionReason::Client | SessionReason::Repair => {}
    }
    if owed {
        all.push(BootstrapComplete::alert(account, report_type));
    }
    all.extend(alerts);
    let asked = matches!(reason, SessionReason::Notified { req_mos: true, .. });
    let mos = (owed || asked)
        .then(|| supported(sight, account, sight.view))
        .transpose()?;
    Ok(Package1 { mos, alerts: all })
}

/// One entry per supported MOID of the Perm list in octet order, with the instances this server may see (D10, §2 visibility filter).
fn supported(
    sight: &ServerSight<'_>,
    account: &Account,
    view: &dyn DeviceView,
) -> Result<Vec<SupportedMo>, TreeError> {
    let mut moids = account.perm.clone();
    moids.sort();
    moids.dedup();
    let mut mos = Vec::new();
    for moid in moids {
        let Some(ddf) = sight.registry.get(&moid) else {
            continue;
        };
        let instances = view.instances(&moid)?;
        let miids = instances
            .iter()
            .filter(|miid| sight.sees(&moid, miid))
            .map(|miid| miid.as_str().to_owned());
        mos.push(SupportedMo {
            ddf: ddf.url().map(str::to_owned),
            miids: miids.collect(),
            moid: Some(moid),
        });
    }
    Ok(mos)
}

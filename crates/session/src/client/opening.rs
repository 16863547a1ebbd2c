use omadm_bootstrap::{Account, BootstrapComplete, DeviceView};
use omadm_dm2::{Alert, AlertType, Package1, SupportedMo};
use omadm_mo::TreeError;
use omadm_mo::client_uri::Sight as _;

use super::rights::ServerSight;

/// The Package#1 of a session: one session-cause alert, BootstrapComplete winning (D04), and `MOS` where it is due (D03).
pub(super) fn package1(
    sight: &ServerSight<'_>,
    report_type: bool,
    alerts: Vec<Alert>,
) -> Result<Package1, TreeError> {
    let account = sight.account;
    let cause = if account.owed.is_some() {
        BootstrapComplete::alert(account, report_type)
    } else {
        Alert::new(AlertType::CLIENT_INITIATED_MGMT)
    };
    let mos = account
        .owed
        .is_some()
        .then(|| supported(sight, account, sight.view))
        .transpose()?;
    Ok(Package1 {
        mos,
        alerts: std::iter::once(cause).chain(alerts).collect(),
    })
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

use omadm_bootstrap::DefaultSource;
use omadm_bootstrap::plan::TreePlan;
use omadm_dm2::StatusCode;
use omadm_mo::json::JsonLimits;
use omadm_mo::{Moid, ServerUri};

use super::{Progress, done, hget, remembered, tree_status};
use crate::client::effect::Fetched;
use crate::client::rights::ServerSight;

/// Whether a server may leave a ServerURI for a MOID: its Perm list has to name it (D85), and the device to have such an MO (D21).
pub(super) fn permitted(sight: &ServerSight<'_>, moid: &Moid) -> Result<(), StatusCode> {
    if !sight.permits(moid) {
        return Err(StatusCode::FORBIDDEN);
    }
    sight
        .registry
        .get(moid)
        .map(|_| ())
        .ok_or(StatusCode::NOT_FOUND)
}

/// DEFAULT: one ServerURI a MOID, whichever server left it; the last one counts.
pub(super) fn remember(sight: &ServerSight<'_>, server: &ServerUri, moid: &Moid) -> Progress {
    if let Err(code) = permitted(sight, moid) {
        return done(code);
    }
    let accounts = match sight.view.accounts() {
        Ok(accounts) => accounts,
        Err(error) => return done(tree_status(&error)),
    };
    let mut changed = Vec::new();
    for mut account in accounts {
        let before = account.defaults.clone();
        account.defaults.retain(|entry| entry.moid != *moid);
        if account.srv_id == sight.account.srv_id {
            account.defaults.push(DefaultSource {
                moid: moid.clone(),
                server: server.clone(),
            });
        }
        if account.defaults != before {
            changed.push(account);
        }
    }
    if changed.is_empty() {
        return done(StatusCode::OK);
    }
    remembered(sight, changed)
}

/// What becomes of a missing configuration that was fetched from its DEFAULT: what an HGET of that server without ClientURI would make of it. Nobody is
/// told a status (`dm20.md` §5.2).
///
/// # Errors
/// The status that the HGET would have.
pub(in crate::client) fn plan_missing(
    sight: &ServerSight<'_>,
    fetched: &Fetched,
    limits: JsonLimits,
) -> Result<TreePlan, StatusCode> {
    hget::plan(sight, None, fetched, limits).map(|(plan, _)| plan)
}

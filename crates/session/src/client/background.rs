//! What the client does for a server outside a session: reports of subscriptions, alerts of executions, missing configurations.

use std::collections::BTreeMap;

use omadm_bootstrap::plan::TreePlan;
use omadm_bootstrap::{Account, DeviceView, PayloadHash};
use omadm_dm2::{Alert, AlertData, AlertType, StatusCode};
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{ClientUri, ExecResult, ManagedObjectError, NodeAddress};

use super::commands;
use super::effect::Fetched;
use super::live::LiveOverlay;
use super::rights::ServerSight;

/// The alert type of an asynchronous EXEC whose plug-in names none. A local convention: the approved text leaves the type to the enabler of the MO.
pub const EXEC_COMPLETE: &str = "urn:omadm:at:exec:1.0:Complete";

/// The `DataType` of a result code that stands alone, as NOTIFICATION-ID has it (D26).
const RESULT_CODE_TYPE: &str = "int";

/// The report that a subscription makes now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeReport {
    /// The serialization of every node the ClientURI resolves to (D22).
    pub body: Vec<u8>,
    /// Its hash: a report is due where it differs from what the server knows.
    pub hash: PayloadHash,
}

/// The report of a ClientURI to this server. `view` shows live values already.
///
/// # Errors
/// 403 where the server may not read it (any more), 500 where the tree cannot be read.
pub fn change_report(
    view: &dyn DeviceView,
    account: &Account,
    registry: &MoRegistry,
    uri: &ClientUri,
) -> Result<ChangeReport, StatusCode> {
    let none = BTreeMap::new();
    let overlay = LiveOverlay::new(view, &none).seen_by(account);
    let sight = ServerSight {
        view: &overlay,
        account,
        registry,
    };
    let body = commands::report(&sight, uri)?;
    let hash = PayloadHash::of(&body);
    Ok(ChangeReport { body, hash })
}

/// The plan by which a missing configuration, fetched from its DEFAULT, is installed as this server's HGET without ClientURI would (§5.2).
///
/// # Errors
/// The status that the HGET would have.
pub fn plan_missing(
    view: &dyn DeviceView,
    account: &Account,
    registry: &MoRegistry,
    fetched: &Fetched,
    limits: JsonLimits,
) -> Result<TreePlan, StatusCode> {
    let none = BTreeMap::new();
    let overlay = LiveOverlay::new(view, &none).seen_by(account);
    let sight = ServerSight {
        view: &overlay,
        account,
        registry,
    };
    commands::plan_missing(&sight, fetched, limits)
}

/// The generic alert that tells how an asynchronous EXEC ended (§5.4): about the executed node, with the result code in `DM1x` unless the plug-in gives
/// its own `Data`.
#[must_use]
pub fn exec_alert(at: &NodeAddress, result: &ExecResult) -> Alert {
    let alert_type = result.alert_type.as_deref().unwrap_or(EXEC_COMPLETE);
    let alert = Alert::new(AlertType::new(alert_type)).about(&ClientUri::of(at));
    match &result.data {
        Some(data) => alert.with_data("application/json", AlertData::received(data.clone())),
        None => {
            let code = Json::Int(result.code.into());
            alert.with_data(
                RESULT_CODE_TYPE,
                AlertData::object([(AlertData::DM1X, code)]),
            )
        }
    }
}

/// The result of an execution that failed: the status that EXEC itself would have had.
#[must_use]
pub const fn exec_failed(refused: ManagedObjectError) -> ExecResult {
    ExecResult::new(commands::refusal_status(refused).get())
}

use omadm_dm1::syncml::Encoding;
use omadm_mo::standard::{DevDetail, DevInfo1};
use omadm_mo::{DevId, SrvId};

use crate::client::dm1::Dm1Opening;
use crate::pair::acme;

/// How the device that tests run opens a session: nothing waits, nobody can be asked.
#[must_use]
pub fn opening(server: SrvId, dev_id: DevId, encoding: Encoding, entropy: [u8; 32]) -> Dm1Opening {
    let device = acme(dev_id);
    Dm1Opening {
        server,
        reason: Default::default(),
        set: Default::default(),
        encoding,
        dev_info: DevInfo1::of(&device),
        dev_detail: DevDetail::of(&device),
        alerts: Vec::new(),
        event_type: None,
        user: false,
        live: Default::default(),
        limits: Default::default(),
        entropy,
    }
}

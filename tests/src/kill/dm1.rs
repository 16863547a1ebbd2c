use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_client::Unobserved;
use omadm_server::model::EventKind;
use omadm_server::operator::types::{Dm1SecretBody, NewDm1Account};

use super::{Device, Disturbed, Fault, Site, Work};

/// What a device of DM 1.x does that is disturbed (`dm1x.md` §6.5, M21).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dm1Case {
    /// It takes its factory image, and reports that.
    Report,
    /// Its secrets are replaced.
    Rotation,
    /// It was reset to its image after its secrets had been replaced, reports that, is recovered, and its secrets are replaced again.
    Recovery,
}

/// How a device speaks: by which profile it is bootstrapped, and how it writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dm1Speech {
    /// `cp` or `dm`.
    pub profile: &'static str,
    /// `xml` or `wbxml`.
    pub encoding: &'static str,
}

impl Dm1Speech {
    /// Both of each.
    pub const ALL: [Self; 2] = [
        Self {
            profile: "cp",
            encoding: "wbxml",
        },
        Self {
            profile: "dm",
            encoding: "xml",
        },
    ];
}

impl Dm1Case {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Report, Self::Rotation, Self::Recovery];
}

/// A case, of a device that speaks so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dm1Work {
    /// What the device does.
    pub case: Dm1Case,
    /// How it speaks.
    pub speech: Dm1Speech,
}

impl Disturbed for Dm1Work {
    fn prepare(&self, site: &mut dyn Site) -> Result<Device, Fault> {
        let device = site.device_that_listens()?;
        std::fs::remove_file(Device::listens(&device.folder))?;
        let api = site.operator()?;
        let new = NewDm1Account {
            profile: Some("dm1x".to_owned()),
            format: Some(self.speech.profile.to_owned()),
            ..NewDm1Account::default()
        };
        let name = device.dev_id.to_string();
        let added = site.runtime().block_on(api.add_dm1(&name, &new))?;
        let document = added.document.ok_or("no document")?;
        std::fs::write(Device::image(&device.folder), STANDARD.decode(document)?)?;
        std::fs::write(marker(&device.folder), self.speech.encoding)?;
        if self.case != Dm1Case::Report {
            self.start(site, &device)?.done()?;
            site.runtime().block_on(api.rotate_dm1(&name))?;
        }
        if self.case == Dm1Case::Recovery {
            self.start(site, &device)?.done()?;
            self.settle(site, &device)?;
            let client = site.client(&device, Arc::new(Unobserved))?;
            let _reset = site.runtime().block_on(client.factory_reset())?;
        }
        Ok(device)
    }

    fn start(&self, site: &dyn Site, device: &Device) -> Result<Work, Fault> {
        let client = site.client(device, Arc::new(Unobserved))?;
        Ok(Work::start_sessions(site.runtime(), client))
    }

    /// Both hold the same secrets, none is on its way, every bootstrap was stored once and is acknowledged.
    fn judge(&self, site: &dyn Site, device: &Device, what: &str) -> Result<(), Fault> {
        self.settle(site, device)?;
        let state = device.state()?;
        assert_eq!(state.accounts.len(), 1, "{what}");
        assert!(!state.owes(), "{what}: the event is acknowledged");
        let api = site.operator()?;
        let name = device.dev_id.to_string();
        let account = site.runtime().block_on(api.dm1(&name))?;
        let fresh = [("current", true)];
        let replaced = [("boot", true), ("current", false)];
        let due: &[_] = match self.case {
            Dm1Case::Report => &fresh,
            Dm1Case::Rotation | Dm1Case::Recovery => &replaced,
        };
        for secrets in [&account.client, &account.server] {
            let mut stand: Vec<_> = secrets.iter().map(standing).collect();
            stand.sort_unstable();
            assert_eq!(stand, due, "{what}: {account:?}");
            assert!(secrets.iter().all(|secret| !secret.previous), "{what}");
        }
        let events = site.events(&device.dev_id)?;
        let count = |of: fn(&EventKind) -> bool| {
            let kinds = events.iter().map(|event| &event.event.kind);
            kinds.filter(|kind| of(kind)).count()
        };
        let bootstraps = if self.case == Dm1Case::Recovery { 2 } else { 1 };
        let completed = |kind: &EventKind| matches!(kind, EventKind::BootstrapCompleted { .. });
        assert_eq!(count(completed), bootstraps, "{what}: each stored once");
        let recovered = |kind: &EventKind| matches!(kind, EventKind::Rebootstrapped { recovered, .. } if recovered.iter().any(|scope| scope == "dm1-client"));
        let due = usize::from(self.case == Dm1Case::Recovery);
        assert_eq!(count(recovered), due, "{what}: recovered once");
        let held = |kind: &EventKind| matches!(kind, EventKind::CredentialHeld { .. });
        assert_eq!(
            count(held),
            0,
            "{what}: nobody is taken for a second holder"
        );
        Ok(())
    }
}

impl Dm1Work {
    /// A session in which the server asks for something: only then does the device say whether it believed the server, and what it holds of the server's.
    fn settle(self, site: &dyn Site, device: &Device) -> Result<(), Fault> {
        let api = site.operator()?;
        let name = device.dev_id.to_string();
        let read = ["read", "urn:oma:mo:oma-dm-devdetail:1.0//SwV"].map(str::to_owned);
        let queued = api.queue_commands(&name, vec![read.to_vec()]);
        site.runtime().block_on(queued)?;
        self.start(site, device)?.done()
    }
}

fn standing(secret: &Dm1SecretBody) -> (&str, bool) {
    (&secret.generation, secret.escrowed)
}

/// Tells that a device is one of DM 1.x, and how it writes.
#[must_use]
pub(super) fn marker(folder: &Path) -> PathBuf {
    folder.join("dm1")
}

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use omadm_client::Unobserved;

use super::{Device, Disturbed, Fault, Site, Work};

/// A bootstrap that is disturbed on the server's side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Case {
    /// The profile it is from.
    pub profile: &'static str,
    /// Whether the device has an account already, of an earlier bootstrap.
    pub again: bool,
}

impl Case {
    /// A first one.
    pub const FIRST: Self = Self {
        profile: "full",
        again: false,
    };
    /// One of a device that has an account.
    pub const AGAIN: Self = Self {
        profile: "full",
        again: true,
    };

    /// A fresh device in the state that it has before the bootstrap.
    ///
    /// # Errors
    /// Where the server refuses.
    pub fn prepare(self, site: &mut dyn Site) -> Result<Device, Fault> {
        let device = site.device(self.profile)?;
        if self.again {
            start(site, &device)?.done()?;
        }
        Ok(device)
    }

    /// Bootstraps a device undisturbed; answers what that brought, and how long it took.
    ///
    /// # Errors
    /// Where the bootstrap fails.
    pub fn undisturbed(self, site: &mut dyn Site) -> Result<(Bootstrap, Duration), Fault> {
        let device = self.prepare(site)?;
        let begun = Instant::now();
        start(site, &device)?.done()?;
        let took = begun.elapsed();
        let shape = device.state()?.shape();
        let bootstrap = Bootstrap { case: self, shape };
        bootstrap.judge(site, &device, "undisturbed")?;
        Ok((bootstrap, took))
    }
}

/// A case, and the leaves that its document brings to any device.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    case: Case,
    shape: BTreeSet<String>,
}

impl Disturbed for Bootstrap {
    fn prepare(&self, site: &mut dyn Site) -> Result<Device, Fault> {
        self.case.prepare(site)
    }

    fn start(&self, site: &dyn Site, device: &Device) -> Result<Work, Fault> {
        start(site, device)
    }

    /// The device has all that the document brings, and each of its bootstraps completed once.
    fn judge(&self, site: &dyn Site, device: &Device, _: &str) -> Result<(), Fault> {
        let state = device.state()?;
        let bootstraps = if self.case.again { 2 } else { 1 };
        site.assert_completed(device, &state, bootstraps)?;
        state.assert_whole(&self.shape);
        Ok(())
    }
}

/// Starts the bootstrap, and everything up to its session's end, of a device that does not run.
fn start(site: &dyn Site, device: &Device) -> Result<Work, Fault> {
    let former = device.state()?.event_id().cloned();
    let client = site.client(device, Arc::new(Unobserved))?;
    Ok(Work::start(site.runtime(), client, former))
}

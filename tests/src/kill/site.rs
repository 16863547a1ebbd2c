use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use omadm_client::{Client, ClientObserver, Unobserved};
use omadm_lab::nodes::wanted_nodes;
use omadm_mo::DevId;
use omadm_server::model::StoredEvent;
use omadm_server::operator::client::ApiClient;
use tokio::runtime::Runtime;

use super::{Device, DeviceState, Fault, Nodes, Server, Work};

/// What devices are bootstrapped by: one DM Server, or several nodes.
pub trait Site {
    /// Where clients of this process run.
    fn runtime(&self) -> &Runtime;

    /// Makes a fresh device that is registered with a bootstrap of this profile. A server of this process runs.
    ///
    /// # Errors
    /// Where the server refuses.
    fn device(&mut self, profile: &str) -> Result<Device, Fault>;

    /// The same with a factory image, in place of a document that is fetched.
    ///
    /// # Errors
    /// Where the server refuses.
    fn device_with_image(&mut self, profile: &str) -> Result<Device, Fault>;

    /// The same with a card in its reader.
    ///
    /// # Errors
    /// Where the server refuses.
    fn device_with_card(&mut self, profile: &str) -> Result<Device, Fault>;

    /// The same without any bootstrap: it listens for one that is pushed.
    ///
    /// # Errors
    /// Where the server refuses.
    fn device_that_listens(&mut self) -> Result<Device, Fault>;

    /// Pushes a bootstrap of this profile to a device that listens, or will.
    ///
    /// # Errors
    /// Where the server refuses.
    fn push(&self, device: &Device, profile: &str) -> Result<(), Fault>;

    /// Writes a further bootstrap of this profile onto the card of a device, in place of what is on it.
    ///
    /// # Errors
    /// Where the server refuses.
    fn another_card(&self, device: &Device, profile: &str) -> Result<(), Fault>;

    /// Insists that the records are those of `bootstraps` bootstraps that each completed once, and that the device's last session came to its end.
    ///
    /// # Errors
    /// Where the store cannot be read, or no server runs in this process.
    ///
    /// # Panics
    /// Where they are not.
    fn assert_completed(
        &self,
        device: &Device,
        state: &DeviceState,
        bootstraps: usize,
    ) -> Result<(), Fault>;

    /// A client of the operator's API. A server of this process runs.
    ///
    /// # Errors
    /// Where it cannot be made.
    fn operator(&self) -> Result<ApiClient, Fault>;

    /// The events of a device so far, those that a server of this process deferred included.
    ///
    /// # Errors
    /// Where the store cannot be read, or no server runs in this process.
    fn events(&self, dev_id: &DevId) -> Result<Vec<StoredEvent>, Fault>;

    /// Ends gracefully what runs in this process.
    ///
    /// # Errors
    /// Where its last marks could not be written.
    fn stop(&mut self) -> Result<(), Fault>;

    /// A client of this process for a device.
    ///
    /// # Errors
    /// Where a file of the device cannot be used.
    fn client(&self, device: &Device, observer: Arc<dyn ClientObserver>) -> Result<Client, Fault> {
        Device::client(&device.folder, &device.url, &device.ca, observer, || ())
    }
}

/// One DM Server, or with `OMADM_TEST_NODES=2` two nodes that answer in turn: where it is the client that is killed.
///
/// # Errors
/// Where it does not start; where there is no PostgreSQL for two nodes.
pub fn wanted_site() -> Result<Box<dyn Site>, Fault> {
    Ok(match wanted_nodes()? {
        1 => Box::new(Server::make()?),
        _ => Box::new(Nodes::both_staying()?),
    })
}

/// A bootstrap that is disturbed on the server's side.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The profile it is from.
    pub profile: &'static str,
    /// Whether the device has an account already, of an earlier bootstrap.
    pub again: bool,
}

impl Case {
    /// Starts the bootstrap, and everything up to its session's end, of a device in this state.
    ///
    /// # Errors
    /// Where a file of the device cannot be used.
    pub fn start(
        self,
        site: &impl Site,
        device: &Device,
        old: &DeviceState,
    ) -> Result<Work, Fault> {
        let client = site.client(device, Arc::new(Unobserved))?;
        Ok(Work::start(site.runtime(), client, old.event_id().cloned()))
    }

    /// A fresh device with the state it has before the bootstrap.
    ///
    /// # Errors
    /// Where the server refuses.
    pub fn prepare(self, site: &mut impl Site) -> Result<(Device, DeviceState), Fault> {
        let device = site.device(self.profile)?;
        let mut state = device.state()?;
        if self.again {
            self.start(site, &device, &state)?.done()?;
            state = device.state()?;
        }
        Ok((device, state))
    }

    /// Insists on the bootstrap's end; answers the device's state.
    ///
    /// # Errors
    /// Where a store cannot be read.
    ///
    /// # Panics
    /// Where it did not come to that end.
    pub fn judge(self, site: &impl Site, device: &Device) -> Result<DeviceState, Fault> {
        let state = device.state()?;
        let bootstraps = if self.again { 2 } else { 1 };
        site.assert_completed(device, &state, bootstraps)?;
        Ok(state)
    }

    /// The leaves that the document brings, as an undisturbed device has them, and how long that took.
    ///
    /// # Errors
    /// Where the bootstrap fails.
    pub fn undisturbed(self, site: &mut impl Site) -> Result<(BTreeSet<String>, Duration), Fault> {
        let (device, old) = self.prepare(site)?;
        let begun = Instant::now();
        self.start(site, &device, &old)?.done()?;
        let took = begun.elapsed();
        let state = self.judge(site, &device)?;
        state.assert_whole(&state.shape());
        Ok((state.shape(), took))
    }
}

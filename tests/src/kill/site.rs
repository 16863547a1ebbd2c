use std::sync::Arc;

use omadm_client::{Client, ClientObserver};
use omadm_lab::nodes::wanted_nodes;
use omadm_mo::DevId;
use omadm_server::model::StoredEvent;
use omadm_server::operator::client::ApiClient;
use tokio::runtime::Runtime;

use super::{Device, DeviceState, Fault, Nodes, Server};

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

use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{BootstrapMethod, PayloadHash};
use omadm_carrier::{DeviceRow, DocumentSource, SourceError};
use omadm_mo::Secret;
use omadm_server::operator::client::{ApiClient, ApiError};
use omadm_server::operator::types::{NewBootstrap, NewDevice};

/// Documents that a DM Server makes and keeps: a bootstrap by factory image or card is started for each device.
pub(super) struct ServerSource<'a> {
    pub(super) api: &'a ApiClient,
    pub(super) runtime: tokio::runtime::Handle,
    /// Name of a profile of the server.
    pub(super) profile: Option<&'a str>,
    /// A profile's text, in place of a name.
    pub(super) profile_toml: Option<&'a str>,
    pub(super) register: bool,
    /// By which method the record's bootstrap is to come.
    pub(super) method: BootstrapMethod,
    /// The form of documents of DM 1.x; none for those of DM 2.0.
    pub(super) format: Option<Dm1Format>,
    /// Name of the devices' model, where it is said.
    pub(super) model: Option<&'a str>,
}

impl ServerSource<'_> {
    async fn taken(&self, row: &DeviceRow) -> Result<Secret, ApiError> {
        let device = row.dev_id.to_string();
        if self.register
            && let Err(ApiError::Refused(problem)) = self.api.device(&device).await
            && problem.status == 404
        {
            let new = NewDevice {
                dev_id: device.clone(),
                ..NewDevice::default()
            };
            self.api.add_device(&new).await?;
        }
        let new = NewBootstrap {
            device,
            profile: self.profile.map(str::to_owned),
            profile_toml: self.profile_toml.map(str::to_owned),
            method: Some(self.method.name().to_owned()),
            profile_format: self.format.map(|format| format.name().to_owned()),
            model: self.model.map(str::to_owned),
            ..NewBootstrap::default()
        };
        let record = self.api.start_bootstrap(&new).await?;
        self.api.bootstrap_document(&record.id).await
    }
}

impl DocumentSource for ServerSource<'_> {
    fn inputs(&self) -> PayloadHash {
        let text = self.profile.or(self.profile_toml).unwrap_or_default();
        let format = self.format.map_or("", Dm1Format::name);
        let mut inputs = vec![text, "\0", format];
        if let Some(model) = self.model {
            inputs.extend(["\0", model]);
        }
        PayloadHash::of(inputs.concat().as_bytes())
    }

    fn document(&self, row: &DeviceRow) -> Result<Secret, SourceError> {
        let taken = self.runtime.block_on(self.taken(row));
        taken.map_err(|why| SourceError::Server(Box::new(why)))
    }
}

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omadm_client::{Client, FactoryImage, Unobserved};
use omadm_server::model::EventKind;
use omadm_server::operator::types::NewRotation;
use omadm_session::client::Outcome;

use super::{Device, Disturbed, Fault, PATIENCE, Site, Work};

/// Between two tries while the server is away.
const AGAIN: Duration = Duration::from_millis(20);
/// Sessions in order after which nothing is on its way any more: new secrets are used in the one after they came, and that they are is told in the next.
const SETTLED: u32 = 3;
/// What is rotated.
const SCOPES: [&str; 2] = ["session", "notification"];

/// The secrets of a device of DM 2.0 are replaced, and that is disturbed (DESIGN §4).
#[derive(Clone, Copy, Debug)]
pub struct Rotation;

impl Disturbed for Rotation {
    /// A device with a factory image, bootstrapped by it, whose new secrets wait for its next session.
    fn prepare(&self, site: &mut dyn Site) -> Result<Device, Fault> {
        let device = site.device_with_image("full")?;
        std::fs::write(marker(&device.folder), "")?;
        self.start(site, &device)?.done()?;
        let api = site.operator()?;
        let name = device.dev_id.to_string();
        for scope in SCOPES {
            let new = NewRotation {
                scope: Some(scope.to_owned()),
                ..NewRotation::default()
            };
            let queued = api.rotate(&name, &new);
            let _queued = site.runtime().block_on(queued)?;
        }
        Ok(device)
    }

    fn start(&self, site: &dyn Site, device: &Device) -> Result<Work, Fault> {
        let client = site.client(device, Arc::new(Unobserved))?;
        Ok(Work::start_sessions(site.runtime(), client))
    }

    /// The new secrets are in use, the former ones are kept for what can bring them back, each was replaced once and by one command.
    fn judge(&self, site: &dyn Site, device: &Device, what: &str) -> Result<(), Fault> {
        let state = device.state()?;
        assert_eq!(state.accounts.len(), 1, "{what}");
        let api = site.operator()?;
        let name = device.dev_id.to_string();
        let shown = site.runtime().block_on(api.device(&name))?;
        let events = site.events(&device.dev_id)?;
        for scope in SCOPES {
            let live = shown
                .credentials
                .iter()
                .filter(|held| held.scope == scope && held.revoked_at.is_none());
            let stand: Vec<_> = live
                .map(|held| (held.generation.as_str(), held.escrowed))
                .collect();
            let due = [("boot", true), ("current", false)];
            assert_eq!(stand, due, "{what}: {scope}: {events:#?}");
            let rotated = events.iter().filter(|event| {
                matches!(&event.event.kind, EventKind::SecretRotated { scope: of, .. } if of == scope)
            });
            assert_eq!(rotated.count(), 1, "{what}: {scope}: replaced once");
        }
        // What the device could not fetch from a server that died is made once more.
        let disturbed = events.iter().find(|event| match event.event.kind {
            EventKind::RotationFailed { status, .. } => status != 502,
            EventKind::CredentialHeld { .. } | EventKind::Rebootstrapped { .. } => true,
            _ => false,
        });
        assert!(disturbed.is_none(), "{what}: {disturbed:?}");
        Ok(())
    }
}

/// Tells that a device runs several sessions in order.
#[must_use]
pub(super) fn marker(folder: &Path) -> PathBuf {
    folder.join("rotates")
}

/// Takes the factory image where there is no account, and runs sessions until several in a row came to their end and nothing is owed. A server that is away is
/// asked again.
///
/// # Errors
/// Where anything else goes wrong.
pub async fn finish_with_sessions(client: &Client) -> Result<(), Fault> {
    if client.accounts()?.is_empty()
        && let FactoryImage::Refused(refusal) = client.switch_on().await?.factory
    {
        return Err(refusal.into());
    }
    let mut in_order = 0;
    while in_order < SETTLED {
        let account = client.accounts()?.into_iter().next();
        let account = account.ok_or("the account is gone")?;
        let report = client.session(&account.srv_id).await?;
        if report.outcome == Outcome::Ended && !report.still_owed {
            in_order += 1;
        } else {
            in_order = 0;
            tokio::time::sleep(AGAIN).await;
        }
    }
    Ok(())
}

impl Work {
    /// Does what [`finish_with_sessions`] does.
    #[must_use]
    pub fn start_sessions(runtime: &tokio::runtime::Runtime, client: Client) -> Self {
        let handle = runtime.handle().clone();
        Self::of(move || {
            handle.block_on(async {
                tokio::time::timeout(PATIENCE, finish_with_sessions(&client)).await?
            })
        })
    }
}

//! What a profile's document of DM 1.x brings to one device, with everything drawn that stands in it.

use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::profile::{Dm1BuildError, Dm1Credentials, Dm1Package, ProfileInputs};
use omadm_dm1::credential::CredentialType;
use omadm_mo::DevId;
use omadm_mo::standard::dm_acc1::{AuthLevel1, DmAcc1};
use omadm_session::server::dm1::DeviceModel;

use crate::entropy::{NoRandomness, random};
use crate::node::Node;
use crate::profiles::Profile;

/// A document of DM 1.x with the account in it. Secrets are in it.
pub(crate) struct Issue {
    /// `AAuthName` of the client's credential.
    pub(crate) user: String,
    /// The server identifier.
    pub(crate) server_id: String,
    /// The type of the client's credential.
    pub(crate) client: CredentialType,
    /// That of the server's; none where it does not prove itself.
    pub(crate) server: Option<CredentialType>,
    pub(crate) credentials: Dm1Credentials,
    pub(crate) package: Dm1Package,
}

/// Why there is none. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    /// The profile is at fault.
    #[error("the profile {profile:?} makes no document of DM 1.x: {cause}")]
    Profile {
        /// Its name.
        profile: String,
        /// What is wrong with it.
        #[source]
        cause: Box<Dm1BuildError>,
    },
    /// The system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] NoRandomness),
}

/// Draws secrets and nonces, and builds the document as a device of this model reads it. With `user` the client's credential bears that name, whatever the profile calls it.
pub(crate) fn issue(
    node: &Node,
    profile: &Profile,
    dev_id: &DevId,
    (format, model): (Dm1Format, &DeviceModel),
    user: Option<&str>,
) -> Result<Issue, IssueError> {
    let credentials = Dm1Credentials::of_entropy(&random()?);
    let inputs = ProfileInputs {
        ddfs: profile.ddfs.clone(),
        ..ProfileInputs::new(dev_id.clone(), node.public_server.clone())
    };
    let named = user.map(|user| {
        let mut content = profile.content.clone();
        if let Some(dm1) = &mut content.dm1 {
            dm1.user = Some(user.to_owned());
        }
        content
    });
    let content = named.as_ref().unwrap_or(&profile.content);
    let package = content.build_dm1_for(&inputs, &credentials, format, model.app_srv());
    let package = package.map_err(|cause| IssueError::Profile {
        profile: profile.name.clone(),
        cause: Box::new(cause),
    })?;
    let account = &package.account;
    let client = account.auth(AuthLevel1::ClCred);
    Ok(Issue {
        user: client
            .and_then(|auth| auth.name.clone())
            .unwrap_or_else(|| dev_id.as_str().to_owned()),
        server_id: account.server_id.as_str().to_owned(),
        client: kind_in(account, AuthLevel1::ClCred).unwrap_or(CredentialType::Md5),
        server: kind_in(account, AuthLevel1::SrvCred),
        credentials,
        package,
    })
}

fn kind_in(account: &DmAcc1, level: AuthLevel1) -> Option<CredentialType> {
    let auth = account.auth(level)?;
    CredentialType::of_account(auth.auth_type.name())
}

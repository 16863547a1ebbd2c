use omadm_mo::ddf::DdfError;
use omadm_mo::{Moid, MoidError, ServerUriError, SrvIdError};

use super::MoDataProblem;
use crate::BootstrapFailureCause as Cause;

/// Why no package was built. The profile or its caller is at fault. No text of it repeats a value of `[mo.data]`.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BuildError {
    /// `account.srv_id`
    #[error("account.srv_id: {0}")]
    SrvId(#[from] SrvIdError),
    /// A key that holds a URI.
    #[error("{key}: {error}")]
    Uri {
        /// The key.
        key: &'static str,
        /// What is wrong.
        error: ServerUriError,
    },
    /// A key whose URI is plain HTTP: every device refuses it.
    #[error("{key}: plain http; a DM Bootstrap names https servers only")]
    Insecure {
        /// The key.
        key: &'static str,
    },
    /// A text of the account with a placeholder that there is not.
    #[error("{key}: there is no placeholder {{{name}}}, only {{dev_id}} and {{server}}")]
    Placeholder {
        /// The key.
        key: &'static str,
        /// The name between the braces.
        name: String,
    },
    /// A MOID in `perm` or `mo`.
    #[error("{key}: {error}")]
    Moid {
        /// The key.
        key: &'static str,
        /// What is wrong.
        error: MoidError,
    },
    /// `[[mo]]` names an object of the standard: the account comes from `[account]`, the others belong to the device.
    #[error("mo.moid: {0} is an object of the standard and no further one")]
    StandardMo(Moid),
    /// A credential, secret or certificate that `needs` lists was not brought.
    #[error("{0} is needed and was not given")]
    Missing(&'static str),
    /// A DDF file was not brought.
    #[error("the DDF file {0} is needed and was not given")]
    MissingDdf(String),
    /// A DDF cannot be read.
    #[error("the DDF file {file}: {error}")]
    Ddf {
        /// The file.
        file: String,
        /// What is wrong.
        error: DdfError,
    },
    /// A DDF describes another MO.
    #[error("the DDF file {file} describes {described}, and mo.moid says {named}")]
    OtherMoid {
        /// The file.
        file: String,
        /// The MOID in the DDF.
        described: Moid,
        /// The MOID in the profile.
        named: Moid,
    },
    /// No DDF describes the MO.
    #[error("no DDF describes {0}; name its file under `ddf`")]
    Undescribed(Moid),
    /// A node of `[mo.data]` does not fit.
    #[error("mo {moid}, {node}: {problem}")]
    Data {
        /// The MO.
        moid: Moid,
        /// The node.
        node: String,
        /// What is wrong.
        problem: MoDataProblem,
    },
}

impl BuildError {
    /// The key of the profile, or the node, at which the error lies.
    #[must_use]
    pub fn at(&self) -> String {
        match self {
            Self::SrvId(_) => "account.srv_id".to_owned(),
            Self::Uri { key, .. }
            | Self::Insecure { key }
            | Self::Placeholder { key, .. }
            | Self::Moid { key, .. } => (*key).to_owned(),
            Self::StandardMo(_) => "mo.moid".to_owned(),
            Self::Missing(_) => "account".to_owned(),
            Self::MissingDdf(_)
            | Self::Ddf { .. }
            | Self::OtherMoid { .. }
            | Self::Undescribed(_) => "mo.ddf".to_owned(),
            Self::Data { moid, node, .. } => format!("{moid}/{node}"),
        }
    }

    /// The cause by which a device would refuse what the profile says; none where no device is asked.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::SrvId(_) | Self::Uri { .. } | Self::Moid { .. } => Some(Cause::InvalidAccount),
            Self::Insecure { key } => Some(if matches!(key.as_bytes(), b"account.srv_uri") {
                Cause::InsecureSrvUri
            } else {
                Cause::InvalidAccount
            }),
            Self::Data { problem, .. } => match problem {
                MoDataProblem::Name | MoDataProblem::Unknown => Some(Cause::UnknownNode),
                MoDataProblem::Format { .. } | MoDataProblem::NoFormat { .. } => {
                    Some(Cause::WrongFormat)
                }
                MoDataProblem::Placeholder => None,
            },
            Self::Placeholder { .. }
            | Self::StandardMo(_)
            | Self::Missing(_)
            | Self::MissingDdf(_)
            | Self::Ddf { .. }
            | Self::OtherMoid { .. }
            | Self::Undescribed(_) => None,
        }
    }
}

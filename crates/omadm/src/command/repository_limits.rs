//! What devices and operators may put into the data repository, and how fast it has to come.

use clap::Args;
use omadm_server::config::Limits;

/// The limits of the data repository.
#[derive(Args)]
#[command(next_help_heading = "Data repository")]
pub(super) struct RepositoryLimits {
    /// Longest object that an operator puts there, in octets
    #[arg(
        long,
        value_name = "OCTETS",
        default_value_t = Limits::default().repository_object_octets,
        env = "OMADM_REPOSITORY_OBJECT_OCTETS"
    )]
    repository_object_octets: usize,
    /// Longest object that a device stores there, in octets; longer ones get 413
    #[arg(
        long,
        value_name = "OCTETS",
        default_value_t = Limits::default().repository_upload_octets,
        env = "OMADM_REPOSITORY_UPLOAD_OCTETS"
    )]
    repository_upload_octets: usize,
    /// Objects that one device may have stored there; what an operator put there does not count
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = Limits::default().repository_objects,
        env = "OMADM_REPOSITORY_OBJECTS"
    )]
    repository_objects: usize,
    /// Octets that one device may have stored there, all its objects together
    #[arg(
        long,
        value_name = "OCTETS",
        default_value_t = Limits::default().repository_octets,
        env = "OMADM_REPOSITORY_OCTETS"
    )]
    repository_octets: u64,
    /// Transfers to and from it at once, of all devices; further ones get 503. Each holds up to half a MiB of memory
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = Limits::default().repository_transfers,
        env = "OMADM_REPOSITORY_TRANSFERS"
    )]
    repository_transfers: usize,
    /// The same of one device
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = Limits::default().repository_transfers_per_device,
        env = "OMADM_REPOSITORY_TRANSFERS_PER_DEVICE"
    )]
    repository_transfers_per_device: usize,
    /// Octets a second that an upload has to bring at least
    #[arg(
        long,
        value_name = "OCTETS",
        default_value_t = Limits::default().repository_least_rate,
        env = "OMADM_REPOSITORY_LEAST_RATE"
    )]
    repository_least_rate: u64,
}

impl RepositoryLimits {
    /// Puts them in force.
    pub(super) const fn apply(&self, limits: &mut Limits) {
        limits.repository_object_octets = self.repository_object_octets;
        limits.repository_upload_octets = self.repository_upload_octets;
        limits.repository_objects = self.repository_objects;
        limits.repository_octets = self.repository_octets;
        limits.repository_transfers = self.repository_transfers;
        limits.repository_transfers_per_device = self.repository_transfers_per_device;
        limits.repository_least_rate = self.repository_least_rate;
    }
}

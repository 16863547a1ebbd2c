use super::report::Difference;
use crate::store::StoreError;

/// Why a store was not copied. The source is never changed; unless the variant says otherwise, neither is the target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CopyError {
    /// The source failed. What of the target was written stays; the copy can be started again.
    #[error("the source failed: {0}")]
    Source(#[source] StoreError),
    /// The target failed. What of it was written stays; the copy can be started again.
    #[error("the target failed: {0}")]
    Target(#[source] StoreError),
    /// Both addresses name one store. The operator is at fault.
    #[error("{0} is source and target at once")]
    SameStore(String),
    /// The source is itself a copy that did not end. The operator is at fault.
    #[error("{0} is a copy that was not finished")]
    UnfinishedSource(String),
    /// The target belongs to another deployment. The operator is at fault.
    #[error("{target} belongs to another deployment (its CA's certificate has SHA-256 {ca})")]
    ForeignTarget {
        /// The target.
        target: String,
        /// Whose it is.
        ca: String,
    },
    /// The target has a device that the source does not have. The operator is at fault.
    #[error("{target} has {dev_id}, which the source does not have")]
    UnknownDevice {
        /// The target.
        target: String,
        /// The first such device.
        dev_id: String,
    },
    /// The target knows what the source does not know: it was in use since, perhaps as the source was too. The operator is at fault, perhaps by turning
    /// source and target round.
    #[error("{target} is ahead of the source: {what}")]
    AheadTarget {
        /// The target.
        target: String,
        /// What it has more of.
        what: String,
    },
    /// A node works on the target. Where it started while the copy ran, what was written stays.
    #[error("{target} is in use by the node {holder}")]
    TargetInUse {
        /// The target.
        target: String,
        /// The node, as the sequencer's lease names it.
        holder: String,
    },
    /// The source has rows that lead to no device. It is damaged; everything else was copied, and the target stays marked as unfinished.
    #[error("{source_store} has {rows} rows in {table} that belong to no device")]
    StrayRows {
        /// The source.
        source_store: String,
        /// Their table.
        table: &'static str,
        /// How many.
        rows: u64,
    },
    /// What was read back is not what was read. The target stays marked as unfinished.
    #[error("{target} differs from the source: {}", listed(.differences))]
    Different {
        /// The target.
        target: String,
        /// The first of them, [`super::DIFFERENCES`] at most.
        differences: Vec<Difference>,
    },
    /// The caller wanted no more. What was written stays; the copy can be started again.
    #[error("the copy was stopped")]
    Stopped,
}

impl CopyError {
    /// What the operator can do about it: one sentence.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Source(err) | Self::Target(err) => err.remedy().to_owned(),
            Self::SameStore(_) => "name two stores".to_owned(),
            Self::UnfinishedSource(_) => "copy from the store it was made of".to_owned(),
            Self::ForeignTarget { .. } | Self::UnknownDevice { .. } => {
                "nothing was changed; name an empty store, or the one that was copied to before"
                    .to_owned()
            }
            Self::AheadTarget { .. } => {
                "nothing was changed; look whether --from and --to are turned round, else name an empty store".to_owned()
            }
            Self::TargetInUse { .. } => {
                "stop every server on the target, wait until the lease of the last one is over, and start the copy again".to_owned()
            }
            Self::StrayRows { source_store, .. } => {
                format!("omadm store check {source_store} tells more; keep the source as it is")
            }
            Self::Different { .. } => {
                "start it again with --all, which writes every device anew; keep the source"
                    .to_owned()
            }
            Self::Stopped => "start it again: it goes on where it ended".to_owned(),
        }
    }
}

fn listed(differences: &[Difference]) -> String {
    let all: Vec<String> = differences.iter().map(ToString::to_string).collect();
    all.join("; ")
}

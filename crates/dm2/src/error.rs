use omadm_mo::MoidError;

/// A body is JSON but violates the schemas of `dm20.md` Appendix A. Its sender is at fault; HTTP 400, or the end of the session where it is a Package#2 (D11).
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct PackageError {
    /// The member as a JSON path, for example `$.Status[2].sc`.
    pub at: String,
    /// What is wrong with it.
    pub problem: PackageProblem,
}

/// The ways a package can violate its schema.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum PackageProblem {
    /// Another type than the schema's.
    #[error("has to be {expected}, is {found}")]
    Type {
        /// The schema's type.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A required member is missing.
    #[error("the member {0} is missing")]
    Missing(&'static str),
    /// Not a MOID.
    #[error(transparent)]
    Moid(#[from] MoidError),
    /// A number that is no three-digit code.
    #[error("a status code is a whole number from 100 to 999")]
    StatusCode,
}

impl PackageError {
    pub(crate) fn new(at: impl Into<String>, problem: impl Into<PackageProblem>) -> Self {
        Self {
            at: at.into(),
            problem: problem.into(),
        }
    }
}

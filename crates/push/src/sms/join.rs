use std::time::Duration;

use super::{Reassembler, ReassemblyLimits, Taken, UserData, UserDataError};

/// Why parts make no message. Whoever gave them is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JoinError {
    /// A part that cannot be read.
    #[error(transparent)]
    UserData(#[from] UserDataError),
    /// None was given.
    #[error("there is no part")]
    None,
    /// Parts are missing.
    #[error("{have} of {total} parts of the SMS are there")]
    Missing {
        /// Parts that are there.
        have: u8,
        /// Parts that there are.
        total: u8,
    },
    /// A part that belongs to nothing.
    #[error("a part does not belong to the others, or stands there twice")]
    Stray,
}

/// What the parts of one message carry together, in whatever order they are given.
///
/// # Errors
/// [`JoinError`].
pub fn join<P: AsRef<[u8]>>(parts: &[P]) -> Result<Vec<u8>, JoinError> {
    let mut reassembler = Reassembler::new(ReassemblyLimits {
        parts: u8::MAX,
        ..ReassemblyLimits::default()
    });
    let mut last = JoinError::None;
    for (at, part) in parts.iter().enumerate() {
        let user_data = UserData::read(part.as_ref())?;
        match reassembler.take(Duration::ZERO, &(), &user_data) {
            Taken::Whole(whole) if at + 1 == parts.len() => return Ok(whole),
            Taken::Waiting { have, total } => last = JoinError::Missing { have, total },
            Taken::Whole(_) | Taken::Duplicate | Taken::Dropped(_) => {
                return Err(JoinError::Stray);
            }
        }
    }
    Err(last)
}

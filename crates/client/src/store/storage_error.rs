//! What redb's errors mean to the tree.

use std::io::{self, ErrorKind};

use omadm_mo::TreeError;

/// A failure of the storage as the tree's error: a full disk or quota is [`TreeError::NoRoom`], a broken file [`TreeError::Damaged`].
pub(super) fn tree_error(error: impl Into<redb::Error>) -> TreeError {
    match error.into() {
        redb::Error::Io(cause) if is_full(&cause) => TreeError::NoRoom,
        redb::Error::Corrupted(why) => TreeError::Damaged(why.into()),
        other => TreeError::Storage(other.to_string().into()),
    }
}

/// Something that was read from the store and cannot be what was written.
pub(super) fn damaged(what: impl std::fmt::Display) -> TreeError {
    TreeError::Damaged(what.to_string().into())
}

/// No room on the disk, in the quota, or under the limit of a file's size.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

#[cfg(test)]
mod tests {
    use super::tree_error;
    use omadm_mo::TreeError;
    use std::io;

    #[test]
    fn a_full_disk_is_no_room_and_a_broken_file_damaged() {
        let io = |kind| redb::StorageError::Io(io::Error::from(kind));
        assert_eq!(
            tree_error(io(io::ErrorKind::StorageFull)),
            TreeError::NoRoom
        );
        assert_eq!(
            tree_error(io(io::ErrorKind::QuotaExceeded)),
            TreeError::NoRoom
        );
        assert!(matches!(
            tree_error(io(io::ErrorKind::BrokenPipe)),
            TreeError::Storage(_)
        ));
        assert!(matches!(
            tree_error(redb::StorageError::Corrupted("page".into())),
            TreeError::Damaged(_)
        ));
    }
}

use zeroize::Zeroizing;

/// Rows of the table `trees` that a snapshot read a moment ago: the values of the children that were listed, the node that was found to stand. What a ClientURI
/// resolves to is read next, and it is not looked up a second time.
///
/// Of bounded size; wiped on drop, for any leaf may be a secret.
#[derive(Default)]
pub(super) struct RowsAtHand {
    /// Keys and values, one behind the other.
    octets: Zeroizing<Vec<u8>>,
    /// Where in `octets` each row's key begins, its value begins, and it ends.
    rows: Vec<(usize, usize, usize)>,
}

/// Octets of all keys and values. A longer value is read again.
const ROOM: usize = 4096;
/// Rows, which are looked through one by one.
const MOST: usize = 64;

impl RowsAtHand {
    /// Lets all rows go: what comes next lies elsewhere.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.rows.clear();
    }

    /// Keeps a row if there is room left; answers whether there was.
    pub(super) fn keep(&mut self, key: &[u8], value: &[u8]) -> bool {
        let begins = self.octets.len();
        let value_begins = begins + key.len();
        let ends = value_begins + value.len();
        if self.rows.len() == MOST || ends > ROOM {
            return false;
        }
        // At once, so that no unwiped copy is left behind by a growth.
        self.octets.reserve_exact(ROOM - begins);
        self.octets.extend_from_slice(key);
        self.octets.extend_from_slice(value);
        self.rows.push((begins, value_begins, ends));
        true
    }

    /// Keeps a row, in place of all others where there is no room beside them.
    pub(super) fn keep_rather(&mut self, key: &[u8], value: &[u8]) {
        if !self.keep(key, value) {
            self.clear();
            self.keep(key, value);
        }
    }

    /// The value of a row, if it is at hand.
    pub(super) fn find(&self, key: &[u8]) -> Option<&[u8]> {
        self.rows.iter().rev().find_map(|(begins, value, ends)| {
            let found = self.octets.get(*begins..*value)? == key;
            found.then(|| self.octets.get(*value..*ends)).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, ROOM, RowsAtHand};

    #[test]
    fn what_was_kept_is_found_until_it_is_let_go() {
        let mut rows = RowsAtHand::default();
        assert_eq!(rows.find(b""), None);
        assert!(rows.keep(b"a", b"1") && rows.keep(b"ab", b"") && rows.keep(b"b", b"2"));
        assert_eq!(rows.find(b"a"), Some(&b"1"[..]));
        assert_eq!(rows.find(b"ab"), Some(&b""[..]));
        assert_eq!(rows.find(b"b2"), None);
        rows.clear();
        assert_eq!(rows.find(b"a"), None);
    }

    #[test]
    fn neither_many_rows_nor_long_ones_take_more_than_their_room() {
        let mut rows = RowsAtHand::default();
        let kept = (0..2 * MOST as u32).filter(|n| rows.keep(&n.to_be_bytes(), b"v"));
        assert_eq!(kept.count(), MOST);
        rows.keep_rather(b"last", b"v");
        assert_eq!(rows.find(b"last"), Some(&b"v"[..]));
        assert_eq!(rows.find(&0u32.to_be_bytes()), None);
        let long = vec![7; ROOM];
        rows.keep_rather(b"long", &long);
        assert_eq!(rows.find(b"long"), None);
        assert!(rows.keep(b"", &long) && rows.octets.capacity() == ROOM);
    }
}

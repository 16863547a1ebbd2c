//! Names of a code page, found by name in one or two comparisons and by token in none.

/// Twice the tokens of a page, so that chains stay short.
const SLOTS: usize = 128;

/// The element names of one code page.
pub(crate) struct NameTable {
    names: [Option<&'static str>; 64],
    slots: [u8; SLOTS],
}

impl NameTable {
    /// Of pairs of token and name. Token 0 is never assigned: it marks a free slot.
    pub(crate) const fn new(pairs: &[(u8, &'static str)]) -> Self {
        let mut table = Self {
            names: [None; 64],
            slots: [0; SLOTS],
        };
        let mut next = 0;
        while next < pairs.len() {
            let (token, name) = pairs[next];
            table.names[token as usize] = Some(name);
            let mut slot = slot_of(name.as_bytes());
            while table.slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            table.slots[slot] = token;
            next += 1;
        }
        table
    }

    pub(crate) const fn name(&self, token: u8) -> Option<&'static str> {
        self.names[(token & 0x3f) as usize]
    }

    #[inline]
    pub(crate) fn token(&self, name: &str) -> Option<u8> {
        let mut slot = slot_of(name.as_bytes());
        loop {
            let token = self.slots[slot];
            match self.names[usize::from(token & 0x3f)] {
                Some(known) if known == name => return Some(token),
                None => return None,
                Some(_) => slot = (slot + 1) % SLOTS,
            }
        }
    }
}

#[inline]
const fn slot_of(name: &[u8]) -> usize {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let (first, middle, last) = (name[0], name[length / 2], name[length - 1]);
    (length * 7 + first as usize * 3 + middle as usize * 5 + last as usize * 11) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_token_and_a_token_by_name() {
        const TABLE: NameTable = NameTable::new(&[(5, "Add"), (6, "Alert"), (0x3f, "dAd")]);
        assert_eq!(TABLE.token("Alert"), Some(6));
        assert_eq!(TABLE.token("dAd"), Some(0x3f));
        assert_eq!(TABLE.token("Adder"), None);
        assert_eq!(TABLE.token(""), None);
        assert_eq!(TABLE.name(5), Some("Add"));
        assert_eq!(TABLE.name(7), None);
    }
}

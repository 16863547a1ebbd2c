//! BER-TLV as cards hold it: tags of up to three octets, definite lengths, and filling after the last element (§3.1).

use zeroize::Zeroizing;

/// Octets that are no TLV.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TlvError {
    /// The tag or the length is cut off, or more octets are announced than are there.
    #[error("an element is cut off")]
    CutOff,
    /// The tag has more than three octets.
    #[error("a tag has more than three octets")]
    LongTag,
    /// The length is of the indefinite form, or has more than three octets.
    #[error("a length is of a form that cards do not use")]
    LongLength,
    /// The elements are not those that the file must have.
    #[error("an element is missing or has a value that it cannot have")]
    Unexpected,
    /// More elements than a card's directory is believed to have.
    #[error("there are more elements than a directory may have")]
    TooMany,
}

/// An element: its tag as a number, `0x30`, `0xA1`, `0x5F2D`, and its value.
#[derive(Clone, Copy)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u32,
    pub(crate) value: &'a [u8],
}

/// The elements of `octets`, one after the other, up to the filling (`FF` or `00` in the place of a tag) or the end. Ends after an error.
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

/// Reads the elements of a file or of a constructed value.
pub(crate) const fn elements(octets: &[u8]) -> Elements<'_> {
    Elements { rest: octets }
}

impl<'a> Elements<'a> {
    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u32) -> Result<&'a [u8], TlvError> {
        let next = self.next().ok_or(TlvError::Unexpected)??;
        if next.tag == tag {
            Ok(next.value)
        } else {
            Err(TlvError::Unexpected)
        }
    }
}

/// The value of the first element with this tag; none where there is none before the filling or an error.
pub(crate) fn find(octets: &[u8], tag: u32) -> Option<&[u8]> {
    elements(octets)
        .map_while(Result::ok)
        .find(|element| element.tag == tag)
        .map(|element| element.value)
}

/// A non-negative INTEGER of at most four octets.
pub(crate) fn unsigned(value: &[u8]) -> Option<u32> {
    if value.is_empty() || value.len() > 5 || value.first().is_some_and(|first| first & 0x80 != 0) {
        return None;
    }
    let number = value
        .iter()
        .fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
    u32::try_from(number).ok()
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.rest.first(), None | Some(0x00 | 0xFF)) {
            self.rest = &[];
            return None;
        }
        let read = one(self.rest);
        self.rest = read.as_ref().map_or(&[][..], |(_, rest)| rest);
        Some(read.map(|(element, _)| element))
    }
}

fn one(octets: &[u8]) -> Result<(Tlv<'_>, &[u8]), TlvError> {
    let (first, mut rest) = octets.split_first().ok_or(TlvError::CutOff)?;
    let mut tag = u32::from(*first);
    if first & 0x1F == 0x1F {
        loop {
            let (next, after) = rest.split_first().ok_or(TlvError::CutOff)?;
            if tag > 0xFFFF {
                return Err(TlvError::LongTag);
            }
            (tag, rest) = (tag << 8 | u32::from(*next), after);
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    let (length, mut rest) = rest.split_first().ok_or(TlvError::CutOff)?;
    let mut length = usize::from(*length);
    if length >= 0x80 {
        let octets = length - 0x80;
        if !(1..=3).contains(&octets) {
            return Err(TlvError::LongLength);
        }
        let (number, after) = rest.split_at_checked(octets).ok_or(TlvError::CutOff)?;
        length = number
            .iter()
            .fold(0, |length, octet| length << 8 | usize::from(*octet));
        rest = after;
    }
    let (value, rest) = rest.split_at_checked(length).ok_or(TlvError::CutOff)?;
    Ok((Tlv { tag, value }, rest))
}

/// Writes elements, wiped on drop. Tags are written as given; lengths in the shortest form.
#[derive(Default)]
pub(crate) struct TlvWriter(Zeroizing<Vec<u8>>);

impl TlvWriter {
    /// Adds an element.
    pub(crate) fn element(mut self, tag: u32, value: &[u8]) -> Self {
        let octets = tag.to_be_bytes();
        let skipped = octets.iter().take_while(|octet| **octet == 0).count();
        self.0
            .extend_from_slice(octets.get(skipped..).unwrap_or(&[]));
        let length = value.len();
        let octets = length.to_be_bytes();
        let needed = octets.len() - octets.iter().take_while(|octet| **octet == 0).count();
        if length >= 0x80 {
            self.0.push(0x80 | needed as u8);
        }
        let needed = needed.max(1);
        self.0
            .extend_from_slice(octets.get(octets.len() - needed..).unwrap_or(&[]));
        self.0.extend_from_slice(value);
        self
    }

    /// Adds an element made of others.
    pub(crate) fn nest(self, tag: u32, inner: &Self) -> Self {
        self.element(tag, &inner.0)
    }

    /// Adds a non-negative INTEGER: with a leading 00 where its first bit is set.
    pub(crate) fn integer(self, tag: u32, number: u32) -> Self {
        let octets = number.to_be_bytes();
        let mut value = octets.as_slice();
        while let [0, rest @ ..] = value
            && rest.first().is_some_and(|next| next & 0x80 == 0)
        {
            value = rest;
        }
        let mut whole = Vec::with_capacity(5);
        if value.first().is_some_and(|first| first & 0x80 != 0) {
            whole.push(0);
        }
        whole.extend_from_slice(value);
        self.element(tag, &whole)
    }

    /// What was written.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(octets: &[u8]) -> Vec<Result<u32, TlvError>> {
        elements(octets)
            .map(|element| element.map(|element| element.tag))
            .collect()
    }

    #[test]
    fn filling_ends_the_list_and_is_no_error() {
        assert_eq!(tags(&[0x30, 0, 0xFF, 0x30, 0]), [Ok(0x30)]);
        assert_eq!(tags(&[0x30, 0, 0x00]), [Ok(0x30)]);
        assert_eq!(tags(&[0xFF]), []);
    }

    #[test]
    fn what_is_cut_off_or_of_another_form_is_an_error_and_the_end() {
        for (octets, error) in [
            (&[0x30][..], TlvError::CutOff),
            (&[0x30, 2, 0], TlvError::CutOff),
            (&[0x30, 0x82, 1], TlvError::CutOff),
            (&[0x30, 0x80, 0], TlvError::LongLength),
            (&[0x30, 0x84, 0, 0, 0, 0], TlvError::LongLength),
            (&[0x5F], TlvError::CutOff),
            (&[0x5F, 0x81, 0x82, 0x03, 0], TlvError::LongTag),
        ] {
            assert_eq!(tags(octets), [Err(error)], "{octets:02X?}");
        }
    }

    #[test]
    fn integers_above_127_have_a_leading_00() {
        for (number, octets) in [
            (0, &[0x80, 1, 0][..]),
            (89, &[0x80, 1, 0x59]),
            (200, &[0x80, 2, 0, 0xC8]),
            (256, &[0x80, 2, 1, 0]),
            (32_767, &[0x80, 2, 0x7F, 0xFF]),
            (32_768, &[0x80, 3, 0, 0x80, 0]),
        ] {
            assert_eq!(TlvWriter::default().integer(0x80, number).octets(), octets);
            assert_eq!(unsigned(octets.get(2..).unwrap_or(&[])), Some(number));
        }
        assert_eq!(unsigned(&[0xC8]), None);
        assert_eq!(unsigned(&[]), None);
        assert_eq!(unsigned(&[1, 0, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            tag in prop_oneof![Just(0x30_u32), Just(0xA1), Just(0x5F2D), Just(0x7F_8123)],
            value in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let written = TlvWriter::default().element(tag, &value).element(0x04, b"x");
            let read: Vec<_> = elements(written.octets()).collect::<Result<_, _>>().expect("well-formed");
            prop_assert_eq!(read.len(), 2);
            prop_assert_eq!(read[0].tag, tag);
            prop_assert_eq!(read[0].value, value);
        }

        #[test]
        fn any_octets_are_read_to_an_end(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let total: usize = elements(&octets).map_while(Result::ok).map(|element| element.value.len()).sum();
            prop_assert!(total <= octets.len());
        }
    }
}

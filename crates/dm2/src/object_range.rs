//! Which part of an object of a data repository is asked for and given: `Range`, `If-None-Match`, `Content-Range` (RFC 9110 §13.1.2, §14).

use std::fmt;
use std::ops::Range;

/// What of an object is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AskedRange {
    /// All of it: no `Range`, one that cannot be read, or several parts at once.
    Whole,
    /// These octets: at least one, and none beyond the end of the object.
    Part(Range<u64>),
    /// No octet of the object: 416.
    Nowhere,
}

impl AskedRange {
    /// Reads a `Range` of an object of so many octets: `bytes=first-last`, `bytes=first-` or `bytes=-suffix`.
    #[must_use]
    pub fn read(range: &str, octets: u64) -> Self {
        match part(range, octets) {
            None => Self::Whole,
            Some(part) if part.is_empty() => Self::Nowhere,
            Some(part) => Self::Part(part),
        }
    }
}

fn part(range: &str, octets: u64) -> Option<Range<u64>> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // More than fits lies behind every end.
    let position = |text| digits(text).map(|text| text.parse().unwrap_or(u64::MAX));
    Some(match (first, last) {
        ("", suffix) => octets.saturating_sub(position(suffix)?)..octets,
        (first, "") => position(first)?..octets,
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(octets)
        }
    })
}

fn digits(text: &str) -> Option<&str> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    digits.then_some(text)
}

/// Whether a peer holds what has this ETag (with its quotes): a list of its `If-None-Match` is `*`, or names it. Weak ones count as well.
pub fn holds<'a>(lists: impl IntoIterator<Item = &'a str>, etag: Option<&str>) -> bool {
    lists.into_iter().any(|list| {
        list.split(',')
            .map(str::trim)
            .any(|one| one == "*" || Some(one.strip_prefix("W/").unwrap_or(one)) == etag)
    })
}

/// `Content-Range` of an answer 206: which octets of how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentRange {
    part: Range<u64>,
    total: u64,
}

impl ContentRange {
    /// These octets of an object of `total`; none where there are no such octets.
    #[must_use]
    pub const fn new(part: Range<u64>, total: u64) -> Option<Self> {
        if part.start < part.end && part.end <= total {
            Some(Self { part, total })
        } else {
            None
        }
    }

    /// Reads `bytes first-last/total`; none where it is anything else, or leaves the total open.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text| digits(text)?.parse::<u64>().ok();
        let end = number(last)?.checked_add(1)?;
        Self::new(number(first)?..end, number(total)?)
    }

    /// The octets that are given.
    #[must_use]
    pub const fn part(&self) -> &Range<u64> {
        &self.part
    }

    /// Octets of the whole object.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }
}

/// As it stands in the header.
impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.part;
        write!(f, "bytes {start}-{}/{}", end - 1, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::{AskedRange, ContentRange, holds};

    #[test]
    fn a_single_range_is_cut_to_the_content_and_anything_else_is_none() {
        for (range, expected) in [
            ("bytes=0-0", AskedRange::Part(0..1)),
            ("bytes=2-", AskedRange::Part(2..10)),
            ("bytes=9-99999999999999999999999", AskedRange::Part(9..10)),
            ("Bytes = 1-2", AskedRange::Part(1..3)),
            ("bytes=-3", AskedRange::Part(7..10)),
            ("bytes=-30", AskedRange::Part(0..10)),
            ("bytes=10-", AskedRange::Nowhere),
            ("bytes=10-12", AskedRange::Nowhere),
            ("bytes=-0", AskedRange::Nowhere),
            ("bytes=3-2", AskedRange::Whole),
            ("bytes=0-1,3-4", AskedRange::Whole),
            ("bytes=+1-2", AskedRange::Whole),
            ("bytes=-", AskedRange::Whole),
            ("octets=0-1", AskedRange::Whole),
        ] {
            assert_eq!(AskedRange::read(range, 10), expected, "{range}");
        }
        assert_eq!(AskedRange::read("bytes=0-0", 0), AskedRange::Nowhere);
    }

    #[test]
    fn if_none_match_knows_lists_stars_and_weak_ones() {
        for (list, held) in [
            ("\"e\"", true),
            ("W/\"e\"", true),
            ("\"d\", \"e\"", true),
            ("*", true),
            ("\"d\"", false),
            ("e", false),
        ] {
            assert_eq!(holds([list], Some("\"e\"")), held, "{list}");
        }
        assert!(!holds([], Some("\"e\"")));
        assert!(!holds(["\"e\""], None));
    }

    #[test]
    fn a_content_range_is_read_as_it_is_written_and_other_text_is_none() {
        let range = ContentRange::new(3..10, 10).unwrap();
        assert_eq!(range.to_string(), "bytes 3-9/10");
        assert_eq!(ContentRange::read("bytes 3-9/10"), Some(range));
        for text in [
            "bytes 3-9/*",
            "bytes */10",
            "bytes 3-10/10",
            "bytes 9-3/10",
            "bytes +3-9/10",
            "bytes=3-9/10",
            "bytes 3-18446744073709551615/18446744073709551615",
        ] {
            assert_eq!(ContentRange::read(text), None, "{text}");
        }
    }
}

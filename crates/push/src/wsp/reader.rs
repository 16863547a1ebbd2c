//! Octets with a place, and the basic forms of WSP values.

use super::{HeaderText, WspError, WspFault};

/// Where a quoted text begins: before octets over 127, and before a quoted string.
const QUOTES: [u8; 2] = [0x7F, 0x22];
/// Longest of the lengths that stand in one octet.
const SHORT_LENGTH: u8 = 30;
/// A length follows as a uintvar.
const LENGTH_QUOTE: u8 = 31;

pub(super) struct Reader<'a> {
    whole: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(whole: &'a [u8]) -> Self {
        Self {
            whole,
            at: 0,
            end: whole.len(),
        }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.whole.get(self.at..self.end).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Result<u8, WspError> {
        let cut = WspError::new(self.at, WspFault::Cut);
        self.rest().first().copied().ok_or(cut)
    }

    pub(super) fn octet(&mut self) -> Result<u8, WspError> {
        let octet = self.peek()?;
        self.at += 1;
        Ok(octet)
    }

    /// The next octets as a reader of their own.
    pub(super) fn part(&mut self, length: u32) -> Result<Self, WspError> {
        let cut = WspError::new(self.at, WspFault::Cut);
        let length = usize::try_from(length).map_err(|_| cut)?;
        let end = self.at.checked_add(length).ok_or(cut)?;
        if end > self.end {
            return Err(cut);
        }
        let part = Self {
            whole: self.whole,
            at: self.at,
            end,
        };
        self.at = end;
        Ok(part)
    }

    /// Seven bits an octet, the highest first; the high bit says that more follow.
    pub(super) fn uintvar(&mut self) -> Result<u32, WspError> {
        let start = self.at;
        let mut number: u32 = 0;
        loop {
            let octet = self.octet()?;
            if number > u32::MAX >> 7 {
                return Err(WspError::new(start, WspFault::Number));
            }
            number = number << 7 | u32::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
    }

    /// A value length: one octet, or 31 and a uintvar; the value as a reader of its own.
    pub(super) fn value(&mut self) -> Result<Self, WspError> {
        let at = self.at;
        let length = match self.octet()? {
            short @ 0..=SHORT_LENGTH => u32::from(short),
            LENGTH_QUOTE => self.uintvar()?,
            other => return Err(WspError::new(at, WspFault::Value(other))),
        };
        self.part(length)
    }

    /// A short-integer or a long-integer.
    pub(super) fn integer(&mut self) -> Result<u32, WspError> {
        let at = self.at;
        match self.peek()? {
            short if short & 0x80 != 0 => {
                self.at += 1;
                Ok(u32::from(short & 0x7F))
            }
            1..=SHORT_LENGTH => {
                let octets = self.value()?.rest();
                let significant = octets.iter().skip_while(|octet| **octet == 0);
                significant.clone().try_fold(0_u32, |number, octet| {
                    let longer = number.checked_mul(0x100);
                    let longer = longer.ok_or_else(|| WspError::new(at, WspFault::Number))?;
                    Ok(longer | u32::from(*octet))
                })
            }
            other => Err(WspError::new(at, WspFault::Value(other))),
        }
    }

    /// Octets up to a NUL, which is taken, too.
    pub(super) fn string(&mut self) -> Result<&'a [u8], WspError> {
        let rest = self.rest();
        let Some(length) = rest.iter().position(|octet| *octet == 0) else {
            return Err(WspError::new(self.end, WspFault::Cut));
        };
        self.at += length + 1;
        Ok(rest.get(..length).unwrap_or_default())
    }

    /// A text up to a NUL. A quote before it is no part of it.
    pub(super) fn text(&mut self) -> Result<HeaderText, WspError> {
        let at = self.at;
        let octets = self.string()?;
        let octets = match octets.split_first() {
            Some((first, rest)) if QUOTES.contains(first) => rest,
            _ => octets,
        };
        let text = String::from_utf8(octets.to_vec()).unwrap_or_default();
        HeaderText::new(text).map_err(|error| WspError::new(at, error.into()))
    }

    /// Passes over a value of any form (`push.md` §2).
    pub(super) fn skip(&mut self) -> Result<(), WspError> {
        match self.peek()? {
            0..=LENGTH_QUOTE => self.value().map(drop),
            32..=127 => self.string().map(drop),
            128..=255 => self.octet().map(drop),
        }
    }
}

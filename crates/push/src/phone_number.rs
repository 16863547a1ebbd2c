use std::fmt;

/// A telephone number in international form (E.164): 1 to 15 digits, the first of them no zero.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PhoneNumber(String);

/// Not a number of this form. Whoever wrote it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a telephone number is written with + and its country code, digits alone: +15551230001")]
pub struct PhoneNumberError;

impl PhoneNumber {
    /// Digits of the longest number.
    pub const DIGITS: usize = 15;

    /// Reads `+` and digits.
    ///
    /// # Errors
    /// [`PhoneNumberError`].
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError)?;
        Self::from_digits(digits)
    }

    /// Reads digits without `+`, as SMPP carries them beside TON 1 (`push.md` §3).
    ///
    /// # Errors
    /// [`PhoneNumberError`].
    pub fn from_digits(digits: &str) -> Result<Self, PhoneNumberError> {
        let good = (1..=Self::DIGITS).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0');
        good.then(|| Self(digits.to_owned()))
            .ok_or(PhoneNumberError)
    }

    /// The digits, without `+`.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{PhoneNumber, PhoneNumberError};

    #[test]
    fn a_number_is_shown_as_it_was_written() {
        for text in ["+1", "+15551230001", "+999999999999999"] {
            assert_eq!(PhoneNumber::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_international_number_is_refused() {
        for text in [
            "",
            "+",
            "15551230001",
            "+05551230001",
            "+1555 1230001",
            "+1234567890123456",
            "+1555a",
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(PhoneNumberError), "{text}");
        }
    }
}

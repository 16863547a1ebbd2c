use std::fmt;

/// A certificate's serial number: unsigned, big-endian, without leading zero octets; zero is the empty sequence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber(Box<[u8]>);

impl SerialNumber {
    /// Takes the content octets of a DER INTEGER, or any big-endian number.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Self {
        let start = octets
            .iter()
            .position(|octet| *octet != 0)
            .unwrap_or(octets.len());
        Self(octets.get(start..).unwrap_or_default().into())
    }

    /// The octets, most significant first.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// Upper-case hexadecimal without separators, as `openssl x509 -serial` prints it.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("00");
        }
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::SerialNumber;

    #[test]
    fn leading_zero_octets_do_not_make_another_serial() {
        assert_eq!(
            SerialNumber::from_octets(&[0, 0x8f, 1]),
            SerialNumber::from_octets(&[0x8f, 1])
        );
        assert_eq!(SerialNumber::from_octets(&[0, 0x8f, 1]).to_string(), "8F01");
        assert_eq!(SerialNumber::from_octets(&[0]).to_string(), "00");
    }
}

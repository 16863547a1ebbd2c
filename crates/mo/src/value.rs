use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The format of a node (`dm20.md` §8.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// Interior node.
    Node,
    /// Leaf without content.
    Null,
    /// Octets, base64 in XML.
    B64,
    /// Octets.
    Bin,
    /// Truth value.
    Bool,
    /// Text.
    Chr,
    /// Integer.
    Int,
    /// XML text.
    Xml,
    /// Date text, `YYYYMMDD` in the standard's examples; kept as written.
    Date,
    /// Time text, kept as written.
    Time,
    /// Number with a fraction.
    Float,
}

/// The value of a leaf, in its format.
///
/// Wiped on drop, and its `Debug` tells format and length only: any leaf may hold a secret.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// [`Format::Null`]
    Null,
    /// [`Format::B64`]
    B64(Zeroizing<Vec<u8>>),
    /// [`Format::Bin`]
    Bin(Zeroizing<Vec<u8>>),
    /// [`Format::Bool`]
    Bool(bool),
    /// [`Format::Chr`]
    Chr(Zeroizing<String>),
    /// [`Format::Int`]
    Int(i64),
    /// [`Format::Xml`]
    Xml(Zeroizing<String>),
    /// [`Format::Date`]
    Date(Zeroizing<String>),
    /// [`Format::Time`]
    Time(Zeroizing<String>),
    /// [`Format::Float`]
    Float(f64),
}

/// Why a text does not fit a format. Its author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValueError {
    /// The text is no value of this format.
    #[error("not a value of format {0}")]
    NotOfFormat(Format),
}

impl Format {
    /// All formats in the order of the standard's table.
    pub const ALL: [Self; 11] = [
        Self::Node,
        Self::Null,
        Self::B64,
        Self::Bin,
        Self::Bool,
        Self::Chr,
        Self::Int,
        Self::Xml,
        Self::Date,
        Self::Time,
        Self::Float,
    ];

    /// The name in a DDF and in an alert's `DataType`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Null => "null",
            Self::B64 => "b64",
            Self::Bin => "bin",
            Self::Bool => "bool",
            Self::Chr => "chr",
            Self::Int => "int",
            Self::Xml => "xml",
            Self::Date => "date",
            Self::Time => "time",
            Self::Float => "float",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

impl Value {
    /// A text of format `chr`.
    #[must_use]
    pub fn chr(text: impl Into<String>) -> Self {
        Self::Chr(Zeroizing::new(text.into()))
    }

    /// Octets of format `bin`.
    #[must_use]
    pub fn bin(octets: impl Into<Vec<u8>>) -> Self {
        Self::Bin(Zeroizing::new(octets.into()))
    }

    /// Its format.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self {
            Self::Null => Format::Null,
            Self::B64(_) => Format::B64,
            Self::Bin(_) => Format::Bin,
            Self::Bool(_) => Format::Bool,
            Self::Chr(_) => Format::Chr,
            Self::Int(_) => Format::Int,
            Self::Xml(_) => Format::Xml,
            Self::Date(_) => Format::Date,
            Self::Time(_) => Format::Time,
            Self::Float(_) => Format::Float,
        }
    }

    /// The text of a `chr`, `xml`, `date` or `time` leaf.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Chr(text) | Self::Xml(text) | Self::Date(text) | Self::Time(text) => Some(text),
            _ => None,
        }
    }

    /// The octets of a `bin` or `b64` leaf.
    #[must_use]
    pub fn as_octets(&self) -> Option<&[u8]> {
        match self {
            Self::Bin(octets) | Self::B64(octets) => Some(octets),
            _ => None,
        }
    }

    /// The number of an `int` leaf.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    /// The string form that an nv condition is compared with (D28): decimal, `true`/`false`, padded base64, null empty, the rest as stored.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Null => String::new(),
            Self::B64(octets) | Self::Bin(octets) => STANDARD.encode(octets.as_slice()),
            Self::Bool(truth) => truth.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Chr(text) | Self::Xml(text) | Self::Date(text) | Self::Time(text) => {
                return text.clone();
            }
        })
    }

    /// The property `Size` (`dm1x.md` §4.2): octets of the value, decoded where it is base64.
    #[must_use]
    pub fn size(&self) -> usize {
        let octets = self.as_octets().map(<[u8]>::len);
        octets.unwrap_or_else(|| self.to_text().len())
    }

    /// Reads the string form of a format, with what D32 also accepts: unpadded base64 and base64url, `0`/`1` as truth values.
    ///
    /// # Errors
    /// [`ValueError`] where the text does not fit, and always for [`Format::Node`].
    pub fn from_text(format: Format, text: &str) -> Result<Self, ValueError> {
        let wrong = ValueError::NotOfFormat(format);
        let owned = || Zeroizing::new(text.to_owned());
        Ok(match format {
            Format::Node => return Err(wrong),
            Format::Null if text.is_empty() => Self::Null,
            Format::Null => return Err(wrong),
            Format::B64 => Self::B64(decode_base64(text).ok_or(wrong)?),
            Format::Bin => Self::Bin(decode_base64(text).ok_or(wrong)?),
            Format::Bool => match text {
                "true" | "1" => Self::Bool(true),
                "false" | "0" => Self::Bool(false),
                _ => return Err(wrong),
            },
            Format::Int => Self::Int(read_int(text).ok_or(wrong)?),
            Format::Float => Self::Float(
                text.parse::<f64>()
                    .ok()
                    .filter(|n| n.is_finite())
                    .ok_or(wrong)?,
            ),
            Format::Chr => Self::Chr(owned()),
            Format::Xml => Self::Xml(owned()),
            Format::Date => Self::Date(owned()),
            Format::Time => Self::Time(owned()),
        })
    }
}

fn read_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn decode_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let plain: Zeroizing<String> = Zeroizing::new(
        text.trim_end_matches('=')
            .chars()
            .map(|c| {
                if c == '-' {
                    '+'
                } else if c == '_' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
    );
    let padding = text.len() - plain.len();
    let whole = padding == 0 || (plain.len() + padding).is_multiple_of(4) && padding < 3;
    if !whole {
        return None;
    }
    base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(plain.as_bytes())
        .ok()
        .map(Zeroizing::new)
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = match self {
            Self::B64(octets) | Self::Bin(octets) => octets.len(),
            _ => self.as_text().map_or(0, str::len),
        };
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => {
                write!(f, "{}", self.format())
            }
            _ => write!(f, "{}({len})", self.format()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Value, ValueError};

    #[test]
    fn base64_may_be_unpadded_or_url_safe_d32() {
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            assert_eq!(
                Value::from_text(Format::Bin, text),
                Ok(Value::bin([0xfb, 0xff])),
                "{text}"
            );
        }
        for text in ["+/8==", "a", "%%%%", "A==="] {
            assert_eq!(
                Value::from_text(Format::Bin, text),
                Err(ValueError::NotOfFormat(Format::Bin)),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_and_truth_values_have_one_string_form_d28() {
        assert_eq!(
            Value::from_text(Format::Int, "-7")
                .unwrap()
                .to_text()
                .as_str(),
            "-7"
        );
        assert_eq!(
            Value::from_text(Format::Bool, "1")
                .unwrap()
                .to_text()
                .as_str(),
            "true"
        );
        assert!(Value::from_text(Format::Int, "+7").is_err());
        assert!(Value::from_text(Format::Int, "").is_err());
        assert!(Value::from_text(Format::Float, "NaN").is_err());
        assert!(Value::from_text(Format::Node, "").is_err());
    }

    #[test]
    fn debug_output_tells_no_content() {
        assert_eq!(format!("{:?}", Value::chr("hunter2")), "chr(7)");
        assert_eq!(format!("{:?}", Value::Int(1234)), "int");
    }
}

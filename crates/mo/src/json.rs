//! JSON as every DM 2.0 body is read: bounded in size and depth, no member twice, order kept.
//!
//! Bodies carry secrets, so [`Json`] has a `Debug` that tells the shape only.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A JSON value. Members keep the order in which they stood.
#[derive(Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction or exponent that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Self>),
    /// An object; no name occurs twice.
    Object(Vec<(String, Self)>),
}

/// Bounds of a JSON body. Defaults are those of the issue: depth 64, 1 MiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JsonLimits {
    /// Deepest nesting of arrays and objects.
    pub depth: usize,
    /// Longest body in octets.
    pub octets: usize,
}

/// What is wrong with a JSON body, and where. Its sender is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonError {
    /// Longer than the limit.
    #[error("the body has {octets} octets, more than the {limit} allowed")]
    TooLarge {
        /// Its length.
        octets: usize,
        /// The limit.
        limit: usize,
    },
    /// Nested deeper than the limit.
    #[error("line {line}, column {column}: nested deeper than {limit} levels")]
    TooDeep {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The limit.
        limit: usize,
    },
    /// A member name occurs twice in one object.
    #[error("line {line}, column {column}: the member {member:?} occurs twice")]
    Duplicate {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The name.
        member: String,
    },
    /// The text ends before the value does.
    #[error("line {line}, column {column}: the text ends in the middle of a value")]
    Truncated {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Not JSON, or not UTF-8.
    #[error("line {line}, column {column}: not JSON")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            depth: 64,
            octets: 1 << 20,
        }
    }
}

impl Json {
    /// Reads one JSON value; a byte order mark before it is tolerated.
    ///
    /// # Errors
    /// [`JsonError`] with the place.
    pub fn read(body: &[u8], limits: JsonLimits) -> Result<Self, JsonError> {
        if body.len() > limits.octets {
            return Err(JsonError::TooLarge {
                octets: body.len(),
                limit: limits.octets,
            });
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let found = Cell::new(None);
        let mut reader = serde_json::Deserializer::from_slice(body);
        let seed = Level {
            depth: 0,
            limit: limits.depth,
            problem: &found,
        };
        let read = seed
            .deserialize(&mut reader)
            .and_then(|value| reader.end().map(|()| value));
        read.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            match found.take() {
                Some(Problem::TooDeep) => JsonError::TooDeep {
                    line,
                    column,
                    limit: limits.depth,
                },
                Some(Problem::Duplicate(member)) => JsonError::Duplicate {
                    line,
                    column,
                    member,
                },
                None if error.is_eof() => JsonError::Truncated { line, column },
                None => JsonError::Syntax { line, column },
            }
        })
    }

    /// A string.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object of these members. The caller names none twice.
    #[must_use]
    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// The member of this name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.as_object()?
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value)
    }

    /// Its members.
    #[must_use]
    pub const fn as_object(&self) -> Option<&[(String, Self)]> {
        if let Self::Object(members) = self {
            Some(members.as_slice())
        } else {
            None
        }
    }

    /// Its elements.
    #[must_use]
    pub const fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self {
            Some(elements.as_slice())
        } else {
            None
        }
    }

    /// Its text.
    #[must_use]
    pub const fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text.as_str())
        } else {
            None
        }
    }

    /// Its number, where it is a whole one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    /// What it is, in the words of an error message.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The value without blanks between its parts.
    #[must_use]
    pub fn to_compact(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The value over several lines, for people.
    #[must_use]
    pub fn to_pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

enum Problem {
    TooDeep,
    Duplicate(String),
}

#[derive(Clone, Copy)]
struct Level<'a> {
    depth: usize,
    limit: usize,
    problem: &'a Cell<Option<Problem>>,
}

impl Level<'_> {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == self.limit {
            self.problem.set(Some(Problem::TooDeep));
            return Err(E::custom("too deep"));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Json;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond 63 bits a JSON number is a float"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(below)? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut members = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                self.problem.set(Some(Problem::Duplicate(name)));
                return Err(A::Error::custom("duplicate member"));
            }
            members.push((name, map.next_value_seed(below)?));
        }
        Ok(Json::Object(members))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Array(elements) => {
                let mut seq = serializer.serialize_seq(Some(elements.len()))?;
                elements
                    .iter()
                    .try_for_each(|element| seq.serialize_element(element))?;
                seq.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members
                    .iter()
                    .try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(elements) => f.debug_list().entries(elements).finish(),
            Self::Object(members) => f
                .debug_map()
                .entries(members.iter().map(|(n, v)| (n, v)))
                .finish(),
            Self::Text(text) => write!(f, "text({})", text.len()),
            other => f.write_str(other.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, JsonError, JsonLimits};

    fn read(text: &str) -> Result<Json, JsonError> {
        Json::read(text.as_bytes(), JsonLimits::default())
    }

    #[test]
    fn a_number_is_written_so_that_the_same_one_is_read() {
        for text in ["18446744073788347498", "0.1", "1e-300", "-12345678901.25"] {
            let json = read(text).unwrap();
            assert_eq!(read(&json.to_compact()), Ok(json), "{text}");
        }
    }

    #[test]
    fn a_member_twice_is_refused_with_its_name_and_place() {
        let error = read("{\"a\":1,\n \"b\":{\"c\":1,\"c\":2}}").unwrap_err();
        assert!(
            matches!(error, JsonError::Duplicate { line: 2, ref member, .. } if member == "c"),
            "{error}"
        );
    }

    #[test]
    fn nesting_is_bounded_at_64_levels() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(read(&nested(64)).is_ok());
        assert!(matches!(
            read(&nested(65)),
            Err(JsonError::TooDeep { limit: 64, .. })
        ));
        assert!(matches!(
            read(&"[".repeat(100_000)),
            Err(JsonError::TooDeep { .. })
        ));
    }

    #[test]
    fn size_is_bounded_and_settable() {
        let limits = JsonLimits {
            octets: 4,
            ..JsonLimits::default()
        };
        assert_eq!(
            Json::read(b"12345", limits),
            Err(JsonError::TooLarge {
                octets: 5,
                limit: 4
            })
        );
        assert_eq!(Json::read(b"1234", limits), Ok(Json::Int(1234)));
    }

    #[test]
    fn truncated_malformed_and_foreign_text_each_have_their_error() {
        assert!(matches!(read("{\"a\":"), Err(JsonError::Truncated { .. })));
        assert!(matches!(
            read("{a:1}"),
            Err(JsonError::Syntax { line: 1, column: 2 })
        ));
        assert!(matches!(read("1 2"), Err(JsonError::Syntax { .. })));
        assert!(matches!(
            Json::read(b"\"\xff\"", JsonLimits::default()),
            Err(JsonError::Syntax { .. })
        ));
    }

    #[test]
    fn order_is_kept_and_writing_is_the_inverse_of_reading() {
        let text = r#"{"z":1,"a":[true,null,-2,0.5,"ü\n"],"m":{}}"#;
        assert_eq!(read(text).unwrap().to_compact(), text);
    }

    #[test]
    fn debug_output_tells_no_content() {
        let debug = format!("{:?}", read(r#"{"Secret":"hunter2"}"#).unwrap());
        assert!(!debug.contains("hunter2"), "{debug}");
    }
}

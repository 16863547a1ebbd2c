use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::{ClientUri, Condition, InstanceStep, Step, XName};
use crate::miid::is_x_name;
use crate::{CacheValidator, Miid, MiidError, Moid, MoidError, NodeName, NodeNameError, NodePath};

/// Why a text is no ClientURI. Its sender is at fault; DM status 400.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientUriError {
    /// Longer than [`ClientUri::MAX_LEN`], as it came or as it is written.
    #[error("the ClientURI is longer than {max} octets", max = ClientUri::MAX_LEN)]
    TooLong,
    /// The part before the first `/`.
    #[error("the ClientURI's MOID: {0}")]
    Moid(#[from] MoidError),
    /// No `/` after the MOID.
    #[error("the ClientURI has no `/` after its MOID")]
    NoInstance,
    /// The `mo-inst` component.
    #[error("the ClientURI's instance: {0}")]
    Miid(#[from] MiidError),
    /// A name in the path or in an nv field.
    #[error("the ClientURI's node {0:?}: {1}")]
    Name(String, NodeNameError),
    /// `//` inside the path.
    #[error("the ClientURI has an empty step inside its path")]
    EmptyStep,
    /// `%` without two hexadecimal digits, or octets that are not UTF-8.
    #[error("the ClientURI's part {0:?} is wrongly percent-encoded")]
    Encoding(String),
    /// `#` or a control character.
    #[error("the ClientURI holds {0:?}, which has to be percent-encoded")]
    Character(char),
    /// Neither `nv=` nor `cv=`.
    #[error("the query field {0:?} is unknown; nv and cv are the known ones")]
    UnknownField(String),
    /// `cv` twice.
    #[error("the query has more than one cv field")]
    SeveralValidators,
    /// Not `(x)/leaf:value`.
    #[error("the nv field {0:?} is not of the form (x)/leaf:value")]
    Condition(String),
    /// One letter at two places of the path.
    #[error("the x-name {0} stands at two places")]
    XNameTwice(XName),
    /// A letter in the path without nv field.
    #[error("the x-name {0} has no nv field")]
    XNameWithoutCondition(XName),
    /// A letter in an nv field that is not in the path.
    #[error("the nv field of {0} fits no x-name of the path")]
    ConditionWithoutXName(XName),
}

impl ClientUri {
    /// Reads a ClientURI (D28): split on `?`, then on `/` and `&`; `*` and x-names are told by the raw piece; then each piece is decoded.
    ///
    /// # Errors
    /// [`ClientUriError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, ClientUriError> {
        if text.len() > Self::MAX_LEN {
            return Err(ClientUriError::TooLong);
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || *c == '#') {
            return Err(ClientUriError::Character(bad));
        }
        let (place, query) = text
            .split_once('?')
            .map_or((text, None), |(place, query)| (place, Some(query)));
        let (moid, rest) = place
            .split_once('/')
            .map_or((place, None), |(moid, rest)| (moid, Some(rest)));
        let moid = Moid::parse(moid)?;
        let rest = rest.ok_or(ClientUriError::NoInstance)?;
        let (instance, path) = rest
            .split_once('/')
            .map_or((rest, ""), |(instance, path)| (instance, path));
        let mut uri = Self {
            moid,
            instance: read_instance(instance)?,
            path: read_path(path)?,
            conditions: Vec::new(),
            cv: None,
        };
        for field in query.into_iter().flat_map(|query| query.split('&')) {
            uri.read_field(field)?;
        }
        uri.check_x_names()?;
        // Percent-encoding what came bare makes three octets of one, and an empty path is written with its slash.
        if text.len() > (Self::MAX_LEN - 1) / 3 && uri.to_string().len() > Self::MAX_LEN {
            return Err(ClientUriError::TooLong);
        }
        Ok(uri)
    }

    fn read_field(&mut self, field: &str) -> Result<(), ClientUriError> {
        match field.split_once('=') {
            Some(("nv", text)) => self.conditions.push(read_condition(text)?),
            Some(("cv", _)) if self.cv.is_some() => return Err(ClientUriError::SeveralValidators),
            Some(("cv", text)) => self.cv = Some(CacheValidator::new(decode(text)?)),
            _ => return Err(ClientUriError::UnknownField(field.to_owned())),
        }
        Ok(())
    }

    fn check_x_names(&self) -> Result<(), ClientUriError> {
        let first = if let InstanceStep::XName(x) = self.instance {
            Some(x)
        } else {
            None
        };
        let others = self.path.iter().filter_map(|step| {
            if let Step::XName(x) = step {
                Some(*x)
            } else {
                None
            }
        });
        let mut letters: Vec<XName> = first.into_iter().chain(others).collect();
        letters.sort_unstable();
        if let Some(pair) = letters.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ClientUriError::XNameTwice(pair[0]));
        }
        if let Some(c) = self
            .conditions
            .iter()
            .find(|c| !letters.contains(&c.x_name))
        {
            return Err(ClientUriError::ConditionWithoutXName(c.x_name));
        }
        match letters
            .into_iter()
            .find(|x| !self.conditions.iter().any(|c| c.x_name == *x))
        {
            Some(x) => Err(ClientUriError::XNameWithoutCondition(x)),
            None => Ok(()),
        }
    }
}

fn read_instance(piece: &str) -> Result<InstanceStep, ClientUriError> {
    Ok(match piece {
        "" => InstanceStep::Only,
        "*" => InstanceStep::All,
        x if is_x_name(x) => InstanceStep::XName(XName(x.as_bytes()[1])),
        miid => InstanceStep::Miid(Miid::parse(&decode(miid)?)?),
    })
}

fn read_path(path: &str) -> Result<Vec<Step>, ClientUriError> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.strip_suffix('/')
        .unwrap_or(path)
        .split('/')
        .map(read_step)
        .collect()
}

fn read_step(piece: &str) -> Result<Step, ClientUriError> {
    Ok(match piece {
        "" => return Err(ClientUriError::EmptyStep),
        "*" => Step::All,
        x if is_x_name(x) => Step::XName(XName(x.as_bytes()[1])),
        name => Step::Name(read_name(name)?),
    })
}

fn read_name(piece: &str) -> Result<NodeName, ClientUriError> {
    NodeName::parse(&decode(piece)?).map_err(|error| ClientUriError::Name(piece.to_owned(), error))
}

/// `(x)/leaf:value`; the value is what follows the first `:` (D28).
fn read_condition(text: &str) -> Result<Condition, ClientUriError> {
    let wrong = || ClientUriError::Condition(text.to_owned());
    let (x, rest) = text
        .split_at_checked(3)
        .filter(|(x, _)| is_x_name(x))
        .ok_or_else(wrong)?;
    let (leaf, value) = rest
        .strip_prefix('/')
        .and_then(|rest| rest.split_once(':'))
        .ok_or_else(wrong)?;
    if leaf.split('/').any(str::is_empty) {
        return Err(wrong());
    }
    let leaf = leaf
        .split('/')
        .map(read_name)
        .collect::<Result<NodePath, _>>()?;
    Ok(Condition {
        x_name: XName(x.as_bytes()[1]),
        leaf,
        value: decode(value)?,
    })
}

fn decode(piece: &str) -> Result<String, ClientUriError> {
    let wrong = || ClientUriError::Encoding(piece.to_owned());
    let escapes_are_whole = piece.split('%').skip(1).all(|after| {
        after
            .as_bytes()
            .get(..2)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !escapes_are_whole {
        return Err(wrong());
    }
    percent_decode_str(piece)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| wrong())
}

impl FromStr for ClientUri {
    type Err = ClientUriError;
    fn from_str(text: &str) -> Result<Self, ClientUriError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClientUri, ClientUriError, InstanceStep, Step, XName};
    use crate::Miid;

    #[test]
    fn a_trailing_slash_and_a_missing_one_after_the_instance_are_accepted_d28() {
        let whole = ClientUri::parse("urn:oma:mo:moid:1.0/left/").unwrap();
        assert_eq!(ClientUri::parse("urn:oma:mo:moid:1.0/left").unwrap(), whole);
        assert_eq!(
            whole.instance,
            InstanceStep::Miid(Miid::parse("left").unwrap())
        );
        let below = ClientUri::parse("urn:oma:mo:moid:1.0/left/Data").unwrap();
        assert_eq!(
            ClientUri::parse("urn:oma:mo:moid:1.0/left/Data/").unwrap(),
            below
        );
    }

    #[test]
    fn a_uri_whose_written_form_is_too_long_is_refused_as_it_comes() {
        let bare = "\u{28c}/".repeat(ClientUri::MAX_LEN / 6);
        assert_eq!(
            ClientUri::parse(&format!("urn:m/a/{bare}")),
            Err(ClientUriError::TooLong)
        );
    }

    #[test]
    fn what_d28_calls_malformed_is_refused() {
        let x = XName(b'x');
        for (text, error) in [
            ("urn:m", ClientUriError::NoInstance),
            ("urn:m?cv=1", ClientUriError::NoInstance),
            ("urn:m/a//b", ClientUriError::EmptyStep),
            ("urn:m/a//", ClientUriError::EmptyStep),
            ("urn:m/(x)/ID", ClientUriError::XNameWithoutCondition(x)),
            ("urn:m/(x)/(x)/?nv=(x)/a:1", ClientUriError::XNameTwice(x)),
            (
                "urn:m/a/?nv=(x)/a:1",
                ClientUriError::ConditionWithoutXName(x),
            ),
            ("urn:m/a/?cv=1&cv=2", ClientUriError::SeveralValidators),
            ("urn:m/a/?q=1", ClientUriError::UnknownField("q=1".into())),
            ("urn:m/a/?", ClientUriError::UnknownField(String::new())),
            (
                "urn:m/(x)/?nv=(x)/a",
                ClientUriError::Condition("(x)/a".into()),
            ),
            (
                "urn:m/(x)/?nv=(x):a",
                ClientUriError::Condition("(x):a".into()),
            ),
            ("urn:m/a/%zz", ClientUriError::Encoding("%zz".into())),
            ("urn:m/a/%ff", ClientUriError::Encoding("%ff".into())),
            ("urn:m/a/b#c", ClientUriError::Character('#')),
        ] {
            assert_eq!(ClientUri::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn wildcard_and_x_name_are_told_by_the_raw_piece() {
        let uri = ClientUri::parse("urn:m/1/%2A/(y)/*?nv=(y)/a/b:c:d%26e").unwrap();
        assert!(matches!(&uri.path[0], Step::Name(name) if name.as_str() == "*"));
        assert_eq!(uri.path[1], Step::XName(XName(b'y')));
        assert_eq!(uri.path[2], Step::All);
        assert_eq!(uri.conditions[0].value, "c:d&e");
        assert!(
            ClientUri::parse("urn:m/%2A/").is_err(),
            "an MIID is never *"
        );
    }

    #[test]
    fn an_nv_value_may_hold_slash_and_question_mark() {
        let uri = ClientUri::parse("urn:m/(x)/?nv=(x)/Url:http://a/b?c=d").unwrap();
        assert_eq!(uri.conditions[0].value, "http://a/b?c=d");
    }
}

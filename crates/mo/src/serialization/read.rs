use super::MoItem;
use crate::client_uri::ClientUriError;
use crate::json::Json;
use crate::{CacheValidator, ClientUri};

/// What is wrong with a serialized document, and at which member. Its author is at fault; DM status 400.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct SerializationError {
    /// The member, for example `$[0].ClientURI`.
    pub at: String,
    /// What is wrong with it.
    pub problem: SerializationProblem,
}

/// The ways a document can violate the MO schema of Appendix A.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SerializationProblem {
    /// Neither an array nor an object.
    #[error("MO serialization is an array of items, this is {0}")]
    NotItems(&'static str),
    /// Another type than the schema's.
    #[error("has to be {expected}, is {found}")]
    Type {
        /// The schema's type.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A required member is missing.
    #[error("the member {0} is missing")]
    Missing(&'static str),
    /// Not a ClientURI.
    #[error(transparent)]
    ClientUri(#[from] ClientUriError),
}

impl MoItem {
    /// Takes a document apart. A single object stands for an array of one (D33 d); members the schema does not know are passed over.
    ///
    /// # Errors
    /// [`SerializationError`] naming the first member that violates the schema.
    pub fn read_all(document: &Json) -> Result<Vec<Self>, SerializationError> {
        match document {
            Json::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, item)| read_item(item, n, &format!("$[{n}]")))
                .collect(),
            Json::Object(_) => Ok(vec![read_item(document, 0, "$")?]),
            other => Err(error(
                "$".to_owned(),
                SerializationProblem::NotItems(other.kind()),
            )),
        }
    }
}

fn read_item(item: &Json, position: usize, at: &str) -> Result<MoItem, SerializationError> {
    if item.as_object().is_none() {
        return Err(error(
            at.to_owned(),
            SerializationProblem::Type {
                expected: "an object",
                found: item.kind(),
            },
        ));
    }
    let data = match item.member("MOData") {
        None => {
            return Err(error(
                at.to_owned(),
                SerializationProblem::Missing("MOData"),
            ));
        }
        Some(data) if data.as_object().is_some() => data.clone(),
        Some(other) => {
            let problem = SerializationProblem::Type {
                expected: "an object",
                found: other.kind(),
            };
            return Err(error(format!("{at}.MOData"), problem));
        }
    };
    let client_uri = match text(item, "ClientURI", at)? {
        None => None,
        Some(uri) => {
            Some(ClientUri::parse(uri).map_err(|e| error(format!("{at}.ClientURI"), e.into()))?)
        }
    };
    Ok(MoItem {
        position,
        ddf: text(item, "DDF", at)?.map(str::to_owned),
        client_uri,
        cv: text(item, "CV", at)?.map(CacheValidator::new),
        data,
    })
}

/// The text of an optional member; `null` counts as absent (E10).
fn text<'a>(
    item: &'a Json,
    name: &'static str,
    at: &str,
) -> Result<Option<&'a str>, SerializationError> {
    match item.member(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(other) => {
            let problem = SerializationProblem::Type {
                expected: "a string",
                found: other.kind(),
            };
            Err(error(format!("{at}.{name}"), problem))
        }
    }
}

const fn error(at: String, problem: SerializationProblem) -> SerializationError {
    SerializationError { at, problem }
}

#[cfg(test)]
mod tests {
    use super::{MoItem, SerializationProblem};
    use crate::json::{Json, JsonLimits};

    fn read(text: &str) -> Result<Vec<MoItem>, super::SerializationError> {
        MoItem::read_all(&Json::read(text.as_bytes(), JsonLimits::default()).unwrap())
    }

    #[test]
    fn a_single_object_stands_for_an_array_of_one_d33() {
        let items = read(r#"{"ClientURI":"oma:mo:oma-dm-devinfo:1.0//","MOData":{"DevInfo":{}},"Extra":1,"CV":null}"#).unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(
            items[0].client_uri.as_ref().unwrap().to_string(),
            "urn:oma:mo:oma-dm-devinfo:1.0//"
        );
    }

    #[test]
    fn a_violation_names_the_member() {
        for (text, at) in [
            ("7", "$"),
            ("[1]", "$[0]"),
            (r#"[{"ClientURI":"urn:a//"}]"#, "$[0]"),
            (r#"[{"MOData":{}},{"MOData":[]}]"#, "$[1].MOData"),
            (r#"[{"ClientURI":7,"MOData":{}}]"#, "$[0].ClientURI"),
            (r#"[{"ClientURI":"urn:a","MOData":{}}]"#, "$[0].ClientURI"),
        ] {
            assert_eq!(read(text).unwrap_err().at, at, "{text}");
        }
        let missing = read(r#"[{"ClientURI":"urn:a//"}]"#).unwrap_err();
        assert_eq!(missing.problem, SerializationProblem::Missing("MOData"));
    }
}

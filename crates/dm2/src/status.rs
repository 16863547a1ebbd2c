use omadm_mo::ClientUri;
use omadm_mo::client_uri::ClientUriError;
use omadm_mo::json::Json;
use omadm_mo::serialization::{MoItem, SerializationError};

use crate::schema::{member, object, required, texts, whole_number, write_texts, wrong_type};
use crate::{PackageError, PackageProblem, StatusCode};

/// The answer to one command (`dm20.md` §4.3).
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// `sc`.
    pub code: StatusCode,
    /// `URI`: the ClientURIs concerned, as they were written; where an HGET stored its data (D73). See [`Self::uris`].
    pub uri: Vec<String>,
    /// `Result` of a GET (D12): an MO serialization. See [`Self::items`].
    pub result: Option<Json>,
}

impl Status {
    /// A code and nothing more.
    #[must_use]
    pub const fn new(code: StatusCode) -> Self {
        Self {
            code,
            uri: Vec::new(),
            result: None,
        }
    }

    /// The same status with these ClientURIs.
    #[must_use]
    pub fn with_uris<'a>(mut self, uris: impl IntoIterator<Item = &'a ClientUri>) -> Self {
        self.uri = uris.into_iter().map(ClientUri::to_string).collect();
        self
    }

    /// The same status with the result of a GET: items as [`omadm_mo::serialization::write_item`] makes them.
    #[must_use]
    pub fn with_result(mut self, items: Vec<Json>) -> Self {
        self.result = Some(Json::Array(items));
        self
    }

    /// `URI`, parsed. The schema asks for strings only, so a bad one costs the package nothing else.
    pub fn uris(&self) -> impl Iterator<Item = Result<ClientUri, ClientUriError>> {
        self.uri.iter().map(|text| ClientUri::parse(text))
    }

    /// The items of `Result`; empty where it is absent. Only a server's use of them shows whether they are well-formed: Appendix A does not know the member.
    ///
    /// # Errors
    /// [`SerializationError`]; the client is at fault.
    pub fn items(&self) -> Result<Vec<MoItem>, SerializationError> {
        self.result
            .as_ref()
            .map_or_else(|| Ok(Vec::new()), MoItem::read_all)
    }

    pub(crate) fn read(status: &Json, at: &str) -> Result<Self, PackageError> {
        object(status, at)?;
        let sc = required(status, "sc", at)?;
        let at_sc = || format!("{at}.sc");
        if !matches!(sc, Json::Int(_) | Json::Float(_)) {
            return Err(wrong_type(&at_sc(), "a number", sc));
        }
        let code = whole_number(sc).and_then(|number| StatusCode::new(u16::try_from(number).ok()?));
        Ok(Self {
            code: code.ok_or_else(|| PackageError::new(at_sc(), PackageProblem::StatusCode))?,
            uri: member(status, "URI")
                .map_or_else(|| Ok(Vec::new()), |uri| texts(uri, &format!("{at}.URI")))?,
            result: member(status, "Result").cloned(),
        })
    }

    pub(crate) fn write(&self) -> Json {
        let mut members = vec![("sc".to_owned(), Json::Int(self.code.get().into()))];
        if !self.uri.is_empty() {
            members.push(("URI".to_owned(), write_texts(&self.uri)));
        }
        members.extend(
            self.result
                .as_ref()
                .map(|result| ("Result".to_owned(), result.clone())),
        );
        Json::Object(members)
    }
}

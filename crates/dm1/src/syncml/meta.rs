/// Meta information of a message, command or item (`Meta` with MetInf's elements, §1.2). Every member may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `Format`: that of the node, or `b64` for binary in XML. Any letter case is read.
    pub format: Option<String>,
    /// `Type`: a media type, or the type of a credential or alert.
    pub r#type: Option<String>,
    /// `Mark`: importance of a generic alert (§1.4).
    pub mark: Option<String>,
    /// `Size`: octets of the whole object that is sent in chunks (M08).
    pub size: Option<u64>,
    /// `NextNonce`, base64 text.
    pub next_nonce: Option<String>,
    /// `MaxMsgSize`: octets that the sender of the header takes in one message (M07).
    pub max_msg_size: Option<u64>,
    /// `MaxObjSize`: octets of one object that the sender of the header takes.
    pub max_obj_size: Option<u64>,
}

impl Meta {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The meta information of an item whose command has `command`: the item's own overrides it element by element (§1.2).
    #[must_use]
    pub fn over(&self, command: &Self) -> Self {
        Self {
            format: self.format.clone().or_else(|| command.format.clone()),
            r#type: self.r#type.clone().or_else(|| command.r#type.clone()),
            mark: self.mark.clone().or_else(|| command.mark.clone()),
            size: self.size.or(command.size),
            next_nonce: self
                .next_nonce
                .clone()
                .or_else(|| command.next_nonce.clone()),
            max_msg_size: self.max_msg_size.or(command.max_msg_size),
            max_obj_size: self.max_obj_size.or(command.max_obj_size),
        }
    }

    /// `Format` in lower case; `chr` where it is absent (§1.2).
    #[must_use]
    pub fn format(&self) -> String {
        self.format.as_deref().map_or_else(
            || "chr".to_owned(),
            |format| format.trim().to_ascii_lowercase(),
        )
    }

    /// `Type`; `text/plain` where it is absent (§1.2).
    #[must_use]
    pub fn r#type(&self) -> &str {
        self.r#type.as_deref().map_or("text/plain", str::trim)
    }
}

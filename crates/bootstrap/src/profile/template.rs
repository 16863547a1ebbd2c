/// Which profile `omadm bootstrap new` writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Template {
    /// The DM Account alone: the device's own certificate serves for everything.
    Minimal,
    /// The DM Account with every optional part.
    Full,
    /// Sessions by HTTP user and password (Digest, Basic).
    Http,
    /// Sessions and further bootstraps by pre-shared keys.
    Psk,
    /// The DM Account, and one of DM 1.2 and 1.3 beside it.
    Dm1x,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Minimal, Self::Full, Self::Http, Self::Psk, Self::Dm1x];
}

/// The text of a new profile, with a comment for each key. It reads and validates as it is.
#[must_use]
pub fn template(kind: Template) -> &'static str {
    match kind {
        Template::Minimal => include_str!("../../../../profiles/minimal.toml"),
        Template::Full => include_str!("../../../../profiles/full.toml"),
        Template::Http => include_str!("../../../../profiles/http.toml"),
        Template::Psk => include_str!("../../../../profiles/psk/psk.toml"),
        Template::Dm1x => include_str!("../../../../profiles/dm1x.toml"),
    }
}

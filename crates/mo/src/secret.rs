use zeroize::Zeroizing;

/// Octets that authenticate somebody: a private key, a pre-shared key, a password, a bearer token.
///
/// Has no `Debug` and no `Display`, so it cannot reach a log; compared in constant time; wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets, for the one call that needs them. The caller must not copy them into anything that outlives it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Number of octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.expose(), other.expose()).into()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn equal_octets_are_equal_and_others_are_not() {
        let one = Secret::new(vec![1, 2, 3]);
        assert!(one == Secret::new(vec![1, 2, 3]));
        assert!(one != Secret::new(vec![1, 2, 4]));
        assert!(one != Secret::new(vec![1, 2]));
    }
}

use omadm_mo::ServerUri;

/// Redirects that are followed in a row (D08).
pub const REDIRECTS: u8 = 3;

/// Where an answer leads (D08): 307 and 308 alone, which keep the method, and by the same scheme alone. None for every other answer.
#[must_use]
pub fn redirected(from: &ServerUri, status: u16, location: Option<&str>) -> Option<ServerUri> {
    if !matches!(status, 307 | 308) {
        return None;
    }
    let next = from.join(location?).ok()?;
    (next.scheme() == from.scheme()).then_some(next)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use omadm_mo::ServerUri;

    use super::redirected;

    #[test]
    fn only_307_and_308_lead_on_and_never_to_another_scheme_d08() {
        let from = ServerUri::parse("https://a.example.com:8443/x?y").unwrap();
        let to = |status, location| redirected(&from, status, location).map(|to| to.to_string());
        for status in [307, 308] {
            let moved = to(status, Some("/z"));
            assert_eq!(moved.as_deref(), Some("https://a.example.com:8443/z"));
            let moved = to(status, Some("https://b.example.com/z"));
            assert_eq!(moved.as_deref(), Some("https://b.example.com/z"));
            for location in [
                None,
                Some(""),
                Some("http://a.example.com/z"),
                Some("file:///etc"),
            ] {
                assert_eq!(to(status, location), None);
            }
        }
        for status in [200, 300, 301, 302, 303, 304, 305, 404] {
            assert_eq!(to(status, Some("/z")), None);
        }
    }
}

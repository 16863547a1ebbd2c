/// Whether a text is a URI with a scheme (RFC 3986), so that it can stand in a SAN of type URI.
///
/// `IMEI:493005100592800` is one (D71), `493005100592800` is none.
#[must_use]
pub fn is_well_formed_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme_holds = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    scheme_holds && !rest.is_empty() && characters_hold(rest.as_bytes())
}

fn characters_hold(mut rest: &[u8]) -> bool {
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            (b'%', _) => return false,
            (c, after) if c.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(c) => {
                after
            }
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_well_formed_uri;

    #[test]
    fn a_dev_id_with_a_scheme_is_a_uri_and_others_are_not_d71() {
        for uri in [
            "IMEI:493005100592800",
            "urn:gsma:imei:49300510-059280-0",
            "x+y-1.z:%41?",
            "MAC:00:11",
        ] {
            assert!(is_well_formed_uri(uri), "{uri}");
        }
        for other in [
            "493005100592800",
            ":1",
            "1MEI:2",
            "IMEI:",
            "IMEI:%4",
            "IMEI:%zz",
            "a:b\"c",
            "a_b:c",
            "a:b c",
        ] {
            assert!(!is_well_formed_uri(other), "{other}");
        }
    }
}

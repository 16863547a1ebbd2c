//! Lists of scheme and parameters (RFC 9110 §11.2), read once for both directions.

/// A scheme with its parameters, or with its one credential (`token68`).
pub(super) struct Scheme<'a> {
    pub(super) name: &'a str,
    pub(super) token: Option<&'a str>,
    parameters: Vec<(&'a str, String)>,
}

/// More parameters than any scheme has.
const MOST: usize = 32;

impl<'a> Scheme<'a> {
    /// Reads a list of them, as far as it is well-formed.
    pub(super) fn read_all(text: &'a str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (word, after) = token(rest);
            if word.is_empty() {
                return found;
            }
            let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
            if let (Some(value), Some(scheme)) = (value, found.last_mut()) {
                let Some((value, after)) = value_of(value.trim_start_matches([' ', '\t'])) else {
                    return found;
                };
                if scheme.parameters.len() == MOST {
                    return found;
                }
                scheme.parameters.push((word, value));
                rest = after;
                continue;
            }
            let (one, after) = token68(after);
            found.push(Self {
                name: word,
                token: one,
                parameters: Vec::new(),
            });
            rest = after;
        }
    }

    /// The parameter of this name; none where it is missing or stands there more than once.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self
            .parameters
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parameters
            .iter()
            .any(|(found, _)| found.eq_ignore_ascii_case(name))
    }
}

/// A quoted string of this text.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !is_tchar(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn is_tchar(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// What stands behind a scheme where it is one credential and no parameter.
fn token68(text: &str) -> (Option<&str>, &str) {
    let Some(start) = text.strip_prefix(' ') else {
        return (None, text);
    };
    let start = start.trim_start_matches(' ');
    let is_68 = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let end = start.find(|c| !is_68(c)).unwrap_or(start.len());
    let padded = start.len() - start[end..].trim_start_matches('=').len();
    let behind = start[padded..].trim_start_matches([' ', '\t']);
    if end > 0 && (behind.is_empty() || behind.starts_with(',')) {
        (Some(&start[..padded]), behind)
    } else {
        (None, start)
    }
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return (!value.is_empty()).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &inner[at + 1..])),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Scheme, quoted};

    fn shown(text: &str) -> Vec<String> {
        let all = Scheme::read_all(text);
        let one = |scheme: &Scheme<'_>| {
            format!("{} {:?} {:?}", scheme.name, scheme.token, scheme.parameters)
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn several_challenges_of_one_line_are_told_apart() {
        assert_eq!(
            shown(r#"Negotiate, NTLM abc==, Digest realm = "a, \"b\"",qop=auth, Basic realm="x""#),
            [
                r#"Negotiate None []"#,
                r#"NTLM Some("abc==") []"#,
                r#"Digest None [("realm", "a, \"b\""), ("qop", "auth")]"#,
                r#"Basic None [("realm", "x")]"#,
            ]
        );
        assert_eq!(shown("Basic YTpi"), [r#"Basic Some("YTpi") []"#]);
    }

    #[test]
    fn what_is_malformed_ends_the_list() {
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown("=, \"x\""), [""; 0]);
        assert_eq!(
            shown(r#"Digest a=1, b="never ends, c=2"#),
            [r#"Digest None [("a", "1")]"#]
        );
        assert_eq!(shown("Digest ü=1"), ["Digest None []"]);
    }

    #[test]
    fn a_parameter_that_stands_there_twice_is_none() {
        let all = Scheme::read_all("Digest nc=1, NC=2, qop=auth");
        assert_eq!((all[0].get("nc"), all[0].get("QOP")), (None, Some("auth")));
        assert!(all[0].has("nc"));
    }

    #[test]
    fn a_quoted_string_is_read_as_it_was_written() {
        for text in ["", "a b", "\\", "\"", "a\\\"b", "ü"] {
            let line = format!("X v={}", quoted(text));
            assert_eq!(Scheme::read_all(&line)[0].get("v"), Some(text));
        }
    }
}

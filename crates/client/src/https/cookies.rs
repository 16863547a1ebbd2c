//! Cookies, which a session keeps until its end and gives back, whatever their names (D02). Where they are for is not looked at: a session has one server.

use http::HeaderMap;
use http::header::SET_COOKIE;

/// Longest `Cookie` that is sent, in octets; what does not fit any more is not kept. Local limit.
const LONGEST: usize = 8192;

/// The `Cookie` of the next request, where an answer sets any: those that were sent with its request, and what it sets. One that is set again has its new value, one whose
/// `Max-Age` is over is gone.
pub(super) fn kept(sent: Option<&str>, answer: &HeaderMap) -> Option<String> {
    let set = answer.get_all(SET_COOKIE).iter();
    let mut set = set.filter_map(|value| value.to_str().ok()).peekable();
    set.peek()?;
    let mut pairs: Vec<_> = sent.into_iter().flat_map(pairs).collect();
    for cookie in set {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            continue;
        }
        let at = pairs.iter().position(|(other, _)| *other == name);
        match (at, parts.any(is_over)) {
            (Some(at), true) => {
                pairs.remove(at);
            }
            (Some(at), false) => pairs.splice(at..=at, [(name, value)]).for_each(drop),
            (None, true) => {}
            (None, false) => pairs.push((name, value)),
        }
    }
    let mut all = String::new();
    for (name, value) in pairs {
        if all.len() + name.len() + value.len() + "; =".len() <= LONGEST {
            let separator = if all.is_empty() { "" } else { "; " };
            all.extend([separator, name, "=", value]);
        }
    }
    Some(all)
}

fn pairs(sent: &str) -> impl Iterator<Item = (&str, &str)> {
    sent.split("; ").filter_map(|pair| pair.split_once('='))
}

/// Whether an attribute ends the cookie at once.
fn is_over(attribute: &str) -> bool {
    let named = attribute.split_once('=');
    let age = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"));
    age.is_some_and(|(_, age)| age.trim().parse::<i64>().is_ok_and(|age| age <= 0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use http::HeaderMap;
    use http::header::{HeaderValue, SET_COOKIE};

    use super::kept;

    fn after(sent: Option<&str>, set: &[&str]) -> Option<String> {
        let mut answer = HeaderMap::new();
        for cookie in set {
            let value = HeaderValue::from_bytes(cookie.as_bytes()).unwrap();
            answer.append(SET_COOKIE, value);
        }
        kept(sent, &answer)
    }

    #[test]
    fn cookies_of_any_name_are_kept_with_their_last_value_until_their_end() {
        for (sent, set, next) in [
            (None, &[][..], None),
            (Some("a=1"), &[], None),
            (
                None,
                &["JSESSIONID=x; Path=/; Secure"],
                Some("JSESSIONID=x"),
            ),
            (Some("a=1; b=2"), &["a=3;HttpOnly"], Some("a=3; b=2")),
            (
                Some("a=1; b=2"),
                &["c==\"q\"; SameSite=Foo", "b=; max-age=0"],
                Some("a=1; c==\"q\""),
            ),
            (
                Some("a=1"),
                &["A=2; Max-Age=-1", "odd", "=x", " ; ", "b=é"],
                Some("a=1"),
            ),
            (Some("a=1"), &["a=; Expires=yesterday"], Some("a=")),
        ] {
            assert_eq!(after(sent, set).as_deref(), next, "{sent:?} {set:?}");
        }
    }

    #[test]
    fn a_server_cannot_make_requests_grow_without_end() {
        let long = format!("a={}", "x".repeat(6000));
        let next = after(Some("b=1"), &[&long, &long.replace("a=", "c="), "d=2"]);
        assert_eq!(next.unwrap(), format!("b=1; {long}; d=2"));
    }
}

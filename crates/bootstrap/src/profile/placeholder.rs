use omadm_mo::ServerUri;

use super::ProfileInputs;

/// `{…}` with a name in it that stands for nothing. The profile's author is at fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct UnknownPlaceholder(pub(super) String);

/// Puts the device and the server into a text, in one pass: what was put in is never looked at again.
///
/// A placeholder is a name of letters, digits and `_` between braces; other braces stay as they are.
/// In a text that is a ServerURI the DevID is percent-encoded (RFC 3986 §2.1), so that it can neither end a path step nor begin a query.
pub(super) fn filled(text: &str, inputs: &ProfileInputs) -> Result<String, UnknownPlaceholder> {
    let uri = ServerUri::is_meant(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some(name) = name(rest) else {
            out.push('{');
            rest = &rest[1..];
            continue;
        };
        match name {
            "dev_id" if uri => percent_encode(inputs.dev_id.as_str(), &mut out),
            "dev_id" => out.push_str(inputs.dev_id.as_str()),
            "server" => out.push_str(&inputs.server),
            unknown => return Err(UnknownPlaceholder(unknown.to_owned())),
        }
        rest = &rest[name.len() + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The name of the placeholder that a text begins with.
fn name(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

fn percent_encode(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(octet >> 4)]));
            out.push(char::from(DIGITS[usize::from(octet & 15)]));
        }
    }
}

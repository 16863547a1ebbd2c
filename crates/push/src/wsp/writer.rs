//! The basic forms of WSP values, each in the shortest encoding.

/// Seven bits an octet, the highest first; the high bit says that more follow.
pub(super) fn uintvar(into: &mut Vec<u8>, number: usize) {
    let groups = (usize::BITS - number.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let seven = (number >> (7 * group)) & 0x7F;
        let more = if group > 0 { 0x80 } else { 0 };
        into.push(u8::try_from(seven).unwrap_or_default() | more);
    }
}

/// One octet up to 30, else 31 and a uintvar; then the value.
pub(super) fn value(into: &mut Vec<u8>, value: &[u8]) {
    match u8::try_from(value.len()) {
        Ok(short @ 0..=30) => into.push(short),
        _ => {
            into.push(31);
            uintvar(into, value.len());
        }
    }
    into.extend(value);
}

/// A short-integer up to 127, else a long-integer.
pub(super) fn integer(into: &mut Vec<u8>, number: u32) {
    match u8::try_from(number) {
        Ok(short @ 0..=0x7F) => into.push(0x80 | short),
        _ => {
            let octets = number.to_be_bytes();
            let first = octets.iter().position(|octet| *octet != 0).unwrap_or(3);
            value(into, octets.get(first..).unwrap_or_default());
        }
    }
}

pub(super) fn text(into: &mut Vec<u8>, text: &str) {
    into.extend(text.as_bytes());
    into.push(0);
}

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use omadm_dm1::syncml::{Data, Meta, StatusCode};
use omadm_mo::ddf::DdfNode;
use omadm_mo::{Format, Value};
use zeroize::Zeroizing;

use super::outcome::Fate;

/// Base64 with or without padding (M13).
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an item's content is a value of: the format that is announced, which has to be the node's. A node without a description takes any.
///
/// An absent format is `chr` (§1.2), which a node of another text format takes as its own (M13). Octets come raw as an opaque, or as base64 text.
pub(super) fn value_of(
    meta: &Meta,
    data: Option<&Data>,
    described: Option<&DdfNode>,
) -> Fate<Value> {
    let announced = Format::from_name(&meta.format());
    let announced = announced.ok_or(StatusCode::UNSUPPORTED_FORMAT)?;
    let expected = described.map(DdfNode::format);
    let is_octets = |format| matches!(format, Format::Bin | Format::B64);
    let format = match (announced, expected) {
        (announced, None) => announced,
        (announced, Some(expected)) if announced == expected => expected,
        (announced, Some(expected)) if is_octets(announced) && is_octets(expected) => expected,
        (_, Some(expected)) if meta.format.is_none() && !is_octets(expected) => expected,
        _ => return Err(StatusCode::UNSUPPORTED_FORMAT.into()),
    };
    if format == Format::Node {
        return Err(StatusCode::NOT_ALLOWED.into());
    }
    check_type(meta, described)?;
    let Some(data) = data else {
        if format == Format::Null {
            return Ok(Value::Null);
        }
        return Err(StatusCode::INCOMPLETE.into());
    };
    match format {
        Format::Bin | Format::B64 => {
            let octets = octets_of(announced, data)?;
            Ok(match format {
                Format::Bin => Value::Bin(octets),
                _ => Value::B64(octets),
            })
        }
        _ => {
            let text = data.text().ok_or(StatusCode::BAD_REQUEST)?;
            let is_text = matches!(format, Format::Chr | Format::Xml);
            let text = if is_text { text } else { text.trim() };
            let value = Value::from_text(format, text).map_err(|_| StatusCode::BAD_REQUEST)?;
            // §4.2: 32 bits.
            let is_too_wide = value.as_int().is_some_and(|n| i32::try_from(n).is_err());
            if is_too_wide {
                return Err(StatusCode::BAD_REQUEST.into());
            }
            Ok(value)
        }
    }
}

fn octets_of(announced: Format, data: &Data) -> Fate<Zeroizing<Vec<u8>>> {
    if let (Format::Bin, Data::Octets(octets)) = (announced, data) {
        return Ok(Zeroizing::new(octets.clone()));
    }
    let text = data.text().ok_or(StatusCode::BAD_REQUEST)?;
    let text: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    let octets = LENIENT.decode(text.as_bytes());
    Ok(Zeroizing::new(octets.map_err(|_| StatusCode::BAD_REQUEST)?))
}

/// A media type that is said has to be the node's.
fn check_type(meta: &Meta, described: Option<&DdfNode>) -> Fate {
    let said = meta.r#type.as_deref().map(essence);
    let expected = described.and_then(DdfNode::mime).map(essence);
    match (said, expected) {
        (Some(said), Some(expected)) if !said.eq_ignore_ascii_case(expected) => {
            Err(StatusCode::UNSUPPORTED_FORMAT.into())
        }
        _ => Ok(()),
    }
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

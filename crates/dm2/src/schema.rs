//! The steps every reader takes through a body. A `null` counts as an absent member (E10), an unknown member is passed over.

use omadm_mo::json::Json;

use crate::{PackageError, PackageProblem};

pub(crate) fn object(json: &Json, at: &str) -> Result<(), PackageError> {
    json.as_object()
        .map(drop)
        .ok_or_else(|| wrong_type(at, "an object", json))
}

pub(crate) fn member<'a>(object: &'a Json, name: &str) -> Option<&'a Json> {
    object.member(name).filter(|value| **value != Json::Null)
}

pub(crate) fn required<'a>(
    object: &'a Json,
    name: &'static str,
    at: &str,
) -> Result<&'a Json, PackageError> {
    member(object, name).ok_or_else(|| PackageError::new(at, PackageProblem::Missing(name)))
}

pub(crate) fn array<'a>(json: &'a Json, at: &str) -> Result<&'a [Json], PackageError> {
    json.as_array()
        .ok_or_else(|| wrong_type(at, "an array", json))
}

pub(crate) fn text<'a>(json: &'a Json, at: &str) -> Result<&'a str, PackageError> {
    json.as_text()
        .ok_or_else(|| wrong_type(at, "a string", json))
}

/// The text of an optional member.
pub(crate) fn optional_text<'a>(
    object: &'a Json,
    name: &str,
    at: &str,
) -> Result<Option<&'a str>, PackageError> {
    member(object, name)
        .map(|value| text(value, &format!("{at}.{name}")))
        .transpose()
}

/// An array of strings.
pub(crate) fn texts(json: &Json, at: &str) -> Result<Vec<String>, PackageError> {
    let elements = array(json, at)?.iter().enumerate();
    elements
        .map(|(n, element)| text(element, &format!("{at}[{n}]")).map(str::to_owned))
        .collect()
}

pub(crate) fn write_texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Json {
    Json::Array(texts.into_iter().map(Json::text).collect())
}

/// A number without fraction, written as `7` or as `7.0`; the schema says number, not integer.
pub(crate) fn whole_number(json: &Json) -> Option<i64> {
    match json {
        Json::Int(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 32 bits")]
        Json::Float(number) if number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX) => {
            Some(*number as i64)
        }
        _ => None,
    }
}

pub(crate) fn wrong_type(at: &str, expected: &'static str, found: &Json) -> PackageError {
    PackageError::new(
        at,
        PackageProblem::Type {
            expected,
            found: found.kind(),
        },
    )
}

//! `Range`, `If-None-Match` and `Content-Range`.

use omadm_dm2::object_range::{AskedRange, ContentRange, holds};

/// A part that is asked for has octets and lies within the object, and written out it is the same; whoever names an ETag holds it.
pub fn object_range(octets: &[u8]) {
    let Some((total, text)) = octets.split_first_chunk() else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let total = u64::from_be_bytes(*total);
    match AskedRange::read(text, total) {
        AskedRange::Part(part) => {
            assert!(part.start < part.end && part.end <= total);
            let written = format!("bytes={}-{}", part.start, part.end - 1);
            assert_eq!(
                AskedRange::read(&written, total),
                AskedRange::Part(part.clone())
            );
            let given = ContentRange::new(part, total).expect("a part of the object");
            assert_eq!(ContentRange::read(&given.to_string()), Some(given));
        }
        AskedRange::Whole | AskedRange::Nowhere => {}
    }
    if let Some(range) = ContentRange::read(text) {
        assert!(range.part().start < range.part().end && range.part().end <= range.total());
        assert_eq!(ContentRange::read(&range.to_string()), Some(range));
    }
    let named = format!("\"a\", {text}, \"e\"");
    assert!(holds([text, &named], Some("\"e\"")));
    if !text.contains('*') && !text.contains("\"e\"") {
        assert!(!holds([text], Some("\"e\"")));
    }
}

use std::fmt;

use super::{ClientUri, InstanceStep, Step, XName};
use crate::path::encode;

impl fmt::Display for XName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", char::from(self.0))
    }
}

impl fmt::Display for ClientUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.moid)?;
        match &self.instance {
            InstanceStep::Only => {}
            InstanceStep::Miid(miid) => write!(f, "{}", encode(miid.as_str()))?,
            InstanceStep::XName(x) => write!(f, "{x}")?,
            InstanceStep::All => f.write_str("*")?,
        }
        if self.path.is_empty() {
            f.write_str("/")?;
        }
        for step in &self.path {
            match step {
                Step::Name(name) => write!(f, "/{}", encode(name.as_str()))?,
                Step::XName(x) => write!(f, "/{x}")?,
                Step::All => f.write_str("/*")?,
            }
        }
        let mut mark = '?';
        for condition in &self.conditions {
            write!(
                f,
                "{mark}nv={}/{}:{}",
                condition.x_name,
                condition.leaf,
                encode(&condition.value)
            )?;
            mark = '&';
        }
        if let Some(cv) = &self.cv {
            write!(f, "{mark}cv={}", encode(cv.as_str()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{ClientUri, Condition, InstanceStep, Step, XName};
    use crate::{CacheValidator, Miid, Moid, NodeName, NodePath};

    #[test]
    fn a_written_uri_is_the_one_that_was_read() {
        for text in [
            "urn:oma:mo:moid:1.0//",
            "urn:oma:mo:moid:1.0/*/Data/*/Value",
            "urn:oma:mo:moid:1.0/(x)/Data/(y)/Value?nv=(x)/ID:GPS&nv=(y)/Date:12.2&cv=5f2a-1",
            "urn:oma:mo:moid:1.0/a%20b/50%25%2F",
        ] {
            assert_eq!(ClientUri::parse(text).unwrap().to_string(), text);
        }
    }

    fn name() -> impl Strategy<Value = NodeName> {
        "[^\\p{Cc}]{1,12}".prop_map(|text| NodeName::parse(&text).unwrap())
    }

    fn instance() -> impl Strategy<Value = InstanceStep> {
        let miid = "[^\\p{Cc}]{1,12}".prop_filter_map("ambiguous", |text| Miid::parse(&text).ok());
        prop_oneof![
            Just(InstanceStep::Only),
            Just(InstanceStep::All),
            miid.prop_map(InstanceStep::Miid)
        ]
    }

    proptest! {
        #[test]
        fn reading_is_the_inverse_of_writing(
            instance in instance(),
            names in prop::collection::vec(name(), 0..5),
            wild in any::<bool>(),
            condition in prop::option::of((prop::collection::vec(name(), 1..3), "[^\\p{Cc}]{0,12}")),
            cv in prop::option::of("[^\\p{Cc}]{0,12}"),
        ) {
            let mut path: Vec<_> = names.into_iter().map(Step::Name).collect();
            path.extend(wild.then_some(Step::All));
            let mut conditions = Vec::new();
            if let Some((leaf, value)) = condition {
                path.push(Step::XName(XName(b'q')));
                conditions.push(Condition { x_name: XName(b'q'), leaf: NodePath::from_iter(leaf), value });
            }
            let moid = Moid::parse("urn:oma:mo:moid:1.0").unwrap();
            let uri = ClientUri { moid, instance, path, conditions, cv: cv.map(CacheValidator::new) };
            prop_assert_eq!(ClientUri::parse(&uri.to_string()), Ok(uri));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}", tail in "[urn:m/()x*?&nv=c%2A/]{0,60}") {
            let _ = ClientUri::parse(&text).is_ok();
            let _ = ClientUri::parse(&format!("urn:m/{tail}")).is_ok();
        }
    }
}

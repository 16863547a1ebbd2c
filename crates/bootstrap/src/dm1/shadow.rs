use std::fmt;

use omadm_mo::standard::dm_acc1::names::{AAUTH_PREF, APP_ADDR, APP_AUTH};
use omadm_mo::{Format, Node, NodePath, Secret, Value};
use serde::{Deserialize, Serialize};

/// Addresses and credentials that an account had before a bootstrap: kept beside the account, out of every server's reach (`dm1x.md` §5.8/3, M25). `Debug`
/// tells how much there is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dm1Shadow(Vec<Leaf>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Leaf {
    path: String,
    format: String,
    #[serde(with = "text")]
    value: Secret,
}

/// What of an account a shadow is of.
const KEPT: [&str; 3] = [APP_ADDR, AAUTH_PREF, APP_AUTH];

impl Dm1Shadow {
    /// That of an account's instance.
    #[must_use]
    pub fn of(account: &Node) -> Self {
        let leaves = account.leaves();
        let kept = leaves.into_iter().filter(|(path, _)| is_kept(path));
        let leaf = |(path, value): (NodePath, &Value)| Leaf {
            path: path.to_string(),
            format: value.format().name().to_owned(),
            value: Secret::new(value.to_text().as_bytes().to_vec()),
        };
        Self(kept.map(leaf).collect())
    }

    /// The instance with these addresses and credentials in place of its own.
    #[must_use]
    pub fn put_into(&self, account: &Node) -> Node {
        let mut restored = account.clone();
        for name in KEPT {
            if let Ok(path) = NodePath::of(name) {
                restored.remove(&path);
            }
        }
        for leaf in &self.0 {
            let text = std::str::from_utf8(leaf.value.expose()).ok();
            let value = text
                .zip(Format::from_name(&leaf.format))
                .and_then(|(text, format)| Value::from_text(format, text).ok());
            if let (Ok(path), Some(value)) = (NodePath::of(&leaf.path), value) {
                restored.put(&path, value.into());
            }
        }
        restored
    }
}

fn is_kept(path: &NodePath) -> bool {
    let first = path.names().first().map(omadm_mo::NodeName::as_str);
    first.is_some_and(|first| KEPT.contains(&first))
}

impl fmt::Debug for Dm1Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dm1Shadow({} leaves)", self.0.len())
    }
}

/// A value's text form, as UTF-8.
mod text {
    use omadm_mo::Secret;
    use serde::{Deserialize as _, Deserializer, Serializer, ser::Error};

    pub(super) fn serialize<S: Serializer>(
        value: &Secret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(value.expose()).map_err(S::Error::custom)?;
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::from)
    }
}

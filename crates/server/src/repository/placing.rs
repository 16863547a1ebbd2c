use omadm_mo::DevId;

use super::PATH_OCTETS;
use crate::model::{
    DeviceEpoch, EventKind, ExchangeDelta, Object, ObjectChange, ObjectHead, ObjectOwner,
};
use crate::node::{Node, event};
use crate::store::StoreError;

/// Why an object is not put in place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPlaced {
    /// The device is at fault.
    #[error("the repository keeps at most {0} objects that a device stored")]
    TooMany(usize),
    /// The device is at fault.
    #[error("the repository keeps at most {0} octets that a device stored")]
    TooMuch(u64),
    /// The device is at fault.
    #[error("what lies there was put there for the device, which reads it only")]
    NotItsOwn,
    /// The environment is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The delta that puts an object in place. What it is judged by is read behind the epoch that it commits at, so limits are exact on several nodes too.
pub(crate) async fn placing(
    node: &Node,
    dev_id: &DevId,
    epoch: DeviceEpoch,
    object: &Object,
    correlation: &str,
) -> Result<ExchangeDelta, NotPlaced> {
    let head = &object.head;
    if head.owner == ObjectOwner::Device {
        let former = node.store.object(dev_id, &head.path).await?;
        allow(node, dev_id, head, former.map(|object| object.head)).await?;
    }
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(epoch), head.at);
    delta.objects.push(ObjectChange::Put(object.clone()));
    let stored = EventKind::ObjectStored {
        path: head.path.clone(),
        owner: head.owner.name().to_owned(),
        media_type: head.media_type.clone(),
        octets: head.octets,
    };
    delta.events.push(event(stored, correlation));
    Ok(delta)
}

async fn allow(
    node: &Node,
    dev_id: &DevId,
    head: &ObjectHead,
    former: Option<ObjectHead>,
) -> Result<(), NotPlaced> {
    if former
        .as_ref()
        .is_some_and(|former| former.owner != head.owner)
    {
        return Err(NotPlaced::NotItsOwn);
    }
    let limits = &node.config.limits;
    let used = node.store.repository_use(dev_id, head.owner).await?;
    let most = limits.repository_objects;
    if former.is_none() && used.objects >= most as u64 {
        return Err(NotPlaced::TooMany(most));
    }
    let freed = former.map_or(0, |former| former.octets);
    let then = used.octets.saturating_sub(freed) + head.octets;
    if then > limits.repository_octets {
        return Err(NotPlaced::TooMuch(limits.repository_octets));
    }
    Ok(())
}

/// Whether a path reads the same in a URL and out of it: names of unreserved characters, none of them `.` or `..`, with slashes between.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let plain = |name: &str| {
        !matches!(name, "" | "." | "..")
            && name
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet))
    };
    path.len() <= PATH_OCTETS && path.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_plain_path;

    #[test]
    fn a_path_that_a_url_spells_otherwise_is_none() {
        for plain in ["a", "fw/1.2.3/image.bin", "...", "~x/_/-"] {
            assert!(is_plain_path(plain), "{plain}");
        }
        for other in [
            "", "/a", "a/", "a//b", "a/../b", ".", "a b", "a%20b", "ä", "a?b",
        ] {
            assert!(!is_plain_path(other), "{other}");
        }
        assert!(!is_plain_path(&"a".repeat(513)));
    }
}

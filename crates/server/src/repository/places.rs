use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omadm_mo::DevId;

/// Places for transfers of large objects, so that slow peers hold no more memory than this: a piece or two each.
pub(crate) struct Places {
    of_node: usize,
    of_device: usize,
    taken: Mutex<BTreeMap<DevId, usize>>,
}

/// A place until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    dev_id: DevId,
}

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// The device has its share.
    Device,
    /// The node has all it takes on.
    Node,
}

impl Places {
    pub(crate) fn new(of_node: usize, of_device: usize) -> Arc<Self> {
        Arc::new(Self {
            of_node,
            of_device,
            taken: Mutex::default(),
        })
    }

    /// A place for a transfer of this device's objects.
    pub(crate) fn enter(self: &Arc<Self>, dev_id: &DevId) -> Result<Place, Full> {
        let mut taken = self.taken();
        if taken.get(dev_id).is_some_and(|own| *own >= self.of_device) {
            return Err(Full::Device);
        }
        if taken.values().sum::<usize>() >= self.of_node {
            return Err(Full::Node);
        }
        *taken.entry(dev_id.clone()).or_default() += 1;
        drop(taken);
        Ok(Place {
            places: Arc::clone(self),
            dev_id: dev_id.clone(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<DevId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.dev_id) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.dev_id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::DevId;

    use super::{Full, Places};

    #[test]
    fn no_device_takes_the_places_of_the_others() {
        let places = Places::new(3, 2);
        let [one, other] = ["IMEI:1", "IMEI:2"].map(|text| DevId::parse(text).unwrap());
        let first = places.enter(&one).unwrap();
        let _second = places.enter(&one).unwrap();
        assert_eq!(places.enter(&one).err(), Some(Full::Device));
        let _third = places.enter(&other).unwrap();
        assert_eq!(places.enter(&other).err(), Some(Full::Node));
        drop(first);
        assert!(places.enter(&other).is_ok());
        assert!(places.enter(&one).is_ok());
    }
}

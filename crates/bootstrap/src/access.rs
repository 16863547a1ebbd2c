use omadm_mo::standard::{dac, dev_info, dm_acc, dm_acc1, session_info};
use omadm_mo::{AccessList, Miid, Moid, Rights, SrvId, TreeError};

use crate::{Account, DeviceView};

/// An MO instance with what the device keeps of who may use it; one instance of the DAC MO shows it (`dm20.md` §12.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GovernedInstance {
    /// Grows from one creation to the next, over all MOIDs, and is never given twice: the MIID of its instance of the DAC MO (D72).
    pub number: u64,
    /// Its MOID.
    pub moid: Moid,
    /// Its MIID.
    pub miid: Miid,
    /// The DM Server that created it; none for the device itself.
    pub creator: Option<SrvId>,
    /// The rights that were given on it.
    pub access: AccessList,
}

impl Account {
    /// Whether the Perm list names the MOID. Without that nothing of it is permitted, not even the own account (D85).
    #[must_use]
    pub fn permits(&self, moid: &Moid) -> bool {
        self.perm.contains(moid)
    }

    /// The rights that follow from D49 alone and cannot be passed on: Read on Device Info and Session Info, Read and Write on the own DM Account, nothing on
    /// another one, be it of DM 1.x. None where what was given on the instance decides.
    #[must_use]
    pub fn standing_rights(&self, moid: &Moid, miid: &Miid) -> Option<Rights> {
        if *moid == dm_acc::moid() {
            let own = Rights::READ.with(Rights::WRITE);
            return Some(if *miid == self.miid && !self.is_dm1() {
                own
            } else {
                Rights::NONE
            });
        }
        if *moid == dm_acc1::moid() {
            return Some(Rights::NONE);
        }
        (*moid == dev_info::moid() || *moid == session_info::moid()).then_some(Rights::READ)
    }

    /// What this server may do with an instance: the rights it has, as far as the Perm list goes (§13, D48). Of the DAC MO this is for
    /// [`GovernedInstance`] to say: none here.
    #[must_use]
    pub fn rights_by(&self, moid: &Moid, miid: &Miid, access: &AccessList) -> Rights {
        if !self.permits(moid) || *moid == dac::moid() {
            return Rights::NONE;
        }
        let standing = self.standing_rights(moid, miid);
        standing.unwrap_or_else(|| access.rights(&self.srv_id))
    }

    /// The same, read from the device.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn rights_on(
        &self,
        device: &dyn DeviceView,
        moid: &Moid,
        miid: &Miid,
    ) -> Result<Rights, TreeError> {
        if !self.permits(moid) || self.standing_rights(moid, miid).is_some() {
            return Ok(self.rights_by(moid, miid, &AccessList::none()));
        }
        Ok(self.rights_by(moid, miid, &device.access(moid, miid)?))
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::standard::{dac, dev_info, dm_acc, dm_acc1, session_info};
    use omadm_mo::{AccessList, Miid, Moid, Rights, SrvId};

    use crate::{
        Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, EventId,
        PayloadHash, ProfileFormat, Provenance,
    };

    fn gps() -> Moid {
        Moid::parse("urn:example:mo:gps:1.0").unwrap()
    }

    fn account(perm: &[Moid]) -> Account {
        let provenance = Provenance {
            method: BootstrapMethod::Factory,
            format: ProfileFormat::Dm2,
            kind: BootstrapKind::First,
            seq: 1,
            at: None,
            event_id: EventId::of([1; 16]),
            payload_hash: PayloadHash::of(b""),
            source: BootstrapSource::FactoryImage,
            channel: ChannelSecurity::Local,
        };
        Account {
            perm: perm.to_vec(),
            ..Account::new(SrvId::parse("a").unwrap(), Miid::counted(2), provenance)
        }
    }

    #[test]
    fn x_dac_001_the_initial_rights_are_those_of_d49() {
        let moids = [
            dm_acc::moid(),
            dev_info::moid(),
            session_info::moid(),
            dac::moid(),
            gps(),
            dm_acc1::moid(),
        ];
        let read_write = Rights::READ.with(Rights::WRITE);
        let own = AccessList::of_creator(&SrvId::parse("a").unwrap());
        let foreign = AccessList::of_creator(&SrvId::parse("b").unwrap());
        for (moid, miid, list, expected) in [
            (&moids[0], 2, &foreign, read_write),
            (&moids[0], 1, &own, Rights::NONE),
            (&moids[1], 1, &foreign, Rights::READ),
            (&moids[2], 1, &foreign, Rights::READ),
            (&moids[3], 1, &own, Rights::NONE),
            (&moids[4], 1, &own, Rights::FULL),
            (&moids[4], 1, &foreign, Rights::NONE),
            (&moids[4], 1, &AccessList::none(), Rights::NONE),
            (&moids[5], 2, &own, Rights::NONE),
        ] {
            let miid = Miid::counted(miid);
            assert_eq!(account(&moids).rights_by(moid, &miid, list), expected);
            assert_eq!(account(&[]).rights_by(moid, &miid, list), Rights::NONE);
        }
    }
}

//! A signed bootstrap of DM 1.x and the WSP push that carries it (`push.md` §1, §2, §4).

use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, ImsiKey, NetworkId, bootstrap_mac};
use omadm_mo::Secret;
use omadm_push::wsp::{
    ApplicationId, ContentType, Mac, MediaName, Push, Sec, Security, well_known,
};

use crate::{PushedBootstrap, push_key};

/// What a bootstrap is signed with.
#[derive(Clone, Copy)]
pub struct PushSigner<'a> {
    /// What the key is made of.
    pub sec: Sec,
    /// The subscriber or device, for the network's part of it.
    pub network: Option<&'a NetworkId>,
    /// How its number becomes a key; by device model.
    pub form: ImsiKey,
    /// The PIN, for the user's part of it; with `USERPINMAC` it is in no message.
    pub pin: Option<&'a Secret>,
}

/// Why a bootstrap is not signed. Whoever asked for it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignError {
    /// IMSI and ESN are missing.
    #[error("this SEC is made with the subscriber's IMSI or the device's ESN, which is not given")]
    NoNetworkId,
    /// The PIN is missing.
    #[error("this SEC is made with a PIN, which is not given")]
    NoPin,
}

impl PushedBootstrap {
    /// Signs a document.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn signed(
        profile: BootstrapProfileKind,
        document: Secret,
        signer: &PushSigner<'_>,
    ) -> Result<Self, SignError> {
        let sec = signer.sec;
        if signer.pin.is_none() && sec != Sec::NetwPin {
            return Err(SignError::NoPin);
        }
        let key = push_key(sec, profile, signer.network, signer.pin, signer.form);
        let key = key.ok_or(SignError::NoNetworkId)?;
        let mac = (sec != Sec::UserPinMac)
            .then(|| Mac::new(bootstrap_mac(key.expose(), document.expose())));
        Ok(Self {
            profile,
            security: Some(Security { sec, mac }),
            document,
        })
    }

    /// The push. Only the DM profile is for an application of its own.
    #[must_use]
    pub fn to_push(&self, transaction_id: u8) -> Push {
        let (media, application_id) = match self.profile {
            BootstrapProfileKind::Cp => (well_known::CONNECTIVITY_WBXML, None),
            BootstrapProfileKind::Dm => {
                let id = ApplicationId::SYNCML_DM;
                (well_known::SYNCML_DM_WBXML, Some(id))
            }
        };
        Push {
            transaction_id,
            content_type: ContentType {
                media: MediaName::Code(media),
                security: self.security.clone(),
            },
            application_id,
            body: self.document.expose().to_vec(),
        }
    }

    /// The bootstrap that a push carries; `None` where it carries something else. A DM message in XML is none (§5.7).
    #[must_use]
    pub fn of_push(push: &Push) -> Option<Self> {
        Some(Self {
            profile: profile_of(&push.content_type.media)?,
            security: push.content_type.security.clone(),
            document: Secret::new(push.body.clone()),
        })
    }
}

/// The profile that a media type of a push carries.
#[must_use]
pub fn profile_of(media: &MediaName) -> Option<BootstrapProfileKind> {
    match media.code()? {
        well_known::CONNECTIVITY_WBXML | well_known::CONNECTIVITY_XML => {
            Some(BootstrapProfileKind::Cp)
        }
        well_known::SYNCML_DM_WBXML => Some(BootstrapProfileKind::Dm),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, Imsi, ImsiKey, NetworkId};
    use omadm_mo::Secret;
    use omadm_push::wsp::{Push, Sec};

    use super::{PushSigner, SignError};
    use crate::{PushJudged, PushKeys, PushProof, PushedBootstrap};

    fn document() -> Secret {
        Secret::new(b"\x03\x0b\x6a\x00 a document".to_vec())
    }

    #[test]
    fn b1_s_01_what_is_signed_and_pushed_is_proved_by_the_device_in_either_profile() {
        let (imsi, pin) = (
            NetworkId::from(Imsi::parse("310150123456789").unwrap()),
            Secret::new(b"1234".to_vec()),
        );
        let keys = PushKeys {
            subscribers: vec![imsi.clone()],
            user_pin_mac: false,
        };
        for profile in [BootstrapProfileKind::Cp, BootstrapProfileKind::Dm] {
            for sec in [Sec::NetwPin, Sec::UserPin, Sec::UserNetwPin] {
                let signer = PushSigner {
                    sec,
                    network: Some(&imsi),
                    form: ImsiKey::SemiOctet,
                    pin: Some(&pin),
                };
                let signed = PushedBootstrap::signed(profile, document(), &signer).unwrap();
                let octets = signed.to_push(7).encode();
                let push = Push::decode(&octets).unwrap();
                assert_eq!(push.transaction_id, 7);
                let received = PushedBootstrap::of_push(&push).unwrap();
                assert_eq!(received, signed);
                match received.judge(&keys) {
                    PushJudged::Proved(proof) => assert_eq!(proof, PushProof::NetworkId),
                    PushJudged::NeedsPin(_) => assert_ne!(sec, Sec::NetwPin),
                    PushJudged::Dropped(fault) => panic!("{profile:?} {sec:?}: {fault}"),
                }
            }
        }
    }

    #[test]
    fn b1_s_01_the_header_of_the_worked_dm_message_is_written_octet_by_octet() {
        let imsi = NetworkId::from(Imsi::parse("310150123456789").unwrap());
        let signer = PushSigner {
            sec: Sec::NetwPin,
            network: Some(&imsi),
            form: ImsiKey::SemiOctet,
            pin: None,
        };
        let signed = PushedBootstrap::signed(BootstrapProfileKind::Dm, document(), &signer);
        let push = signed.unwrap().to_push(1).encode();
        assert!(push.starts_with(b"\x01\x06\x31\x1f\x2d\xc2\x91\x80\x92"));
        assert_eq!(push[49..52], [0, 0xaf, 0x87]);
    }

    #[test]
    fn what_a_key_is_made_of_has_to_be_given() {
        let imsi = NetworkId::from(Imsi::parse("310150123456789").unwrap());
        let pin = Secret::new(b"1234".to_vec());
        for (sec, imsi, pin, error) in [
            (Sec::NetwPin, None, Some(&pin), SignError::NoNetworkId),
            (Sec::UserPin, Some(&imsi), None, SignError::NoPin),
            (Sec::UserNetwPin, Some(&imsi), None, SignError::NoPin),
            (Sec::UserNetwPin, None, Some(&pin), SignError::NoNetworkId),
            (Sec::UserPinMac, Some(&imsi), None, SignError::NoPin),
        ] {
            let form = ImsiKey::SemiOctet;
            let signer = PushSigner {
                sec,
                network: imsi,
                form,
                pin,
            };
            let signed = PushedBootstrap::signed(BootstrapProfileKind::Cp, document(), &signer);
            assert_eq!(signed.err(), Some(error), "{sec:?}");
        }
    }

    #[test]
    fn a_dm_message_in_xml_is_no_bootstrap_over_the_air() {
        let octets = b"\x01\x06\x01\xc3<SyncML/>";
        let push = Push::decode(octets).unwrap();
        assert_eq!(PushedBootstrap::of_push(&push), None);
    }
}

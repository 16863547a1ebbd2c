//! What a WAP push is for, by its media type and its application (`push.md` §1, §7).

use omadm_bootstrap::PushedBootstrap;
use omadm_dm1::bootstrap_mac::BootstrapProfileKind;
use omadm_dm2::media_type::is_type;
use omadm_dm2::package0;
use omadm_push::wsp::{ApplicationId, MediaName, Push, well_known};

use super::inbox::Call;

/// PDU type of Push, the second octet of a PDU. A Notification of DM 2.0 has reserved bits there.
const PUSH: u8 = 0x06;
/// For whatever application there is.
const ANY: u32 = 0x00;

/// Why a push is not taken. Its sender is told nothing.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(super) enum NotOurs {
    #[error("nothing on this device takes its type {0:?}")]
    Type(MediaName),
    #[error("its type is of DM, but it is for the application {0:?}")]
    Application(ApplicationId),
}

/// What a push asks of the device; `from` is whom it says it is from. Senders that leave the application out are many: it only counts where it names another one.
pub(super) fn call_of(push: Push, from: &str) -> Result<Call, NotOurs> {
    if let Some(pushed) = PushedBootstrap::of_push(&push) {
        if pushed.profile == BootstrapProfileKind::Dm {
            for_dm(push.application_id)?;
        }
        return Ok(Call::Bootstrap(Box::new(pushed), from.to_owned()));
    }
    let media = push.content_type.media;
    if matches!(&media, MediaName::Text(text) if is_type(text.as_str(), package0::MEDIA_TYPE)) {
        return Ok(Call::Notification(push.body));
    }
    match media.code() {
        Some(well_known::SYNCML_NOTIFICATION) => {
            for_dm(push.application_id)?;
            Ok(Call::Trigger(push.body))
        }
        _ => Err(NotOurs::Type(media)),
    }
}

/// 5 is data synchronisation, which has Package 0 in common with DM.
fn for_dm(id: Option<ApplicationId>) -> Result<(), NotOurs> {
    match id {
        Some(id) if ![Some(ANY), ApplicationId::SYNCML_DM.code()].contains(&id.code()) => {
            Err(NotOurs::Application(id))
        }
        _ => Ok(()),
    }
}

/// The push that a datagram is; none where it is no PDU of that type (`push.md` §9).
pub(super) fn push_of_datagram(datagram: &[u8]) -> Option<Push> {
    let named = datagram.get(1) == Some(&PUSH);
    Push::decode(datagram).ok().filter(|_| named)
}

#[cfg(test)]
mod tests {
    use omadm_push::wsp::{ApplicationId, ContentType, HeaderText, MediaName, Push, well_known};

    use super::{Call, NotOurs, call_of, push_of_datagram};

    fn push(media: MediaName, application_id: Option<ApplicationId>) -> Push {
        Push {
            transaction_id: 1,
            content_type: ContentType::from(media),
            application_id,
            body: vec![7],
        }
    }

    fn text(text: &str) -> HeaderText {
        HeaderText::new(text).unwrap()
    }

    #[test]
    fn a_package_0_is_known_by_code_and_by_text_and_its_application_may_be_left_out() {
        let uri = |name: &str| Some(ApplicationId::Uri(text(name)));
        let medias = [
            MediaName::Code(well_known::SYNCML_NOTIFICATION),
            MediaName::Text(text("application/vnd.syncml.notification")),
            MediaName::Text(text("Application/Vnd.SyncML.Notification; charset=utf-8")),
        ];
        for media in medias {
            for id in [
                None,
                Some(ApplicationId::SYNCML_DM),
                Some(ApplicationId::Code(0)),
                uri("x-wap-application:syncml.dm"),
                uri("7"),
            ] {
                let taken = call_of(push(media.clone(), id), "+1");
                assert_eq!(taken, Ok(Call::Trigger(vec![7])));
            }
            for id in [
                Some(ApplicationId::Code(5)),
                uri("x-wap-application:mms.ua"),
            ] {
                let taken = call_of(push(media.clone(), id), "+1");
                assert!(matches!(taken, Err(NotOurs::Application(_))), "{taken:?}");
            }
        }
    }

    #[test]
    fn a_notification_of_dm_2_0_is_known_by_its_type_alone_and_nothing_else_is_taken() {
        let media = MediaName::Text(text("application/vnd.oma.dm.notification"));
        let taken = call_of(push(media, Some(ApplicationId::SYNCML_DM)), "+1");
        assert_eq!(taken, Ok(Call::Notification(vec![7])));
        for media in [
            MediaName::Code(0x2d),
            MediaName::Code(well_known::SYNCML_DM_XML),
        ] {
            let taken = call_of(push(media.clone(), Some(ApplicationId::SYNCML_DM)), "+1");
            assert_eq!(taken, Err(NotOurs::Type(media)));
        }
    }

    #[test]
    fn a_notification_of_dm_2_0_in_a_datagram_is_no_push() {
        assert_eq!(push_of_datagram(b"\x11\x00\x13dm1P"), None);
        assert!(push_of_datagram(b"\x02\x06\x03\xc4\xaf\x87").is_some());
    }
}

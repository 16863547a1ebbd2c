use omadm_card::CardTrouble;
use pcsc::Error;

/// What an error of PC/SC means (`smartcard.md` §7). `ResetCard`, `UnpoweredCard` and `NotTransacted` are the transport's while a card is used, `NoSmartcard`
/// is the look's.
pub(super) const fn trouble(error: Error) -> CardTrouble {
    match error {
        Error::NoService
        | Error::ServiceStopped
        | Error::InvalidHandle
        | Error::CommError
        | Error::CommDataLost
        | Error::ServerTooBusy
        | Error::SystemCancelled
        | Error::Cancelled
        | Error::NoAccess
        | Error::SecurityViolation => CardTrouble::NoService,
        Error::NoReadersAvailable => CardTrouble::NoReader,
        Error::UnknownReader | Error::ReaderUnavailable => CardTrouble::ReaderUnknown,
        Error::SharingViolation => CardTrouble::ReaderBusy,
        Error::RemovedCard | Error::NoSmartcard => CardTrouble::CardPulled,
        Error::ResetCard => CardTrouble::CardReset,
        Error::ProtoMismatch
        | Error::UnresponsiveCard
        | Error::UnpoweredCard
        | Error::UnsupportedCard
        | Error::UnknownCard
        | Error::InvalidAtr
        | Error::CardUnsupported => CardTrouble::CardMute,
        Error::Timeout => CardTrouble::CardSilent,
        _ => CardTrouble::ReaderFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_table_leads_to_a_trouble_with_what_to_do() {
        for (error, code) in [
            (Error::NoService, "no-service"),
            (Error::NoReadersAvailable, "no-reader"),
            (Error::NoSmartcard, "card-pulled"),
            (Error::RemovedCard, "card-pulled"),
            (Error::ResetCard, "card-reset"),
            (Error::UnpoweredCard, "card-mute"),
            (Error::SharingViolation, "reader-busy"),
            (Error::ProtoMismatch, "card-mute"),
            (Error::UnresponsiveCard, "card-mute"),
            (Error::NotTransacted, "reader-failed"),
            (Error::UnknownReader, "reader-unknown"),
            (Error::Timeout, "card-silent"),
        ] {
            assert_eq!(trouble(error).code(), code, "{error}");
            assert!(!trouble(error).action().is_empty());
        }
    }
}

use omadm_mo::standard::dm_acc::AuthNoti;

use super::{
    AbsentDigest, Authenticated, Clock, DigestRefusal, Package0, Package0Error, ReceivedPackage0,
    ReplayRefusal, ReplayWindow, ServerId,
};

/// The account or bootstrap source that SERVER-ID names, as the client has it.
#[derive(Clone, PartialEq)]
pub struct Addressee {
    /// `Auth/Noti` of the account, or what the policy gives the source.
    pub noti: Option<AuthNoti>,
    /// What is remembered of its Notifications.
    pub window: ReplayWindow,
}

/// A Notification that counts.
#[derive(Clone, PartialEq, Debug)]
pub struct Accepted {
    /// What it says.
    pub package: Package0,
    /// What vouches for it.
    pub authenticated: Authenticated,
    /// What is to be remembered from now on, durably and before the Notification has any effect.
    pub window: ReplayWindow,
}

/// Why a Notification is ignored (`dm20.md` §11.5). Nobody is ever told but who watches the client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Ignored {
    /// No Package#0; the sender is at fault.
    #[error("it is no Notification: {0}")]
    Unreadable(#[from] Package0Error),
    /// No account or source of this SERVER-ID.
    #[error("no account or bootstrap source has the SERVER-ID {0} (§11.5)")]
    Unknown(ServerId),
    /// Its digest does not do.
    #[error("{refusal}; SERVER-ID {server}")]
    Digest {
        /// SERVER-ID
        server: ServerId,
        /// Why.
        #[source]
        refusal: DigestRefusal,
    },
    /// It is old, from the future, or came before.
    #[error("{refusal}; SERVER-ID {server}")]
    Replay {
        /// SERVER-ID
        server: ServerId,
        /// Why.
        #[source]
        refusal: ReplayRefusal,
    },
}

impl ReceivedPackage0<'_> {
    /// The client's decision about a Notification, in the order of §11.5: account, digest, TIMESTAMP, NOTIFICATION-ID. `known` is what SERVER-ID
    /// names.
    ///
    /// # Errors
    /// [`Ignored`]; what is remembered stays as it was.
    pub fn judge(
        &self,
        known: Option<Addressee>,
        absent: AbsentDigest,
        clock: Clock,
    ) -> Result<Accepted, Ignored> {
        let package = self.package();
        let server = || package.server_id.clone();
        let Some(Addressee { noti, mut window }) = known else {
            return Err(Ignored::Unknown(server()));
        };
        let authenticated = self
            .authenticate(noti.as_ref(), absent)
            .map_err(|refusal| Ignored::Digest {
                server: server(),
                refusal,
            })?;
        window
            .accept(package, authenticated, clock)
            .map_err(|refusal| Ignored::Replay {
                server: server(),
                refusal,
            })?;
        Ok(Accepted {
            package: package.clone(),
            authenticated,
            window,
        })
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::*;

    const NOW: u64 = 1_388_534_400;

    fn noti() -> AuthNoti {
        AuthNoti {
            kind: AuthNoti::SHA256_DIGEST,
            data: vec![1, 2],
            secret: Secret::new(b"secret".to_vec()),
        }
    }

    fn known(noti: Option<AuthNoti>) -> Option<Addressee> {
        Some(Addressee {
            noti,
            window: ReplayWindow::restore(Some(NOW - 10), &[7], &[]),
        })
    }

    fn notification(id: u16, timestamp: u64) -> Package0 {
        Package0 {
            notification_id: Some(id),
            timestamp: Some(timestamp),
            ..Package0::new(ServerId::parse("dm1").unwrap())
        }
    }

    fn sealed(id: u16, timestamp: u64) -> Vec<u8> {
        let noti = noti();
        notification(id, timestamp)
            .sealed(&noti.secret, &noti.data)
            .encode()
    }

    fn judge(octets: &[u8], known: Option<Addressee>) -> Result<Accepted, Ignored> {
        ReceivedPackage0::decode(octets)?.judge(known, AbsentDigest::Ignore, Clock::Set(NOW))
    }

    #[test]
    fn x_noti_003_each_step_of_the_decision_has_its_cause() {
        let server = ServerId::parse("dm1").unwrap();
        let digest = |refusal| Ignored::Digest {
            server: server.clone(),
            refusal,
        };
        let replay = |refusal| Ignored::Replay {
            server: server.clone(),
            refusal,
        };
        let good = sealed(8, NOW);
        let accepted = judge(&good, known(Some(noti()))).unwrap();
        assert_eq!(accepted.authenticated, Authenticated::ByDigest);
        assert_eq!(accepted.window.newest(), Some(NOW));
        let mut broken = good.clone();
        *broken.last_mut().unwrap() ^= 1;
        let bare = notification(8, NOW).encode();
        for (octets, known, expected) in [
            (&good, None, Ignored::Unknown(server.clone())),
            (&good, known(None), digest(DigestRefusal::NoCredential)),
            (&broken, known(Some(noti())), digest(DigestRefusal::Wrong)),
            (&bare, known(Some(noti())), digest(DigestRefusal::Missing)),
            (
                &sealed(8, NOW - 11),
                known(Some(noti())),
                replay(ReplayRefusal::Older {
                    timestamp: NOW - 11,
                    newest: NOW - 10,
                }),
            ),
            (
                &sealed(8, NOW + 301),
                known(Some(noti())),
                replay(ReplayRefusal::OutsideWindow {
                    timestamp: NOW + 301,
                    now: NOW,
                }),
            ),
            (
                &sealed(7, NOW),
                known(Some(noti())),
                replay(ReplayRefusal::Duplicate(7)),
            ),
        ] {
            assert_eq!(judge(octets, known).unwrap_err(), expected);
        }
        let garbage = judge(b"no notification", known(None));
        assert!(matches!(garbage, Err(Ignored::Unreadable(_))));
    }

    #[test]
    fn x_noti_003_without_auth_noti_a_notification_without_digest_counts_unproven() {
        let accepted = judge(&notification(8, NOW).encode(), known(None)).unwrap();
        assert_eq!(accepted.authenticated, Authenticated::Unproven);
        assert_eq!(accepted.window.newest(), Some(NOW - 10));
    }
}

//! What stands in the table `shadows`: the former session set of an account (D82), as JSON under the SrvID.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_bootstrap::{AccountShadow, DeviceView as _, DeviceWrite as _, SessionSet, ShadowCause};
use omadm_mo::standard::dm_acc::{AuthTrsp, HttpAuth};
use omadm_mo::{Secret, ServerUri, SrvId, TreeError, TreeVersion};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::TreeStore;

#[derive(Serialize, Deserialize)]
struct ShadowRow {
    srv_uri: String,
    trsp: Option<(String, Wiped)>,
    http_auth: Option<(String, Wiped)>,
    trust: Vec<String>,
    since: u64,
    by_command: bool,
    refusals: u32,
}

/// A secret in base64, wiped once it is written or read into its own type.
struct Wiped(Zeroizing<String>);

impl Serialize for Wiped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Wiped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Encodes a shadow; none where it cannot be.
pub(super) fn encode(shadow: &AccountShadow) -> Option<Secret> {
    let text = |octets: &[u8]| STANDARD.encode(octets);
    let secret = |secret: &Secret| Wiped(Zeroizing::new(STANDARD.encode(secret.expose())));
    let set = &shadow.set;
    let trsp = set.trsp.as_ref();
    let http_auth = set.http_auth.as_ref();
    let row = ShadowRow {
        srv_uri: set.srv_uri.to_string(),
        trsp: trsp.map(|trsp| (text(&trsp.data), secret(&trsp.secret))),
        http_auth: http_auth.map(|auth| (auth.user.clone(), secret(&auth.password))),
        trust: set.trust.iter().map(|cert| text(cert)).collect(),
        since: shadow.since.0,
        by_command: shadow.by == ShadowCause::Command,
        refusals: shadow.refusals,
    };
    serde_json::to_vec(&row).ok().map(Secret::new)
}

/// None where it is damaged.
pub(super) fn decode(stored: &[u8]) -> Option<AccountShadow> {
    let row: ShadowRow = serde_json::from_slice(stored).ok()?;
    let secret = |text: &Wiped| STANDARD.decode(text.0.as_bytes()).ok().map(Secret::new);
    let trsp = match row.trsp {
        Some((data, text)) => Some(AuthTrsp {
            data: STANDARD.decode(data).ok()?,
            secret: secret(&text)?,
        }),
        None => None,
    };
    let http_auth = match row.http_auth {
        Some((user, text)) => Some(HttpAuth {
            user,
            password: secret(&text)?,
        }),
        None => None,
    };
    let trust = row.trust.iter().map(|cert| STANDARD.decode(cert).ok());
    Some(AccountShadow {
        set: SessionSet {
            srv_uri: ServerUri::parse(&row.srv_uri).ok()?,
            trsp,
            http_auth,
            trust: trust.collect::<Option<_>>()?,
        },
        since: TreeVersion(row.since),
        by: if row.by_command {
            ShadowCause::Command
        } else {
            ShadowCause::Bootstrap
        },
        refusals: row.refusals,
    })
}

impl TreeStore {
    /// A session was refused for good that was opened with the set which followed this shadow: counts it, durably (D82). Answers the shadow where a session
    /// with it is due; none where it is not, or is not kept any more.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the refusal is then not counted.
    pub fn session_refused(
        &self,
        srv_id: &SrvId,
        since: TreeVersion,
    ) -> Result<Option<AccountShadow>, TreeError> {
        let counted = self.write_aside(|tables| {
            let kept = tables.shadow(srv_id)?;
            let Some(mut shadow) = kept.filter(|shadow| shadow.since == since) else {
                return Ok(None);
            };
            shadow.refusals = shadow.refusals.saturating_add(1);
            tables.set_shadow(srv_id, Some(&shadow))?;
            Ok(Some(shadow))
        })?;
        Ok(counted.filter(AccountShadow::is_due))
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::plan::{ShadowChange, TreePlan};
    use omadm_bootstrap::{AccountShadow, DeviceView as _, SessionSet, ShadowCause};
    use omadm_mo::standard::dm_acc::{AuthTrsp, HttpAuth};
    use omadm_mo::{Secret, ServerUri, SrvId, TreeVersion};

    use super::super::TreeStore;
    use super::super::power_cut::{Disk, Fault};
    use super::{decode, encode};

    fn shadow(by: ShadowCause) -> AccountShadow {
        AccountShadow {
            set: SessionSet {
                srv_uri: ServerUri::parse("https://old.example.com/dm").unwrap(),
                trsp: Some(AuthTrsp {
                    data: vec![1, 2],
                    secret: Secret::new(b"trsp-secret".to_vec()),
                }),
                http_auth: Some(HttpAuth {
                    user: "u".to_owned(),
                    password: Secret::new(b"password".to_vec()),
                }),
                trust: vec![vec![3], vec![4, 5]],
            },
            since: TreeVersion(0),
            by,
            refusals: 0,
        }
    }

    fn open(disk: &Disk) -> TreeStore {
        let disk = disk.clone();
        TreeStore::with_backend(move || disk.clone(), 7).unwrap_or_else(|why| panic!("{why}"))
    }

    fn srv() -> SrvId {
        SrvId::parse("dms.example.com").unwrap()
    }

    #[test]
    fn what_was_stored_is_read_back_and_debug_tells_no_secret() {
        let mut kept = shadow(ShadowCause::Bootstrap);
        assert!(decode(encode(&kept).unwrap().expose()).as_ref() == Some(&kept));
        let told = format!("{kept:?}");
        assert!(
            !told.contains("secret") && !told.contains("password"),
            "{told}"
        );
        (kept.set.trsp, kept.set.http_auth) = (None, None);
        kept.by = ShadowCause::Command;
        assert!(decode(encode(&kept).unwrap().expose()).as_ref() == Some(&kept));
        assert!(decode(b"{}").is_none());
    }

    #[test]
    fn refusals_are_counted_through_power_cuts_until_the_shadow_is_due_d82() {
        for (by, bound) in [(ShadowCause::Bootstrap, 3), (ShadowCause::Command, 1)] {
            let mut disk = Disk::default();
            let mut store = open(&disk);
            let mut plan = TreePlan::at(TreeVersion(0));
            plan.shadows.push(ShadowChange {
                srv_id: srv(),
                shadow: Some(shadow(by)),
            });
            store.apply(&plan).unwrap();
            for n in 1..=5 {
                let due = store.session_refused(&srv(), TreeVersion(0)).unwrap();
                assert_eq!(due.is_some(), n >= bound, "{by:?} {n}");
                disk.arm(0, Fault::Cut);
                drop(store);
                disk = Disk::holding(&disk.survivor());
                store = open(&disk);
            }
            // A refusal of an older set does not count.
            assert!(
                store
                    .session_refused(&srv(), TreeVersion(9))
                    .unwrap()
                    .is_none()
            );
            let kept = store.snapshot().unwrap().shadow(&srv()).unwrap().unwrap();
            assert_eq!(
                (kept.refusals, store.snapshot().unwrap().version),
                (5, TreeVersion(1))
            );
        }
    }
}

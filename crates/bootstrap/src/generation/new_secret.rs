use omadm_mo::json::Json;
use omadm_mo::standard::dm_acc::{self, AuthNoti, AuthTrsp, HttpAuth, names};
use omadm_mo::{Secret, Value};

use super::SecretScope;

/// A secret that a rotation brings to the device: the parts of a DM Account that its own server may change (D74). Has no `Debug`.
#[derive(Clone, PartialEq)]
pub enum NewSecret {
    /// `Auth/Trsp`
    Trsp(AuthTrsp),
    /// `Ext/HTTPAuth`
    HttpAuth(HttpAuth),
    /// `Auth/Noti`
    Noti(AuthNoti),
}

impl NewSecret {
    /// What it is for.
    #[must_use]
    pub const fn scope(&self) -> SecretScope {
        match self {
            Self::Trsp(_) | Self::HttpAuth(_) => SecretScope::Session,
            Self::Noti(_) => SecretScope::Notification,
        }
    }

    /// Where it goes: the ClientURI of an HGET. A server sees its own account alone, so the instance needs no name. `has_parent` says whether the account
    /// already has the `Auth` or `Ext` above it; without, the parent comes along.
    #[must_use]
    pub fn target(&self, has_parent: bool) -> String {
        let (parent, name) = self.place();
        let moid = dm_acc::moid();
        if has_parent {
            format!("{moid}//{parent}/{name}")
        } else {
            format!("{moid}//{parent}")
        }
    }

    /// The document that the HGET fetches, for the same `has_parent`.
    #[must_use]
    pub fn document(&self, has_parent: bool) -> Secret {
        let text = |text: &str| Json::text(text);
        let octets = |octets: &[u8]| Json::text(Value::bin(octets).to_text().to_string());
        let members = match self {
            Self::Trsp(trsp) => Json::object([
                (names::DATA, octets(&trsp.data)),
                (names::SECRET, octets(trsp.secret.expose())),
            ]),
            Self::HttpAuth(login) => Json::object([
                (names::USER, text(&login.user)),
                (
                    names::PASSWORD,
                    text(&String::from_utf8_lossy(login.password.expose())),
                ),
            ]),
            Self::Noti(noti) => Json::object([
                (names::TYPE, Json::Int(noti.kind)),
                (names::DATA, octets(&noti.data)),
                (names::SECRET, octets(noti.secret.expose())),
            ]),
        };
        let (parent, name) = self.place();
        let own = Json::object([(name, members)]);
        let data = if has_parent {
            own
        } else {
            Json::object([(parent, own)])
        };
        let item = Json::object([("MOData", data)]);
        Secret::from(Json::Array(vec![item]).to_compact())
    }

    const fn place(&self) -> (&'static str, &'static str) {
        match self {
            Self::Trsp(_) => (names::AUTH, names::TRSP),
            Self::HttpAuth(_) => (names::EXT, names::HTTP_AUTH),
            Self::Noti(_) => (names::AUTH, names::NOTI),
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;
    use omadm_mo::standard::dm_acc::{AuthNoti, AuthTrsp, HttpAuth};

    use super::NewSecret;

    #[test]
    fn each_secret_goes_to_its_place_with_its_parent_where_that_is_missing() {
        let key = Secret::from("key".to_owned());
        let all = [
            (
                NewSecret::Trsp(AuthTrsp {
                    data: b"me".to_vec(),
                    secret: key.clone(),
                }),
                "Auth",
                "Trsp",
                r#"{"Data":"bWU=","Secret":"a2V5"}"#,
            ),
            (
                NewSecret::HttpAuth(HttpAuth {
                    user: "me".to_owned(),
                    password: key.clone(),
                }),
                "Ext",
                "HTTPAuth",
                r#"{"User":"me","Password":"key"}"#,
            ),
            (
                NewSecret::Noti(AuthNoti {
                    kind: 1,
                    data: Vec::new(),
                    secret: key,
                }),
                "Auth",
                "Noti",
                r#"{"Type":1,"Data":"","Secret":"a2V5"}"#,
            ),
        ];
        for (secret, parent, name, members) in all {
            let told = |has_parent| {
                String::from_utf8(secret.document(has_parent).expose().to_vec()).unwrap()
            };
            let root = "urn:oma:mo:oma-dm-dmacc:1.2//";
            assert_eq!(secret.target(true), format!("{root}{parent}/{name}"));
            assert_eq!(secret.target(false), format!("{root}{parent}"));
            let own = format!(r#"{{"{name}":{members}}}"#);
            assert_eq!(told(true), format!(r#"[{{"MOData":{own}}}]"#));
            let whole = format!(r#"[{{"MOData":{{"{parent}":{own}}}}}]"#);
            assert_eq!(told(false), whole);
        }
    }
}

//! A device that stores what documents and rotations bring it, and comes by what it has (D83).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use omadm_bootstrap::{EventId, PayloadHash};
use omadm_mo::Secret;
use omadm_server::model::RecordId;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{CredentialBody, NewBootstrap, NewRotation, RotationBody};
use omadm_tls::{CertificateDer, Fingerprint, Identity};
use serde_json::{Value, json};

use super::{Answer, CLIENT_INITIATED, DEV_INFO, PACKAGE1, PACKAGE3, Rig, Wire};

pub(crate) const SESSION: &str = "session";
pub(crate) const NOTIFICATION: &str = "notification";

/// A device that got its document by some method. It holds what the document, or a later rotation, gave it.
pub(crate) struct Device<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) dev_id: String,
    pub(crate) method: &'static str,
    pub(crate) document: Answer,
    /// `Auth/Trsp` as provisioned.
    pub(crate) boot: Identity,
    /// `Auth/Trsp` as it is on the device.
    pub(crate) trsp: Identity,
    /// `Auth/Noti/Secret` as it is on the device.
    pub(crate) noti: String,
    pub(crate) events: u8,
}

/// What a session came to.
pub(crate) struct Session {
    /// The answer to its Package#1.
    pub(crate) first: Answer,
    /// HGET commands that it was given.
    pub(crate) fetched: usize,
    pub(crate) exchanges: usize,
}

impl<'a> Device<'a> {
    pub(crate) async fn new(rig: &'a Rig, dev_id: &str, method: &'static str) -> Self {
        let identity = rig.device(dev_id).await;
        let carrier = match method {
            "factory" | "smartcard" => method,
            _ => "client-initiated",
        };
        let new = NewBootstrap {
            device: dev_id.to_owned(),
            profile: Some("full".to_owned()),
            method: Some(carrier.to_owned()),
            ..NewBootstrap::default()
        };
        let started = rig.api.start_bootstrap(&new).await.unwrap();
        let document = if carrier == method {
            let id = RecordId(EventId::parse(&started.id).unwrap());
            rig.document(&id).await
        } else {
            rig.connect(Some(&identity)).await.fetch(dev_id).await
        };
        assert_eq!(document.status, 200);
        let json = document.json();
        let auth = &json[0]["MOData"]["DMAcc"]["Auth"];
        let boot = trsp(&auth["Trsp"]);
        Self {
            rig,
            dev_id: dev_id.to_owned(),
            method,
            trsp: boot.clone(),
            boot,
            noti: auth["Noti"]["Secret"].as_str().unwrap().to_owned(),
            document,
            events: 0,
        }
    }

    /// A card, image or URL brings the document back: everything is as provisioned.
    pub(crate) fn roll_back(&mut self) {
        self.trsp = self.boot.clone();
        let json = self.document.json();
        let noti = &json[0]["MOData"]["DMAcc"]["Auth"]["Noti"]["Secret"];
        self.noti = noti.as_str().unwrap().to_owned();
    }

    /// The Package#1 of a document that was just applied.
    pub(crate) fn completion(&mut self) -> String {
        self.events += 1;
        let kind = if self.events == 1 { "first" } else { "re" };
        let data = json!({"BootstrapType": {"Method": self.method, "Profile": "dm2", "Kind": kind, "Seq": self.events,
            "EventId": format!("{:032x}", self.events), "PayloadHash": PayloadHash::of(&self.document.body).to_hex(), "State": "pending"}});
        let alert = json!({"AlertType": "urn:oma:at:dm:2.0:BootstrapComplete", "SourceURI": "urn:oma:mo:oma-dm-dmacc:1.2/1/",
            "DataType": "application/json", "Data": data});
        json!({"Alert": [alert]}).to_string()
    }

    pub(crate) async fn wire(&self) -> Wire {
        self.rig.connect(Some(&self.trsp)).await
    }

    pub(crate) async fn open(&self, package: &str) -> Answer {
        let mut wire = self.wire().await;
        wire.package(&self.dev_id, PACKAGE1, package.to_owned())
            .await
    }

    /// A session to its end; what its HGETs bring is stored.
    pub(crate) async fn session(&mut self, package: &str) -> Session {
        let mut wire = self.wire().await;
        let first = wire
            .package(&self.dev_id, PACKAGE1, package.to_owned())
            .await;
        let mut session = Session {
            fetched: 0,
            exchanges: 1,
            first,
        };
        let mut commands = commands(&session.first);
        while let Some(status) = self.carry_out(&mut wire, &commands, &mut session).await {
            let answer = wire.package(&self.dev_id, PACKAGE3, status).await;
            session.exchanges += 1;
            assert_eq!(answer.status, 200, "{:?}", answer.json());
            commands = self::commands(&answer);
        }
        session
    }

    /// The Package#3; none where there is nothing to answer.
    pub(crate) async fn carry_out(
        &mut self,
        wire: &mut Wire,
        commands: &[Vec<String>],
        session: &mut Session,
    ) -> Option<String> {
        let mut statuses = Vec::new();
        for command in commands {
            match command[0].as_str() {
                "GET" => {
                    let info: Value = serde_json::from_str(DEV_INFO).unwrap();
                    statuses.push(info["Status"][0].clone());
                }
                "HGET" => {
                    let found = self.fetch(wire, &command[1]).await;
                    self.store(&command[2], &found.json());
                    session.fetched += 1;
                    session.exchanges += 1;
                    statuses.push(json!({"sc": 200}));
                }
                _ => return None,
            }
        }
        (!statuses.is_empty()).then(|| json!({"Status": statuses}).to_string())
    }

    pub(crate) async fn fetch(&self, wire: &mut Wire, url: &str) -> Answer {
        let path = &url[url.find("/repo/").unwrap()..];
        let found = wire
            .send(Method::GET, path, &[("OMADM-DevID", &self.dev_id)], "")
            .await;
        assert_eq!(found.status, 200, "{:?}", found.json());
        assert_eq!(found.header("cache-control"), "no-store");
        found
    }

    pub(crate) fn store(&mut self, target: &str, document: &Value) {
        let data = &document[0]["MOData"];
        match target {
            "urn:oma:mo:oma-dm-dmacc:1.2//Auth/Trsp" => self.trsp = trsp(&data["Trsp"]),
            "urn:oma:mo:oma-dm-dmacc:1.2//Auth/Noti" => {
                self.noti = data["Noti"]["Secret"].as_str().unwrap().to_owned();
            }
            other => unreachable!("{other}"),
        }
    }

    pub(crate) async fn usual(&mut self) -> Session {
        self.session(CLIENT_INITIATED).await
    }

    /// Applies the document and reports it.
    pub(crate) async fn bootstrap(&mut self) -> Session {
        self.roll_back();
        let completion = self.completion();
        self.session(&completion).await
    }

    pub(crate) async fn rotate(&self, scope: &str) -> Result<RotationBody, ApiError> {
        let new = NewRotation {
            scope: Some(scope.to_owned()),
            ..NewRotation::default()
        };
        self.rig.api.rotate(&self.dev_id, &new).await
    }

    /// Has these secrets rotated, and uses the new ones.
    pub(crate) async fn rotated(&mut self, scopes: &[&str]) {
        for scope in scopes {
            self.rotate(scope).await.unwrap();
        }
        assert_eq!(self.usual().await.fetched, scopes.len());
        assert_eq!(self.usual().await.first.status, 200);
    }

    pub(crate) async fn credentials(&self, scope: &str) -> Vec<CredentialBody> {
        let mut all = self.rig.api.device(&self.dev_id).await.unwrap().credentials;
        all.retain(|one| one.scope == scope);
        all
    }

    /// Generation of each secret of a scope that is not revoked, oldest first.
    pub(crate) async fn live(&self, scope: &str) -> Vec<String> {
        let all = self.credentials(scope).await.into_iter();
        all.filter(|one| one.revoked_at.is_none())
            .map(|one| one.generation)
            .collect()
    }

    pub(crate) async fn credential(&self, identity: &Identity) -> CredentialBody {
        let print = Fingerprint::of(identity.chain().first().unwrap()).to_hex();
        let all = self.credentials(SESSION).await;
        all.into_iter().find(|one| one.id == print).unwrap()
    }

    /// The events of this name.
    pub(crate) async fn told(&self, name: &str) -> Vec<Value> {
        self.rig.flush().await;
        let mut all = Vec::new();
        let dev_id = omadm_mo::DevId::parse(&self.dev_id).unwrap();
        for stored in self.rig.store().events_of(&dev_id, 0, 500).await.unwrap() {
            all.push(serde_json::to_value(stored.event.kind).unwrap());
        }
        all.retain(|kind| kind["event"] == name);
        all
    }

    /// The secret that a Notification is made with, as the device has it.
    pub(crate) async fn proves_notifications(&self) -> bool {
        let store = self.rig.store();
        let dev_id = omadm_mo::DevId::parse(&self.dev_id).unwrap();
        let all = store.credentials(&dev_id).await.unwrap();
        let current = all.into_iter().find(|one| {
            one.scope.name() == NOTIFICATION
                && one.generation.name() == "current"
                && one.revoked_at.is_none()
        });
        let current = current.unwrap();
        let context = current.proof.seal_context(&dev_id);
        let keys = self.rig.sealing_keys();
        let opened = keys.open(&context, &current.sealed.unwrap()).unwrap();
        opened
            .expose()
            .ends_with(&STANDARD.decode(&self.noti).unwrap())
    }
}

pub(crate) fn commands(answer: &Answer) -> Vec<Vec<String>> {
    serde_json::from_value(answer.json()["CMD"].clone()).unwrap_or_default()
}

pub(crate) fn trsp(node: &Value) -> Identity {
    let octets = |name: &str| STANDARD.decode(node[name].as_str().unwrap()).unwrap();
    let chain = vec![CertificateDer::from(octets("Data"))];
    Identity::new(chain, Secret::new(octets("Secret"))).unwrap()
}

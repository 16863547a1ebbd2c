//! A bootstrapped device whose server says what a test wants it to say.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "commands are written where they are sent"
)]

use std::collections::VecDeque;

use omadm_bootstrap::plan::TreePlan;
use omadm_bootstrap::{Account, DeviceView as _};
use omadm_dm2::{Alert, Package3, Status};
use omadm_mo::ddf::Ddf;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::{DevInfo, MoRegistry};
use omadm_mo::{
    DevId, ExecOutcome, Miid, Moid, Node, NodeAddress, ServerUri, SrvId, TreeView as _,
};
use omadm_session::client::{
    Cause, ClientSession, Effect, Input, Opening, Outcome, Request, Response, SessionEvent,
    SessionReason,
};
use omadm_session::pair::{Delivered, FaultPlan, FixedObject, Pair, acme};
use serde_json::{Value, json};

pub(crate) const DM_ACC: &str = "urn:oma:mo:oma-dm-dmacc:1.2";
pub(crate) const DEV_INFO: &str = "urn:oma:mo:oma-dm-devinfo:1.2";
pub(crate) const DAC: &str = "urn:oma:mo:oma-dm-dacmo:1.0";
/// Any number of instances.
pub(crate) const GPS: &str = "urn:example:mo:gps:1.0";
/// At most one instance.
pub(crate) const CLOCK: &str = "urn:example:mo:clock:1.0";
/// Known to the device, in nobody's Perm list.
pub(crate) const PRIVATE: &str = "urn:example:mo:private:1.0";
pub(crate) const SRV: &str = "dms.example.com";
pub(crate) const OTHER: &str = "other.example.com";
pub(crate) const ORIGIN: &str = "https://boot.example.com:443";
pub(crate) const REPO: &str = "https://repo.example.com/in";

/// Texts that no server may ever see.
pub(crate) const SECRETS: [&str; 4] = ["trsp-secret", "noti-secret", "boot-secret", "password"];

/// What a session of a test came to.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) requests: Vec<Request>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) events: Vec<SessionEvent>,
    pub(crate) outcome: Option<Outcome>,
}

pub(crate) struct Bench {
    pub(crate) pair: Pair,
    /// Answers to the next Apply effects, before the device itself is asked.
    pub(crate) refuse_applies: VecDeque<Cause>,
    pub(crate) exec: Result<ExecOutcome, Cause>,
    pub(crate) limits: JsonLimits,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) browser: bool,
    pub(crate) reason: SessionReason,
    /// Where packages go first, in place of the account's SrvURI.
    pub(crate) to: Option<ServerUri>,
}

pub(crate) fn ddf(moid: &str, root: &str, occurrence: &str) -> Ddf {
    let node = |name: &str,
                format: &str,
                occurrence: &str,
                scope: &str,
                access: &str,
                inner: &str| {
        let access: String = access
            .split_whitespace()
            .map(|a| format!("<{a}/>"))
            .collect();
        format!(
            "<Node><NodeName>{name}</NodeName><DFProperties><AccessType>{access}</AccessType><DFFormat><{format}/></DFFormat>\
             <Occurrence><{occurrence}/></Occurrence><Scope><{scope}/></Scope></DFProperties>{inner}</Node>"
        )
    };
    let all = "Add Delete Get Replace";
    let date = node("Date", "chr", "One", "Permanent", "Get Replace", "");
    let entry = node("", "node", "ZeroOrMore", "Dynamic", all, &date);
    let inner = [
        node("ID", "chr", "One", "Permanent", "Get Replace", ""),
        node("Rate", "int", "ZeroOrOne", "Dynamic", all, ""),
        node("Blob", "bin", "ZeroOrOne", "Dynamic", all, ""),
        node("Key", "bin", "ZeroOrOne", "Dynamic", "Replace", ""),
        node("Fixed", "chr", "ZeroOrOne", "Permanent", "Get", ""),
        node("Reset", "chr", "ZeroOrOne", "Permanent", "Exec", ""),
        node("Data", "node", "ZeroOrOne", "Dynamic", all, &entry),
    ]
    .concat();
    Ddf::read(&format!(
        "<MgmtTree><Node><NodeName>{root}</NodeName><DFProperties><AccessType><Add/><Delete/><Get/><Replace/></AccessType><DFFormat><node/></DFFormat>\
         <Occurrence><{occurrence}/></Occurrence><Scope><Dynamic/></Scope><DFType><DDFName>{moid}</DDFName></DFType></DFProperties>{inner}</Node></MgmtTree>"
    ))
    .unwrap()
}

pub(crate) fn registry() -> MoRegistry {
    let mut registry = MoRegistry::standard();
    for (moid, root, occurrence) in [
        (GPS, "GPS", "ZeroOrMore"),
        (CLOCK, "Clock", "ZeroOrOne"),
        (PRIVATE, "Private", "ZeroOrMore"),
    ] {
        registry.insert(ddf(moid, root, occurrence)).unwrap();
    }
    registry
}

pub(crate) fn dev_info() -> DevInfo {
    acme(DevId::parse("IMEI:493005100592800").unwrap())
}

/// An account with every secret there is.
pub(crate) fn account(srv_id: &str) -> Value {
    let perm = [DM_ACC, DEV_INFO, GPS, CLOCK, DAC];
    let perm: serde_json::Map<_, _> = perm
        .iter()
        .enumerate()
        .map(|(n, moid)| (n.to_string(), json!({"MOID": moid})))
        .collect();
    json!({
        "SrvID": srv_id, "SrvURI": format!("https://{srv_id}/dm/2.0"), "Name": "Example DM", "Perm": perm,
        "Auth": {
            "Bootstrap": {"ServerURI": "https://boot.example.com/bootstrap", "SecMode": "Ag==",
                "ClientPubKey": "Ym9vdC1zZWNyZXQ=", "ServerPubKey": "Ym9vdC1zZWNyZXQ=", "ClientSecretKey": "Ym9vdC1zZWNyZXQ="},
            "Noti": {"Type": 1, "Data": "", "Secret": "bm90aS1zZWNyZXQ="},
            "Trsp": {"Data": "Y2VydA==", "Secret": "dHJzcC1zZWNyZXQ="},
        },
        "Ext": {"HTTPAuth": {"User": "u", "Password": "password"}},
    })
}

pub(crate) fn item(uri: &str, root: &str, members: &Value) -> Value {
    json!({"ClientURI": uri, "MOData": {root: members}})
}

pub(crate) fn gps(id: &str) -> Value {
    json!({"ID": id, "Rate": 5, "Key": "a2V5LW9mLWdwcw==", "Fixed": "f", "Reset": "",
        "Data": {"1": {"Date": "12.1"}, "2": {"Date": "12.2"}}})
}

/// Two accounts; the first one owns the instances `left` and `right` of GPS.
pub(crate) fn document() -> Value {
    json!([
        item(&format!("{DM_ACC}//"), "DMAcc", &account(SRV)),
        item(&format!("{DM_ACC}//"), "DMAcc", &account(OTHER)),
        item(&format!("{GPS}/left/"), "GPS", &gps("a")),
        item(&format!("{GPS}/right/"), "GPS", &gps("b")),
    ])
}

impl Bench {
    /// A device with the document applied, its completions owed.
    pub(crate) fn owing() -> Self {
        let mut pair = Pair::new(FaultPlan::none());
        pair.end.registry = registry();
        pair.end.plug_in(FixedObject::dev_info(&dev_info()));
        let delivered = pair.deliver(document().to_string().as_bytes(), ORIGIN);
        assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
        Self {
            pair,
            browser: false,
            reason: SessionReason::Client,
            to: None,
            refuse_applies: VecDeque::new(),
            exec: Ok(ExecOutcome::Done),
            limits: JsonLimits::default(),
            alerts: Vec::new(),
        }
    }

    /// The same, all acknowledged.
    pub(crate) fn new() -> Self {
        let mut bench = Self::owing();
        let mut plan = TreePlan::at(bench.pair.end.device.version());
        plan.accounts = bench.pair.end.device.accounts().unwrap();
        for account in &mut plan.accounts {
            account.owed = None;
        }
        bench.pair.end.device.apply(&plan).unwrap();
        bench
    }

    /// The statuses of these commands, sent by the first server in one Package#2.
    pub(crate) fn run(&mut self, commands: Value) -> Vec<Status> {
        self.run_as(SRV, commands).1
    }

    pub(crate) fn run_as(&mut self, server: &str, commands: Value) -> (Run, Vec<Status>) {
        let mut package = Some(json!({"CMD": commands}).to_string());
        let run = self.session(server, |_, _| {
            answer(200, &package.take().unwrap_or_default())
        });
        let statuses = run.requests.get(1).map_or_else(Vec::new, statuses);
        (run, statuses)
    }

    /// The status number of one command.
    pub(crate) fn code(&mut self, command: Value) -> u16 {
        self.one(command).code.get()
    }

    /// The status of one command.
    pub(crate) fn one(&mut self, command: Value) -> Status {
        let mut statuses = self.run(json!([command]));
        assert_eq!(statuses.len(), 1);
        statuses.remove(0)
    }

    /// Stores a document in the repository and has it fetched without ClientURI.
    pub(crate) fn hget(&mut self, document: &Value) -> Status {
        self.pair
            .end
            .repository
            .put(REPO, None, document.to_string());
        self.one(json!(["HGET", REPO]))
    }

    /// The same with ClientURI.
    pub(crate) fn hget_to(&mut self, uri: &str, document: &Value) -> Status {
        self.pair
            .end
            .repository
            .put(REPO, None, document.to_string());
        self.one(json!(["HGET", REPO, uri]))
    }

    /// The status number of one command of another server than the first.
    pub(crate) fn code_as(&mut self, server: &str, command: Value) -> u16 {
        self.one_as(server, command).code.get()
    }

    /// The status of one command of another server than the first.
    pub(crate) fn one_as(&mut self, server: &str, command: Value) -> Status {
        let (_, mut statuses) = self.run_as(server, json!([command]));
        assert_eq!(statuses.len(), 1);
        statuses.remove(0)
    }

    /// Has a server fetch a document, to this ClientURI where it is not empty.
    pub(crate) fn hget_as(&mut self, server: &str, uri: &str, document: &Value) -> u16 {
        let repository = &mut self.pair.end.repository;
        repository.put(REPO, None, document.to_string());
        let command = if uri.is_empty() {
            json!(["HGET", REPO])
        } else {
            json!(["HGET", REPO, uri])
        };
        self.code_as(server, command)
    }

    /// Runs a session; the closure is the server, told how many requests came before.
    pub(crate) fn session(
        &mut self,
        server: &str,
        mut reply: impl FnMut(&Request, usize) -> Result<Response, Cause>,
    ) -> Run {
        let mut run = Run::default();
        let mut session = self.start(server);
        while let Some(effect) = session.poll_effect() {
            run.effects.push(effect.clone());
            let input = match effect {
                Effect::Send(request) => {
                    let answer = reply(&request, run.requests.len());
                    run.requests.push(request);
                    Some(answer.map_or_else(Input::SendFailed, Input::Response))
                }
                Effect::Apply(id, _) if !self.refuse_applies.is_empty() => {
                    let cause = self.refuse_applies.pop_front().expect("one more");
                    Some(Input::ApplyDone(id, Err(cause)))
                }
                Effect::Exec(id, _, _) => Some(Input::ExecDone(id, self.exec.clone())),
                Effect::Report(event) => {
                    run.events.push(event);
                    None
                }
                Effect::Finish(outcome) => {
                    run.outcome = Some(outcome);
                    None
                }
                effect => self.pair.end.perform(effect),
            };
            if let Some(input) = input {
                session.handle_input(&self.pair.end.device, input);
            }
        }
        assert_eq!(session.is_over(), run.outcome.is_some());
        run
    }

    pub(crate) fn start(&self, server: &str) -> ClientSession {
        let opening = Opening {
            reason: self.reason,
            to: self.to.clone(),
            server: SrvId::parse(server).unwrap(),
            alerts: self.alerts.clone(),
            report_type: true,
            browser: self.browser,
            live: self.pair.end.live(),
            limits: self.limits,
        };
        ClientSession::start(
            opening,
            self.pair.end.registry.clone(),
            &self.pair.end.device,
        )
    }

    pub(crate) fn account(&self, srv_id: &str) -> Account {
        let account = self.pair.end.device.account(&SrvId::parse(srv_id).unwrap());
        account.unwrap().expect("the account")
    }

    pub(crate) fn miids(&self, moid: &str) -> Vec<String> {
        let found = self.pair.end.device.instances(&Moid::parse(moid).unwrap());
        found
            .unwrap()
            .iter()
            .map(|miid| miid.as_str().to_owned())
            .collect()
    }

    pub(crate) fn instance(&self, moid: &str, miid: &str) -> Option<Node> {
        let root = NodeAddress::root(Moid::parse(moid).unwrap(), Miid::parse(miid).unwrap());
        self.pair.end.device.subtree(&root).unwrap()
    }

    /// The text of a leaf.
    pub(crate) fn text(&self, moid: &str, miid: &str, path: &[&str]) -> Option<String> {
        let node = self.instance(moid, miid)?;
        Some(node.find(path)?.value()?.to_text().to_string())
    }

    pub(crate) fn validator(&self, moid: &str, miid: &str) -> String {
        let (moid, miid) = (Moid::parse(moid).unwrap(), Miid::parse(miid).unwrap());
        let validator = self.pair.end.device.validator(&moid, &miid).unwrap();
        validator.expect("a validator").to_string()
    }
}

pub(crate) fn answer(status: u16, body: &str) -> Result<Response, Cause> {
    Ok(Response {
        status,
        set_cookie: None,
        location: None,
        retry_after: None,
        content_type: None,
        omadm_accept: None,
        body: body.as_bytes().to_vec(),
    })
}

pub(crate) fn statuses(request: &Request) -> Vec<Status> {
    let json = Json::read(&request.body, JsonLimits::default()).unwrap();
    Package3::read(&json).unwrap().statuses
}

/// The body of a request as JSON.
pub(crate) fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// The result of a GET as JSON.
pub(crate) fn result(status: &Status) -> Value {
    let result = status.result.as_ref().expect("a result");
    serde_json::from_str(&result.to_compact()).unwrap()
}

//! Every command of DM 2.0, queued at a server process and carried out by the real client (`dm20.md` §5).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omadm_client::policy::NetworkPolicy;
use omadm_client::{Client, DeviceDir};
use omadm_mo::ddf::Ddf;
use omadm_mo::{ExecOutcome, ManagedObject, ManagedObjectError, Node, NodePath, Rights, Value};
use omadm_session::client::Outcome;
use omadm_tests::process::{Device, PATIENCE, Server, profiles, reporting_ddf};
use omadm_tls::pem;
use tokio::runtime::Runtime;

const DEVICE: &str = "IMEI:493005100592800";
const REPORTING: &str = "urn:example:mo:reporting:1.0";
const BUTTON: &str = "urn:example:mo:button:1.0";

/// An object with one node that may be executed; it notes how often it was.
struct Button {
    ddf: Ddf,
    pressed: Arc<Mutex<u32>>,
}

impl Button {
    fn new(pressed: &Arc<Mutex<u32>>) -> Self {
        let node = |name: &str, access: &str, format: &str, more: &str, inner: &str| {
            format!(
                "<Node><NodeName>{name}</NodeName><DFProperties><AccessType>{access}</AccessType><DFFormat><{format}/></DFFormat>\
                 <Occurrence><One/></Occurrence><Scope><Permanent/></Scope><DFType>{more}</DFType></DFProperties>{inner}</Node>"
            )
        };
        let press = node(
            "Press",
            "<Exec/><Get/>",
            "chr",
            "<MIME>text/plain</MIME>",
            "",
        );
        let named = format!("<DDFName>{BUTTON}</DDFName>");
        let root = node("Button", "<Get/>", "node", &named, &press);
        Self {
            ddf: Ddf::read(&format!("<MgmtTree>{root}</MgmtTree>")).unwrap(),
            pressed: Arc::clone(pressed),
        }
    }
}

impl ManagedObject for Button {
    fn ddf(&self) -> &Ddf {
        &self.ddf
    }

    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError> {
        let mut root = Node::empty();
        root.put(&NodePath::of("Press").unwrap(), Value::chr("").into());
        Ok(root.at(at).cloned())
    }

    fn plan_write(&self, _: &NodePath, _: &Node) -> Result<(), ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn exec(&mut self, _: &NodePath) -> Result<ExecOutcome, ManagedObjectError> {
        *self.pressed.lock().unwrap() += 1;
        Ok(ExecOutcome::Done)
    }

    fn changed(&mut self, _: &NodePath) {}
}

/// The full profile, its server allowed to press the button.
fn profile(folder: &Path) {
    std::fs::create_dir_all(folder.join("ddf")).unwrap();
    std::fs::copy(reporting_ddf(), folder.join("ddf/reporting-1.0.ddf")).unwrap();
    let full = std::fs::read_to_string(profiles("full.toml")).unwrap();
    let perm = format!("  \"{REPORTING}\",\n");
    assert_eq!(full.matches(&perm).count(), 1);
    let more = full.replace(&perm, &format!("{perm}  \"{BUTTON}\",\n"));
    std::fs::write(folder.join("full.toml"), more).unwrap();
}

#[test]
fn x_cmd_001_x_cmd_002_x_cmd_003_each_of_the_twelve_commands_goes_from_the_queue_through_the_device_and_back()
 {
    let folder = tempfile::tempdir().unwrap();
    profile(&folder.path().join("profiles"));
    let from = folder.path().join("profiles");
    let arguments = ["--profiles", from.to_str().unwrap()];
    let server = Server::start_with(&folder.path().join("server"), &arguments).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "full");

    let dir = DeviceDir::open(device.file("devinfo.toml").parent().unwrap()).unwrap();
    let ca = pem::certificates(&std::fs::read_to_string(server.ca()).unwrap()).unwrap();
    let (pressed, shown) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(Vec::new())));
    let pages = Arc::clone(&shown);
    let client = Client::builder(dir.dev_info().unwrap(), dir.store_file())
        .anchors(ca)
        .identity(dir.identity().unwrap().unwrap())
        .mo(Ddf::read(&std::fs::read_to_string(reporting_ddf()).unwrap()).unwrap())
        .managed_object_for(Button::new(&pressed), Rights::READ.with(Rights::EXECUTE))
        .browser(move |page| {
            pages.lock().unwrap().push(page.to_string());
            Ok(())
        })
        .network(NetworkPolicy {
            allow_loopback: true,
            ..NetworkPolicy::default()
        })
        .build()
        .unwrap();
    let (runtime, api) = (Runtime::new().unwrap(), server.api(&token).unwrap());

    let label = folder.path().join("label.txt");
    std::fs::write(&label, "from the repository").unwrap();
    let put = ["object", "put", DEVICE, "label.txt", "--type", "text/plain"];
    let _put = server.operator(&token, &put).arg(&label).run().good();
    let base = server.url().replace("/bootstrap", "");
    let repo = |name: &str| format!("{base}/repo/{name}");
    let at = |rest: &str| format!("{REPORTING}/1/{rest}");
    let page = format!("{base}/page?ui=7");
    let commands = [
        vec!["GET".to_owned(), at("Label")],
        vec!["HGET".to_owned(), repo("label.txt"), at("Label")],
        vec!["HPUT".to_owned(), repo("put"), at("Label")],
        vec!["HPOST".to_owned(), repo("post"), at("Target")],
        vec!["SHOW".to_owned(), page.clone()],
        vec!["DEFAULT".to_owned(), repo("default"), REPORTING.to_owned()],
        vec!["EXEC".to_owned(), format!("{BUTTON}//Press")],
        vec!["SUB".to_owned(), repo("report"), at("Enabled")],
        vec!["UNSUB".to_owned(), at("Enabled")],
        vec!["CONT".to_owned(), format!("{base}/dm/2.0")],
        vec!["DELETE".to_owned(), at("")],
    ];
    let mut queued = Vec::new();
    for words in &commands {
        let mut send = vec!["--json", "send", DEVICE];
        send.extend(words.iter().map(String::as_str));
        let told = server.operator(&token, &send).run().good().stdout;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        queued.push(told["id"].as_str().unwrap().to_owned());
    }
    let answered = runtime.block_on(async {
        let account = client.accounts().unwrap().pop().unwrap().srv_id;
        let report = client.session(&account).await.unwrap();
        // The twelfth: what the server says when nothing is left.
        assert_eq!(report.outcome, Outcome::Ended);
        let mut answered = Vec::new();
        for id in &queued {
            answered.push(api.command(DEVICE, id).await.unwrap());
        }
        answered
    });
    for (command, words) in answered.iter().zip(&commands) {
        assert_eq!(command.status, Some(200), "{words:?}: {command:?}");
    }

    let object = |name: &str| {
        let get = ["object", "get", DEVICE, name];
        server.operator(&token, &get).run().good().stdout
    };
    assert!(
        object("put").contains("from the repository"),
        "what HGET stored is what HPUT read"
    );
    assert!(object("post").contains("\"Target\""));
    assert_eq!(*shown.lock().unwrap(), [page]);
    assert_eq!(*pressed.lock().unwrap(), 1);

    let story = server
        .operator(&token, &["show", DEVICE, "--all"])
        .run()
        .good()
        .stdout;
    let mut rest = story.as_str();
    for words in &commands {
        let told = format!("command-answered    {}", words[0]);
        let line = rest.find(&told).map(|at| &rest[at..]);
        assert!(line.is_some(), "no {told:?} where it belongs: {story}");
        let line = line.unwrap();
        let first = line.lines().next().unwrap();
        assert!(first.contains(": 200 after "), "{first}");
        rest = &line[told.len()..];
    }
    assert!(rest.contains("session-ended       END"), "{story}");
}

/// A server, and a device that it bootstrapped.
fn bootstrapped(folder: &Path) -> (Server, String, Device) {
    let server = Server::start(&folder.join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::bootstrapped(&folder.join("device"), DEVICE, &server, "full");
    (server, token, device)
}

/// The statuses of what was queued, after a session of `omadm client`.
fn told(server: &Server, token: &str, device: &Device, commands: &[&[&str]]) -> Vec<u64> {
    let operator = |words: &[&str]| {
        let said = server.operator(token, &["--json"]).args(words).run().good();
        serde_json::from_str::<serde_json::Value>(&said.stdout).unwrap()
    };
    let queue = |words: &&[&str]| {
        let queued = operator(&[&["send", DEVICE], *words].concat());
        queued["id"].as_str().unwrap().to_owned()
    };
    let ids: Vec<_> = commands.iter().map(queue).collect();
    let session = device.client("session").arg("--ca").arg(server.ca());
    let _ended = session.run().good();
    let status = |id: &String| operator(&["command", DEVICE, id])["status"].as_u64();
    ids.iter().map(|id| status(id).unwrap()).collect()
}

#[test]
fn x_cmd_002_show_starts_the_program_that_the_policy_names_and_is_501_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let (server, token, device) = bootstrapped(folder.path());
    let network = "[network]\nallow_loopback = true\n";
    let page = format!("{}/page?ui=7", server.url().replace("/bootstrap", ""));
    let show: &[&str] = &["SHOW", &page];
    let seen = folder.path().join("seen");

    std::fs::write(device.file("policy.toml"), network).unwrap();
    assert_eq!(told(&server, &token, &device, &[show]), [501]);
    let script = format!("printf %s \"$1\" > '{}'", seen.display());
    let command = serde_json::json!(["/bin/sh", "-c", script, "sh", "{uri}"]);
    let policy = format!("{network}[show]\ncommand = {command}\n");
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    assert_eq!(told(&server, &token, &device, &[show]), [200]);
    assert_eq!(std::fs::read_to_string(&seen).unwrap(), page);
    let policy = format!("{network}[show]\ncommand = [\"/bin/false\", \"{{uri}}\"]\n");
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    assert_eq!(told(&server, &token, &device, &[show]), [500]);
}

#[test]
fn x_cmd_003_what_a_device_changes_by_itself_is_reported_into_the_servers_repository() {
    let folder = tempfile::tempdir().unwrap();
    let (server, token, device) = bootstrapped(folder.path());
    let policy = "[network]\nallow_loopback = true\n";
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let report = server.url().replace("/bootstrap", "/repo/report");
    let interval = format!("{REPORTING}//IntervalSeconds");
    let sub: &[&str] = &["SUB", &report, &interval];
    assert_eq!(told(&server, &token, &device, &[sub]), [200]);

    let get = ["object", "get", DEVICE, "report"];
    let _none = server.operator(&token, &get).run().refused();
    let set = device.client("set").args([&interval, "7"]);
    let _set = set.run().good();
    let _daemon = device.client_at("run", &server).start().unwrap();
    let end = Instant::now() + PATIENCE;
    let told = loop {
        let told = server.operator(&token, &get).run();
        if told.code == Some(0) || Instant::now() > end {
            break told.good().stdout;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told[0]["MOData"]["IntervalSeconds"], 7);
}

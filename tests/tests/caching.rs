//! Cache validators between a server process and the real client (`dm20.md` §10): what the server still holds is not sent again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_client::policy::NetworkPolicy;
use omadm_client::{Client, DeviceDir};
use omadm_mo::ClientUri;
use omadm_mo::ddf::Ddf;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::CommandBody;
use omadm_session::client::Outcome;
use omadm_tests::process::{Device, Server, reporting_ddf};
use omadm_tls::pem;
use serde_json::Value;
use tokio::runtime::Runtime;

const DEVICE: &str = "IMEI:493005100592800";
const REPORTING: &str = "urn:example:mo:reporting:1.0/1/";

/// A device with the reporting MO, its client in this process, and the server's API.
struct Stand {
    runtime: Runtime,
    client: Client,
    api: ApiClient,
    server: Server,
    token: String,
    repository: String,
    _folder: tempfile::TempDir,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_one(&folder.path().join("server")).unwrap();
        let token = server.token.clone().unwrap();
        let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "full");
        let dir = DeviceDir::open(device.file("devinfo.toml").parent().unwrap()).unwrap();
        let ca = pem::certificates(&std::fs::read_to_string(server.ca()).unwrap()).unwrap();
        let ddf = std::fs::read_to_string(reporting_ddf()).unwrap();
        let client = Client::builder(dir.dev_info().unwrap(), dir.store_file())
            .anchors(ca)
            .identity(dir.identity().unwrap().unwrap())
            .mo(Ddf::read(&ddf).unwrap())
            .network(NetworkPolicy {
                allow_loopback: true,
                ..NetworkPolicy::default()
            })
            .build()
            .unwrap();
        Self {
            runtime: Runtime::new().unwrap(),
            api: server.api(&token).unwrap(),
            repository: server.url().replace("/bootstrap", "/repo/"),
            server,
            token,
            client,
            _folder: folder,
        }
    }

    /// Queues commands and answers them in one session.
    fn answered(&self, commands: &[&[&str]]) -> Vec<CommandBody> {
        let words = |command: &&[&str]| command.iter().map(|&word| word.to_owned()).collect();
        let commands = commands.iter().map(words).collect();
        self.runtime.block_on(async {
            let queued = self.api.queue_commands(DEVICE, commands).await.unwrap();
            let account = self.client.accounts().unwrap().pop().unwrap().srv_id;
            let report = self.client.session(&account).await.unwrap();
            assert_eq!(report.outcome, Outcome::Ended);
            let mut answered = Vec::new();
            for command in queued.commands {
                answered.push(self.api.command(DEVICE, &command.id).await.unwrap());
            }
            answered
        })
    }

    /// What `omadm device object` says of one of its objects.
    fn object(&self, what: &str, path: &str) -> String {
        let arguments = ["object", what, DEVICE, path];
        let done = self.server.operator(&self.token, &arguments).run().good();
        done.stdout
    }

    /// Sets a leaf as the device itself does.
    fn set(&self, leaf: &str, text: &str) {
        let uri = ClientUri::parse(&format!("{REPORTING}{leaf}")).unwrap();
        self.runtime
            .block_on(self.client.local_set(uri, text.to_owned()))
            .unwrap();
    }
}

fn statuses(commands: &[CommandBody]) -> Vec<u16> {
    let statuses = commands.iter().map(|command| command.status);
    statuses.map(Option::unwrap_or_default).collect()
}

fn item(uri: &str, name: &str, value: u32) -> Value {
    serde_json::json!([{"ClientURI": uri, "MOData": {name: value}}])
}

#[test]
fn x_cache_001_a_get_below_an_instance_the_server_knows_is_304_and_its_value_is_known() {
    let stand = Stand::new();
    let (leaf, target) = (
        format!("{REPORTING}IntervalSeconds"),
        format!("{REPORTING}Target"),
    );
    let label = format!("{REPORTING}Label");
    let gets: [&[&str]; 5] = [
        &["GET", &leaf],
        &["GET", &target],
        &["GET", &label],
        &["GET", REPORTING],
        &["GET", &label, &leaf, &target],
    ];
    let first = stand.answered(&gets);
    assert_eq!(statuses(&first), [200; 5], "nothing is known yet");
    let second = stand.answered(&gets);
    assert_eq!(statuses(&second), [304; 5]);
    for (first, second) in first.iter().zip(&second) {
        assert!(first.result.is_some());
        assert_eq!(second.result, first.result, "as the device would write it");
        assert_eq!(second.command, first.command, "as it was queued");
    }
    stand.set("IntervalSeconds", "61");
    let third = stand.answered(&gets);
    assert_eq!(
        statuses(&third),
        [200; 5],
        "the whole instance is told apart"
    );
    let changed = item(&leaf, "IntervalSeconds", 61);
    assert_eq!(third[0].result, Some(changed.clone()));
    let fourth = stand.answered(&gets);
    assert_eq!(statuses(&fourth), [304; 5]);
    assert_eq!(fourth[4].result, third[4].result);
    assert_eq!(fourth[0].result, Some(changed));
    assert_eq!(fourth[3].result, third[3].result);
}

#[test]
fn x_cache_001_an_upload_the_repository_still_holds_is_not_sent_again() {
    let stand = Stand::new();
    let target = format!("{REPORTING}Target");
    let [whole, posted, below] =
        ["put", "post", "below"].map(|name| format!("{}{name}", stand.repository));
    let uploads: [&[&str]; 3] = [
        &["HPUT", &whole, REPORTING],
        &["HPOST", &posted, REPORTING],
        &["HPUT", &below, &target],
    ];
    assert_eq!(statuses(&stand.answered(&uploads)), [200; 3]);
    // What a part is worth is known once the whole instance is.
    assert_eq!(statuses(&stand.answered(&uploads)), [304, 304, 200]);
    assert_eq!(statuses(&stand.answered(&[&["GET", REPORTING]])), [200]);
    assert_eq!(statuses(&stand.answered(&uploads)), [304; 3]);
    let stored = |path: &str| stand.object("get", path);
    let before = ["put", "post", "below"].map(stored);
    assert!(before[0].contains("\"IntervalSeconds\""), "{before:?}");

    stand.set("IntervalSeconds", "61");
    assert_eq!(statuses(&stand.answered(&uploads)), [200; 3]);
    let after = ["put", "post", "below"].map(stored);
    assert!(after[0] != before[0] && after[1] != before[1]);
    assert_eq!(
        after[2], before[2],
        "the part did not change, the instance did"
    );
    // What the repository does not hold any more is sent again.
    stand.object("delete", "put");
    assert_eq!(statuses(&stand.answered(&uploads)), [200, 304, 200]);
    assert_eq!(stored("put"), after[0]);
}

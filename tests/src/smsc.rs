//! An SMSC that nobody here wrote (npm `smpp`), what it is told, and what tshark reads of it (`push.md` §8, §10.1).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::house::root;
use crate::process::{PATIENCE, Running, Signal};

/// An SMSC with faults.
#[derive(Debug)]
pub struct Smsc {
    /// Its process.
    pub process: Running,
    /// Its port on 127.0.0.1.
    pub port: String,
}

impl Smsc {
    /// Starts it; `faults` are members of what `tests/smsc/smsc.js` is told.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    pub fn start(faults: &Value) -> Self {
        let mut wanted = json!({ "accounts": { "omadm": "secret", "dev": "devpw" } });
        let members = faults.as_object().unwrap().clone();
        wanted.as_object_mut().unwrap().extend(members);
        let mut command = Command::new("node");
        command
            .arg(root().join("tests/smsc/smsc.js"))
            .arg(wanted.to_string())
            .stdin(Stdio::piped());
        let mut process = Running::start(command).unwrap();
        let said = process.until("listening", PATIENCE).unwrap();
        let port = said.lines().next().unwrap().rsplit(' ').next().unwrap();
        Self {
            port: port.to_owned(),
            process,
        }
    }

    /// Its address.
    ///
    /// # Panics
    /// Never: it said so itself.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.parse().unwrap()))
    }

    /// Ends it; what it told.
    ///
    /// # Panics
    /// Where it does not end.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    pub fn end(self) -> String {
        self.process.signal(Signal::Term).unwrap();
        self.process.wait(PATIENCE).unwrap().stdout
    }
}

/// The file of `omadm serve --smpp` for an SMSC at this port.
///
/// # Panics
/// Where it cannot be written.
#[must_use]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub fn smsc_file(folder: &Path, port: &str, password: &str, ca: Option<&Path>) -> PathBuf {
    let file = folder.join("smsc.toml");
    let text = format!(
        "host = '127.0.0.1'\nport = {port}\nsystem_id = 'omadm'\npassword_file = 'smsc.password'\nsource = '+15550001'\n"
    );
    let way = match ca {
        None => "tls = false\n".to_owned(),
        Some(ca) => format!("ca_files = ['{}']\n", ca.display()),
    };
    std::fs::write(&file, text + &way).unwrap();
    std::fs::write(folder.join("smsc.password"), format!("{password}\n")).unwrap();
    file
}

/// Each submission, as `number to esm_class data_coding status octets`.
#[must_use]
pub fn submissions(told: &str) -> Vec<&str> {
    told.lines()
        .filter_map(|line| line.strip_prefix("submit "))
        .collect()
}

/// What tshark reads in a capture: a row for each packet with SMPP, and in it these fields.
///
/// # Panics
/// Where tshark refuses a field or the capture.
#[must_use]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub fn dissected(capture: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark
        .arg("-r")
        .arg(capture)
        .args(["-Y", "smpp", "-T", "fields", "-E", "separator=|"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let read = tshark.output().unwrap();
    assert!(read.status.success(), "{read:?}");
    let text = String::from_utf8(read.stdout).unwrap();
    let cells = |line: &str| line.split('|').map(str::to_owned).collect();
    text.lines().map(cells).collect()
}

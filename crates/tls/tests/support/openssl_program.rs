//! The `openssl` program as the other end of the wire and as judge.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use omadm_tls::{DeviceKey, Identity};
use tempfile::TempDir;

pub(crate) const MISSING: &str = "the openssl program is missing: `./test setup` installs it";

/// A folder in which the program runs.
pub(crate) struct Files(pub(crate) TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn put_identity(&self, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
        let key = DeviceKey::from_pkcs8(identity.key().clone())
            .unwrap()
            .to_pem();
        (
            self.put(&format!("{name}.pem"), identity.chain_pem()),
            self.put(&format!("{name}.key"), key.expose()),
        )
    }

    pub(crate) fn openssl(&self, arguments: &str) -> Output {
        Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .expect(MISSING)
    }

    pub(crate) fn agrees(&self, arguments: &str) -> String {
        let output = self.openssl(arguments);
        let said = said(&output);
        assert!(output.status.success(), "openssl {arguments}: {said}");
        said
    }
}

pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `openssl s_server` on a port of its choice; ended when dropped.
pub(crate) struct SServer(Child, pub(crate) String);

impl SServer {
    pub(crate) fn start(directory: &Path, options: &str) -> Self {
        let mut child = Command::new("openssl")
            .args("s_server -accept 127.0.0.1:0 -CAfile ca.pem".split(' '))
            .args(options.split_whitespace())
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect(MISSING);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(str::to_owned))
            .unwrap();
        // The rest is drained, so that the server never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, address)
    }
}

impl Drop for SServer {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

use std::path::{Path, PathBuf};

use super::binary::{Omadm, omadm};
use super::{Server, reporting_ddf};

/// A device's folder, used through `omadm client …`.
#[derive(Clone, Debug)]
pub struct Device {
    dir: PathBuf,
    /// DevID.
    pub dev_id: String,
}

impl Device {
    /// Makes a device: key, request, DevInfo, policy.
    ///
    /// # Panics
    /// Where `omadm client init` does.
    #[must_use]
    pub fn init(dir: &Path, dev_id: &str) -> Self {
        let made = omadm(["client", "init", "--dev-id", dev_id, "--dir"])
            .arg(dir)
            .run()
            .good();
        assert!(made.stdout.contains(dev_id), "{made:?}");
        Self {
            dir: dir.to_owned(),
            dev_id: dev_id.to_owned(),
        }
    }

    /// The same, registered with a profile at a server that is started for the first time, and bootstrapped by it.
    ///
    /// # Panics
    /// Where the server refuses.
    #[must_use]
    pub fn bootstrapped(dir: &Path, dev_id: &str, server: &Server, profile: &str) -> Self {
        let device = Self::init(dir, dev_id);
        let token = server.token.as_deref().unwrap_or_default();
        device.register(server, token, profile);
        let done = device.client_at("bootstrap", server).run().good();
        assert!(done.stdout.contains("bootstrapped"), "{done:?}");
        device
    }

    /// A file of its folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// `omadm client COMMAND` on it, which knows the reporting MO.
    #[must_use]
    pub fn client(&self, command: &str) -> Omadm {
        omadm(["client", command, "--dir"])
            .arg(&self.dir)
            .arg("--ddf")
            .arg(reporting_ddf())
    }

    /// `omadm client bootstrap` or `run` at this server.
    #[must_use]
    pub fn client_at(&self, command: &str, server: &Server) -> Omadm {
        self.client(command)
            .args(["--url", &server.url(), "--ca"])
            .arg(server.ca())
    }

    /// Registers it by its certificate request, with a profile; its certificate then lies in its folder.
    ///
    /// # Panics
    /// Where the server refuses.
    pub fn register(&self, server: &Server, token: &str, profile: &str) {
        self.add(server, token, &["--profile", profile]);
    }

    /// The same with these arguments.
    ///
    /// # Panics
    /// Where the server refuses.
    pub fn add(&self, server: &Server, token: &str, arguments: &[&str]) {
        let added = server
            .operator(token, &["add", &self.dev_id])
            .args(arguments)
            .arg("--csr")
            .arg(self.file("device-csr.pem"))
            .arg("--out")
            .arg(self.file("device-cert.pem"))
            .run()
            .good();
        assert!(added.stdout.contains("certificate:"), "{added:?}");
    }

    /// Registers it by a bootstrap code, and gives the code.
    ///
    /// # Panics
    /// Where the server refuses.
    #[must_use]
    pub fn register_by_code(&self, server: &Server, token: &str, profile: &str) -> String {
        let arguments = ["add", &self.dev_id, "--profile", profile, "--code"];
        let added = server.operator(token, &arguments).run().good();
        let code = added.field("code:");
        assert!(code.ends_with("(shown this once)"), "{added:?}");
        code.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

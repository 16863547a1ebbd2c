use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::PrivatePostgresError;
use super::account::Account;
use super::error::Tried;

/// Waits for the end of standard input. Then every process that works in the folder is woken and told to quit, ended by
/// force if it has not within ten seconds, and the folder removed.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
while read -r _; do :; done
signal() {
  found=1
  for process in /proc/[0-9]*; do
    for place in "$folder" "$folder/data"; do
      [ "$process/cwd" -ef "$place" ] || continue
      found=0
      for name; do kill -s "$name" "${process#/proc/}"; done
    done
  done
  return "$found"
}
folder=$1 left=100
signal CONT QUIT
while signal && [ "$left" -gt 0 ]; do
  left=$((left - 1))
  sleep 0.1
done
signal KILL
rm -rf -- "$folder"
"#;

/// A shell that outlives us, so that the end of ours is the end of the server, even where we are ended by force.
/// Dropping it ends what is left of the server and waits until the folder is gone.
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Watches over `folder`, which the account owns.
    pub(super) fn start(account: &Account, folder: &Path) -> Result<Self, PrivatePostgresError> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "omadm-postgres-watchdog"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        account
            .run(&mut command)
            .spawn()
            .map(Self)
            .tried("a watchdog over PostgreSQL cannot be started")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It has nobody to report to: the folder's owner removes the folder again.
        let _ = self.0.wait();
    }
}

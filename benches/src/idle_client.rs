//! What the DM Client's daemon costs a device that has no account: anonymous resident memory of a process of its own (DESIGN §9).

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use omadm_client::Client;
use omadm_mo::DevId;
use omadm_session::pair::acme;
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::sessions::anonymous;
use crate::{Broken, Unexpected};

/// The daemon's process: as `omadm client run` with a closed policy, until its standard input ends. Tells in one line that it runs.
///
/// # Errors
/// [`Broken`] where the client does not start, or stops.
pub fn run(folder: &Path) -> Result<(), Broken> {
    let dev_info = acme(DevId::parse("IMEI:493005100592800")?);
    let client = Client::builder(dev_info, folder.join("tree.redb")).build()?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let (stop, stopped) = watch::channel(false);
    let (listening, daemon) = runtime.block_on(async {
        let listening = client.listen().await?;
        Ok::<_, Broken>((
            listening,
            tokio::spawn(async move { client.run(stopped).await }),
        ))
    })?;
    let mut told = io::stdout();
    writeln!(told, "runs")?;
    told.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    stop.send_replace(true);
    runtime.block_on(async {
        daemon.await??;
        listening.end().await;
        Ok(())
    })
}

/// KiB of the daemon once it waits. `program` calls [`run`] with its first argument, a folder that is made.
///
/// # Errors
/// [`Broken`] where it does not run, or the system tells nothing of a process's memory.
pub fn measure(program: &Path, folder: &Path) -> Result<u64, Broken> {
    fs::create_dir_all(folder)?;
    let child = Command::new(program)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut daemon = Ended(child);
    let mut line = String::new();
    if let Some(told) = daemon.0.stdout.take() {
        BufReader::new(told).read_line(&mut line)?;
    }
    if line.trim() != "runs" {
        return Err(Unexpected::ClientEnded.into());
    }
    let memory = anonymous(daemon.0.id())?;
    drop(daemon.0.stdin.take());
    if daemon.0.wait()?.success() {
        Ok(memory)
    } else {
        Err(Unexpected::ClientEnded.into())
    }
}

struct Ended(Child);

impl Drop for Ended {
    /// One that is not over by then is of a run that broke off.
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

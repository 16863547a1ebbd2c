use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::ObjectBody;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::api::Asked as _;
use super::device::say_json;
use super::say;
use crate::failure::{Explain as _, Failure};

/// Objects of the data repository: what a device fetches by HGET, and what it stored
#[derive(Args)]
#[command(after_help = "Examples:
  omadm device object put IMEI:493005100592800 fw/2.0.bin firmware-2.0.bin
  omadm device object list IMEI:493005100592800
  omadm device object get IMEI:493005100592800 state/log state.json
  omadm device object delete IMEI:493005100592800 fw/2.0.bin")]
pub(crate) struct Objects {
    #[command(subcommand)]
    command: ObjectCommand,
}

#[derive(Subcommand)]
enum ObjectCommand {
    /// Put a file there for the device, and tell the URL under which the device reaches it
    #[command(
        after_help = "The URL is the ServerURI of an HGET; other devices get 404 there. What lay under the path is replaced at once, or stays where this fails.\n\nExamples:\n  omadm device object put IMEI:493005100592800 fw/2.0.bin firmware-2.0.bin\n  omadm device object put IMEI:493005100592800 apn/2 apn.json --type application/vnd.oma.dm.mo+json"
    )]
    Put {
        /// The device's DevID
        dev_id: String,
        /// The path below /repo/: names of A-Z a-z 0-9 - . _ ~ with slashes between
        path: String,
        /// The file
        file: PathBuf,
        /// Its media type
        #[arg(long = "type", default_value = "application/octet-stream")]
        media_type: String,
    },
    /// Write an object to a file, or to standard output
    #[command(
        after_help = "Examples:\n  omadm device object get IMEI:493005100592800 state/log state.json\n  omadm device object get IMEI:493005100592800 state/log"
    )]
    Get {
        /// The device's DevID
        dev_id: String,
        /// The path below /repo/
        path: String,
        /// The file; else standard output
        file: Option<PathBuf>,
    },
    /// List a device's objects
    #[command(
        after_help = "Examples:\n  omadm device object list IMEI:493005100592800\n  omadm device object list IMEI:493005100592800 --json"
    )]
    List {
        /// The device's DevID
        dev_id: String,
    },
    /// Remove an object, whoever stored it
    #[command(
        after_help = "Examples:\n  omadm device object delete IMEI:493005100592800 fw/2.0.bin"
    )]
    Delete {
        /// The device's DevID
        dev_id: String,
        /// The path below /repo/
        path: String,
    },
}

impl Objects {
    pub(crate) async fn run(self, api: &ApiClient, json: bool) -> Result<(), Failure> {
        match self.command {
            ObjectCommand::Put {
                dev_id,
                path,
                file,
                media_type,
            } => {
                let (source, octets) = open(&file).await?;
                let source = Followed {
                    source,
                    bar: bar(octets, json),
                };
                let stored = api
                    .put_object(&dev_id, &path, &media_type, octets, source)
                    .await
                    .asked(format!("{path} was not stored for {dev_id}"))?;
                if json {
                    say_json(&stored)
                } else {
                    tell(&stored)
                }
            }
            ObjectCommand::Get { dev_id, path, file } => get(api, &dev_id, &path, file, json).await,
            ObjectCommand::List { dev_id } => list(api, &dev_id, json).await,
            ObjectCommand::Delete { dev_id, path } => {
                api.delete_object(&dev_id, &path)
                    .await
                    .asked(format!("{path} of {dev_id} was not removed"))?;
                say(format!("removed: {path}"))
            }
        }
    }
}

async fn open(file: &Path) -> Result<(tokio::fs::File, u64), Failure> {
    let what = || format!("{} cannot be read", file.display());
    let open = tokio::fs::File::open(file)
        .await
        .explain(what(), "check the path")?;
    let octets = open
        .metadata()
        .await
        .explain(what(), "check the path")?
        .len();
    Ok((open, octets))
}

async fn get(
    api: &ApiClient,
    dev_id: &str,
    path: &str,
    file: Option<PathBuf>,
    json: bool,
) -> Result<(), Failure> {
    let what = format!("{path} of {dev_id} was not read");
    let Some(file) = file else {
        let done = api
            .get_object(dev_id, path, StandardOutput, |_, _| {})
            .await;
        return done.map(drop).asked(what);
    };
    // What is there stays until the object is whole.
    let mut part = file.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = || format!("{} cannot be written", file.display());
    let sink = tokio::fs::File::create(&part)
        .await
        .explain(failed(), "check the path")?;
    let shown = bar(0, json);
    let done = api.get_object(dev_id, path, sink, |done, all| {
        shown.set_length(all.unwrap_or(done));
        shown.set_position(done);
    });
    let done = done.await;
    shown.finish_and_clear();
    if done.is_err() {
        let _gone = std::fs::remove_file(&part);
    }
    let octets = done.asked(what)?;
    std::fs::rename(&part, &file).explain(failed(), "check the path")?;
    if json {
        return Ok(());
    }
    say(format!("{}: {octets} octets", file.display()))
}

async fn list(api: &ApiClient, dev_id: &str, json: bool) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = api
            .objects(dev_id, after.as_deref())
            .await
            .asked(format!("the objects of {dev_id} cannot be listed"))?;
        if after.is_none() && !json {
            say(format!(
                "{:<32}  {:>12}  {:<8}  {:<24}  {}",
                "path", "octets", "owner", "stored", "type"
            ))?;
        }
        for object in &page.objects {
            if json {
                say_json(object)?;
                continue;
            }
            say(format!(
                "{:<32}  {:>12}  {:<8}  {:<24}  {}",
                object.path, object.octets, object.owner, object.at, object.media_type
            ))?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn tell(object: &ObjectBody) -> Result<(), Failure> {
    say(format!("stored: {}, {} octets", object.path, object.octets))?;
    say(format!("url:    {}", object.url))?;
    match &object.etag {
        Some(etag) => say(format!("sha256: {etag}")),
        None => Ok(()),
    }
}

/// Shown where people look; it clears itself away.
fn bar(octets: u64, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(octets);
    let template = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Nothing else runs meanwhile, so it may block.
struct StandardOutput;

impl AsyncWrite for StandardOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(std::io::stdout().write(octets))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(std::io::stdout().flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.poll_flush(context)
    }
}

/// A file that is read, and how far that is.
struct Followed {
    source: tokio::fs::File,
    bar: ProgressBar,
}

impl AsyncRead for Followed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.source).poll_read(context, buffer);
        self.bar.inc((buffer.filled().len() - before) as u64);
        polled
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

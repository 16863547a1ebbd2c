use std::io::Write as _;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use omadm_lab::demo::{
    BootstrapRow, Demo as Scenario, DemoError, DemoOptions, DemoProfile, DemoStore, Kept, Line, Who,
};
use omadm_server::store::StoreError;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Explain as _, Failure};

/// Shows a whole bootstrap
///
/// Starts a DM Server and a DM Client in this process, on loopback, with a development CA of its own and a temporary folder. The client fetches its DM
/// Bootstrap (client-initiated, DM 2.0), installs it, opens the DM session with BootstrapComplete; the server reads DevInfo and ends the session.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  omadm demo\n  omadm demo --profile full --trace\n  omadm demo --json\n  omadm demo --nodes 2 --store temp-postgres\n  omadm demo --nodes 2 --store postgres://me@localhost/mine"
)]
pub(crate) struct Demo {
    /// Which profile the device gets
    #[arg(long, value_enum, default_value = "minimal")]
    profile: Profile,
    /// How many nodes serve, 16 at most; every exchange goes to another one than the one before. More than one need PostgreSQL
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// Where the records are kept: `sqlite`, `temp-postgres` (a private server from the system's binaries), or postgres://… (in a schema that is dropped)
    #[arg(
        long,
        default_value = "sqlite",
        env = "OMADM_DEMO_STORE",
        hide_env_values = true
    )]
    store: String,
    /// Show every HTTP exchange with decoded bodies, secrets masked
    #[arg(long)]
    trace: bool,
    /// Print one JSON object a bootstrap instead of the timeline
    #[arg(long)]
    json: bool,
    /// Leave the server running and print its addresses; ends with Ctrl-C
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Profile {
    /// DM Account alone
    Minimal,
    /// Every part of the DM Account and one further management object
    Full,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let what = "the demo failed";
        let folder = tempfile::tempdir()
            .explain(what, "make the temporary folder writable, or set TMPDIR")?;
        let profile = match self.profile {
            Profile::Minimal => DemoProfile::Minimal,
            Profile::Full => DemoProfile::Full,
        };
        let options = DemoOptions {
            folder: folder.path().to_owned(),
            profile,
            trace: self.trace,
            nodes: self.nodes.into(),
            store: demo_store(&self.store)?,
        };
        let out: Arc<dyn Fn(Line) + Send + Sync> = if self.json {
            Arc::new(|_| {})
        } else {
            Arc::new(|line| print_line(&line))
        };
        let failed = |err: DemoError| Failure::new(what, &err, err.remedy());
        let interrupt = interrupted().explain("no signal can be waited for", "")?;
        let mut interrupt = std::pin::pin!(interrupt);
        let demo = Scenario::start(options, out, &mut interrupt)
            .await
            .map_err(failed)?;
        let (demo, row) = demo.run(&mut interrupt).await.map_err(failed)?;
        let told = match serde_json::to_string(&row) {
            Ok(row) if self.json => tell(row),
            Ok(_) => tell(table(&row)),
            Err(err) => Err(Failure::new(what, err, "")),
        };
        // The demo ends first, even where nobody reads what it says.
        let kept = match told {
            Ok(()) if self.keep => {
                let kept = demo.keep();
                let kept_until = kept_until(&kept, interrupt).await;
                kept.end().await.map_err(failed).and(kept_until)
            }
            told => demo.end().await.map_err(failed).and(told),
        };
        kept?;
        if row.is_complete() {
            return Ok(());
        }
        let why = format!(
            "the server's record says {}, and the client owes {}",
            row.state,
            if row.owed {
                "its completion"
            } else {
                "nothing"
            }
        );
        Err(Failure::new(
            "the bootstrap is not complete",
            why,
            "run it with --trace to see every exchange",
        ))
    }
}

/// Read here, since the command line's own reader quotes what it refuses, password included.
fn demo_store(text: &str) -> Result<DemoStore, Failure> {
    match text {
        "sqlite" => Ok(DemoStore::StateDirectory),
        "temp-postgres" => Ok(DemoStore::PrivatePostgres),
        _ => text
            .parse()
            .map(|address| DemoStore::Postgres(Box::new(address)))
            .map_err(|refused: StoreError| {
                Failure::new(
                    "--store cannot be used",
                    refused,
                    "write sqlite, temp-postgres, or postgres://USER:PASSWORD@HOST/DATABASE",
                )
            }),
    }
}

/// Ready after a Ctrl-C, which from now on does not end the process by itself.
fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = signal(SignalKind::interrupt())?;
    Ok(async move {
        signals.recv().await;
    })
}

/// A pipe that nobody reads any more does not keep the demo from taking away what it made; the exit code still tells how it ended.
fn tell(line: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.explain("standard output cannot be written", ""),
    }
}

async fn kept_until(kept: &Kept, interrupt: impl Future<Output = ()>) -> Result<(), Failure> {
    tell(format!(
        "\nDM Server runs on:  devices https://{}  operators https://{}",
        kept.device_addr(),
        kept.operator_addr()
    ))?;
    tell(format!(
        "admin token:        {}",
        String::from_utf8_lossy(kept.admin_token().expose())
    ))?;
    tell("Ctrl-C ends it.")?;
    interrupt.await;
    Ok(())
}

fn print_line(line: &Line) {
    let who = match line.who {
        Who::Client => "DM Client",
        Who::Server => "DM Server",
        Who::Wire => "HTTP",
    };
    let mut rows = line.what.lines();
    let mut text = format!(
        "{:>7} ms  {who:<9}  {}",
        line.at_ms,
        rows.next().unwrap_or_default()
    );
    for row in rows {
        text.push_str(&format!("\n{:>23}{row}", ""));
    }
    let _full = tell(text);
}

fn table(row: &BootstrapRow) -> String {
    let cells = [
        ("method", row.method.clone()),
        ("device", row.device.clone()),
        ("account", row.account.clone()),
        ("state", row.state.clone()),
        ("owed", if row.owed { "yes" } else { "no" }.to_owned()),
        ("ms", row.duration_ms.to_string()),
        ("connections", row.connections.to_string()),
        ("exchanges", row.exchanges.to_string()),
        ("commits", row.commits.to_string()),
    ];
    let width = |(name, value): &(&str, String)| name.len().max(value.len());
    let line = |pick: &dyn Fn(&(&'static str, String)) -> String| {
        cells
            .iter()
            .map(|cell| format!("{:<w$}", pick(cell), w = width(cell)))
            .collect::<Vec<_>>()
            .join("  ")
    };
    let rule = cells
        .iter()
        .map(|cell| "-".repeat(width(cell)))
        .collect::<Vec<_>>()
        .join("  ");
    format!(
        "\n{}\n{rule}\n{}",
        line(&|cell| cell.0.to_owned()),
        line(&|cell| cell.1.clone())
    )
}

use std::io::Write as _;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use omadm_lab::demo::{
    Demo as Scenario, DemoError, DemoGeneration, DemoMethod, DemoOptions, DemoProfile, DemoRow,
    DemoSecrets, DemoStep, DemoStore, Kept, Line, Who,
};
use omadm_server::store::StoreError;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Explain as _, Failure};

/// Shows bootstraps by every method
///
/// Starts a DM Server and DM Clients in this process, on loopback, with a development CA of its own and a temporary folder. A fresh device is bootstrapped by
/// each method (DM 2.0): it installs its DM Bootstrap and opens the DM session with BootstrapComplete; the server reads DevInfo and ends the session. Then one
/// device is bootstrapped again, and a card is taken out of another.
///
/// With `--generation 1.x` the devices speak DM 1.x: they get their account as client provisioning or as a DM message. Then one of them and its server get new
/// secrets; it is reset with its card in it, which brings the first ones back: the server recognises and recovers it, and replaces them again.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  omadm demo\n  omadm demo --method smartcard\n  omadm demo --generation 1.x\n  omadm demo --method client --profile full --trace\n  omadm demo --json\n  omadm demo --nodes 2 --store temp-postgres\n  omadm demo --nodes 2 --store postgres://me@localhost/mine\n\nThe exit code is 0 only if every durable record of the server says completed and no client owes anything, the device that was bootstrapped again kept the\nMIID of its account, and the account of the removed card is gone; with DM 1.x, if the secrets were replaced, recognised and replaced again.\n\nThe card is a virtual one in this process; `omadm card` and `omadm client run` are for real readers."
)]
pub(crate) struct Demo {
    /// Whose bootstraps: DM 2.0, or DM 1.2 and 1.3
    #[arg(long, value_enum, default_value = "2.0")]
    generation: Generation,
    /// Show a first bootstrap by this method alone; may be repeated
    #[arg(long = "method", value_enum, value_name = "METHOD")]
    methods: Vec<Method>,
    /// Which profile the devices of DM 2.0 get; minimal without it
    #[arg(long, value_enum)]
    profile: Option<Profile>,
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
    /// Print one JSON object a row of the table instead of the timeline
    #[arg(long)]
    json: bool,
    /// Leave the server running and print its addresses; ends with Ctrl-C
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Generation {
    /// DM 2.0
    #[value(name = "2.0")]
    Dm2,
    /// DM 1.2 and 1.3: an account of either profile, new secrets, and a reset that brings the former ones back
    #[value(name = "1.x")]
    Dm1,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    /// The image in the device's storage is applied at its first start
    Factory,
    /// The card in the device is read when it is switched on
    Smartcard,
    /// The device asks the bootstrap server
    Client,
    /// The server pushes the document to the device
    Server,
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
            Some(_) if self.generation == Generation::Dm1 => {
                let why = "--profile goes with DM 2.0";
                let todo = "leave it out: the devices of DM 1.x get profiles/dm1x.toml";
                return Err(Failure::new(what, why, todo));
            }
            None | Some(Profile::Minimal) => DemoProfile::Minimal,
            Some(Profile::Full) => DemoProfile::Full,
        };
        let methods = self.methods.iter().map(|method| match method {
            Method::Factory => DemoMethod::Factory,
            Method::Smartcard => DemoMethod::Smartcard,
            Method::Client => DemoMethod::Client,
            Method::Server => DemoMethod::Server,
        });
        let generation = match self.generation {
            Generation::Dm2 => DemoGeneration::Dm2,
            Generation::Dm1 => DemoGeneration::Dm1,
        };
        let options = DemoOptions {
            folder: folder.path().to_owned(),
            generation,
            methods: methods.collect(),
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
        let (demo, rows) = demo.run(&mut interrupt).await.map_err(failed)?;
        let told = if self.json {
            rows.iter().try_for_each(|row| {
                let row = serde_json::to_string(row);
                tell(row.explain(what, "")?)
            })
        } else {
            tell(table(&rows))
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
        let faults = rows
            .iter()
            .filter_map(|row| Some(format!("{}, {}: {}", label(row), row.device, row.fault()?)));
        let faults: Vec<_> = faults.collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            "not every step came to what it should",
            faults.join("; "),
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
        Who::Operator => "operator",
        Who::Wire => "HTTP",
        Who::Step => "",
    };
    if line.who == Who::Step {
        let _full = tell(format!("\n{}", line.what));
        return;
    }
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

/// What was done with the device.
fn label(row: &DemoRow) -> String {
    match row.step {
        DemoStep::Bootstrap => row.method.clone(),
        DemoStep::Rebootstrap => format!("{}, again", row.method),
        DemoStep::CardRemoved => "card removed".to_owned(),
        DemoStep::Rotated => "new secrets".to_owned(),
        DemoStep::Reset => format!("reset, {}", row.method),
    }
}

const COLUMNS: [&str; 11] = [
    "method",
    "profile",
    "device",
    "account",
    "state",
    "owed",
    "secrets",
    "ms",
    "connections",
    "exchanges",
    "commits",
];
/// Those of DM 1.x alone.
const DM1_COLUMNS: [&str; 2] = ["profile", "secrets"];

fn cells(row: &DemoRow) -> [String; 11] {
    // The record stays completed; what counts then is the device.
    let state = match (row.step, &row.miid) {
        (DemoStep::CardRemoved, None) => "gone",
        _ => &row.state,
    };
    [
        label(row),
        row.profile.clone().unwrap_or_default(),
        row.device.clone(),
        row.account.clone(),
        state.to_owned(),
        if row.owed { "yes" } else { "no" }.to_owned(),
        row.secrets.map_or("", DemoSecrets::name).to_owned(),
        row.duration_ms.to_string(),
        row.connections.to_string(),
        row.exchanges.to_string(),
        row.commits.to_string(),
    ]
}

/// The table, and a line for each step whose point no column tells.
fn table(rows: &[DemoRow]) -> String {
    let is_dm1 = rows.iter().any(|row| row.profile.is_some());
    let is_shown = |column: &&str| is_dm1 || !DM1_COLUMNS.contains(column);
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let widths = COLUMNS.iter().enumerate().map(|(column, title)| {
        let values = cells.iter().map(|row| row[column].len());
        values.fold(title.len(), usize::max)
    });
    let widths: Vec<usize> = widths.collect();
    let line = |row: &[String; 11]| {
        let padded = row.iter().zip(&widths).zip(COLUMNS);
        let shown = padded.filter(|(_, column)| is_shown(column));
        let padded: Vec<_> = shown
            .map(|((cell, width), _)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let rules = std::array::from_fn(|column| "-".repeat(widths[column]));
    let mut text = format!("\n{}\n{}", line(&COLUMNS.map(str::to_owned)), line(&rules));
    for row in &cells {
        text.push_str(&format!("\n{}", line(row)));
    }
    let points: Vec<_> = rows.iter().filter_map(point).collect();
    if !points.is_empty() {
        text.push_str(&format!("\n\n{}", points.join("\n")));
    }
    text
}

fn point(row: &DemoRow) -> Option<String> {
    let (device, account) = (&row.device, &row.account);
    match (row.step, &row.miid) {
        (DemoStep::Rebootstrap, Some(miid)) if row.miid == row.miid_before => Some(format!(
            "{device} was bootstrapped again: its account of {account} was replaced and kept its MIID, {miid}."
        )),
        (DemoStep::Rotated, Some(_)) => Some(format!(
            "{device} and {account} have new secrets and prove themselves with them; the first ones are kept, since what brought them can bring them back."
        )),
        (DemoStep::Reset, Some(_)) => Some(format!(
            "{device} was reset and came back with its first secrets: the server recognised them ({}), and replaced them again.",
            row.recovered.join(", ")
        )),
        (DemoStep::CardRemoved, None) => Some(format!(
            "{device} lost its card: what the card had brought, the account of {account}, is gone from its tree."
        )),
        _ => None,
    }
}

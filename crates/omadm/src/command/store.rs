use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::Path;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use omadm_server::state_dir::STORE;
use omadm_server::store::StoreError;
use omadm_server::store::address::StoreAddress;
use omadm_server::store::check::{Severity, StoreCheck, check};
use omadm_server::store::copy::{CopyError, CopyOptions, CopyReport, Phase, Progress, copy};
use omadm_server::store::migration::migrate;

use super::say;
use crate::failure::{Explain as _, Failure};

/// Makes, checks and copies the store of a DM Server
#[derive(Subcommand)]
#[command(after_help = "Examples:
  omadm store migrate postgres://omadm@localhost/dm
  omadm store check /var/lib/omadm
  omadm store copy --from /var/lib/omadm --to postgres://omadm@localhost/dm")]
pub(crate) enum Store {
    /// Make or upgrade the schema
    Migrate(Migrate),
    /// Tell what a store holds, whether it agrees with itself, and whether the database keeps what was acknowledged
    Check(Check),
    /// Copy a store into another, and read it back
    Copy(Copy),
}

/// Makes or upgrades the schema
///
/// Servers never do that on PostgreSQL by themselves. Forward only; make a backup first.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  omadm store migrate --dry-run postgres://omadm@localhost/dm\n  omadm store migrate postgres://omadm@localhost/dm"
)]
pub(crate) struct Migrate {
    /// postgres://USER@HOST/DATABASE (its password may stand in PGPASSWORD), sqlite:FILE, or the path of a state directory
    #[arg(value_name = "STORE", env = "OMADM_STORE", hide_env_values = true)]
    store: String,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Tells what a store holds, whether it agrees with itself, and whether the database keeps what was acknowledged
///
/// Reads all of it and changes nothing; servers may go on. Exit code 1 where something is wrong; warnings alone are no failure.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  omadm store check /var/lib/omadm\n  omadm store check --json postgres://omadm@localhost/dm"
)]
pub(crate) struct Check {
    /// postgres://USER@HOST/DATABASE (its password may stand in PGPASSWORD), sqlite:FILE, or the path of a state directory
    #[arg(value_name = "STORE", env = "OMADM_STORE", hide_env_values = true)]
    store: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Copies a store into another, and reads it back
///
/// The source may be in use: its state at the beginning is copied, and a second run brings what changed since. The target must not be in use. A copy that
/// ended early goes on where it was when it is started again. Until it is verified, no server starts on the target. The keys of the state directory are
/// not in the store: they go to every server by themselves.
#[derive(Args)]
#[command(after_help = "Examples:
  omadm store copy --from /var/lib/omadm --to postgres://omadm@localhost/dm
  omadm store copy --from postgres://omadm@localhost/dm --to sqlite:/backup/dm.sqlite --json")]
pub(crate) struct Copy {
    /// What is copied: postgres://USER@HOST/DATABASE (its password may stand in PGPASSWORD), sqlite:FILE, or the path of a state directory
    #[arg(long, value_name = "STORE")]
    from: String,
    /// Where to, written alike: an empty store or an earlier copy; an SQLite file is made where there is none
    #[arg(long, value_name = "STORE")]
    to: String,
    /// Write every device anew, even where both agree by its counters
    #[arg(long)]
    all: bool,
    /// Print one JSON object at the end, and nothing before
    #[arg(long)]
    json: bool,
}

impl Store {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Migrate(command) => command.run().await,
            Self::Check(command) => command.run().await,
            Self::Copy(command) => command.run().await,
        }
    }
}

impl Migrate {
    async fn run(self) -> Result<(), Failure> {
        let store = store(&self.store)?;
        let done = migrate(&store, self.dry_run).await.map_err(|err| {
            let what = format!("{store} was not migrated");
            Failure::new(what, &err, err.remedy())
        })?;
        let (from, to) = (done.from, done.to);
        let what = match (from == to, self.dry_run) {
            (true, _) => format!("schema {to} is there already"),
            (false, true) => format!("schema {from} would become {to}"),
            (false, false) => format!("schema {from} became {to}"),
        };
        say(format!("{store}: {what}"))
    }
}

impl Check {
    async fn run(self) -> Result<(), Failure> {
        let store = store(&self.store)?;
        let found = check(&store).await.map_err(|err| {
            let what = format!("{store} cannot be checked");
            Failure::new(what, &err, err.remedy())
        })?;
        if self.json {
            say(json(&found)?)?;
        } else {
            tell(&found)?;
        }
        let wrong = found
            .findings
            .iter()
            .find(|finding| finding.severity == Severity::Wrong);
        match wrong {
            None => Ok(()),
            Some(first) => Err(Failure::new(
                format!("{} is not sound", found.store),
                &first.what,
                &first.remedy,
            )),
        }
    }
}

impl Copy {
    async fn run(self) -> Result<(), Failure> {
        let (from, to) = (store(&self.from)?, store(&self.to)?);
        let options = CopyOptions {
            all: self.all,
            ..CopyOptions::default()
        };
        let shown = Shown::new(self.json);
        let report =
            copy(&from, &to, &options, shown.follow())
                .await
                .map_err(|err: CopyError| {
                    let what = format!("{from} was not copied to {to}");
                    Failure::new(what, &err, err.remedy())
                })?;
        if self.json {
            say(json(&report)?)
        } else {
            tell_copy(&report)
        }
    }
}

/// How progress is shown.
enum Shown {
    Not,
    Lines,
    Bar(ProgressBar),
}

impl Shown {
    fn new(json: bool) -> Self {
        if json {
            return Self::Not;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::no_length();
        let template = "{msg:9} {wide_bar} {human_pos} of {human_len} devices, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn follow(self) -> impl FnMut(Progress) -> ControlFlow<()> + Send + 'static {
        let mut last = None;
        move |now| {
            let phase = match now.phase {
                Phase::Copying => "copying",
                Phase::Verifying => "verifying",
            };
            match &self {
                Self::Not => {}
                Self::Bar(bar) => {
                    if last != Some((now.phase, 0)) {
                        last = Some((now.phase, 0));
                        bar.reset_eta();
                    }
                    bar.set_length(now.total);
                    bar.set_message(phase);
                    bar.set_position(now.done);
                    if now.phase == Phase::Verifying && now.done == now.total {
                        bar.finish_and_clear();
                    }
                }
                // A line for every tenth.
                Self::Lines => {
                    let tenth = now.done.saturating_mul(10) / now.total.max(1);
                    if last.replace((now.phase, tenth)) != Some((now.phase, tenth))
                        && say(format!("{phase}: {} of {} devices", now.done, now.total)).is_err()
                    {
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        }
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).explain("the report cannot be printed", "")
}

fn tell_copy(report: &CopyReport) -> Result<(), Failure> {
    say(format!("from:     {}", report.from))?;
    say(format!("to:       {}", report.to))?;
    say(format!(
        "devices:  {} written, {} were there already",
        report.copied, report.skipped
    ))?;
    if report.waiting_events > 0 {
        say(format!(
            "events:   {} without position; they get it when a server opens the copy",
            report.waiting_events
        ))?;
    }
    say(format!("{:<14} {:>12}  SHA-256", "table", "rows"))?;
    for table in &report.tables {
        say(format!(
            "{:<14} {:>12}  {}",
            table.table, table.rows, table.sha256
        ))?;
    }
    say(format!(
        "verified: every row was read back and is the same ({:.1} s for writing, {:.1} s for reading back)",
        report.copy_seconds, report.verify_seconds
    ))
}

fn tell(found: &StoreCheck) -> Result<(), Failure> {
    say(format!(
        "store:        {} ({})",
        found.store, found.back_end
    ))?;
    say(format!(
        "schema:       {} (this version needs {})",
        found.schema, found.needed_schema
    ))?;
    if found.read_only {
        say("writes:       not taken")?;
    }
    if let Some(content) = &found.content {
        let deployment = content.deployment_ca.as_deref();
        say(format!(
            "deployment:   {}",
            deployment.map_or_else(
                || "nobody's yet".to_owned(),
                |ca| format!(
                    "CA SHA-256 {ca}, sealing key {}",
                    content.sealing_key.as_deref().unwrap_or_default()
                )
            )
        ))?;
        say(format!(
            "events:       {} with position, {} wait for theirs",
            content.position, content.waiting
        ))?;
        if let Some(holder) = &content.sequencer {
            say(format!("sequencer:    node {holder}"))?;
        }
        for table in &content.tables {
            say(format!("{:<13} {:>12} rows", table.table, table.rows))?;
        }
    }
    for setting in &found.settings {
        say(format!("{:<30} {}", setting.name, setting.value))?;
    }
    if let Some(ahead) = found.clock_ahead_ms {
        say(format!("{:<30} {ahead} ms ahead of this machine", "clock"))?;
    }
    for finding in &found.findings {
        let severity = match finding.severity {
            Severity::Warning => "warning",
            Severity::Wrong => "wrong",
        };
        say(format!(
            "{severity}: {}\n  do: {}",
            finding.what, finding.remedy
        ))?;
    }
    if found.is_sound() {
        say("sound: a server can work on it")?;
    }
    Ok(())
}

/// An address, or the path of a state directory or its file. Not clap's to parse, which would show a wrong address with its password.
fn store(text: &str) -> Result<StoreAddress, Failure> {
    let what = "the store cannot be used";
    let is_address = text.contains("://") || text.starts_with("sqlite:");
    if is_address {
        return text
            .parse()
            .map_err(|err: StoreError| Failure::new(what, &err, err.remedy()));
    }
    let path = Path::new(text);
    if path.is_dir() {
        return Ok(StoreAddress::Sqlite(path.join(STORE)));
    }
    if path.is_file() || path.file_name().is_some_and(|name| name == STORE) {
        return Ok(StoreAddress::Sqlite(path.to_owned()));
    }
    // A connection string of another form may hold a password.
    let shown = if text.contains('=') || text.contains('@') {
        "what was given is neither an address nor a path that exists".to_owned()
    } else {
        format!("there is no file or directory {text}")
    };
    Err(Failure::new(
        what,
        shown,
        "check the path; a new SQLite file is written sqlite:FILE, a database postgres://USER@HOST/DATABASE",
    ))
}

#[cfg(test)]
mod tests {
    use super::store;

    fn named(text: &str) -> String {
        store(text).ok().unwrap().to_string()
    }

    #[test]
    fn a_connection_string_of_another_form_is_not_quoted() {
        for text in ["host=db user=me password=s3cr3t", "me:s3cr3t@db/dm"] {
            let refused = store(text).err().unwrap();
            assert!(!refused.text().contains("s3cr3t"), "{}", refused.text());
        }
    }

    #[test]
    fn a_store_is_named_by_address_directory_or_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.sqlite");
        let wanted = format!("sqlite:{}", file.display());
        for text in [
            folder.path().to_str().unwrap(),
            file.to_str().unwrap(),
            &wanted,
        ] {
            assert_eq!(named(text), wanted);
        }
        assert_eq!(
            named("postgres://me:secret@localhost/dm"),
            "postgres://me@localhost/dm"
        );
        for wrong in [
            "/no/such/thing",
            "mysql://x/y",
            "sqlite:",
            "postgres://u@db.example/d",
        ] {
            assert!(store(wrong).is_err(), "{wrong}");
        }
    }
}

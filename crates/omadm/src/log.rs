use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::failure::{Explain as _, Failure};

/// Form of the log.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// One line an event, for people
    Text,
    /// One JSON object an event
    Json,
}

/// The pool tells of each connection that ends; the store tells once what that means.
const POOL: &str = "deadpool.postgres=error";

/// Starts the log on standard error.
pub(crate) fn start(format: Format, filter: &str) -> Result<(), Failure> {
    let filter = format!("{POOL},{filter}");
    let filter = EnvFilter::try_new(&filter).explain(
        format!("the log filter {filter:?} cannot be read"),
        "write it like `info` or `omadm_server=debug,warn`",
    )?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    match format {
        Format::Text => builder.init(),
        Format::Json => builder.json().init(),
    }
    Ok(())
}

//! `omadm`: DM Server, DM Client and tools of OMA Device Management in one binary. One file a subcommand, no logic.

mod command;
mod failure;
mod log;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// OMA Device Management: DM Server, DM Client and tools
#[derive(Parser)]
#[command(version, propagate_version = true, after_help = AFTER)]
struct Cli {
    /// Form of the log on standard error
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "OMADM_LOG_FORMAT"
    )]
    log: log::Format,
    /// What is logged, for example `info` or `omadm_server=debug`
    #[arg(long, global = true, default_value = "warn", env = "OMADM_LOG")]
    log_filter: String,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Examples:
  omadm demo                              a device is bootstrapped and says so, in this process
  omadm serve --state ./server            a DM Server; prints its admin token once
  omadm decode message.json               what a message or document is, or what is wrong with it

Exit codes: 0 done, 1 it could not be done, 2 the command line is wrong.";

#[derive(Subcommand)]
enum Command {
    /// Show bootstraps by every method: server and devices in one process, over mutual TLS on loopback
    Demo(command::demo::Demo),
    /// Run a DM Server
    Serve(command::serve::Serve),
    /// Author, check, build and preview DM Bootstraps
    #[command(subcommand)]
    Bootstrap(command::bootstrap::Bootstrap),
    /// Register and show devices, through the server's API
    Device(command::device::Device),
    /// Tell what happened on a server, to all devices and by whom it does not know
    Events(command::events::Events),
    /// Be a DM Client
    #[command(subcommand)]
    Client(command::client::Client),
    /// Look at the cards in the readers, write and erase them
    #[command(subcommand)]
    Card(command::card::Card),
    /// Make, check and copy the store of a DM Server
    #[command(subcommand)]
    Store(command::store::Store),
    /// Drive a DM Server or DM Client through the items of the conformance tables
    #[command(subcommand)]
    Conformance(command::conformance::Conformance),
    /// Tell what a message or document of DM 2.0 or DM 1.x is, or what is wrong with it
    Decode(command::decode::Decode),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(failure) = log::start(cli.log, &cli.log_filter) {
        return failure.report();
    }
    let done = match cli.command {
        Command::Demo(demo) => demo.run().await,
        Command::Serve(serve) => serve.run().await,
        Command::Bootstrap(bootstrap) => return bootstrap.run().await,
        Command::Device(device) => device.run().await,
        Command::Events(events) => events.run().await,
        Command::Client(client) => client.run().await,
        Command::Card(card) => card.run(),
        Command::Store(store) => store.run().await,
        Command::Conformance(conformance) => conformance.run().await,
        Command::Decode(decode) => decode.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

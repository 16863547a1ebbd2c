use std::path::{Path, PathBuf};

use clap::Args;
use omadm_bootstrap::Refusal;
use omadm_bootstrap::plan::{Preview as Changes, PreviewAction};
use omadm_client::Client as DmClient;
use omadm_client::preview_on;
use omadm_mo::ddf::Ddf;
use omadm_mo::json::{Json, JsonLimits};

use super::super::{read_text, say};
use super::Key;
use crate::failure::{Explain as _, Failure};

#[derive(Args)]
pub(crate) struct Preview {
    /// The document, or the folder of a factory image or push; - for standard input
    document: String,
    /// The device's folder
    #[arg(long, env = "OMADM_DEVICE_DIR", required_unless_present = "tree")]
    dir: Option<PathBuf>,
    /// State of a device: its folder, its tree.redb, or what `omadm client tree --json` printed
    #[arg(long, value_name = "STATE")]
    tree: Option<PathBuf>,
    /// DDF file of a further management object the device has; may be repeated
    #[arg(long = "ddf")]
    ddfs: Vec<PathBuf>,
    #[command(flatten)]
    key: Key,
    /// Print one JSON object a change
    #[arg(long)]
    json: bool,
}

impl Preview {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let what = format!("{} cannot be applied", self.document);
        let document = self.key.document(&self.document)?.octets;
        let ddfs = self.ddfs.iter().map(|file| {
            Ddf::read(&read_text(file)?).explain(format!("{} is no DDF", file.display()), "")
        });
        let ddfs = ddfs.collect::<Result<Vec<_>, _>>()?;
        let state = self.tree.as_deref().or(self.dir.as_deref());
        let state = state.unwrap_or_else(|| Path::new("."));
        let applied: Result<Changes, Refusal> = if state.is_file() && !is_store(state) {
            let items = tree(state)?;
            preview_on(&items, ddfs, document.expose()).explain(
                format!("{} is no tree of a device", state.display()),
                "`omadm client tree --json` prints one",
            )?
        } else {
            let client = client(state, ddfs)?;
            client.preview(document.expose().to_vec()).await
        };
        let changes =
            applied.map_err(|refusal| Failure::new(&what, &refusal, refusal.cause.action()))?;
        self.tell(&changes)
    }

    fn tell(&self, changes: &Changes) -> Result<(), Failure> {
        for line in &changes.lines {
            let action = match line.action {
                PreviewAction::Add => "add",
                PreviewAction::Replace => "replace",
                PreviewAction::Remove => "remove",
                PreviewAction::Rename => "rename",
            };
            if self.json {
                say(
                    serde_json::json!({ "action": action, "uri": line.uri, "added": line.added, "changed": line.changed, "removed": line.removed }),
                )?;
                continue;
            }
            say(format!("{action:<8} {}", line.uri))?;
            for (sign, leaves) in [
                ('+', &line.added),
                ('~', &line.changed),
                ('-', &line.removed),
            ] {
                for leaf in leaves {
                    say(format!("       {sign} {leaf}"))?;
                }
            }
        }
        Ok(())
    }
}

/// A device's folder, or its store's file without one.
fn client(state: &Path, ddfs: Vec<Ddf>) -> Result<DmClient, Failure> {
    let what = format!("{} cannot be looked at", state.display());
    let folder = if state.is_file() {
        state.parent().unwrap_or_else(|| Path::new("."))
    } else {
        state
    };
    let dir = omadm_client::DeviceDir::open(folder).explain(
        &what,
        "name the device's folder; omadm client init makes a device",
    )?;
    let mut builder = DmClient::builder(dir.dev_info().explain(&what, "")?, dir.store_file());
    for ddf in ddfs {
        builder = builder.mo(ddf);
    }
    builder
        .build()
        .map_err(|error| Failure::new(&what, &error, error.action()))
}

fn is_store(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "redb")
}

/// The items that `omadm client tree --json` printed, one a line.
fn tree(file: &Path) -> Result<Vec<Json>, Failure> {
    let text = read_text(file)?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let items = lines.map(|(n, line)| {
        Json::read(line.as_bytes(), JsonLimits::default()).explain(
            format!("{}, line {}: no JSON", file.display(), n + 1),
            "`omadm client tree --json` prints one item a line",
        )
    });
    items.collect()
}

//! Who decides on a bootstrap where the policy asks for consent (`dm20.md` §14.6.1 step 6, D61): a program, or whatever the embedder shows to people.

use std::sync::Arc;

use omadm_bootstrap::plan::Preview;
use omadm_bootstrap::{BootstrapFailureCause as Failure, BootstrapMethod, Refusal};
use omadm_mo::{Moid, SrvId};

use super::program;
use crate::policy::AskedProgram;

/// What the decider is asked. No value of the document is among it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsentRequest {
    /// How the document came.
    pub method: BootstrapMethod,
    /// From whom.
    pub source: String,
    /// The servers whose accounts it brings, each with the MOIDs it wants to manage.
    pub servers: Vec<(SrvId, Vec<Moid>)>,
    /// What would change.
    pub changes: Preview,
}

/// Decides; may take its time.
pub(crate) type Consent = Arc<dyn Fn(&ConsentRequest) -> bool + Send + Sync>;

impl ConsentRequest {
    /// As JSON: `method`, `source`, `servers` (`server`, `permissions`), `changes` (`uri`, `added`, `changed`, `removed`).
    #[must_use]
    pub fn to_json(&self) -> String {
        let servers = self.servers.iter().map(|(server, permissions)| {
            let permissions: Vec<_> = permissions.iter().map(Moid::as_str).collect();
            serde_json::json!({ "server": server.as_str(), "permissions": permissions })
        });
        let changes = self.changes.lines.iter().map(|line| {
            serde_json::json!({ "uri": line.uri, "added": line.added, "changed": line.changed, "removed": line.removed })
        });
        serde_json::json!({
            "method": self.method.name(),
            "source": self.source,
            "servers": servers.collect::<Vec<_>>(),
            "changes": changes.collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// Whether a refusal is one that consent lifts: the policy asks for it, or the account is another source's (D58).
pub(super) const fn is_lifted_by_consent(refusal: &Refusal) -> bool {
    matches!(
        refusal.cause,
        Failure::ConsentRefused | Failure::ForeignAccount | Failure::LessTrusted
    )
}

/// The program that the policy names: it reads the request on standard input, and agrees by the exit code 0. One that cannot be started, or takes too long,
/// does not agree.
pub(crate) fn of_command(command: AskedProgram) -> Consent {
    Arc::new(
        move |request| match program::ask(&command, request.to_json(), command.timeout) {
            Ok(said) => said.code == Some(0),
            Err(error) => {
                tracing::warn!(program = command.program, %error, "nobody could be asked for consent");
                false
            }
        },
    )
}

use omadm_bootstrap::plan::TreePlan;
use omadm_mo::TreeError;

use super::{Fault, Moment, Pair};
use crate::client::{Cause, Request, Response};

/// The places where faults strike: the link between both ends, and the store of the device.
impl Pair {
    pub(super) fn exchange(&mut self, request: &Request) -> Result<Response, Cause> {
        let n = self.requests;
        self.requests += 1;
        let lost = |what: &str| Err(Cause::Unreachable(what.to_owned()));
        if self.faults.has(Fault::DropRequest(n)) {
            return lost("the request was lost");
        }
        let asked = self.server.secrets.is_some();
        let secret = asked
            .then(|| self.end.session_secret(&request.to))
            .flatten();
        let secret = secret.as_deref();
        let prepared = self
            .server
            .prepare(self.now, request, secret, &mut self.seed);
        if self.faults.has(Fault::ServerDies(Moment::Before, n)) {
            return lost("the server died before its commit");
        }
        let mut response = self.server.commit(prepared);
        if self.faults.has(Fault::DuplicateRequest(n)) {
            let again = self
                .server
                .prepare(self.now, request, secret, &mut self.seed);
            response = self.server.commit(again);
        }
        if self.faults.has(Fault::ServerDies(Moment::After, n)) {
            return lost("the server died after its commit");
        }
        if self.faults.has(Fault::DropReply(n)) {
            return lost("the answer was lost");
        }
        let delay = self.faults.delay(n);
        let waited = delay.min(Self::READ_TIMEOUT_MILLIS);
        self.now = self.now.plus_millis(waited.into());
        if delay > Self::READ_TIMEOUT_MILLIS {
            return lost("the answer came too late");
        }
        if self.faults.has(Fault::TruncateReply(n)) {
            response.body.truncate(response.body.len() / 2);
        }
        Ok(response)
    }

    pub(super) fn apply(&mut self, plan: &TreePlan) -> Result<(), Cause> {
        let n = self.applies;
        self.applies += 1;
        if self.faults.has(Fault::TreeChanges(n)) {
            self.end.change_by_itself()?;
        }
        if self.faults.has(Fault::Stale(n)) {
            return Err(Cause::Stale);
        }
        if self.faults.has(Fault::NoRoom(n)) {
            return Err(Cause::Tree(TreeError::NoRoom));
        }
        self.end.apply(plan).map(|_| ())
    }
}

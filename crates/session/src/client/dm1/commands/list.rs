use omadm_dm1::syncml::{Item, StatusCode};
use omadm_mo::{List, LocUri};

use super::super::workspace::Workspace;
use super::Server;
use super::outcome::Fate;
use super::target::Standing;

impl Server<'_> {
    /// `?list=`
    pub(super) fn list(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
        _uri: &LocUri,
        _list: &List,
    ) -> Fate<Vec<Item>> {
        self.may_get(workspace, standing)?;
        Err(StatusCode::NOT_SUPPORTED.into())
    }
}

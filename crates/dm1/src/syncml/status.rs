use super::{CmdId, Item, Meta, StatusCode};

/// `Status`: what became of a command, or of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Absent only in what a peer sent.
    pub cmd_id: Option<CmdId>,
    /// `MsgRef`: the message of the command; absent: our last one (M13).
    pub msg_ref: Option<u32>,
    /// `CmdRef`: the command; absent with `Cmd` = `SyncHdr`: the header.
    pub cmd_ref: Option<CmdId>,
    /// `Cmd`: the command's name.
    pub cmd: Option<String>,
    /// `TargetRef`: which of a command's targets.
    pub target_refs: Vec<String>,
    /// `SourceRef`.
    pub source_refs: Vec<String>,
    /// `Chal`: what a credential has to be like; of the header's status alone.
    pub chal: Option<Chal>,
    /// `Data`; `None` where the peer sent none: the outcome is unknown.
    pub code: Option<StatusCode>,
    /// Details, a node that could not be made for one.
    pub items: Vec<Item>,
}

/// `Chal`: the type of credential asked for and the nonce to use (§3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chal {
    /// `Type`, `Format` and `NextNonce`.
    pub meta: Meta,
}

impl Status {
    /// Whether it is the header's.
    #[must_use]
    pub fn is_of_header(&self) -> bool {
        match &self.cmd_ref {
            Some(cmd_ref) => cmd_ref.is_header(),
            None => self.cmd.as_deref() == Some("SyncHdr"),
        }
    }
}

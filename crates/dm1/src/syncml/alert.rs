use super::{CmdId, Item};

/// `Alert` (§1.3, §1.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Absent only in what a peer sent.
    pub cmd_id: Option<CmdId>,
    /// `Data`: what is told; `None` where the peer sent none or no number.
    pub code: Option<AlertCode>,
    /// `Correlator`: of the `Exec` that a generic alert answers.
    pub correlator: Option<String>,
    /// What is told about what.
    pub items: Vec<Item>,
}

/// The number of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertCode(pub u16);

impl AlertCode {
    /// `DISPLAY`: show a text.
    pub const DISPLAY: Self = Self(1100);
    /// `CONFIRM OR REJECT`: yes is 200, no 304, cancel 214.
    pub const CONFIRM_OR_REJECT: Self = Self(1101);
    /// `TEXT INPUT`.
    pub const TEXT_INPUT: Self = Self(1102);
    /// `SINGLE CHOICE`.
    pub const SINGLE_CHOICE: Self = Self(1103);
    /// `MULTIPLE CHOICE`.
    pub const MULTIPLE_CHOICE: Self = Self(1104);
    /// `SERVER-INITIATED MGMT`: the session follows a trigger.
    pub const SERVER_INITIATED: Self = Self(1200);
    /// `CLIENT-INITIATED MGMT`.
    pub const CLIENT_INITIATED: Self = Self(1201);
    /// `NEXT MESSAGE`: the rest of a package is asked for.
    pub const NEXT_MESSAGE: Self = Self(1222);
    /// `SESSION ABORT`.
    pub const SESSION_ABORT: Self = Self(1223);
    /// `CLIENT EVENT`.
    pub const CLIENT_EVENT: Self = Self(1224);
    /// `NO END OF DATA`: a chunked object broke off.
    pub const NO_END_OF_DATA: Self = Self(1225);
    /// `GENERIC ALERT`.
    pub const GENERIC_ALERT: Self = Self(1226);

    /// The name of the table in §1.3; `None` for a number that DM does not use: answered with 406.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1100 => "DISPLAY",
            1101 => "CONFIRM OR REJECT",
            1102 => "TEXT INPUT",
            1103 => "SINGLE CHOICE",
            1104 => "MULTIPLE CHOICE",
            1200 => "SERVER-INITIATED MGMT",
            1201 => "CLIENT-INITIATED MGMT",
            1222 => "NEXT MESSAGE",
            1223 => "SESSION ABORT",
            1224 => "CLIENT EVENT",
            1225 => "NO END OF DATA",
            1226 => "GENERIC ALERT",
            _ => return None,
        })
    }
}

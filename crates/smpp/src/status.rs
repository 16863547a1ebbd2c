use std::fmt;

/// A command_status of SMPP that says no.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Status(pub u32);

/// Names of SMPP 3.4 §5.1.3 that an SMSC answers a bind or a submission with.
const NAMES: [(u32, &str); 22] = [
    (0x01, "ESME_RINVMSGLEN: the message is too long"),
    (0x02, "ESME_RINVCMDLEN: the command's length is wrong"),
    (0x03, "ESME_RINVCMDID: the command is not known"),
    (0x04, "ESME_RINVBNDSTS: not allowed in this state"),
    (0x05, "ESME_RALYBND: bound already"),
    (0x08, "ESME_RSYSERR: system error"),
    (0x0A, "ESME_RINVSRCADR: invalid source address"),
    (0x0B, "ESME_RINVDSTADR: invalid destination address"),
    (0x0D, "ESME_RBINDFAIL: bind failed"),
    (0x0E, "ESME_RINVPASWD: invalid password"),
    (0x0F, "ESME_RINVSYSID: invalid system_id"),
    (0x14, "ESME_RMSGQFUL: the message queue is full"),
    (0x15, "ESME_RINVSERTYP: invalid service type"),
    (0x43, "ESME_RINVESMCLASS: invalid esm_class"),
    (0x45, "ESME_RSUBMITFAIL: submission failed"),
    (0x48, "ESME_RINVSRCTON: invalid type of the source address"),
    (
        0x50,
        "ESME_RINVDSTTON: invalid type of the destination address",
    ),
    (0x53, "ESME_RINVSYSTYP: invalid system_type"),
    (0x58, "ESME_RTHROTTLED: too many messages"),
    (0x64, "ESME_RX_T_APPN: temporary error of the receiver"),
    (0x65, "ESME_RX_P_APPN: permanent error of the receiver"),
    (0xFF, "ESME_RUNKNOWNERR: unknown error"),
];

impl Status {
    /// Everything is well.
    pub(crate) const OK: u32 = 0;
    /// The message queue is full.
    pub const QUEUE_FULL: Self = Self(0x14);
    /// Too many messages in that time.
    pub const THROTTLED: Self = Self(0x58);
    /// Invalid destination address.
    pub const INVALID_DESTINATION: Self = Self(0x0B);
    /// Invalid source address.
    pub const INVALID_SOURCE: Self = Self(0x0A);

    /// Whether the same message may be taken later.
    #[must_use]
    pub fn is_throttling(self) -> bool {
        self == Self::THROTTLED || self == Self::QUEUE_FULL
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(code, _)| *code == self.0) {
            Some((code, name)) => write!(f, "{name} ({code:02X}h)"),
            None => write!(f, "status {:08X}h", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn a_status_is_told_by_name_and_number() {
        assert_eq!(
            Status(0x0B).to_string(),
            "ESME_RINVDSTADR: invalid destination address (0Bh)"
        );
        assert_eq!(Status(0x0500).to_string(), "status 00000500h");
    }
}

use omadm_bootstrap::Utc;

/// The running DM session of a device, as the store keeps it. What is inside `state` is the session core's (DESIGN §3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRow {
    /// The versioned `SessionState`, serialized by the session core.
    pub state: String,
    /// Without a package until then, the session is over (D02: 15 min).
    pub expires_at: Utc,
}

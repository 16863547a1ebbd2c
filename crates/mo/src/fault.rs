/// Who has to act for what failed to succeed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The other end: of the connection, or the card in the reader.
    Peer,
    /// The author of the document, profile or card content.
    Content,
    /// The device's or the operator's rules.
    Policy,
    /// The configuration of this end.
    Configuration,
    /// Storage, network, clock, reader.
    Environment,
}

/// The keys a store is good for: its certificates are of this CA, its documents are sealed under this key. Every node of a deployment has the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployment {
    /// SHA-256 of the CA's certificate: 64 hexadecimal digits.
    pub ca: String,
    /// Id of the sealing key in use when the store was claimed: hexadecimal.
    pub sealing_key: String,
}

//! The DM Client: tree store, policy, retry, HTTPS, ManagedObject plug-ins.

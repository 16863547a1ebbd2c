//! The DM Server: device and operator listeners, stores, bootstrap and session services.

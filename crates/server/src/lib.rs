//! The DM Server: device and operator listeners, stores, bootstrap and session services.

pub mod model;
pub mod seal;
pub mod store;

//! Scenarios that run both ends: the demo; the conformance kit; what octets mean.

pub mod balancer;
pub mod conformance;
pub mod decode;
pub mod demo;
pub mod nodes;
pub mod pcsc;
pub mod postgres;
pub mod soak;
pub mod watched_store;

//! Scenarios that run both ends: the demo; the conformance kit.

pub mod balancer;
pub mod conformance;
pub mod demo;
pub mod nodes;
pub mod pcsc;
pub mod postgres;
pub mod soak;

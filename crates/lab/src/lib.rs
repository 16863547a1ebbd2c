//! Scenarios that run both ends: the demo.

pub mod balancer;
pub mod demo;
pub mod nodes;
pub mod postgres;

//! Scenarios that run both ends: the demo.

pub mod demo;

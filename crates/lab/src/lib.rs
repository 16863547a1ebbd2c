//! Scenarios that run both ends: the demo, the benchmark arms.

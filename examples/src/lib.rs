//! Small programs on the library crates.

pub mod fumo;

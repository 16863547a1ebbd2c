//! The conformance page: which obligation of the standard is held by which test. A test says so by its name: `b_23_…`, `dm_boot_004_c_o_…`, `x_uri_001_…`; several items stand one after another.

mod dm1x_knobs;
pub mod found;
pub mod items;
pub mod knob;
pub mod knobs;
pub mod page;
pub mod workshop;

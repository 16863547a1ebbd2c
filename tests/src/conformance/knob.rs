//! What a knob is.

/// One knob.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// The item it breaks.
    pub item: &'static str,
    /// File from the root of the workspace.
    pub file: &'static str,
    /// Text that stands there once.
    pub from: &'static str,
    /// What stands in its place when the knob is turned; it compiles.
    pub to: &'static str,
    /// The package of the test.
    pub package: &'static str,
    /// Its test target; none for the library's own tests.
    pub target: Option<&'static str>,
    /// The test, with its modules where it is one of the library's own.
    pub test: &'static str,
}

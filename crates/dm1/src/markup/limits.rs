/// What a document may demand of its reader. Local limits (`dm1x.md` §5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkupLimits {
    /// Longest document in octets; also the most octets that references into the string table may unfold to.
    pub octets: usize,
    /// Deepest nesting of elements.
    pub depth: usize,
}

impl MarkupLimits {
    /// Of a DM message: 1 MiB, 64 deep.
    pub const MESSAGE: Self = Self {
        octets: 1 << 20,
        depth: 64,
    };
    /// Of a bootstrap that nobody has proven yet: 32 KiB, 32 deep.
    pub const UNPROVEN_BOOTSTRAP: Self = Self {
        octets: 32 << 10,
        depth: 32,
    };
}

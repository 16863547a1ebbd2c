use std::fmt;

/// The logical rights of a server on an MO instance (`dm20.md` §8.2, §13, D47).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u8);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// GET, HPUT, HPOST, SUB.
    pub const READ: Self = Self(1);
    /// HGET, DELETE.
    pub const WRITE: Self = Self(2);
    /// EXEC.
    pub const EXECUTE: Self = Self(4);
    /// Passing rights on.
    pub const DELEGATE: Self = Self(8);
    /// All of them: what the creator of an instance gets (§13.2).
    pub const FULL: Self = Self(15);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is no right at all.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The number in `Servers/<x>/Rights` of the DAC MO.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Reads the number; bits above 3 have no meaning and are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 15)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (right, letter) in [
            (Self::READ, 'R'),
            (Self::WRITE, 'W'),
            (Self::EXECUTE, 'X'),
            (Self::DELEGATE, 'D'),
        ] {
            write!(f, "{}", if self.has(right) { letter } else { '-' })?;
        }
        Ok(())
    }
}

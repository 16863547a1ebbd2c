//! A card in this process, for tests, for demonstrations and for builds without PC/SC (§10.4).

mod card;
mod description;
mod file_tree;
mod files;

pub use card::TestCard;
pub use description::{
    CardAccess, CardApplication, CardDescription, CardDescriptionError, CardFile, CardProfile,
    CardQuirks, HexText, HexTextError, SecretCode,
};

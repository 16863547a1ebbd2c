use super::name_table::NameTable;
use super::{Tag, ddf_tags, metinf_tags, provisioning_tags, syncml_tags};

/// The document types of DM 1.x and what WBXML calls them (`dm1x.md` §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// A DM message: `SyncML`.
    SyncMl,
    /// TNDS or DDF: `MgmtTree`. It shares the code pages of [`Vocabulary::SyncMl`] and begins on page 2.
    MgmtTree,
    /// A client provisioning document: `wap-provisioningdoc`.
    Provisioning,
}

/// Whose names an XML document has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlVocabulary {
    /// `SyncML` and `MgmtTree`, which can hold each other.
    SyncMlAndMgmtTree,
    /// `wap-provisioningdoc`.
    Provisioning,
}

const SYNCML_PAGES: [&NameTable; 3] = [&syncml_tags::NAMES, &metinf_tags::NAMES, &ddf_tags::NAMES];

impl From<Vocabulary> for XmlVocabulary {
    fn from(vocabulary: Vocabulary) -> Self {
        match vocabulary {
            Vocabulary::SyncMl | Vocabulary::MgmtTree => Self::SyncMlAndMgmtTree,
            Vocabulary::Provisioning => Self::Provisioning,
        }
    }
}

impl Vocabulary {
    /// The number that stands for the public identifier; DDF 1.2 has none.
    pub(crate) const fn public_id(self) -> Option<u32> {
        match self {
            Self::SyncMl => Some(0x1201),
            Self::MgmtTree => None,
            Self::Provisioning => Some(0x0b),
        }
    }

    /// The formal public identifier.
    #[must_use]
    pub const fn formal_public_id(self) -> &'static str {
        match self {
            Self::SyncMl => "-//SYNCML//DTD SyncML 1.2//EN",
            Self::MgmtTree => "-//OMA//DTD-DM-DDF 1.2//EN",
            Self::Provisioning => "-//WAPFORUM//DTD PROV 1.0//EN",
        }
    }

    /// By number: SyncML 1.0 to 1.2 share their pages as far as DM goes.
    pub(crate) const fn of_public_id(number: u32) -> Option<Self> {
        match number {
            0x0fd1 | 0x0fd3 | 0x1201 => Some(Self::SyncMl),
            0x0b => Some(Self::Provisioning),
            _ => None,
        }
    }

    /// By formal public identifier, in any letter case.
    pub(crate) fn of_formal_public_id(text: &str) -> Option<Self> {
        const SYNCML_FORMER: [&str; 2] = [
            "-//SYNCML//DTD SyncML 1.1//EN",
            "-//SYNCML//DTD SyncML 1.0//EN",
        ];
        const PROVISIONING_LATER: &str = "-//WAPFORUM//DTD PROV 1.1//EN";
        let is = |known: &str| text.eq_ignore_ascii_case(known);
        if SYNCML_FORMER.into_iter().any(is) {
            return Some(Self::SyncMl);
        }
        if is(PROVISIONING_LATER) {
            return Some(Self::Provisioning);
        }
        [Self::SyncMl, Self::MgmtTree, Self::Provisioning]
            .into_iter()
            .find(|vocabulary| is(vocabulary.formal_public_id()))
    }

    pub(crate) const fn tag(self, page: u8, token: u8) -> Tag {
        match self {
            Self::SyncMl | Self::MgmtTree => Tag::syncml(page, token),
            Self::Provisioning => Tag::provisioning(page, token),
        }
    }
}

impl XmlVocabulary {
    /// The tag of a local name. The page of a declared namespace decides where it has the name; else the parent's page comes first, so that documents without namespaces
    /// are read as they were meant (`dm1x.md` §1.11): `Type` in `Meta` is MetInf's, in `RTProperties` it is DDF's.
    #[inline]
    pub(crate) fn tag(self, name: &str, declared: Option<u8>, parent: Option<Tag>) -> Option<Tag> {
        match self {
            Self::Provisioning => provisioning_tags::NAMES
                .token(name)
                .map(|token| Tag::provisioning(0, token)),
            Self::SyncMlAndMgmtTree => {
                let of_page = |page: u8| {
                    let token = SYNCML_PAGES.get(usize::from(page))?.token(name)?;
                    Some(Tag::syncml(page, token))
                };
                let parents = parent.map_or(0, Tag::page);
                of_page(declared.unwrap_or(parents))
                    .or_else(|| [parents, 0, 1, 2].into_iter().find_map(of_page))
            }
        }
    }
}

/// The namespace of a tag, written where the page changes.
pub(crate) const fn namespace_of(tag: Tag) -> Option<&'static str> {
    match (tag.is_provisioning(), tag.page()) {
        (true, _) => None,
        (false, 0) => Some("SYNCML:SYNCML1.2"),
        (false, 1) => Some("syncml:metinf"),
        (false, _) => Some("syncml:dmddf1.2"),
    }
}

pub(super) fn name_of(provisioning: bool, page: u8, token: u8) -> Option<&'static str> {
    if provisioning {
        return provisioning_tags::NAMES.name(token);
    }
    SYNCML_PAGES
        .get(usize::from(page))
        .and_then(|names| names.name(token))
}

/// The code page of a namespace, by its beginning: versions differ behind it.
pub(crate) fn page_of_namespace(namespace: &str) -> Option<u8> {
    let begins = |with: &str| {
        namespace
            .get(..with.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    };
    if begins("syncml:metinf") {
        Some(1)
    } else if begins("syncml:dmddf") {
        Some(2)
    } else if begins("syncml:syncml") {
        Some(0)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, namespace: Option<&str>, parent: Option<Tag>) -> Option<Tag> {
        XmlVocabulary::SyncMlAndMgmtTree.tag(name, namespace.and_then(page_of_namespace), parent)
    }

    #[test]
    fn a_name_without_namespace_belongs_to_the_page_of_its_surroundings() {
        assert_eq!(
            tag("Type", None, Some(syncml_tags::META)),
            Some(metinf_tags::TYPE)
        );
        assert_eq!(
            tag("Type", None, Some(ddf_tags::RT_PROPERTIES)),
            Some(ddf_tags::TYPE)
        );
        assert_eq!(
            tag("Add", None, Some(syncml_tags::SYNC_BODY)),
            Some(syncml_tags::ADD)
        );
        assert_eq!(
            tag("MgmtTree", None, Some(syncml_tags::DATA)),
            Some(ddf_tags::MGMT_TREE)
        );
    }

    #[test]
    fn a_namespace_decides_where_it_has_the_name_and_is_ignored_where_it_has_not() {
        assert_eq!(
            tag("Size", Some("syncml:metinf"), Some(ddf_tags::NODE)),
            Some(metinf_tags::SIZE)
        );
        assert_eq!(
            tag("Data", Some("syncml:metinf"), Some(syncml_tags::ITEM)),
            Some(syncml_tags::DATA)
        );
        assert_eq!(tag("Frobnicate", Some("syncml:metinf"), None), None);
    }

    #[test]
    fn each_token_of_each_page_is_found_by_its_name() {
        for (page, names) in SYNCML_PAGES.into_iter().enumerate() {
            for token in 5..0x40 {
                if let Some(name) = names.name(token) {
                    assert_eq!(names.token(name), Some(token), "{name} of page {page}");
                }
            }
        }
    }
}

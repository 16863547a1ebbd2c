use omadm_dm1::syncml::{Item, Meta, StatusCode};
use omadm_dm1::tnds::{MEDIA_TYPE_WBXML, MEDIA_TYPE_XML};

use super::super::workspace::Workspace;
use super::Server;
use super::outcome::Fate;
use super::target::{Standing, Target};

/// Whether an item says that it holds a TNDS object.
pub(super) fn is_tnds(meta: &Meta) -> bool {
    let said = meta.r#type();
    [MEDIA_TYPE_XML, MEDIA_TYPE_WBXML]
        .iter()
        .any(|tnds| said.eq_ignore_ascii_case(tnds))
}

impl Server<'_> {
    pub(super) fn add_tnds(self, _: &mut Workspace<'_>, _: &Target, _: &Item) -> Fate {
        Err(StatusCode::UNSUPPORTED_FORMAT.into())
    }

    pub(super) fn replace_tnds(
        self,
        _: &mut Workspace<'_>,
        _: &Target,
        _: &Standing,
        _: &Item,
    ) -> Fate {
        Err(StatusCode::UNSUPPORTED_FORMAT.into())
    }
}

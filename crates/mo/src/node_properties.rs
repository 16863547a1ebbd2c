use crate::Acl;

/// What a device keeps of a node beside its value, for DM 1.x servers (`dm1x.md` §4.2). Name, Format, Type and Size follow from the node itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeProperties {
    /// `ACL`; none where the node inherits.
    pub acl: Option<Acl>,
    /// `Title`, of [`Self::MAX_TITLE`] octets at most.
    pub title: Option<String>,
    /// `TStamp`: when the node was last changed, `20010711T163817Z`; none where nobody knew the time.
    pub tstamp: Option<String>,
    /// `VerNo`: how often it was changed, modulo 2^16.
    pub ver_no: u16,
}

impl NodeProperties {
    /// Longest `Title` in octets.
    pub const MAX_TITLE: usize = 255;

    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The node was changed, at this time or at one that nobody knows.
    pub fn count_change(&mut self, at: Option<&str>) {
        self.ver_no = self.ver_no.wrapping_add(1);
        self.tstamp = at.map(str::to_owned);
    }
}

#[cfg(test)]
mod tests {
    use super::NodeProperties;

    #[test]
    fn the_version_number_wraps_and_an_unknown_time_is_none() {
        let mut properties = NodeProperties {
            ver_no: u16::MAX,
            tstamp: Some("20010711T163817Z".into()),
            ..NodeProperties::default()
        };
        properties.count_change(None);
        assert!(properties.is_empty());
        properties.count_change(Some("20260101T000000Z"));
        assert_eq!(properties.ver_no, 1);
        assert_eq!(properties.tstamp.as_deref(), Some("20260101T000000Z"));
    }
}

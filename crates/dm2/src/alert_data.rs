use omadm_mo::json::Json;

/// The `Data` member of an alert (D13): made as an object, read as any JSON value.
#[derive(Clone, PartialEq, Debug)]
pub struct AlertData(Json);

impl AlertData {
    /// The member that wraps a value that is no object, as the alerts of DM 1.x are wrapped (§4.4).
    pub const DM1X: &'static str = "DM1x";

    /// An object of these members. The caller names none twice.
    #[must_use]
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self(Json::object(members))
    }

    /// What the peer sent, which need not be an object.
    #[must_use]
    pub const fn received(json: Json) -> Self {
        Self(json)
    }

    /// The value.
    #[must_use]
    pub const fn as_json(&self) -> &Json {
        &self.0
    }

    /// The member of this name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Json> {
        self.0.member(name)
    }

    /// What is written: an object always; a received value that is none is wrapped in [`Self::DM1X`].
    #[must_use]
    pub fn write(&self) -> Json {
        if self.0.as_object().is_some() {
            self.0.clone()
        } else {
            Json::object([(Self::DM1X, self.0.clone())])
        }
    }
}

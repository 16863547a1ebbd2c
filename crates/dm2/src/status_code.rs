use std::fmt;

use crate::{CommandName, Fault};

/// The status code of a command, 100 to 999. A server judges one it does not know by its class (D24).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatusCode(u16);

/// The first digit of a code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StatusClass {
    /// 1xx: not a final answer.
    Informational,
    /// 2xx: done, or accepted.
    Success,
    /// 3xx: nothing to do or to send.
    Unchanged,
    /// 4xx: the command cannot be done as it stands.
    Refused,
    /// 5xx: the device, or what it depends on, failed.
    Failed,
    /// 6xx to 9xx: unknown to the protocol.
    Unknown,
}

/// What is known of a code: one row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusEntry {
    /// The code.
    pub code: StatusCode,
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Whose fault it is.
    pub fault: Fault,
    /// What an operator can do.
    pub advice: &'static str,
    /// The commands it can answer (D24); for a repository's own 4xx see [`crate::allowed`].
    pub commands: &'static [CommandName],
}

impl StatusCode {
    /// 200
    pub const OK: Self = Self(200);
    /// 202
    pub const ACCEPTED: Self = Self(202);
    /// 204
    pub const NO_CONTENT: Self = Self(204);
    /// 304
    pub const NOT_MODIFIED: Self = Self(304);
    /// 400
    pub const BAD_REQUEST: Self = Self(400);
    /// 403
    pub const FORBIDDEN: Self = Self(403);
    /// 404
    pub const NOT_FOUND: Self = Self(404);
    /// 405
    pub const NOT_ALLOWED: Self = Self(405);
    /// 406
    pub const NOT_ACCEPTABLE: Self = Self(406);
    /// 409
    pub const CONFLICT: Self = Self(409);
    /// 413
    pub const TOO_LARGE: Self = Self(413);
    /// 415
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self(415);
    /// 500
    pub const FAILED: Self = Self(500);
    /// 501
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// 502
    pub const BAD_GATEWAY: Self = Self(502);
    /// 507
    pub const NO_ROOM: Self = Self(507);

    /// The code of this number; none outside 100 to 999.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if matches!(number, 100..=999) {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Its class.
    #[must_use]
    pub const fn class(self) -> StatusClass {
        match self.0 / 100 {
            1 => StatusClass::Informational,
            2 => StatusClass::Success,
            3 => StatusClass::Unchanged,
            4 => StatusClass::Refused,
            5 => StatusClass::Failed,
            _ => StatusClass::Unknown,
        }
    }

    /// Whether the command did what it was to do; 304 is one: the server's copy is still good.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self.class(), StatusClass::Success) || self.0 == Self::NOT_MODIFIED.0
    }

    /// The status of an HGET, HPUT or HPOST whose repository answered with this HTTP status (§5.3): 2xx is 200, 401 and 407 are 502, any other 4xx
    /// stays, all else is 502.
    #[must_use]
    pub const fn of_repository(http: u16) -> Self {
        match http {
            200..=299 => Self::OK,
            401 | 407 => Self::BAD_GATEWAY,
            400..=499 => Self(http),
            _ => Self::BAD_GATEWAY,
        }
    }
}

impl From<StatusCode> for u16 {
    fn from(code: StatusCode) -> Self {
        code.0
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{StatusClass, StatusCode};

    #[test]
    fn any_three_digit_code_is_taken_and_judged_by_its_class_d24() {
        for number in 100..=999 {
            assert_eq!(StatusCode::new(number).unwrap().get(), number);
        }
        assert_eq!(StatusCode::new(99), None);
        assert_eq!(StatusCode::new(1000), None);
        assert_eq!(StatusCode::new(299).unwrap().class(), StatusClass::Success);
        assert_eq!(StatusCode::new(499).unwrap().class(), StatusClass::Refused);
        assert_eq!(StatusCode::new(599).unwrap().class(), StatusClass::Failed);
        assert_eq!(StatusCode::new(600).unwrap().class(), StatusClass::Unknown);
        assert!(StatusCode::new(250).unwrap().is_success());
        assert!(StatusCode::NOT_MODIFIED.is_success());
        assert!(!StatusCode::new(399).unwrap().is_success());
    }

    #[test]
    fn a_repositorys_answer_becomes_the_status_of_the_command() {
        for (http, status) in [
            (200, 200),
            (204, 200),
            (404, 404),
            (415, 415),
            (418, 418),
            (401, 502),
            (407, 502),
            (500, 502),
            (302, 502),
        ] {
            assert_eq!(StatusCode::of_repository(http).get(), status, "{http}");
        }
    }
}

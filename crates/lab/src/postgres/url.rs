use std::fmt::Write;

use omadm_mo::Secret;

/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS`, taken apart; the database is given anew at each use.
///
/// No `Debug`: it holds a password.
#[derive(Clone)]
pub(super) struct ServerUrl {
    user: String,
    /// Percent-encoded as it stood in the URL.
    password: Option<Secret>,
    host_and_port: String,
    /// Empty, or begins with `?`.
    parameters: String,
}

impl ServerUrl {
    /// Of a server on this machine whose user name and password need no percent-encoding.
    pub(super) fn local(user: &str, password: Secret, port: u16, parameters: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: Some(password),
            host_and_port: format!("127.0.0.1:{port}"),
            parameters: parameters.to_owned(),
        }
    }

    /// Reads a URL; `None` where it is none of PostgreSQL's, or names no user or host. Its database is dropped.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))?;
        let (rest, parameters) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let authority = rest.split('/').next()?;
        let (credentials, host_and_port) = authority.rsplit_once('@')?;
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(Secret::from(password.to_owned()))),
            None => (credentials, None),
        };
        (!user.is_empty() && !host_and_port.is_empty()).then(|| Self {
            user: user.to_owned(),
            password,
            host_and_port: host_and_port.to_owned(),
            parameters: parameters.to_owned(),
        })
    }

    /// The same server for another user; any text.
    pub(super) fn with_user(&self, user: &str, password: &str) -> Self {
        Self {
            user: encoded(user),
            password: Some(Secret::from(encoded(password))),
            ..self.clone()
        }
    }

    /// The whole URL, password and all.
    pub(super) fn with_password(&self, database: &str) -> String {
        let password = self.password.as_ref().map(|password| {
            let text = String::from_utf8_lossy(password.expose());
            format!(":{text}")
        });
        self.assemble(&password.unwrap_or_default(), database)
    }

    /// The URL that everybody may see.
    pub(super) fn without_password(&self, database: &str) -> String {
        self.assemble("", database)
    }

    /// The password itself, decoded.
    pub(super) fn password(&self) -> Option<Vec<u8>> {
        let password = self.password.as_ref()?;
        Some(percent_encoding::percent_decode(password.expose()).collect())
    }

    fn assemble(&self, password: &str, database: &str) -> String {
        let Self {
            user,
            host_and_port,
            parameters,
            ..
        } = self;
        format!("postgres://{user}{password}@{host_and_port}/{database}{parameters}")
    }
}

/// Everything but letters and digits of ASCII percent-encoded.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// `octets` as lower-case hexadecimal digits.
pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced_and_the_rest_kept() {
        let url =
            ServerUrl::parse("postgresql://me:p%40ss@db:5433/postgres?sslmode=disable").unwrap();
        assert_eq!(
            url.with_password("x"),
            "postgres://me:p%40ss@db:5433/x?sslmode=disable"
        );
        assert_eq!(
            url.without_password("x"),
            "postgres://me@db:5433/x?sslmode=disable"
        );
        assert_eq!(url.password().unwrap(), b"p@ss");
    }

    #[test]
    fn another_user_takes_the_place_of_the_first() {
        let url = ServerUrl::parse("postgres://me@db").unwrap();
        assert_eq!(url.password(), None);
        let other = url.with_user("a b", "c/d");
        assert_eq!(other.with_password("x"), "postgres://a%20b:c%2Fd@db/x");
        assert_eq!(other.password().unwrap(), b"c/d");
    }

    #[test]
    fn what_is_no_url_of_postgresql_is_refused() {
        for text in [
            "",
            "mysql://me@db",
            "postgres://db/x",
            "postgres://@db",
            "postgres://me@/x",
        ] {
            assert!(ServerUrl::parse(text).is_none(), "{text}");
        }
    }
}

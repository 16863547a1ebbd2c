use std::fmt;
use std::path::PathBuf;

use clap::Args;
use omadm_mo::{Secret, ServerUri};
use omadm_server::operator::client::{ApiClient, ApiError};
use omadm_tls::pem;

use super::read_text;
use crate::failure::{Explain as _, Failure};

/// Where the operator API of a server is, and what opens it.
#[derive(Args)]
pub(crate) struct ApiAddress {
    /// The server's operator address
    #[arg(
        long,
        global = true,
        default_value = "https://127.0.0.1:8444",
        env = "OMADM_API"
    )]
    api: String,
    /// The server's CA certificate (PEM)
    #[arg(long, global = true, env = "OMADM_CA")]
    ca: Option<PathBuf>,
    /// File that holds the admin token; else OMADM_TOKEN
    #[arg(long, global = true)]
    token_file: Option<PathBuf>,
}

const ADDRESS: &str = "check --api, --ca and the token; `omadm serve` prints all three";

/// Makes the three lines of what the server's API answered.
pub(crate) trait Asked<T> {
    /// What failed; the why is the server's, and what to do too where it says it.
    fn asked(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T> Asked<T> for Result<T, ApiError> {
    fn asked(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(what, &error, todo(&error)))
    }
}

/// What to do about it.
pub(crate) fn todo(error: &ApiError) -> &str {
    match error {
        ApiError::Refused(problem) => match (&problem.action, problem.status) {
            (_, 401 | 403) => ADDRESS,
            (Some(action), _) => action,
            (None, 404) => "`omadm device list` and `omadm device show` tell what there is",
            (None, 409) => "`omadm device show` tells how things stand",
            (None, 400..=499) => "mend what the reason names; --help tells what can be said",
            (None, _) => "try it again; the server's log tells more",
        },
        ApiError::Source(_) | ApiError::Sink(_) => "check the file, and give the command again",
        ApiError::Answer(..) => "let --api name the operator address of an omadm server",
        ApiError::Token
        | ApiError::Trust(_)
        | ApiError::Setup(_)
        | ApiError::Unreachable(..)
        | ApiError::Tls(_)
        | ApiError::Http(_)
        | ApiError::Request(_) => ADDRESS,
    }
}

impl ApiAddress {
    /// A client that is not connected yet.
    pub(crate) fn connect(&self) -> Result<ApiClient, Failure> {
        let what = "the server's API cannot be used";
        let token = match &self.token_file {
            Some(file) => read_text(file)?,
            None => std::env::var("OMADM_TOKEN").map_err(|_| {
                Failure::new(
                    what,
                    "no admin token was given",
                    "set OMADM_TOKEN, or name a file with --token-file",
                )
            })?,
        };
        let token = Secret::from(token.trim().to_owned());
        let uri =
            ServerUri::parse(&self.api).explain(what, "write --api like https://127.0.0.1:8444")?;
        let Some(ca) = &self.ca else {
            return Err(Failure::new(
                what,
                "no CA certificate was given",
                "name the server's ca.crt with --ca or OMADM_CA",
            ));
        };
        let certificates = pem::certificates(&read_text(ca)?).explain(
            what,
            format!("{} has to hold a certificate in PEM", ca.display()),
        )?;
        let Some(ca) = certificates.first() else {
            return Err(Failure::new(
                what,
                "the CA file holds no certificate",
                "name the server's ca.crt",
            ));
        };
        ApiClient::new(uri.host(), uri.port(), ca, &token).asked(what)
    }
}

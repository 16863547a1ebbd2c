use omadm_mo::{ClientUri, Moid, ServerUri};

use crate::{CommandError, CommandName, SubscriptionUri};

/// A DM command with its parameters (`dm20.md` §5.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Fetch over HTTP, then add to the tree or replace in it.
    HGet {
        /// Where to fetch.
        server: ServerUri,
        /// Where to store; without it the client chooses.
        client: Option<ClientUri>,
    },
    /// Send data by HTTP PUT.
    HPut {
        /// Where to send.
        server: ServerUri,
        /// What to send.
        clients: ClientUris,
    },
    /// Send data by HTTP POST.
    HPost {
        /// Where to send.
        server: ServerUri,
        /// What to send.
        clients: ClientUris,
    },
    /// Delete a node with all below it.
    Delete {
        /// The node.
        client: ClientUri,
    },
    /// Execute a node.
    Exec {
        /// The node.
        client: ClientUri,
        /// Where to report, which makes the execution asynchronous.
        server: Option<ServerUri>,
    },
    /// Return data inside the session.
    Get {
        /// The nodes.
        clients: ClientUris,
    },
    /// Start a UI session in the browser.
    Show {
        /// Where the browser goes.
        server: ServerUri,
    },
    /// Continue the session at another URI.
    Cont {
        /// Where the next packages go.
        server: ServerUri,
    },
    /// End the session.
    End,
    /// Remember where a missing configuration can be fetched.
    Default {
        /// Where to fetch it.
        server: ServerUri,
        /// Of which MO.
        moid: Moid,
    },
    /// Report changes of a subtree.
    Sub {
        /// Where to report.
        server: ServerUri,
        /// The subtree.
        client: SubscriptionUri,
    },
    /// Cancel a SUB.
    Unsub {
        /// The ClientURI of the SUB, in the same text.
        client: SubscriptionUri,
    },
}

/// One or more ClientURIs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientUris(Vec<ClientUri>);

impl ClientUris {
    /// The list of one.
    #[must_use]
    pub fn one(uri: ClientUri) -> Self {
        Self(vec![uri])
    }

    /// These; none where there are none.
    #[must_use]
    pub fn new(uris: Vec<ClientUri>) -> Option<Self> {
        (!uris.is_empty()).then_some(Self(uris))
    }

    /// The URIs, at least one, in the order of the command.
    #[must_use]
    pub fn as_slice(&self) -> &[ClientUri] {
        &self.0
    }

    /// The URIs in the order of the command.
    pub fn iter(&self) -> std::slice::Iter<'_, ClientUri> {
        self.0.iter()
    }
}

impl From<ClientUri> for ClientUris {
    fn from(uri: ClientUri) -> Self {
        Self::one(uri)
    }
}

impl<'a> IntoIterator for &'a ClientUris {
    type Item = &'a ClientUri;
    type IntoIter = std::slice::Iter<'a, ClientUri>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Command {
    /// Reads one inner array of a Package#2 (D14).
    ///
    /// # Errors
    /// [`CommandError`] with the status that answers it.
    pub fn read(parts: &[&str]) -> Result<Self, CommandError> {
        let (name, parameters) = parts.split_first().ok_or(CommandError::Empty)?;
        let command =
            CommandName::parse(name).ok_or_else(|| CommandError::Unknown((*name).to_owned()))?;
        let ordered = Parameters {
            command,
            rest: parameters,
        };
        match command {
            CommandName::HGet => ordered.read(|p| {
                Ok(Self::HGet {
                    server: p.server()?,
                    client: p.optional_client()?,
                })
            }),
            CommandName::HPut => ordered.read(|p| {
                Ok(Self::HPut {
                    server: p.server()?,
                    clients: p.clients()?,
                })
            }),
            CommandName::HPost => ordered.read(|p| {
                Ok(Self::HPost {
                    server: p.server()?,
                    clients: p.clients()?,
                })
            }),
            CommandName::Delete => ordered.read(|p| {
                Ok(Self::Delete {
                    client: p.client()?,
                })
            }),
            CommandName::Get => ordered.read(|p| {
                Ok(Self::Get {
                    clients: p.clients()?,
                })
            }),
            CommandName::Show => ordered.read(|p| {
                Ok(Self::Show {
                    server: p.server()?,
                })
            }),
            CommandName::Cont => ordered.read(|p| {
                Ok(Self::Cont {
                    server: p.server()?,
                })
            }),
            CommandName::End => ordered.read(|_| Ok(Self::End)),
            CommandName::Unsub => ordered.read(|p| {
                Ok(Self::Unsub {
                    client: p.subscription()?,
                })
            }),
            CommandName::Exec => {
                let sorted = sorted(parameters, |text| !ServerUri::is_meant(text));
                Parameters {
                    command,
                    rest: &sorted,
                }
                .read(|p| {
                    Ok(Self::Exec {
                        client: p.client()?,
                        server: p.optional_server()?,
                    })
                })
            }
            CommandName::Default => {
                let sorted = sorted(parameters, ServerUri::is_meant);
                Parameters {
                    command,
                    rest: &sorted,
                }
                .read(|p| {
                    Ok(Self::Default {
                        server: p.server()?,
                        moid: p.moid()?,
                    })
                })
            }
            CommandName::Sub => {
                let sorted = sorted(parameters, ServerUri::is_meant);
                Parameters {
                    command,
                    rest: &sorted,
                }
                .read(|p| {
                    Ok(Self::Sub {
                        server: p.server()?,
                        client: p.subscription()?,
                    })
                })
            }
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> CommandName {
        match self {
            Self::HGet { .. } => CommandName::HGet,
            Self::HPut { .. } => CommandName::HPut,
            Self::HPost { .. } => CommandName::HPost,
            Self::Delete { .. } => CommandName::Delete,
            Self::Exec { .. } => CommandName::Exec,
            Self::Get { .. } => CommandName::Get,
            Self::Show { .. } => CommandName::Show,
            Self::Cont { .. } => CommandName::Cont,
            Self::End => CommandName::End,
            Self::Default { .. } => CommandName::Default,
            Self::Sub { .. } => CommandName::Sub,
            Self::Unsub { .. } => CommandName::Unsub,
        }
    }

    /// The inner array: name and parameters in the order of the table.
    #[must_use]
    pub fn write(&self) -> Vec<String> {
        let mut parts = vec![self.name().as_str().to_owned()];
        match self {
            Self::HGet { server, client } => {
                parts.push(server.to_string());
                parts.extend(client.as_ref().map(ClientUri::to_string));
            }
            Self::HPut { server, clients } | Self::HPost { server, clients } => {
                parts.push(server.to_string());
                parts.extend(clients.iter().map(ClientUri::to_string));
            }
            Self::Delete { client } => parts.push(client.to_string()),
            Self::Exec { client, server } => {
                parts.push(client.to_string());
                parts.extend(server.as_ref().map(ServerUri::to_string));
            }
            Self::Get { clients } => parts.extend(clients.iter().map(ClientUri::to_string)),
            Self::Show { server } | Self::Cont { server } => parts.push(server.to_string()),
            Self::End => {}
            Self::Default { server, moid } => parts.extend([server.to_string(), moid.to_string()]),
            Self::Sub { server, client } => parts.extend([server.to_string(), client.to_string()]),
            Self::Unsub { client } => parts.push(client.to_string()),
        }
        parts
    }
}

/// Parameters with those first for which the test holds, else in their order: EXEC, SUB and DEFAULT take either order (D14).
fn sorted<'a>(parameters: &[&'a str], first: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let (mut sorted, rest): (Vec<_>, Vec<_>) = parameters.iter().partition(|text| first(text));
    sorted.extend(rest);
    sorted
}

/// What of a command is still to be read.
struct Parameters<'a> {
    command: CommandName,
    rest: &'a [&'a str],
}

const SERVER_URI: &str = "ServerURI";
const CLIENT_URI: &str = "ClientURI";
const MOID: &str = "MOID";

impl Parameters<'_> {
    fn read(
        mut self,
        take: impl FnOnce(&mut Self) -> Result<Command, CommandError>,
    ) -> Result<Command, CommandError> {
        let command = take(&mut self)?;
        match self.rest.first() {
            None => Ok(command),
            Some(more) => Err(CommandError::TooMany {
                command: self.command,
                parameter: (*more).to_owned(),
            }),
        }
    }

    /// The next parameter if it is of the wanted kind (D14).
    fn next(&mut self, server: bool) -> Option<&str> {
        let (next, rest) = self.rest.split_first()?;
        (ServerUri::is_meant(next) == server)
            .then(|| self.rest = rest)
            .map(|()| *next)
    }

    const fn missing(&self, parameter: &'static str) -> CommandError {
        CommandError::Missing {
            command: self.command,
            parameter,
        }
    }

    fn optional_server(&mut self) -> Result<Option<ServerUri>, CommandError> {
        let command = self.command;
        let Some(text) = self.next(true) else {
            return Ok(None);
        };
        ServerUri::parse(text)
            .map(Some)
            .map_err(|error| CommandError::ServerUri { command, error })
    }

    fn server(&mut self) -> Result<ServerUri, CommandError> {
        self.optional_server()?
            .ok_or_else(|| self.missing(SERVER_URI))
    }

    fn optional_client(&mut self) -> Result<Option<ClientUri>, CommandError> {
        let command = self.command;
        let Some(text) = self.next(false) else {
            return Ok(None);
        };
        ClientUri::parse(text)
            .map(Some)
            .map_err(|error| CommandError::ClientUri { command, error })
    }

    fn client(&mut self) -> Result<ClientUri, CommandError> {
        self.optional_client()?
            .ok_or_else(|| self.missing(CLIENT_URI))
    }

    fn clients(&mut self) -> Result<ClientUris, CommandError> {
        let mut clients = vec![self.client()?];
        while let Some(client) = self.optional_client()? {
            clients.push(client);
        }
        Ok(ClientUris(clients))
    }

    fn subscription(&mut self) -> Result<SubscriptionUri, CommandError> {
        let command = self.command;
        let missing = self.missing(CLIENT_URI);
        let text = self.next(false).ok_or(missing)?;
        SubscriptionUri::parse(text).map_err(|error| CommandError::ClientUri { command, error })
    }

    fn moid(&mut self) -> Result<Moid, CommandError> {
        let command = self.command;
        let missing = self.missing(MOID);
        let text = self.next(false).ok_or(missing)?;
        Moid::parse(text).map_err(|error| CommandError::Moid { command, error })
    }
}

#[cfg(test)]
mod tests {
    use super::Command;
    use crate::{CommandError, CommandName, StatusCode};

    const S: &str = "https://repo.example.com/x";
    const C: &str = "urn:oma:mo:m:1.0/1/A";

    /// One command of each form, in the order of the table of §5.1.
    const FORMS: [&[&str]; 16] = [
        &["HGET", S],
        &["HGET", S, C],
        &["HPUT", S, C],
        &["HPUT", S, C, C],
        &["HPOST", S, C],
        &["HPOST", S, C, C],
        &["DELETE", C],
        &["EXEC", C],
        &["EXEC", C, S],
        &["GET", C],
        &["GET", C, C, C],
        &["SHOW", S],
        &["CONT", S],
        &["END"],
        &["DEFAULT", S, "urn:oma:mo:m:1.0"],
        &["UNSUB", C],
    ];

    #[test]
    fn every_form_of_the_table_is_read_and_written_alike() {
        for form in FORMS {
            assert_eq!(Command::read(form).unwrap().write(), form, "{form:?}");
        }
        assert_eq!(
            Command::read(&["SUB", S, C]).unwrap().write(),
            ["SUB", S, C]
        );
    }

    #[test]
    fn exec_sub_and_default_take_either_order_and_write_the_tables_d14() {
        for (read, written) in [
            (["EXEC", S, C], ["EXEC", C, S]),
            (["SUB", C, S], ["SUB", S, C]),
            (
                ["DEFAULT", "urn:oma:mo:m:1.0", S],
                ["DEFAULT", S, "urn:oma:mo:m:1.0"],
            ),
        ] {
            assert_eq!(Command::read(&read).unwrap().write(), written);
        }
        assert!(Command::read(&["HGET", C, S]).is_err());
        assert!(Command::read(&["HPUT", C, S]).is_err());
    }

    #[test]
    fn a_scheme_is_told_in_any_case_d14() {
        let command = Command::read(&["EXEC", "HTTPS://repo.example.com/", C]).unwrap();
        assert!(matches!(
            command,
            Command::Exec {
                server: Some(_),
                ..
            }
        ));
    }

    #[test]
    fn a_malformed_command_is_400_and_an_unknown_one_501_d11() {
        for (parts, status) in [
            (&[][..], StatusCode::BAD_REQUEST),
            (&["ATOMIC", C], StatusCode::NOT_IMPLEMENTED),
            (&["get", C], StatusCode::NOT_IMPLEMENTED),
            (&["DefAult", S, "urn:m"], StatusCode::NOT_IMPLEMENTED),
            (&[""], StatusCode::NOT_IMPLEMENTED),
            (&["HGET"], StatusCode::BAD_REQUEST),
            (&["HGET", C], StatusCode::BAD_REQUEST),
            (&["HGET", S, S], StatusCode::BAD_REQUEST),
            (&["HGET", S, C, C], StatusCode::BAD_REQUEST),
            (&["HPUT", S], StatusCode::BAD_REQUEST),
            (&["HPUT", S, C, S], StatusCode::BAD_REQUEST),
            (&["HPOST", C], StatusCode::BAD_REQUEST),
            (&["DELETE"], StatusCode::BAD_REQUEST),
            (&["DELETE", C, C], StatusCode::BAD_REQUEST),
            (&["DELETE", S], StatusCode::BAD_REQUEST),
            (&["EXEC", S], StatusCode::BAD_REQUEST),
            (&["EXEC", C, C], StatusCode::BAD_REQUEST),
            (&["EXEC", C, S, S], StatusCode::BAD_REQUEST),
            (&["GET"], StatusCode::BAD_REQUEST),
            (&["GET", "urn:m"], StatusCode::BAD_REQUEST),
            (&["SHOW"], StatusCode::BAD_REQUEST),
            (&["SHOW", C], StatusCode::BAD_REQUEST),
            (&["SHOW", "https://"], StatusCode::BAD_REQUEST),
            (&["CONT", "ftp://a/"], StatusCode::BAD_REQUEST),
            (&["END", C], StatusCode::BAD_REQUEST),
            (&["DEFAULT", S], StatusCode::BAD_REQUEST),
            (&["DEFAULT", S, C], StatusCode::BAD_REQUEST),
            (&["SUB", C], StatusCode::BAD_REQUEST),
            (&["SUB", S, S], StatusCode::BAD_REQUEST),
            (&["UNSUB"], StatusCode::BAD_REQUEST),
            (&["UNSUB", "urn:m/(x)/"], StatusCode::BAD_REQUEST),
        ] {
            let error = Command::read(parts).unwrap_err();
            assert_eq!(error.status(), status, "{parts:?}: {error}");
        }
    }

    #[test]
    fn an_error_names_the_command_and_the_parameter() {
        let error = Command::read(&["HPUT", S]).unwrap_err();
        assert_eq!(
            error,
            CommandError::Missing {
                command: CommandName::HPut,
                parameter: "ClientURI"
            }
        );
        assert_eq!(error.to_string(), "HPUT lacks its ClientURI");
        let error = Command::read(&["END", "x"]).unwrap_err();
        assert_eq!(error.to_string(), "END has one parameter too many: \"x\"");
    }

    #[test]
    fn sub_and_unsub_are_compared_by_their_text_d23() {
        let sub = |text| match Command::read(&["SUB", S, text]).unwrap() {
            Command::Sub { client, .. } => client,
            other => panic!("{other:?}"),
        };
        let unsub = |text| match Command::read(&["UNSUB", text]).unwrap() {
            Command::Unsub { client } => client,
            other => panic!("{other:?}"),
        };
        assert_eq!(sub("urn:m/1"), unsub("urn:m/1"));
        assert_ne!(sub("urn:m/1"), unsub("urn:m/1/"));
        assert_eq!(sub("urn:m/1").uri(), unsub("urn:m/1/").uri());
    }

    #[test]
    fn names_are_read_from_their_own_text() {
        for name in CommandName::ALL {
            assert_eq!(CommandName::parse(name.as_str()), Some(name));
        }
    }
}

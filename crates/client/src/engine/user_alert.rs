//! Who shows what a DM 1.x server shows to whoever uses the device, and asks (`dm1x.md` §1.3): a program, or whatever the embedder has.

use std::sync::Arc;
use std::time::Duration;

use omadm_mo::SrvId;
use omadm_session::client::dm1::{UserAlert, UserAlertKind, UserAnswer};

use super::{Engine, program};
use crate::policy::AskedProgram;

/// A user alert with the server that sent it, which has proven itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserRequest {
    /// The server.
    pub server: SrvId,
    /// What it shows or asks.
    pub alert: UserAlert,
}

/// Shows and asks; may take its time.
pub(crate) type AskUser = Arc<dyn Fn(&UserRequest) -> UserAnswer + Send + Sync>;

impl UserRequest {
    /// As JSON: `server`, `kind`, `text`, `choices`, and of the options those that were given.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (alert, options) = (&self.alert, &self.alert.options);
        serde_json::json!({
            "server": self.server.as_str(),
            "kind": match alert.kind {
                UserAlertKind::Display => "display",
                UserAlertKind::Confirm => "confirm",
                UserAlertKind::Input => "input",
                UserAlertKind::SingleChoice => "single-choice",
                UserAlertKind::MultipleChoice => "multiple-choice",
            },
            "text": alert.text,
            "choices": alert.choices,
            "min_seconds": options.min_seconds,
            "max_seconds": options.max_seconds,
            "default": options.default,
            "max_length": options.max_length,
            "input": match options.input_type {
                Some('N') => "digits",
                Some('D') => "date",
                Some('T') => "time",
                Some('P') => "phone",
                Some('I') => "ip",
                _ => "any",
            },
            "hidden": options.echo_type == Some('P'),
        })
        .to_string()
    }

    /// How long the server gives its user, and no longer than this.
    fn longest(&self, most: Duration) -> Duration {
        let given = self.alert.options.max_seconds.map(u64::from);
        given.map_or(most, |seconds| Duration::from_secs(seconds).min(most))
    }
}

/// The program that policy names: exit code 0 is yes, or what it wrote; 1 no; 2 cancelled; any other that it cannot be shown.
pub(crate) fn of_command(command: AskedProgram) -> AskUser {
    Arc::new(move |request| {
        let longest = request.longest(command.timeout);
        match program::ask(&command, request.to_json(), longest) {
            Ok(said) => answer(request.alert.kind, &said),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => UserAnswer::TimedOut,
            Err(error) => {
                tracing::warn!(program = command.program, %error, "nobody could be asked");
                UserAnswer::NoUser
            }
        }
    })
}

fn answer(kind: UserAlertKind, said: &program::Said) -> UserAnswer {
    let text = said.text.as_deref();
    match (said.code, kind) {
        (Some(0), UserAlertKind::Display | UserAlertKind::Confirm) => UserAnswer::Ok,
        (Some(0), UserAlertKind::Input) => text.map_or(UserAnswer::NotShown, |text| {
            let line = text.strip_suffix('\n').unwrap_or(text);
            UserAnswer::Text(line.strip_suffix('\r').unwrap_or(line).to_owned())
        }),
        (Some(0), UserAlertKind::SingleChoice | UserAlertKind::MultipleChoice) => {
            let numbers = text.unwrap_or("?").split([' ', ',', '\n', '\r', '\t']);
            let numbers = numbers.filter(|number| !number.is_empty());
            let chosen: Result<Vec<usize>, _> = numbers.map(str::parse).collect();
            chosen.map_or(UserAnswer::NotShown, UserAnswer::Choices)
        }
        (Some(1), UserAlertKind::Confirm) => UserAnswer::No,
        (Some(1 | 2), _) => UserAnswer::Cancelled,
        _ => UserAnswer::NotShown,
    }
}

impl Engine {
    /// Asks whoever is there. Whoever does not come back in time is not waited for.
    pub(super) async fn ask_user(&self, server: &SrvId, alert: UserAlert) -> UserAnswer {
        let Some(ask) = self.config.ask_user.clone() else {
            return UserAnswer::NoUser;
        };
        let request = UserRequest {
            server: server.clone(),
            alert,
        };
        let longest = request.longest(self.config.session_timeout);
        let asked = tokio::task::spawn_blocking(move || ask(&request));
        match tokio::time::timeout(longest, asked).await {
            Err(_) => UserAnswer::TimedOut,
            Ok(Ok(answer)) => answer,
            Ok(Err(panicked)) => {
                tracing::warn!(%panicked, "nobody could be asked");
                UserAnswer::NotShown
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use omadm_mo::SrvId;
    use omadm_session::client::dm1::{UserAlert, UserAlertKind, UserAnswer, UserOptions};

    use super::super::program::Said;
    use super::{UserRequest, answer};

    #[test]
    fn exit_code_and_text_are_an_answer_of_the_kind_that_was_asked_for() {
        use UserAlertKind::{Confirm, Display, Input, MultipleChoice, SingleChoice};
        let rows = [
            (Display, 0, "", UserAnswer::Ok),
            (Confirm, 0, "", UserAnswer::Ok),
            (Confirm, 1, "", UserAnswer::No),
            (Display, 1, "", UserAnswer::Cancelled),
            (Input, 0, " a b \r\n", UserAnswer::Text(" a b ".into())),
            (Input, 0, "", UserAnswer::Text(String::new())),
            (Input, 1, "x", UserAnswer::Cancelled),
            (SingleChoice, 0, "2\n", UserAnswer::Choices(vec![2])),
            (MultipleChoice, 0, "3, 1\n", UserAnswer::Choices(vec![3, 1])),
            (MultipleChoice, 0, "", UserAnswer::Choices(Vec::new())),
            (SingleChoice, 0, "the second", UserAnswer::NotShown),
            (SingleChoice, 0, "-1", UserAnswer::NotShown),
            (Confirm, 2, "", UserAnswer::Cancelled),
            (Confirm, 77, "", UserAnswer::NotShown),
        ];
        for (kind, code, text, expected) in rows {
            let said = Said {
                code: Some(code),
                text: Some(text.to_owned()),
            };
            assert_eq!(answer(kind, &said), expected, "{kind:?} {code} {text:?}");
        }
        let killed = Said {
            code: None,
            text: None,
        };
        assert_eq!(answer(Confirm, &killed), UserAnswer::NotShown);
        let no_text = Said {
            code: Some(0),
            text: None,
        };
        assert_eq!(answer(Input, &no_text), UserAnswer::NotShown);
    }

    #[test]
    fn what_is_asked_is_told_with_the_options_that_were_given() {
        let request = UserRequest {
            server: SrvId::parse("com.example.dm").unwrap(),
            alert: UserAlert {
                kind: UserAlertKind::Input,
                text: "PIN?".into(),
                choices: Vec::new(),
                options: UserOptions {
                    max_length: Some(4),
                    input_type: Some('N'),
                    echo_type: Some('P'),
                    ..UserOptions::default()
                },
            },
        };
        let told: serde_json::Value = serde_json::from_str(&request.to_json()).unwrap();
        assert_eq!(told["kind"], "input");
        assert_eq!(
            (&told["max_length"], &told["input"]),
            (&4.into(), &"digits".into())
        );
        assert_eq!(told["hidden"], true);
        assert!(told["default"].is_null());
    }
}

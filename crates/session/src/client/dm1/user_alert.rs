//! Alerts 1100 to 1104: what a server shows to whoever uses the device, and asks (`dm1x.md` §1.3).

use std::net::IpAddr;

use omadm_dm1::syncml::{Alert, AlertCode, Item, StatusCode};

/// What is shown or asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserAlert {
    /// Which of the five.
    pub kind: UserAlertKind,
    /// The text.
    pub text: String,
    /// The choices, in order; of the two kinds that have some.
    pub choices: Vec<String>,
    /// How it is to be shown.
    pub options: UserOptions,
}

/// The five user alerts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserAlertKind {
    /// A text is shown.
    Display,
    /// Yes or no.
    Confirm,
    /// A text is asked for.
    Input,
    /// One choice.
    SingleChoice,
    /// Any number of choices.
    MultipleChoice,
}

/// Options of a user alert; those not known are passed over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserOptions {
    /// `MINDT`: seconds that it is shown at least.
    pub min_seconds: Option<u32>,
    /// `MAXDT`: seconds to wait for the user at most.
    pub max_seconds: Option<u32>,
    /// `DR`: the default answer, as written.
    pub default: Option<String>,
    /// `MAXLEN`: longest input in characters.
    pub max_length: Option<u32>,
    /// `IT`: what kind of input, a letter of A, N, D, T, P, I.
    pub input_type: Option<char>,
    /// `ET`: how input is shown, T as text or P as a password.
    pub echo_type: Option<char>,
}

/// What came of a user alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserAnswer {
    /// It was shown, or the user said yes.
    Ok,
    /// The user said no.
    No,
    /// The user cancelled it.
    Cancelled,
    /// A text.
    Text(String),
    /// Choices, counted from 1.
    Choices(Vec<usize>),
    /// Nobody answered in time.
    TimedOut,
    /// It cannot be shown.
    NotShown,
    /// There is nobody to ask.
    NoUser,
}

impl UserAlertKind {
    /// That of an alert's number; none for an alert that is not for the user.
    #[must_use]
    pub const fn of(code: AlertCode) -> Option<Self> {
        Some(match code {
            AlertCode::DISPLAY => Self::Display,
            AlertCode::CONFIRM_OR_REJECT => Self::Confirm,
            AlertCode::TEXT_INPUT => Self::Input,
            AlertCode::SINGLE_CHOICE => Self::SingleChoice,
            AlertCode::MULTIPLE_CHOICE => Self::MultipleChoice,
            _ => return None,
        })
    }
}

impl UserAlert {
    /// Reads one: options, text, and the choices from the third item on.
    ///
    /// # Errors
    ///
    /// The status it gets: 406 for a number that is no user alert's, 412 without a text or, of a choice, without choices.
    pub fn read(alert: &Alert) -> Result<Self, StatusCode> {
        let kind = alert.code.and_then(UserAlertKind::of);
        let kind = kind.ok_or(StatusCode::NOT_SUPPORTED)?;
        let text_of = |item: &Item| {
            let text = item.data.as_ref().and_then(|data| data.text());
            text.unwrap_or_default().to_owned()
        };
        let [options, text, choices @ ..] = alert.items.as_slice() else {
            return Err(StatusCode::INCOMPLETE);
        };
        if text.data.is_none() {
            return Err(StatusCode::INCOMPLETE);
        }
        let chooses = matches!(
            kind,
            UserAlertKind::SingleChoice | UserAlertKind::MultipleChoice
        );
        if chooses && choices.is_empty() {
            return Err(StatusCode::INCOMPLETE);
        }
        Ok(Self {
            kind,
            text: text_of(text),
            choices: choices.iter().filter(|_| chooses).map(text_of).collect(),
            options: UserOptions::read(&text_of(options)),
        })
    }

    /// The status of an answer, with the items that carry it. An answer that does not fit the question is 406.
    #[must_use]
    pub fn status(&self, answer: &UserAnswer) -> (StatusCode, Vec<Item>) {
        use UserAlertKind::{Confirm, Display, Input, MultipleChoice, SingleChoice};
        let (code, items) = match (self.kind, answer) {
            (_, UserAnswer::Cancelled) => (StatusCode::CANCELLED, Vec::new()),
            (_, UserAnswer::TimedOut) => (StatusCode::TIMED_OUT, Vec::new()),
            (_, UserAnswer::NotShown) => (StatusCode::RANGE_NOT_SATISFIABLE, Vec::new()),
            (Display | Confirm, UserAnswer::Ok) => (StatusCode::OK, Vec::new()),
            (Confirm, UserAnswer::No) => (StatusCode::NOT_MODIFIED, Vec::new()),
            (Input, UserAnswer::Text(text)) if self.options.take(text) => {
                (StatusCode::OK, vec![Item::of(text.as_str())])
            }
            (SingleChoice, UserAnswer::Choices(chosen))
                if chosen.len() == 1 && self.chosen(chosen).len() == 1 =>
            {
                (StatusCode::OK, self.chosen(chosen))
            }
            (MultipleChoice, UserAnswer::Choices(chosen)) => (StatusCode::OK, self.chosen(chosen)),
            _ => (StatusCode::NOT_SUPPORTED, Vec::new()),
        };
        (code, items)
    }

    fn chosen(&self, chosen: &[usize]) -> Vec<Item> {
        let among = chosen
            .iter()
            .filter(|number| (1..=self.choices.len()).contains(*number));
        among
            .map(|number| Item::of(number.to_string().as_str()))
            .collect()
    }
}

impl UserOptions {
    /// Whether a text is of the length and kind that is asked for.
    fn take(&self, text: &str) -> bool {
        let most = self.max_length.and_then(|most| usize::try_from(most).ok());
        let digits = |count: Option<usize>| {
            text.bytes().all(|octet| octet.is_ascii_digit())
                && count.is_none_or(|count| text.len() == count)
        };
        let is_kind = match self.input_type {
            Some('N') => digits(None),
            Some('D') => digits(Some(8)),
            Some('T') => digits(Some(6)),
            Some('P') => text
                .chars()
                .all(|c| c.is_ascii_digit() || "+*#pw".contains(c)),
            Some('I') => text.parse::<IpAddr>().is_ok(),
            _ => true,
        };
        is_kind && most.is_none_or(|most| text.chars().count() <= most)
    }

    fn read(text: &str) -> Self {
        let mut options = Self::default();
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim();
            let letter = value.chars().next();
            match name.trim() {
                "MINDT" => options.min_seconds = value.parse().ok(),
                "MAXDT" => options.max_seconds = value.parse().ok(),
                "DR" => options.default = Some(percent_decoded(value)),
                "MAXLEN" => options.max_length = value.parse().ok(),
                "IT" => options.input_type = letter.filter(|letter| "ANDTPI".contains(*letter)),
                "ET" => options.echo_type = letter.filter(|letter| "TP".contains(*letter)),
                _ => {}
            }
        }
        options
    }
}

/// `+` and `%XX` undone; what is no such thing stays.
fn percent_decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let hex = |octet: u8| {
            char::from(octet)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        match (first, behind) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    octets.push(high << 4 | low);
                    rest = after;
                }
                _ => octets.push(b'%'),
            },
            (b'+', _) => octets.push(b' '),
            (octet, _) => octets.push(*octet),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{UserAlert, UserAlertKind, UserAnswer};
    use omadm_dm1::syncml::{Alert, AlertCode, Item, StatusCode};

    fn alert(code: u16, items: &[&str]) -> Alert {
        Alert {
            cmd_id: None,
            code: Some(AlertCode(code)),
            correlator: None,
            items: items.iter().map(|text| Item::of(*text)).collect(),
        }
    }

    #[test]
    fn options_are_read_and_unknown_ones_passed_over() {
        let asked = alert(
            1102,
            &["MAXDT=30&DR=a%20b+c&MAXLEN=8&IT=P&ET=P&NEW=1", "PIN?"],
        );
        let read = UserAlert::read(&asked).unwrap();
        assert_eq!(read.kind, UserAlertKind::Input);
        assert_eq!(read.options.max_seconds, Some(30));
        assert_eq!(read.options.default.as_deref(), Some("a b c"));
        assert_eq!(
            (read.options.input_type, read.options.echo_type),
            (Some('P'), Some('P'))
        );
    }

    #[test]
    fn each_answer_has_the_status_of_1_3() {
        let confirm = UserAlert::read(&alert(1101, &["", "Update?"])).unwrap();
        let one = UserAlert::read(&alert(1103, &["", "Which?", "a", "b"])).unwrap();
        let many = UserAlert::read(&alert(1104, &["", "Which?", "a", "b"])).unwrap();
        let rows = [
            (&confirm, UserAnswer::Ok, 200, vec![]),
            (&confirm, UserAnswer::No, 304, vec![]),
            (&confirm, UserAnswer::Cancelled, 214, vec![]),
            (&confirm, UserAnswer::TimedOut, 408, vec![]),
            (&confirm, UserAnswer::NotShown, 416, vec![]),
            (&confirm, UserAnswer::NoUser, 406, vec![]),
            (&confirm, UserAnswer::Text("x".into()), 406, vec![]),
            (&one, UserAnswer::Choices(vec![2]), 200, vec!["2"]),
            (&one, UserAnswer::Choices(vec![1, 2]), 406, vec![]),
            (&one, UserAnswer::Choices(vec![3]), 406, vec![]),
            (
                &many,
                UserAnswer::Choices(vec![2, 1, 9]),
                200,
                vec!["2", "1"],
            ),
        ];
        for (asked, answer, code, items) in rows {
            let items: Vec<Item> = items.into_iter().map(Item::of).collect();
            assert_eq!(
                asked.status(&answer),
                (StatusCode(code), items),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn an_input_that_is_none_of_what_was_asked_for_is_406() {
        for (options, right, wrong) in [
            ("MAXLEN=4", "äöüß", "12345"),
            ("IT=N", "007", "7a"),
            ("IT=D", "31122026", "3112"),
            ("IT=T", "235959", "23:59:59"),
            ("IT=P", "+49*1#p2w", "0x1"),
            ("IT=I", "fd00::1", "1.2.3"),
        ] {
            let asked = UserAlert::read(&alert(1102, &[options, "?"])).unwrap();
            let code = |text: &str| asked.status(&UserAnswer::Text(text.into())).0;
            assert_eq!(
                (code(right), code(wrong)),
                (StatusCode(200), StatusCode(406)),
                "{options}"
            );
        }
    }

    #[test]
    fn an_alert_without_text_or_choices_is_incomplete() {
        for (code, items) in [
            (1100, &["MINDT=1"][..]),
            (1103, &["", "Which?"]),
            (1101, &[]),
        ] {
            assert_eq!(UserAlert::read(&alert(code, items)), Err(StatusCode(412)));
        }
        assert_eq!(
            UserAlert::read(&alert(1105, &["", "x"])),
            Err(StatusCode(406))
        );
    }
}

//! The report for build servers: JUnit's XML, one test case a check.

use std::fmt::Write as _;

use super::{CheckResult, Report};
use crate::conformance::verdict::{Level, Verdict};

impl Report {
    /// The report in JUnit's XML. A MUST that failed is a failure, one without answer an error; what is optional, not applicable or not tested is skipped
    /// with the reason; a difference from a decision passes and says so.
    #[must_use]
    pub fn junit(&self) -> String {
        let cases: String = self.results.iter().map(case).collect();
        let count = |of: &str| cases.matches(of).count();
        let millis: u64 = self.results.iter().map(|result| result.millis).sum();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"omadm conformance {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">\n\
            <properties><property name=\"target\" value=\"{}\"/></properties>\n{cases}</testsuite>\n</testsuites>\n",
            self.side.as_str(),
            self.results.len(),
            count("<failure "),
            count("<error "),
            count("<skipped "),
            seconds(millis),
            escaped(&self.target),
        )
    }
}

fn case(result: &CheckResult) -> String {
    let check = &result.check;
    let mut text = format!(
        "<testcase classname=\"{}\" name=\"{}\" time=\"{}\">",
        escaped(&check.items.join(" ")),
        escaped(&format!("{}: {}", check.id, check.says)),
        seconds(result.millis),
    );
    let detail = escaped(&result.verdict.detail());
    let said = match (&result.verdict, check.level) {
        (Verdict::Passed, _) => String::new(),
        (Verdict::Failed { .. }, Level::Must) => {
            format!(
                "<failure message=\"{detail}\">{}</failure>",
                escaped(&exchanges(result))
            )
        }
        (Verdict::Inconclusive { .. }, Level::Must) => {
            format!(
                "<error message=\"{detail}\">{}</error>",
                escaped(&exchanges(result))
            )
        }
        (Verdict::Differs { .. }, _) => format!("<system-out>{detail}</system-out>"),
        (verdict, level) => format!(
            "<skipped message=\"{} ({}): {detail}\"/>",
            verdict.as_str(),
            escaped(level.as_str())
        ),
    };
    text.push_str(&said);
    text.push_str("</testcase>\n");
    text
}

/// What was asked and where that is written, then every exchange.
fn exchanges(result: &CheckResult) -> String {
    let check = &result.check;
    let mut text = format!("asked: {} ({})\n\n", check.says, check.clause);
    for exchange in &result.exchanges {
        let _ = writeln!(
            text,
            "{}\n{}\n\n{}\n{}\n",
            exchange.request.join("\n"),
            exchange.sent,
            exchange.answer.join("\n"),
            exchange.received
        );
    }
    text
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Text for an attribute or an element. Characters that XML 1.0 cannot hold become U+FFFD; line breaks stay themselves in attributes too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::super::sample;
    use super::*;

    /// Names of all elements in their order, ends left out; an error where it is no XML.
    fn elements(xml: &str) -> Vec<String> {
        let mut reader = Reader::from_str(xml);
        let mut names = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => return names,
                Event::Start(tag) | Event::Empty(tag) => {
                    for attribute in tag.attributes() {
                        attribute.unwrap();
                    }
                    names.push(tag.name().as_ref().to_owned());
                }
                _ => {}
            }
        }
    }

    #[test]
    fn each_check_is_a_case_with_failure_skip_or_word_as_its_verdict_is() {
        let xml = sample().junit();
        let of = |name: &str| elements(&xml).iter().filter(|tag| *tag == name).count();
        assert_eq!(
            [
                of("testcase"),
                of("failure"),
                of("skipped"),
                of("system-out")
            ],
            [4, 1, 1, 1]
        );
        assert!(
            xml.contains("tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"0.048\"")
        );
    }

    proptest! {
        #[test]
        fn whatever_a_peer_says_stays_text(said in any::<String>()) {
            let xml = format!("<a b=\"{0}\">{0}</a>", escaped(&said));
            prop_assert_eq!(elements(&xml), ["a"]);
            let shown: String = said
                .chars()
                .map(|c| if (c < ' ' && !"\t\n\r".contains(c)) || c == '\u{fffe}' || c == '\u{ffff}' { '\u{fffd}' } else { c })
                .collect();
            let inner = &xml[xml.find('>').unwrap() + 1..xml.rfind("</a>").unwrap()];
            let back = quick_xml::escape::unescape(inner).unwrap().into_owned();
            prop_assert_eq!(back, shown);
        }
    }
}

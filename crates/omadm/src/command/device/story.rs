//! What happened to a device, in the words of who has to explain it.

use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{EventBody, PushBody};
use serde_json::Value;

use super::Asked as _;
use crate::command::say;
use crate::failure::Failure;

/// All events of a device, oldest first.
pub(super) async fn whole(api: &ApiClient, dev_id: &str) -> Result<Vec<EventBody>, Failure> {
    let mut all: Vec<EventBody> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.seq);
        let page = api
            .events_of(dev_id, after)
            .await
            .asked(format!("the events of {dev_id} cannot be listed"))?;
        if page.events.is_empty() {
            return Ok(all);
        }
        all.extend(page.events);
    }
}

/// Prints events in their order, a line each.
pub(super) fn tell(events: &[EventBody]) -> Result<(), Failure> {
    if let Some(earlier) = events.first().map(|event| event.seq - 1)
        && earlier > 0
    {
        say(format!("  {earlier} earlier: `--all` tells them too"))?;
    }
    for event in events {
        say(format!(
            "  {:>4}  {}  {}",
            event.seq,
            event.at,
            words(&event.what)
        ))?;
    }
    Ok(())
}

/// How far a bootstrap is that the server brings to the device.
pub(super) fn tell_push(push: &PushBody) -> Result<(), Failure> {
    let next = push.next_at.as_ref().map(|at| format!(", next at {at}"));
    let named = push.source.as_ref().map(|id| format!(" as bs:{id}"));
    let signed = push.sec.as_ref().map(|sec| format!(", signed by {sec}"));
    let named = named.or(signed);
    say(format!(
        "    {} to {}{}: {} tries{}",
        push.carrier,
        push.to,
        named.unwrap_or_default(),
        push.attempts,
        next.unwrap_or_default()
    ))?;
    match &push.trouble {
        Some(trouble) => say(format!("    trouble: {trouble}")),
        None => Ok(()),
    }
}

/// An event's name, and what it tells.
pub(in crate::command) fn words(what: &Value) -> String {
    let name = text(what, "event").unwrap_or_default();
    let in_session = text(what, "session")
        .map(|session| format!("  (session {session})"))
        .unwrap_or_default();
    let told = match name.as_str() {
        "session-started" => list(what, "causes").join(", "),
        "session-superseded" => match list(what, "outcome_unknown") {
            unknown if unknown.is_empty() => "the device opened another".to_owned(),
            unknown => format!(
                "the device opened another; outcome unknown: {}",
                unknown.join(", ")
            ),
        },
        "session-ended" => "END".to_owned(),
        "session-aborted" => text(what, "reason").unwrap_or_default(),
        "command-queued" => {
            let mut words = vec![text(what, "command").unwrap_or_default()];
            words.extend(list(what, "parameters"));
            format!("{}  (command {})", words.join(" "), id(what))
        }
        "command-sent" => match what.get("sends").and_then(Value::as_u64) {
            Some(sends) if sends > 1 => format!("{}, for the {sends}. time", command(what)),
            _ => command(what),
        },
        "command-answered" => {
            let stored: String = list(what, "uris")
                .iter()
                .map(|uri| format!(", stored at {uri}"))
                .collect();
            format!(
                "{}: {}{}{stored}",
                command(what),
                number(what, "status"),
                after(what)
            )
        }
        "command-unanswered" => format!("{}: its outcome is unknown{}", command(what), after(what)),
        "command-held" => format!(
            "{}: its outcome is unknown{}, it waits for you",
            command(what),
            after(what)
        ),
        "notification-sent" => format!(
            "{} to {}: {}{}",
            number(what, "notification_id"),
            text(what, "address").unwrap_or_default(),
            text(what, "outcome").unwrap_or_default(),
            after(what)
        ),
        "notification-answered" => format!(
            "{} by {}{}",
            number(what, "notification_id"),
            text(what, "carrier").unwrap_or_default(),
            after(what)
        ),
        "command-released" | "command-cancelled" => {
            format!("{}  (command {})", command(what), id(what))
        }
        "alert-received" => alert(what),
        "rotation-queued" => {
            let scope = text(what, "scope").unwrap_or_default();
            let reason = text(what, "reason").unwrap_or_default();
            let told = format!("a new {scope} secret, because of: {reason}");
            match id(what).as_str() {
                // DM 1.x: the session itself brings it.
                "" => told,
                command => format!("{told}  (command {command})"),
            }
        }
        "secret-rotated" => format!(
            "the new {} secret is in use",
            text(what, "scope").unwrap_or_default()
        ),
        "bootstrap-pushed" => format!(
            "{} to {}, try {}  (bootstrap {})",
            text(what, "carrier").unwrap_or_default(),
            text(what, "address").unwrap_or_default(),
            number(what, "attempt"),
            text(what, "bootstrap").unwrap_or_default()
        ),
        "bootstrap-delivered" => format!(
            "the device has it  (bootstrap {})",
            text(what, "bootstrap").unwrap_or_default()
        ),
        "bootstrap-push-failed" => format!(
            "try {}: {}; {}  ({})",
            number(what, "attempt"),
            text(what, "detail").unwrap_or_default(),
            text(what, "retry_at").map_or_else(
                || "not tried again".to_owned(),
                |at| format!("tried again at {at}")
            ),
            text(what, "cause").unwrap_or_default()
        ),
        "rebootstrapped" => {
            let method = text(what, "method").unwrap_or_else(|| "unknown".to_owned());
            match list(what, "recovered") {
                none if none.is_empty() => format!("by method {method}"),
                recovered => format!(
                    "by method {method}; replaced secrets came back and count again: {}",
                    recovered.join(", ")
                ),
            }
        }
        _ => return members(what),
    };
    // Two of the same command in one session are told apart by it.
    let which = match (name.as_str(), text(what, "id")) {
        ("command-sent" | "command-answered" | "command-unanswered" | "command-held", Some(id)) => {
            format!("  (command {id})")
        }
        ("command-sent" | "command-answered" | "command-unanswered", None) => {
            "  (the server's own)".to_owned()
        }
        _ => String::new(),
    };
    format!("{name:<18}  {told}{in_session}{which}")
}

fn alert(what: &Value) -> String {
    let mut told = text(what, "alert_type").unwrap_or_default();
    for (member, label) in [("mark", ""), ("source", " about "), ("target", " target ")] {
        let found = text(what, member);
        told.extend(found.map(|found| match member {
            "mark" => format!(", {found},"),
            _ => format!("{label}{found}"),
        }));
    }
    if let Some(data) = what.get("data") {
        told.push_str(&format!(": {data}"));
    }
    told
}

fn command(what: &Value) -> String {
    let name = text(what, "command").unwrap_or_default();
    match text(what, "uri") {
        Some(uri) => format!("{name} {uri}"),
        None => name,
    }
}

/// How long it took; nothing where that is not known.
fn after(what: &Value) -> String {
    let millis = what.get("duration_ms").and_then(Value::as_u64);
    millis.map_or_else(String::new, |millis| format!(" after {millis} ms"))
}

fn id(what: &Value) -> String {
    text(what, "id").unwrap_or_default()
}

fn text(what: &Value, member: &str) -> Option<String> {
    what.get(member)?.as_str().map(str::to_owned)
}

fn number(what: &Value, member: &str) -> String {
    what.get(member).map(Value::to_string).unwrap_or_default()
}

fn list(what: &Value, member: &str) -> Vec<String> {
    let items = what.get(member).and_then(Value::as_array);
    let items = items.into_iter().flatten().filter_map(Value::as_str);
    items.map(str::to_owned).collect()
}

/// An event's name and its members, in one line.
fn members(what: &Value) -> String {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let mut words = what.get("event").map(text).unwrap_or_default();
    for (name, value) in what
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| *name != "event" && !value.is_null())
    {
        words.push_str(&format!("  {name}={}", text(value)));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::words;

    #[test]
    fn an_event_is_told_with_what_matters_of_it() {
        let told: [(Value, &str); 8] = [
            (
                json!({"event": "session-started", "causes": ["urn:a", "urn:b"], "session": "5f"}),
                "session-started     urn:a, urn:b  (session 5f)",
            ),
            (
                json!({"event": "command-sent", "id": "7", "command": "GET", "uri": "urn:m//", "sends": 2, "session": null}),
                "command-sent        GET urn:m//, for the 2. time  (command 7)",
            ),
            (
                json!({"event": "command-answered", "command": "HGET", "uri": "https://a/", "status": 200, "duration_ms": 31, "uris": ["urn:m/1/"]}),
                "command-answered    HGET https://a/: 200 after 31 ms, stored at urn:m/1/  (the server's own)",
            ),
            (
                json!({"event": "command-sent", "command": "GET", "uri": "urn:m//", "sends": 1, "session": "5f"}),
                "command-sent        GET urn:m//  (session 5f)  (the server's own)",
            ),
            (
                json!({"event": "command-unanswered", "command": "GET", "uri": "urn:m//", "duration_ms": 900_000, "session": "5f"}),
                "command-unanswered  GET urn:m//: its outcome is unknown after 900000 ms  (session 5f)  (the server's own)",
            ),
            (
                json!({"event": "command-held", "command": "EXEC", "uri": "urn:m//Run"}),
                "command-held        EXEC urn:m//Run: its outcome is unknown, it waits for you",
            ),
            (
                json!({"event": "alert-received", "alert_type": "urn:x", "mark": "critical", "source": "urn:m/1/", "data": {"State": 25}}),
                r#"alert-received      urn:x, critical, about urn:m/1/: {"State":25}"#,
            ),
            (
                json!({"event": "credential-added", "proof": "certificate", "fingerprint": null}),
                "credential-added  proof=certificate",
            ),
        ];
        for (what, expected) in told {
            assert_eq!(words(&what), expected);
        }
    }
}

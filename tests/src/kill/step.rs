use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use omadm_client::{ClientEvent, ClientObserver, Exchange};
use omadm_server::{ExchangeObserver, ObservedExchange};

/// Counts the steps of a process and halts it at one of them, or tells when it passes one.
#[derive(Debug)]
pub struct Steps {
    halt_at: u64,
    pass: Option<String>,
    only_messages: bool,
    passed: AtomicBool,
    reached: AtomicU64,
}

impl Steps {
    /// Of a command line: the number of the step to halt at, from 1 (0 halts never); `message:` and such a number, which counts the steps alone that a message
    /// has of its own: what is read, deferred, or asked of the clock is none; or the name of a step, which is told when it is first passed.
    #[must_use]
    pub fn of(argument: &str) -> Self {
        let message = argument.strip_prefix("message:");
        let number = message.unwrap_or(argument).parse().ok();
        Self {
            halt_at: number.unwrap_or(0),
            pass: number.is_none().then(|| argument.to_owned()),
            only_messages: message.is_some(),
            passed: AtomicBool::new(false),
            reached: AtomicU64::new(0),
        }
    }

    /// A step. At the chosen one the parent is told its name, and the calling thread goes no further: the parent kills.
    pub fn reach(&self, name: &str) {
        if self.pass.as_deref() == Some(name) && !self.passed.swap(true, Ordering::SeqCst) {
            let _told = tell(&format!("at {name}"));
        }
        let is_message =
            !name.starts_with("read ") && !name.ends_with("deferred mark") && name != "clock";
        if self.only_messages && !is_message {
            return;
        }
        if self.reached.fetch_add(1, Ordering::SeqCst) + 1 != self.halt_at {
            return;
        }
        // A parent that is gone cannot kill; the process halts all the same until its own end.
        let _told = tell(&format!("at {name}"));
        loop {
            std::thread::park();
        }
    }
}

/// Tells the parent one line.
pub(super) fn tell(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

impl ClientObserver for Steps {
    fn event(&self, event: &ClientEvent) {
        let text = format!("{event:?}");
        let name = text.strip_prefix("Session(").unwrap_or(&text);
        let end = name.find([' ', ')']).unwrap_or(name.len());
        self.reach(name.get(..end).unwrap_or(name));
    }

    fn exchange(&self, exchange: &Exchange) {
        self.reach(&format!("{} -> {}", exchange.method, exchange.status));
    }
}

impl ExchangeObserver for Steps {
    fn exchange(&self, exchange: &ObservedExchange) {
        self.reach(&format!(
            "{} {} -> {}",
            exchange.method, exchange.path, exchange.status
        ));
    }
}

use std::fmt;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What the kit asks the peer's surroundings for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HookCall {
    /// That the server queues this command for the device: name, then parameters.
    Send(Vec<String>),
    /// That the server sends the device a DM Notification, to this address: `udp://HOST:PORT`.
    Notify(String),
    /// That the client opens a session with the server of this SrvID.
    Session(String),
    /// That the client fetches its bootstrap; or that the server has one wait for the device.
    Bootstrap,
}

impl HookCall {
    /// The words that are put behind the hook's own: `send DEVID HGET …`, `notify DEVID --to udp://HOST:PORT`, `session DEVID SRVID`, `bootstrap DEVID`.
    #[must_use]
    pub fn words(&self, dev_id: &str) -> Vec<String> {
        let (word, rest): (_, &[String]) = match self {
            Self::Send(command) => ("send", command),
            Self::Notify(_) => ("notify", &[]),
            Self::Session(server) => ("session", std::slice::from_ref(server)),
            Self::Bootstrap => ("bootstrap", &[]),
        };
        let mut words = vec![word.to_owned(), dev_id.to_owned()];
        if let Self::Notify(to) = self {
            words.extend(["--to".to_owned(), to.clone()]);
        }
        words.extend(rest.iter().cloned());
        words
    }
}

type Asked = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What does what the protocol does not let the kit ask for: a program of the lab, or a function.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn(HookCall, String) -> Asked + Send + Sync>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

impl Hook {
    /// A function of the call and the DevID.
    pub fn function<F>(asked: impl Fn(HookCall, String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self(Arc::new(move |call, dev_id| Box::pin(asked(call, dev_id))))
    }

    /// A program with its own arguments, behind which the words of the call are put. Exit code 0 means that it is done; it has 30 s.
    #[must_use]
    pub fn program(words: Vec<String>) -> Self {
        Self::function(move |call, dev_id| run(words.clone(), call.words(&dev_id)))
    }

    pub(super) async fn call(&self, call: HookCall, dev_id: &str) -> Result<(), String> {
        (self.0)(call, dev_id.to_owned()).await
    }
}

async fn run(mut words: Vec<String>, call: Vec<String>) -> Result<(), String> {
    words.extend(call);
    let shown = words.join(" ");
    let asked = tokio::task::spawn_blocking(move || {
        let Some((program, arguments)) = words.split_first() else {
            return Err("the hook has no program".to_owned());
        };
        let mut command = std::process::Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let done = command.output().map_err(|error| error.to_string())?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(format!("{}: {said}", done.status))
    });
    let outcome = match tokio::time::timeout(LIMIT, asked).await {
        Err(_) => Err(format!("it did not end within {LIMIT:?}")),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(outcome)) => outcome,
    };
    outcome.map_err(|why| format!("the hook `{shown}` failed: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_gets_the_words_of_the_call_behind_its_own() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let call = HookCall::Send(words("GET urn:a//b"));
        let test = Hook::program(words("test a -a"));
        let refused = test.call(call, "D1").await.unwrap_err();
        assert!(
            refused.contains("`test a -a send D1 GET urn:a//b` failed"),
            "{refused}"
        );
        let done = Hook::program(words("true"));
        let session = HookCall::Session("a".to_owned());
        assert_eq!(session.words("D1"), ["session", "D1", "a"]);
        assert_eq!(done.call(session.clone(), "D1").await, Ok(()));
        let missing = Hook::program(words("/no/such/program"));
        assert!(missing.call(session, "D1").await.is_err());
    }
}

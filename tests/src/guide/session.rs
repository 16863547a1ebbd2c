use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use omadm_lab::pcsc::SOCKET_VARIABLE;

use super::chapter::{Chapter, Expected, Step, StepKind};
use crate::house::root;
use crate::process::{Ended, NO_SERVICE, Running, Signal, binary};

/// A reader at work: a folder with the repository's profiles in it, the programs that were left running, and all that was printed.
pub struct Session {
    folder: tempfile::TempDir,
    ports: Ports,
    background: Vec<Background>,
    /// What the commands printed that ended.
    printed: String,
}

/// A program that runs until it is stopped.
struct Background {
    /// What it is and the folder it works on; another one of the same takes its place.
    place: String,
    running: Running,
}

/// Ports of the guide, and the free ones in their place.
struct Ports(BTreeMap<u16, u16>);

/// The ports that the guide names.
const PORTS: [u16; 9] = [8443, 8444, 8445, 8446, 8447, 5683, 5684, 5685, 2775];
/// Longest that a command may take, and a program to be ready.
const PATIENCE: Duration = Duration::from_secs(120);
/// Commands that a test does not execute: what they build is there.
const DONE_ALREADY: [&str; 3] = ["cargo build", "cargo bench", "./test"];
/// How the README runs the binary before it was built.
const BY_CARGO: &str = "cargo run --release -- ";
/// Programs that run until they are stopped, and what they print when they are ready.
const LASTING: [(&str, &str); 3] = [
    ("omadm serve", "CA fingerprint:"),
    ("omadm client run", "the DM Client runs"),
    ("node smsc/smsc.js", "listening"),
];
/// What a server prints last where it made its state directory.
const FIRST_START: &str = "shown this once";
/// Variables whose label needs not be told.
const LABELS: [(&str, &str); 2] = [
    ("OMADM_TOKEN", "admin token:"),
    ("OMADM_BOOTSTRAP_CODE", "code:"),
];
/// Keeps the exported variables from one command to the next.
const EXPORTED: &str = ".exported";

impl Session {
    /// A folder with a copy of `profiles/`, and the SMSC of the tests as `smsc/`.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        copy(&root().join("profiles"), &folder.path().join("profiles"))?;
        // Its packages lie beside the file that the link leads to.
        symlink(root().join("tests/smsc"), folder.path().join("smsc"))?;
        Ok(Self {
            folder,
            ports: Ports::free(&PORTS)?,
            background: Vec::new(),
            printed: String::new(),
        })
    }

    /// Does all that a chapter says.
    ///
    /// # Errors
    /// With line, command and everything it printed, where one comes to something else than the chapter says.
    pub fn follow(&mut self, chapter: &Chapter) -> Result<(), String> {
        for step in &chapter.steps {
            self.step(step)
                .map_err(|why| format!("line {}: {why}", step.line))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.kind {
            StepKind::CtrlC => {
                let last = self.background.pop().ok_or("nothing runs")?;
                stop(last.running)
            }
            StepKind::Command { text, expected } => {
                let shown = text;
                if DONE_ALREADY.iter().any(|done| text.starts_with(done)) {
                    return Ok(());
                }
                let text = text.replace(BY_CARGO, "omadm ");
                let text = self.filled_in(&self.ports.put_into(&text))?;
                let lasting = LASTING.iter().find(|(words, _)| text.starts_with(words));
                match lasting {
                    Some((words, ready)) => self.leave_running(&text, words, ready),
                    None => self.run(&text, expected),
                }
                .map_err(|why| format!("{shown}\n{why}"))
            }
        }
    }

    fn run(&mut self, text: &str, expected: &Expected) -> Result<(), String> {
        let script = format!(
            "[ -f {EXPORTED} ] && . ./{EXPORTED}\n{text}\ncode=$?\nexport -p > {EXPORTED}\nexit $code"
        );
        let running = Running::start(self.shell(&script)).map_err(|err| err.to_string())?;
        let ended = running.wait(PATIENCE).map_err(|err| err.to_string())?;
        self.printed.push_str(&ended.stdout);
        self.printed.push('\n');
        judge(&ended, expected, &self.ports).map_err(|why| format!("{why}: {ended:#?}"))
    }

    fn leave_running(&mut self, text: &str, words: &str, ready: &str) -> Result<(), String> {
        let folder = folder_of(text);
        let place = format!("{words} {folder}");
        if let Some(before) = self.background.iter().position(|one| one.place == place) {
            stop(self.background.remove(before).running)?;
        }
        let is_first = !self.folder.path().join(folder).join("ca.crt").exists();
        let ready = match words.ends_with("serve") && is_first {
            true => FIRST_START,
            false => ready,
        };
        let script = format!("[ -f {EXPORTED} ] && . ./{EXPORTED}\nexec {text}");
        let mut shell = self.shell(&script);
        // The SMSC ends where its input does.
        shell.stdin(Stdio::piped());
        let mut running = Running::start(shell).map_err(|err| err.to_string())?;
        running
            .until(ready, PATIENCE)
            .map_err(|err| err.to_string())?;
        self.background.push(Background { place, running });
        Ok(())
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OMADM_") {
                command.env_remove(name);
            }
        }
        let own: PathBuf = binary()
            .parent()
            .unwrap_or_else(|| Path::new("."))
            .to_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", own.display());
        // What the programs do without any word about it, on free ports.
        command
            .env("PATH", path)
            .env(SOCKET_VARIABLE, NO_SERVICE)
            .env("OMADM_DEVICES", self.ports.put_into("127.0.0.1:8443"))
            .env("OMADM_OPERATORS", self.ports.put_into("127.0.0.1:8444"))
            .env("OMADM_API", self.ports.put_into("https://127.0.0.1:8444"));
        command
    }

    /// The command with what was printed in place of each `NAME=…`.
    fn filled_in(&mut self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("=…") {
            let name = before
                .rsplit(char::is_whitespace)
                .next()
                .unwrap_or_default();
            let known = LABELS.iter().find(|(known, _)| *known == name);
            let told = behind.split_once("# printed after \"");
            let told = told.and_then(|(_, label)| Some(label.split_once('"')?.0));
            let label = told.or_else(|| known.map(|(_, label)| *label));
            let label = label.ok_or_else(|| format!("{text}: nobody says what {name} is"))?;
            let value = self.printed_after(label)?;
            filled.push_str(&format!("{before}={value}"));
            rest = behind;
        }
        filled.push_str(rest);
        if filled.contains('…') && !filled.contains("# says:") && !filled.contains("# fails:") {
            return Err(format!("{text}: … is nothing to type"));
        }
        Ok(filled)
    }

    /// The word that was printed last behind a label at the beginning of a line.
    fn printed_after(&mut self, label: &str) -> Result<String, String> {
        let mut all = String::new();
        for program in &mut self.background {
            let printed = program.running.until("", PATIENCE);
            all.push_str(&printed.map_err(|err| err.to_string())?);
        }
        all.push_str(&self.printed);
        let mut lines = all.lines().rev();
        let word = lines.find_map(|line| {
            let behind = line.trim_start().strip_prefix(label)?;
            behind.split_whitespace().next().map(str::to_owned)
        });
        word.ok_or_else(|| format!("nothing was printed after {label:?}: {all}"))
    }
}

impl Ports {
    /// Free ones, all taken at once so that they differ.
    fn free(ports: &[u16]) -> io::Result<Self> {
        let mut taken = Vec::new();
        let mut all = BTreeMap::new();
        for port in ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            all.insert(*port, listener.local_addr()?.port());
            taken.push(listener);
        }
        Ok(Self(all))
    }

    fn put_into(&self, text: &str) -> String {
        let mut text = text.replace("0.0.0.0", "127.0.0.1");
        for (port, free) in &self.0 {
            for before in [":", "port = "] {
                text = text.replace(&format!("{before}{port}"), &format!("{before}{free}"));
            }
        }
        text
    }
}

fn judge(ended: &Ended, expected: &Expected, ports: &Ports) -> Result<(), String> {
    let all = format!("{}\n{}", ended.stdout, ended.stderr);
    let has = |what: &String| {
        let what = ports.put_into(what);
        // Several parts of what is printed may be named, with … between them.
        let mut rest = all.as_str();
        what.split('…').all(|part| {
            let part = part.trim();
            let found = rest.find(part).map(|at| &rest[at + part.len()..]);
            rest = found.unwrap_or_default();
            found.is_some()
        })
    };
    match (expected, ended.code) {
        (Expected::Good, Some(0)) => Ok(()),
        (Expected::Says(what), Some(0)) if has(what) => Ok(()),
        (Expected::Says(what), Some(0)) => Err(format!("it does not say {what:?}")),
        (Expected::Fails(_), Some(0)) => Err("it does not fail".to_owned()),
        (Expected::Fails(why), Some(_)) if has(why) => Ok(()),
        (Expected::Fails(why), _) => Err(format!("it does not fail with {why:?}")),
        _ => Err("it fails".to_owned()),
    }
}

fn stop(running: Running) -> Result<(), String> {
    let stopped = running
        .signal(Signal::Int)
        .and_then(|()| running.wait(PATIENCE));
    let ended = stopped.map_err(|err| err.to_string())?;
    match ended.code {
        Some(0) => Ok(()),
        _ => Err(format!("Ctrl-C does not end it well: {ended:#?}")),
    }
}

/// What `--state` or `--dir` names.
fn folder_of(text: &str) -> &str {
    let mut words = text.split_whitespace();
    let found = words.find(|word| ["--state", "--dir"].contains(word));
    found.and_then(|_| words.next()).unwrap_or(".")
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

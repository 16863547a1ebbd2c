use std::fmt::{self, Debug, Display, Formatter};
use std::time::Duration;

use super::{Device, Fault, First, Nodes, Server, Site, Victim, Work};

/// What a device does while a process is killed.
pub trait Disturbed: Debug {
    /// A fresh device in the state that it has before. A server of this process runs.
    ///
    /// # Errors
    /// Where the server refuses, or the device cannot get there.
    fn prepare(&self, site: &mut dyn Site) -> Result<Device, Fault>;

    /// Starts the device's work.
    ///
    /// # Errors
    /// Where a file of the device cannot be used.
    fn start(&self, site: &dyn Site, device: &Device) -> Result<Work, Fault>;

    /// Insists on the end; `what` tells where the process was killed.
    ///
    /// # Errors
    /// Where a store cannot be read.
    ///
    /// # Panics
    /// Where it did not come to that end.
    fn judge(&self, site: &dyn Site, device: &Device, what: &str) -> Result<(), Fault>;
}

/// Whose process is killed.
pub enum Killed<'a> {
    /// That of the only server; it comes back on its own file.
    Server(&'a mut Server),
    /// That of one of two nodes; the other carries on.
    Node(&'a mut Nodes, First),
    /// The device's; it is started anew.
    Client(&'a mut dyn Site),
}

/// When a process is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Halt {
    /// At this step, from 1.
    Step(u64),
    /// At this step of those that a message has of its own, from 1.
    Message(u64),
    /// So long after the work began.
    After(Duration),
}

impl Killed<'_> {
    /// Kills at the first, second, … step until the work is done before, that of a fresh device each time; answers the names of the steps. The process runs the
    /// harness program `program`.
    ///
    /// # Errors
    /// Where a process or a device does not get on.
    ///
    /// # Panics
    /// Where a work did not come to its end.
    #[allow(clippy::print_stdout, reason = "a test tells what it walks")]
    pub fn walk(
        &mut self,
        program: &str,
        work: &dyn Disturbed,
        step: fn(u64) -> Halt,
    ) -> Result<Vec<String>, Fault> {
        let mut walked = Vec::new();
        for number in 1.. {
            let Some(name) = self.round(program, work, step(number))? else {
                break;
            };
            walked.push(name);
        }
        println!("{work:?}: {} steps walked: {walked:#?}", walked.len());
        Ok(walked)
    }

    /// Kills once while a fresh device works; answers the step's name, none where the work was done before or no step was chosen.
    ///
    /// # Errors
    /// Where a process or a device does not get on.
    ///
    /// # Panics
    /// Where the work did not come to its end.
    #[allow(clippy::print_stdout, reason = "a test tells what it walks")]
    pub fn round(
        &mut self,
        program: &str,
        work: &dyn Disturbed,
        halt: Halt,
    ) -> Result<Option<String>, Fault> {
        let device = work.prepare(self.site())?;
        let (name, job) = match self {
            Self::Server(server) => {
                server.stop()?;
                let victim = server.victim(program, halt)?;
                let job = work.start(*server, &device)?;
                let name = halt.await_at(|| job.until_halt(&victim))?;
                end(victim)?;
                server.start()?;
                (name, job)
            }
            Self::Node(nodes, first) => {
                let victim = nodes.victim(program, halt)?;
                nodes.take_turns(*first)?;
                let job = work.start(*nodes, &device)?;
                let name = halt.await_at(|| job.until_halt(&victim))?;
                end(victim)?;
                (name, job)
            }
            Self::Client(site) => {
                let victim = Victim::start(program, device.arguments(&halt))?;
                let name = halt.await_at(|| victim.until_halt())?;
                let killed = victim.kill()?;
                assert!(killed || name.is_none(), "{name:?}: ended by SIGKILL");
                (name, work.start(*site, &device)?)
            }
        };
        let what = format!("{work:?}, {self:?}, {halt:?}: {name:?}");
        println!("{what}");
        job.done().map_err(|fault| format!("{what}: {fault}"))?;
        work.judge(self.site(), &device, &what)?;
        Ok(name)
    }

    fn site(&mut self) -> &mut dyn Site {
        match self {
            Self::Server(server) => *server,
            Self::Node(nodes, _) => *nodes,
            Self::Client(site) => *site,
        }
    }
}

impl Debug for Killed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(_) => f.write_str("Server"),
            Self::Node(_, first) => write!(f, "Node, first {first:?}"),
            Self::Client(_) => f.write_str("Client"),
        }
    }
}

impl Halt {
    /// Waits for it by `until_halt`, or lets its time pass.
    fn await_at(
        self,
        until_halt: impl FnOnce() -> Result<Option<String>, Fault>,
    ) -> Result<Option<String>, Fault> {
        let Self::After(time) = self else {
            return until_halt();
        };
        std::thread::sleep(time);
        Ok(None)
    }
}

/// The STEP of a harness program.
impl Display for Halt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(number) => write!(f, "{number}"),
            Self::Message(number) => write!(f, "message:{number}"),
            Self::After(_) => f.write_str("0"),
        }
    }
}

fn end(victim: Victim) -> Result<(), Fault> {
    assert!(victim.kill()?, "ended by SIGKILL");
    Ok(())
}

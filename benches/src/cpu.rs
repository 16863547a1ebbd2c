//! CPU time of this process, and of the part of it that serves.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Threads that serve are named with one of these at the front; all others are the load's.
pub(crate) const SERVER_THREADS: [&str; 3] = ["dm-server", "store-writer", "floor-writer"];

/// User and system time so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime {
    /// Of all threads, those that ended included.
    pub(crate) process: Duration,
    /// Of the threads that serve; none where the system does not tell by thread.
    pub(crate) server: Option<Duration>,
}

impl CpuTime {
    /// The clocks as they stand now.
    pub(crate) fn now() -> Self {
        Self {
            process: told(ClockId::ProcessCPUTime),
            server: server_threads(),
        }
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            process: self.process.saturating_sub(earlier.process),
            server: self
                .server
                .zip(earlier.server)
                .map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// User and system time of the calling thread so far: what other processes take meanwhile does not count.
pub(crate) fn of_this_thread() -> Duration {
    told(ClockId::ThreadCPUTime)
}

fn told(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// Linux accounts for each thread in nanoseconds: the first field of `schedstat`.
fn server_threads() -> Option<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if SERVER_THREADS.iter().any(|own| name.starts_with(own)) {
            let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            sum += Duration::from_nanos(stat.split_whitespace().next()?.parse().ok()?);
        }
    }
    Some(sum)
}

/// The unit of times in `/proc/<pid>/stat` is a hundredth of a second, whatever the kernel counts in itself.
const TICK: Duration = Duration::from_millis(10);

/// CPU of a server of many processes, each of one thread: of those that run, in nanoseconds, and of those that its parent process has seen ending, in
/// ticks. The parent comes first. None where the system does not tell.
pub(crate) fn of_processes(processes: &[u32]) -> Option<Duration> {
    let (parent, _) = processes.split_first()?;
    let stat = fs::read_to_string(format!("/proc/{parent}/stat")).ok()?;
    let mut sum = TICK * ended_children(&stat)?;
    for process in processes {
        // One that ended since they were listed is with its parent by now, and misses for this once.
        let text = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
        let nanos = text.split_whitespace().next().map_or(Ok(0), str::parse);
        sum += Duration::from_nanos(nanos.ok()?);
    }
    Some(sum)
}

/// `cutime` and `cstime`: the 14th and 15th field behind the name, which stands in brackets.
fn ended_children(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(13);
    let (user, system): (u32, u32) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::ended_children;

    #[test]
    fn times_of_ended_children_are_read_past_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 900 8 0 0 11 12 13 14 20 0 1";
        assert_eq!(ended_children(stat), Some(13 + 14));
        assert_eq!(ended_children("7 (a) S 1"), None);
    }
}

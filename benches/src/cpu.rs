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
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self {
            process: Duration::new(seconds, nanos),
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

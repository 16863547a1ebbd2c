//! What one run of one arm brought.

use std::time::Duration;

/// Which of the two arms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arm {
    /// TLS, empty exchanges, durable commits.
    Floor,
    /// Whole bootstraps.
    Full,
}

/// One run of one arm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The arm.
    pub arm: Arm,
    /// Which pair, from 1.
    pub pair: usize,
    /// Devices at work at once.
    pub concurrency: usize,
    /// Bootstraps, or what stands for them.
    pub bootstraps: usize,
    /// From the first connection to the last one's end.
    pub wall: Duration,
    /// CPU of the process in that time: both ends.
    pub cpu: Duration,
    /// CPU of the threads that serve; none where the system does not tell.
    pub server_cpu: Option<Duration>,
    /// TLS connections.
    pub connections: u64,
    /// HTTP exchanges.
    pub exchanges: u64,
    /// Durable commits that somebody waited for.
    pub commits: u64,
    /// Transactions of the database, each one fsync of its log; those of deferred marks that left alone included.
    pub transactions: u64,
}

impl Arm {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Full => "full",
        }
    }
}

impl Sample {
    /// CPU of one bootstrap in microseconds, both ends.
    #[must_use]
    pub fn cpu_micros(&self) -> f64 {
        self.per_bootstrap(self.cpu.as_secs_f64() * 1e6)
    }

    /// The same of the threads that serve.
    #[must_use]
    pub fn server_cpu_micros(&self) -> Option<f64> {
        self.server_cpu
            .map(|cpu| self.per_bootstrap(cpu.as_secs_f64() * 1e6))
    }

    /// The same of all other threads.
    #[must_use]
    pub fn client_cpu_micros(&self) -> Option<f64> {
        self.server_cpu_micros()
            .map(|server| (self.cpu_micros() - server).max(0.0))
    }

    /// Bootstraps per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.bootstraps as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// A total, shared out.
    #[must_use]
    pub fn per_bootstrap(&self, total: f64) -> f64 {
        total / self.bootstraps.max(1) as f64
    }
}

//! The arms, and what one run of one arm brought.

use std::time::Duration;

/// What is measured. The order here is the order in which they take turns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Arm {
    /// TLS, empty exchanges, durable commits to a file.
    Floor,
    /// The same with its commits in PostgreSQL.
    PostgresFloor,
    /// Whole bootstraps; the store is SQLite.
    Full,
    /// The same; the store is PostgreSQL.
    Postgres,
    /// The same with two nodes on one database; devices connect to one and the other in turn.
    PostgresTwo,
    /// As `Full`, with few devices stored.
    Few,
    /// As `Full`, with many devices stored.
    Many,
    /// As `Postgres`, with few devices stored.
    PostgresFew,
    /// As `Postgres`, with many devices stored.
    PostgresMany,
}

/// One run of one arm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The arm.
    pub arm: Arm,
    /// Which turn, from 1.
    pub turn: usize,
    /// Devices at work at once.
    pub concurrency: usize,
    /// Bootstraps, or what stands for them.
    pub bootstraps: usize,
    /// From the first connection to the last one's end.
    pub wall: Duration,
    /// CPU of this process in that time: both ends.
    pub cpu: Duration,
    /// CPU of the threads that serve; none where the system does not tell.
    pub server_cpu: Option<Duration>,
    /// CPU of the processes of PostgreSQL; none where the arm has no use for them, or the system does not tell.
    pub database_cpu: Option<Duration>,
    /// TLS connections.
    pub connections: u64,
    /// HTTP exchanges.
    pub exchanges: u64,
    /// Durable commits that somebody waited for.
    pub commits: u64,
    /// Transactions of the database; those of deferred marks that left alone included. In SQLite each is one fsync of its log; PostgreSQL writes out
    /// those that end at once by one fsync.
    pub transactions: u64,
}

impl Arm {
    /// All arms.
    pub const ALL: [Self; 9] = [
        Self::Floor,
        Self::PostgresFloor,
        Self::Full,
        Self::Postgres,
        Self::PostgresTwo,
        Self::Few,
        Self::Many,
        Self::PostgresFew,
        Self::PostgresMany,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::PostgresFloor => "postgres-floor",
            Self::Full => "full",
            Self::Postgres => "postgres",
            Self::PostgresTwo => "postgres2",
            Self::Few => "few",
            Self::Many => "many",
            Self::PostgresFew => "postgres-few",
            Self::PostgresMany => "postgres-many",
        }
    }

    /// The arm of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.name() == name)
    }

    /// The arms that it is a ratio to.
    #[must_use]
    pub const fn bases(self) -> &'static [Self] {
        match self {
            Self::Floor | Self::PostgresFloor | Self::Few | Self::PostgresFew => &[],
            Self::Full => &[Self::Floor],
            Self::Postgres => &[Self::Floor, Self::PostgresFloor],
            Self::PostgresTwo => &[Self::Floor, Self::PostgresFloor],
            Self::Many => &[Self::Few],
            Self::PostgresMany => &[Self::PostgresFew],
        }
    }

    /// These arms and those that they are ratios to, in order.
    #[must_use]
    pub fn with_bases(arms: &[Self]) -> Vec<Self> {
        let bases = arms.iter().flat_map(|arm| arm.bases());
        let mut all: Vec<_> = arms.iter().chain(bases).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether it needs PostgreSQL.
    #[must_use]
    pub const fn uses_postgres(self) -> bool {
        !matches!(self, Self::Floor | Self::Full | Self::Few | Self::Many)
    }

    /// Whether it bootstraps.
    #[must_use]
    pub const fn bootstraps(self) -> bool {
        !matches!(self, Self::Floor | Self::PostgresFloor)
    }
}

impl Sample {
    /// CPU of one bootstrap in microseconds, both ends.
    #[must_use]
    pub fn cpu_micros(&self) -> f64 {
        self.micros(self.cpu)
    }

    /// The same of the threads that serve.
    #[must_use]
    pub fn server_cpu_micros(&self) -> Option<f64> {
        self.server_cpu.map(|cpu| self.micros(cpu))
    }

    /// The same of all other threads.
    #[must_use]
    pub fn client_cpu_micros(&self) -> Option<f64> {
        self.server_cpu_micros()
            .map(|server| (self.cpu_micros() - server).max(0.0))
    }

    /// The same of PostgreSQL.
    #[must_use]
    pub fn database_cpu_micros(&self) -> Option<f64> {
        self.database_cpu.map(|cpu| self.micros(cpu))
    }

    /// The same of both ends and PostgreSQL, where the arm uses it.
    #[must_use]
    pub fn whole_cpu_micros(&self) -> Option<f64> {
        match self.arm.uses_postgres() {
            true => Some(self.cpu_micros() + self.database_cpu_micros()?),
            false => Some(self.cpu_micros()),
        }
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

    fn micros(&self, cpu: Duration) -> f64 {
        self.per_bootstrap(cpu.as_secs_f64() * 1e6)
    }
}

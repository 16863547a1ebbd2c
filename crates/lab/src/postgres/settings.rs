use omadm_mo::Secret;

/// What a commit is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit is answered when it is on the disk: PostgreSQL's own defaults.
    Durable,
    /// Nothing is forced to the disk. What was committed survives the death of PostgreSQL, not that of the machine.
    Careless,
}

/// How a private server is set up.
#[derive(Clone)]
pub struct PostgresSettings {
    /// What a commit is worth.
    pub durability: Durability,
    /// Most connections at once.
    pub max_connections: u16,
    /// Size of the buffer cache in MiB.
    pub shared_buffers: u32,
    /// Further settings of `postgresql.conf`, by name and value; they win over the ones above.
    pub parameters: Vec<(String, String)>,
    /// Lets clients come over TLS, too. `None`: over plain TCP only.
    pub tls: Option<PostgresTls>,
}

/// The certificate that a private server shows over TLS. Clients reach it as `127.0.0.1`.
#[derive(Clone)]
pub struct PostgresTls {
    /// Certificate and chain, PEM.
    pub certificate: String,
    /// Private key, PEM.
    pub key: Secret,
}

impl PostgresSettings {
    /// For demonstrations and measurements: 200 connections, 128 MiB of buffers, every commit on the disk.
    #[must_use]
    pub fn durable() -> Self {
        Self {
            durability: Durability::Durable,
            max_connections: 200,
            shared_buffers: 128,
            parameters: Vec::new(),
            tls: None,
        }
    }

    /// For tests: as [`Self::durable`], with nothing forced to the disk.
    #[must_use]
    pub fn careless() -> Self {
        Self {
            durability: Durability::Careless,
            ..Self::durable()
        }
    }

    /// `name=value` of each setting, later ones winning.
    pub(super) fn configuration(&self) -> Vec<String> {
        let mut lines = vec![
            format!("max_connections={}", self.max_connections),
            format!("shared_buffers={}MB", self.shared_buffers),
        ];
        if self.durability == Durability::Careless {
            let off = ["fsync", "full_page_writes"];
            lines.extend(off.map(|name| format!("{name}=off")));
        }
        let further = &self.parameters;
        lines.extend(
            further
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        lines
    }
}

/// How PostgreSQL is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Open transactions are rolled back, connections closed, everything is written out.
    Fast,
    /// At once, as if it had crashed: the next start recovers from the log of commits.
    Immediate,
}

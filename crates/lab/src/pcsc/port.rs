use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Below the ports that the system gives to outgoing connections: a finished one of these would keep the driver from its port (§10.2).
const FIRST: u32 = 20_000;
const PAIRS: u32 = 6_000;
const TRIES: u32 = 64;
/// `TCP_LISTEN` in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// Two neighbouring TCP ports, one for each reader.
#[derive(Clone, Copy)]
pub(super) struct PortPair(u16);

impl PortPair {
    /// A pair that nobody uses now.
    pub(super) fn free() -> io::Result<Self> {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |now| now.subsec_micros());
            let mixed = now
                .wrapping_add(std::process::id().wrapping_mul(7_919))
                .wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed).wrapping_mul(104_729));
            let first = u16::try_from(FIRST + 2 * (mixed % PAIRS)).unwrap_or(20_000);
            let bind = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
            match bind(first).and_then(|one| Ok((one, bind(first + 1)?))) {
                Ok(_) => return Ok(Self(first)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The port of a reader.
    pub(super) const fn of(self, slot: u16) -> u16 {
        self.0 + slot
    }

    /// What `pcscd` reads about the two readers.
    pub(super) fn configuration(self, driver: &str) -> String {
        let port = self.0;
        format!(
            "FRIENDLYNAME \"Test PCD\"\nDEVICENAME /dev/null:{port}\nLIBPATH {driver}\nCHANNELID {port}\n"
        )
    }

    /// Whether the driver listens on both. No connection is made: it would be a card.
    pub(super) fn are_served(self) -> io::Result<bool> {
        let mut tables = fs::read_to_string("/proc/net/tcp")?;
        tables.push_str(&fs::read_to_string("/proc/net/tcp6").unwrap_or_default());
        let listens = |port: u16| {
            let port = format!(":{port:04X}");
            tables.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.nth(1).is_some_and(|local| local.ends_with(&port))
                    && words.nth(1) == Some(LISTENS)
            })
        };
        Ok(listens(self.of(0)) && listens(self.of(1)))
    }
}

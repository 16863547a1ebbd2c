//! A disk whose power can be cut, or that can run full, at any write.
//!
//! It knows what `sync_data` made durable and what was written since. A cut loses all of the latter, or leaves an arbitrary part of it.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A disk. Clones are the same disk; a cut disk stays dead, its octets are read with [`Disk::survivor`].
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

/// What happens at an operation that changes the disk: a write, a change of length, a sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The power goes. Nothing written since the last sync survives.
    Cut,
    /// The power goes. An arbitrary part of what was written since the last sync survives, writes among it that are torn in the middle; the seed chooses.
    Tear(u64),
    /// This one operation finds no room; the next ones do.
    NoRoom,
    /// No room from here on for any octet that was never written before, until [`Disk::make_room`].
    Full,
}

#[derive(Debug, Default)]
struct State {
    durable: Vec<u8>,
    current: Vec<u8>,
    since_sync: Vec<Change>,
    allocated: u64,
    operations: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    full: bool,
    fired: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Disk {
    /// A disk that holds these octets, all of them durable.
    pub(super) fn holding(octets: &[u8]) -> Self {
        let state = State {
            durable: octets.to_vec(),
            current: octets.to_vec(),
            allocated: octets.len() as u64,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Arms a fault at the n-th operation from now, from 0.
    pub(super) fn arm(&self, n: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.operations + n, fault));
        state.fired = false;
    }

    /// Whether the fault came.
    pub(super) fn fired(&self) -> bool {
        self.state().fired
    }

    /// Whether the power is gone.
    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Ends [`Fault::Full`].
    pub(super) fn make_room(&self) {
        self.state().full = false;
    }

    /// What a machine that starts again finds.
    pub(super) fn survivor(&self) -> Vec<u8> {
        self.state().durable.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state before an operation that changes the disk; `end` is the end of what it writes.
    fn operation(&self, change: Option<Change>, end: u64) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.alive()?;
        let due = state.fault.filter(|(n, _)| *n == state.operations);
        state.operations += 1;
        if let Some((_, fault)) = due {
            state.fired = true;
            state.since_sync.extend(change);
            match fault {
                Fault::Cut => state.dead = true,
                Fault::Tear(seed) => state.tear(seed),
                Fault::NoRoom => {
                    state.since_sync.pop();
                    return Err(io::Error::from(ErrorKind::StorageFull));
                }
                Fault::Full => {
                    state.since_sync.pop();
                    state.full = true;
                }
            }
            state.alive()?;
        }
        if state.full && end > state.allocated {
            return Err(io::Error::from(ErrorKind::StorageFull));
        }
        Ok(state)
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead {
            Err(io::Error::new(ErrorKind::BrokenPipe, "the power is gone"))
        } else {
            Ok(())
        }
    }

    fn tear(&mut self, seed: u64) {
        self.dead = true;
        let mut random = Random(seed);
        for change in std::mem::take(&mut self.since_sync) {
            match (change, random.below(4)) {
                (_, 0) => {}
                (Change::Write(at, mut octets), 1) => {
                    octets.truncate(random.below(octets.len() as u64 + 1) as usize);
                    apply(&mut self.durable, &Change::Write(at, octets));
                }
                (Change::Write(at, octets), 2) => {
                    let from = random.below(octets.len() as u64 + 1) as usize;
                    apply(
                        &mut self.durable,
                        &Change::Write(at + from, octets[from..].to_vec()),
                    );
                }
                (change, _) => apply(&mut self.durable, &change),
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let state = self.state();
        state.alive()?;
        Ok(state.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        state.alive()?;
        let octets = state
            .current
            .get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(octets.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let change = Change::Length(len as usize);
        let mut state = self.operation(Some(change.clone()), len)?;
        apply(&mut state.current, &change);
        state.since_sync.push(change);
        state.allocated = state.allocated.max(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.operation(None, 0)?;
        state.since_sync.clear();
        state.durable = state.current.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let change = Change::Write(offset as usize, data.to_vec());
        let end = offset + data.len() as u64;
        let mut state = self.operation(Some(change.clone()), end)?;
        apply(&mut state.current, &change);
        state.since_sync.push(change);
        state.allocated = state.allocated.max(end);
        Ok(())
    }
}

fn apply(octets: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(len) => octets.resize(*len, 0),
        Change::Write(at, data) => {
            let end = at + data.len();
            if octets.len() < end {
                octets.resize(end, 0);
            }
            octets[*at..end].copy_from_slice(data);
        }
    }
}

/// splitmix64: the same seed, the same tear.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::{Disk, Fault};
    use redb::StorageBackend as _;

    #[test]
    fn a_cut_loses_what_was_not_synced_and_a_tear_keeps_some_of_it() {
        let written = |fault| {
            let disk = Disk::holding(&[0; 8]);
            disk.write(0, &[1; 4]).unwrap();
            disk.sync_data().unwrap();
            disk.write(4, &[2; 4]).unwrap();
            disk.arm(0, fault);
            assert!(disk.sync_data().is_err() && disk.read(0, &mut [0]).is_err() && disk.fired());
            disk.survivor()
        };
        assert_eq!(written(Fault::Cut), [1, 1, 1, 1, 0, 0, 0, 0]);
        let mut torn: Vec<_> = (0..64).map(|seed| written(Fault::Tear(seed))).collect();
        assert!(torn.iter().all(|octets| octets[..4] == [1; 4]));
        torn.sort();
        torn.dedup();
        assert!(torn.len() > 4, "{torn:?}");
    }
}

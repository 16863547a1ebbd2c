//! The arms in turn: floor, full, floor, full.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinSet;

use crate::cpu::CpuTime;
use crate::device::{Device, empty_exchanges};
use crate::sample::{Arm, Sample};
use crate::{Bed, Broken};

/// Exchanges of a bootstrap with the minimal profile (DESIGN §9).
const EXCHANGES: u32 = 3;

/// What is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// One after the other.
    pub rounds: Vec<Round>,
}

/// Pairs of arms at one concurrency. A first pair of the same size warms up and is not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Round {
    /// Devices at work at once.
    pub concurrency: usize,
    /// Bootstraps of each arm of a pair.
    pub bootstraps: usize,
    /// Pairs.
    pub pairs: usize,
}

/// Runs a plan; `told` gets each sample as it comes.
///
/// # Errors
/// [`Broken`] with the first bootstrap that does not complete.
pub fn run(bed: &Bed, plan: &Plan, mut told: impl FnMut(&Sample)) -> Result<Vec<Sample>, Broken> {
    let mut samples = Vec::new();
    for round in &plan.rounds {
        for pair in 0..=round.pairs {
            let devices = bed.register(round.bootstraps)?;
            let [floor, full] = pair_of(bed, *round, pair, devices)?;
            if pair > 0 {
                told(&floor);
                told(&full);
                samples.extend([floor, full]);
            }
        }
    }
    Ok(samples)
}

fn pair_of(
    bed: &Bed,
    round: Round,
    pair: usize,
    devices: Vec<Device>,
) -> Result<[Sample; 2], Broken> {
    let identities: Vec<_> = devices
        .iter()
        .map(|device| device.identity.clone())
        .collect();
    let (address, anchor) = (bed.floor.address, bed.anchor.clone());
    let floor = measure(bed, Arm::Floor, round, pair, identities, move |identity| {
        let anchor = anchor.clone();
        async move { empty_exchanges(identity, address, &anchor, EXCHANGES).await }
    })?;
    let (address, anchor) = (bed.server.device_addr, bed.anchor.clone());
    let full = measure(bed, Arm::Full, round, pair, devices, move |device| {
        let anchor = anchor.clone();
        async move { device.bootstrap(address, &anchor, &mut |_| {}).await }
    })?;
    Ok([floor, full])
}

/// Has `concurrency` tasks work through `items`.
fn measure<T, F>(
    bed: &Bed,
    arm: Arm,
    round: Round,
    pair: usize,
    items: Vec<T>,
    work: impl Fn(T) -> F + Clone + Send + 'static,
) -> Result<Sample, Broken>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Broken>> + Send,
{
    let items = Arc::new(Mutex::new(items));
    let before = Totals::of(bed, arm);
    let (cpu, start) = (CpuTime::now(), Instant::now());
    bed.load.block_on(async {
        let mut workers = JoinSet::new();
        for _ in 0..round.concurrency {
            let (items, work) = (Arc::clone(&items), work.clone());
            workers.spawn(async move {
                loop {
                    let item = items.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    match item {
                        Some(item) => work(item).await?,
                        None => return Ok::<(), Broken>(()),
                    }
                }
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended??;
        }
        Ok::<(), Broken>(())
    })?;
    let (wall, cpu) = (start.elapsed(), CpuTime::now().since(cpu));
    let after = Totals::of(bed, arm);
    Ok(Sample {
        arm,
        pair,
        concurrency: round.concurrency,
        bootstraps: round.bootstraps,
        wall,
        cpu: cpu.process,
        server_cpu: cpu.server,
        connections: after.connections - before.connections,
        exchanges: after.exchanges - before.exchanges,
        commits: after.commits - before.commits,
        transactions: after.transactions - before.transactions,
    })
}

/// What an arm's server counted since its start.
struct Totals {
    connections: u64,
    exchanges: u64,
    commits: u64,
    transactions: u64,
}

impl Totals {
    fn of(bed: &Bed, arm: Arm) -> Self {
        match arm {
            Arm::Floor => {
                let counts = bed.floor.counts();
                Self {
                    connections: counts.connections,
                    exchanges: counts.exchanges,
                    commits: counts.commits.commits,
                    transactions: counts.commits.transactions,
                }
            }
            Arm::Full => {
                let (traffic, commits) = (bed.server.traffic(), bed.server.commits());
                Self {
                    connections: traffic.connections,
                    exchanges: traffic.exchanges,
                    commits: commits.deltas,
                    transactions: commits.transactions,
                }
            }
        }
    }
}

//! The arms in turn: one after the other, and again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinSet;

use crate::cpu::CpuTime;
use crate::device::empty_exchanges;
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

/// Turns of all arms at one concurrency. A first turn of the same size warms up and is not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Round {
    /// Devices at work at once.
    pub concurrency: usize,
    /// Bootstraps of each arm in a turn.
    pub bootstraps: usize,
    /// Turns.
    pub turns: usize,
}

/// Runs a plan; `told` gets each sample as it comes.
///
/// # Errors
/// [`Broken`] with the first bootstrap that does not complete.
pub fn run(bed: &Bed, plan: &Plan, mut told: impl FnMut(&Sample)) -> Result<Vec<Sample>, Broken> {
    let mut samples = Vec::new();
    for round in &plan.rounds {
        for turn in 0..=round.turns {
            for sample in turn_of(bed, *round, turn)? {
                if turn > 0 {
                    told(&sample);
                    samples.push(sample);
                }
            }
        }
    }
    Ok(samples)
}

/// All devices are registered before the first arm begins, so that the arms run close to one another.
fn turn_of(bed: &Bed, round: Round, turn: usize) -> Result<Vec<Sample>, Broken> {
    let mut devices = VecDeque::new();
    for arm in bed.arms().iter().filter(|arm| arm.bootstraps()) {
        let stand = bed.stand(*arm)?;
        devices.push_back(bed.load.block_on(stand.register(round.bootstraps))?);
    }
    // A floor has no use for devices but their certificates.
    let identities: Vec<_> = match devices.front() {
        Some(devices) => devices
            .iter()
            .map(|device| device.identity.clone())
            .collect(),
        None => {
            let full = bed.stand(Arm::Full)?;
            let devices = bed.load.block_on(full.register(round.bootstraps))?;
            devices.into_iter().map(|device| device.identity).collect()
        }
    };
    let mut samples = Vec::with_capacity(bed.arms().len());
    for arm in bed.arms() {
        let anchor = bed.anchor.clone();
        let sample = if arm.bootstraps() {
            let addresses = bed.stand(*arm)?.addresses();
            let devices = devices.pop_front().unwrap_or_default();
            let devices = devices.into_iter().zip(addresses.into_iter().cycle());
            measure(
                bed,
                *arm,
                round,
                turn,
                devices.collect(),
                move |(device, address)| {
                    let anchor = anchor.clone();
                    async move { device.bootstrap(address, &anchor, &mut |_| {}).await }
                },
            )?
        } else {
            let address = bed.floor(*arm)?.address;
            measure(
                bed,
                *arm,
                round,
                turn,
                identities.clone(),
                move |identity| {
                    let anchor = anchor.clone();
                    async move { empty_exchanges(identity, address, &anchor, EXCHANGES).await }
                },
            )?
        };
        samples.push(sample);
    }
    Ok(samples)
}

/// Has `concurrency` tasks work through `items`.
fn measure<T, F>(
    bed: &Bed,
    arm: Arm,
    round: Round,
    turn: usize,
    items: Vec<T>,
    work: impl Fn(T) -> F + Clone + Send + 'static,
) -> Result<Sample, Broken>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Broken>> + Send,
{
    let items = Arc::new(Mutex::new(items));
    let before = Totals::of(bed, arm)?;
    let database = || bed.postgres.as_ref().filter(|_| arm.uses_postgres())?.cpu();
    let database_before = database();
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
    let database_cpu = database()
        .zip(database_before)
        .map(|(now, then)| now.saturating_sub(then));
    let after = Totals::of(bed, arm)?;
    Ok(Sample {
        arm,
        turn,
        concurrency: round.concurrency,
        bootstraps: round.bootstraps,
        wall,
        cpu: cpu.process,
        server_cpu: cpu.server,
        database_cpu,
        connections: after.connections - before.connections,
        exchanges: after.exchanges - before.exchanges,
        commits: after.commits - before.commits,
        transactions: after.transactions - before.transactions,
    })
}

/// What an arm's servers counted since their start.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) connections: u64,
    pub(crate) exchanges: u64,
    pub(crate) commits: u64,
    pub(crate) transactions: u64,
}

impl Totals {
    fn of(bed: &Bed, arm: Arm) -> Result<Self, Broken> {
        Ok(match arm.bootstraps() {
            true => bed.stand(arm)?.totals(),
            false => bed.floor(arm)?.totals(),
        })
    }
}

//! Ratios beside the targets of DESIGN §9, and raw samples for whoever wants to look closer.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use crate::sample::{Arm, Sample};

/// The samples as tables.
pub struct Report<'a>(pub &'a [Sample]);

/// Median, least and greatest.
struct Spread {
    median: f64,
    least: f64,
    greatest: f64,
}

/// A line of the table of ratios: from the floor's sample and the full arm's.
type Ratio = fn(&Sample, &Sample) -> Option<f64>;

const RATIOS: [(&str, Ratio); 4] = [
    ("CPU per bootstrap, both ends", |floor, full| {
        Some(full.cpu_micros() / floor.cpu_micros())
    }),
    ("CPU per bootstrap, server", |floor, full| {
        Some(full.server_cpu_micros()? / floor.server_cpu_micros()?)
    }),
    ("CPU per bootstrap, client", |floor, full| {
        Some(full.client_cpu_micros()? / floor.client_cpu_micros()?)
    }),
    ("throughput", |floor, full| {
        Some(full.per_second() / floor.per_second())
    }),
];

/// The target of DESIGN §9 for a ratio, where there is one.
const fn target(ratio: usize, concurrency: usize) -> &'static str {
    match (ratio, concurrency) {
        (0, 32) => "<= 1.20",
        (3, 32 | 256) => ">= 0.80",
        _ => "-",
    }
}

impl Spread {
    /// None of nothing.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let lower = match values.len() % 2 {
            0 => *values.get(middle.checked_sub(1)?)?,
            _ => upper,
        };
        Some(Self {
            median: f64::midpoint(lower, upper),
            least: *values.first()?,
            greatest: *values.last()?,
        })
    }
}

impl Report<'_> {
    fn concurrencies(&self) -> Vec<usize> {
        let mut all: Vec<_> = self.0.iter().map(|sample| sample.concurrency).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn of(&self, arm: Arm, concurrency: usize) -> impl Iterator<Item = &Sample> {
        self.0
            .iter()
            .filter(move |sample| sample.arm == arm && sample.concurrency == concurrency)
    }

    fn ratio(&self, ratio: Ratio, concurrency: usize) -> Option<Spread> {
        let pairs = self
            .of(Arm::Floor, concurrency)
            .zip(self.of(Arm::Full, concurrency));
        Spread::of(pairs.filter_map(|(floor, full)| ratio(floor, full)))
    }

    fn arm_line(
        &self,
        f: &mut Formatter<'_>,
        arm: Arm,
        concurrency: usize,
    ) -> Result<(), fmt::Error> {
        let median = |of: &dyn Fn(&Sample) -> Option<f64>| {
            Spread::of(self.of(arm, concurrency).filter_map(of)).map(|spread| spread.median)
        };
        let shared =
            |count: fn(&Sample) -> u64| median(&|s| Some(s.per_bootstrap(count(s) as f64)));
        let columns = [
            (median(&|s| Some(s.per_second())), 1),
            (median(&|s| Some(s.cpu_micros())), 0),
            (median(&Sample::server_cpu_micros), 0),
            (median(&Sample::client_cpu_micros), 0),
            (shared(|s| s.connections), 2),
            (shared(|s| s.exchanges), 2),
            (shared(|s| s.commits), 2),
            (shared(|s| s.transactions), 3),
        ];
        write!(f, "{concurrency:>7}  {:<5}", arm.name())?;
        for (value, digits) in columns {
            match value {
                Some(value) => write!(f, " {value:>12.digits$}")?,
                None => write!(f, " {:>12}", "-")?,
            }
        }
        writeln!(f)
    }
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result<(), fmt::Error> {
        writeln!(
            f,
            "clients  arm   {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}   (medians; per bootstrap)",
            "boots/s",
            "CPU us",
            "server us",
            "client us",
            "connections",
            "exchanges",
            "commits",
            "transactions"
        )?;
        for concurrency in self.concurrencies() {
            self.arm_line(f, Arm::Floor, concurrency)?;
            self.arm_line(f, Arm::Full, concurrency)?;
        }
        writeln!(
            f,
            "\nclients  full / floor                    median     min     max   target"
        )?;
        for concurrency in self.concurrencies() {
            for (number, (name, ratio)) in RATIOS.into_iter().enumerate() {
                let target = target(number, concurrency);
                match self.ratio(ratio, concurrency) {
                    Some(Spread {
                        median,
                        least,
                        greatest,
                    }) => writeln!(
                        f,
                        "{concurrency:>7}  {name:<29} {median:>8.3} {least:>7.3} {greatest:>7.3}   {target}"
                    )?,
                    None => writeln!(
                        f,
                        "{concurrency:>7}  {name:<29} {:>8} {:>7} {:>7}   {target}",
                        "-", "-", "-"
                    )?,
                }
            }
        }
        Ok(())
    }
}

/// Writes the samples to a new file, in the order they were taken.
///
/// # Errors
/// Of the operating system.
pub fn write_csv(path: &Path, samples: &[Sample]) -> Result<(), io::Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(
        out,
        "arm,pair,concurrency,bootstraps,wall_us,cpu_us,server_cpu_us,connections,exchanges,commits,transactions"
    )?;
    for sample in samples {
        let server = sample
            .server_cpu
            .map(|cpu| cpu.as_micros().to_string())
            .unwrap_or_default();
        writeln!(
            out,
            "{},{},{},{},{},{},{server},{},{},{},{}",
            sample.arm.name(),
            sample.pair,
            sample.concurrency,
            sample.bootstraps,
            sample.wall.as_micros(),
            sample.cpu.as_micros(),
            sample.connections,
            sample.exchanges,
            sample.commits,
            sample.transactions
        )?;
    }
    out.flush()
}

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

/// A line of the table of ratios.
struct Ratio {
    name: &'static str,
    of: fn(&Sample) -> Option<f64>,
    /// The target of DESIGN §9 for this arm, over this one, at this concurrency.
    target: fn(Arm, Arm, usize) -> &'static str,
}

const NO_TARGET: fn(Arm, Arm, usize) -> &'static str = |_, _, _| "-";

const RATIOS: [Ratio; 6] = [
    Ratio {
        name: "CPU per bootstrap, both ends",
        of: |sample| Some(sample.cpu_micros()),
        target: |arm, base, concurrency| match (arm, base, concurrency) {
            (_, Arm::Floor, 32) => "<= 1.20",
            (Arm::Many | Arm::PostgresMany, ..) => "<= 1.15",
            _ => "-",
        },
    },
    Ratio {
        name: "CPU per bootstrap, server",
        of: Sample::server_cpu_micros,
        target: NO_TARGET,
    },
    Ratio {
        name: "CPU per bootstrap, client",
        of: Sample::client_cpu_micros,
        target: NO_TARGET,
    },
    Ratio {
        name: "CPU per bootstrap, PostgreSQL",
        of: Sample::database_cpu_micros,
        target: NO_TARGET,
    },
    Ratio {
        name: "CPU per bootstrap, everything",
        of: |sample| {
            sample
                .whole_cpu_micros()
                .filter(|_| sample.arm.uses_postgres())
        },
        target: |arm, _, _| match arm {
            Arm::PostgresMany => "<= 1.15",
            _ => "-",
        },
    },
    Ratio {
        name: "throughput",
        of: |sample| Some(sample.per_second()),
        target: |_, base, concurrency| match (base, concurrency) {
            (Arm::Floor, 32 | 256) => ">= 0.80",
            _ => "-",
        },
    },
];

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

    fn has(&self, arm: Arm, concurrency: usize) -> bool {
        self.of(arm, concurrency).next().is_some()
    }

    /// Turn by turn: the two of one turn ran one soon after the other.
    fn ratio(&self, ratio: &Ratio, arm: Arm, base: Arm, concurrency: usize) -> Option<Spread> {
        let turns = self.of(arm, concurrency).zip(self.of(base, concurrency));
        Spread::of(turns.filter_map(|(arm, base)| Some((ratio.of)(arm)? / (ratio.of)(base)?)))
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
            (median(&Sample::database_cpu_micros), 0),
            (shared(|s| s.connections), 2),
            (shared(|s| s.exchanges), 2),
            (shared(|s| s.commits), 2),
            (shared(|s| s.transactions), 3),
        ];
        write!(f, "{concurrency:>7}  {:<14}", arm.name())?;
        for (value, digits) in columns {
            match value {
                Some(value) => write!(f, " {value:>12.digits$}")?,
                None => write!(f, " {:>12}", "-")?,
            }
        }
        writeln!(f)
    }

    fn ratio_lines(
        &self,
        f: &mut Formatter<'_>,
        arm: Arm,
        base: Arm,
        concurrency: usize,
    ) -> Result<(), fmt::Error> {
        let title = format!("{} / {}", arm.name(), base.name());
        for ratio in &RATIOS {
            let target = (ratio.target)(arm, base, concurrency);
            let Some(spread) = self.ratio(ratio, arm, base, concurrency) else {
                continue;
            };
            writeln!(
                f,
                "{concurrency:>7}  {title:<28} {:<30} {:>8.3} {:>7.3} {:>7.3}   {target}",
                ratio.name, spread.median, spread.least, spread.greatest
            )?;
        }
        Ok(())
    }
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result<(), fmt::Error> {
        writeln!(
            f,
            "clients  {:<14} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}   (medians; per bootstrap)",
            "arm",
            "boots/s",
            "CPU us",
            "server us",
            "client us",
            "database us",
            "connections",
            "exchanges",
            "commits",
            "transactions"
        )?;
        for concurrency in self.concurrencies() {
            for arm in Arm::ALL {
                if self.has(arm, concurrency) {
                    self.arm_line(f, arm, concurrency)?;
                }
            }
        }
        writeln!(
            f,
            "\nclients  {:<28} {:<30} {:>8} {:>7} {:>7}   target",
            "arm / base", "ratio", "median", "min", "max"
        )?;
        for concurrency in self.concurrencies() {
            for arm in Arm::ALL {
                for base in arm.bases() {
                    self.ratio_lines(f, arm, *base, concurrency)?;
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
        "arm,turn,concurrency,bootstraps,wall_us,cpu_us,server_cpu_us,database_cpu_us,connections,exchanges,commits,transactions"
    )?;
    for sample in samples {
        let [server, database] = [sample.server_cpu, sample.database_cpu].map(|cpu| {
            cpu.map(|cpu| cpu.as_micros().to_string())
                .unwrap_or_default()
        });
        writeln!(
            out,
            "{},{},{},{},{},{},{server},{database},{},{},{},{}",
            sample.arm.name(),
            sample.turn,
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

//! The table.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::environment::Environment;
use crate::work::{Goal, How, Work};

/// What stands before the table in the documentation.
pub(crate) const INTRODUCTION: &str = "# Benchmarks

`cargo build --release && cargo run --release -p stockade-bench -- --output docs/benchmarks.md` makes this page: the same
work natively, in Stockade, in bubblewrap (which only isolates: its system calls are the host's own) and in gVisor's runsc
with its ptrace platform, in one run. Each figure is the median of interleaved rounds; commands and calls are timed inside,
so that the start of a sandbox counts only where it says so. *Goal* is what Stockade is to reach, and whether it did.
";

/// Figures by work and environment.
#[derive(Default)]
pub(crate) struct Samples(HashMap<(&'static str, &'static str), Vec<f64>>);

impl Samples {
    pub(crate) fn add(&mut self, work: &'static str, environment: &'static str, value: f64) {
        self.0.entry((work, environment)).or_default().push(value);
    }

    fn median(&self, work: &'static str, environment: &'static str) -> Option<f64> {
        let mut values = self.0.get(&(work, environment))?.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

fn quantity(how: How, value: f64) -> String {
    if how.is_memory() {
        return format!("{:.1} MiB", value / f64::from(1 << 20));
    }
    match value {
        v if v < 1e3 => format!("{v:.0} ns"),
        v if v < 1e6 => format!("{:.1} µs", v / 1e3),
        v => format!("{:.1} ms", v / 1e6),
    }
}

/// The ratio that counts and whether it is good enough.
fn verdict(work: &Work, samples: &Samples) -> String {
    let (Some(own), by) = (samples.median(work.name, "stockade"), |w, e| samples.median(w, e)) else {
        return String::new();
    };
    let (ratio, limit, of) = match work.goal {
        Goal::None => return String::new(),
        Goal::Native(limit) => (by(work.name, "native").map(|v| own / v), limit, " × native"),
        Goal::Notify(limit) => (by("bare-notify", "native").map(|v| own / v), limit, " × notify"),
        Goal::Getppid(limit) => (by("getppid", "stockade").map(|v| own / v), limit, " × getppid"),
        Goal::Nanos(limit) => {
            let mark = if own <= limit { "reached" } else { "missed" };
            return format!("at most {}: {mark}", quantity(work.how, limit));
        }
        Goal::Bwrap(limit) => (by(work.name, "bwrap").map(|v| own / v), limit, " × bwrap"),
        Goal::Plain(work, limit) => (by(work, "stockade").map(|v| own / v), limit, " × the same without"),
        Goal::MiB(limit) => (Some(own / f64::from(1 << 20)), limit, " MiB"),
        Goal::Throughput(limit) => {
            let Some(ratio) = by("getppid", "stockade").map(|one| one / own) else { return String::new() };
            let mark = if ratio >= limit { "reached" } else { "missed" };
            return format!("{ratio:.2} × the throughput of one, of at least {limit}: {mark}");
        }
    };
    let Some(ratio) = ratio else { return String::new() };
    let limit = (limit * 100.0).round() / 100.0;
    let mark = if ratio <= limit { "reached" } else { "missed" };
    format!("{ratio:.2}{of}, of at most {limit}: {mark}")
}

/// The table as Markdown.
pub(crate) fn render(works: &[&Work], environments: &[Environment], samples: &Samples) -> String {
    let mut rows = vec![vec!["work".to_string()]];
    rows[0].extend(environments.iter().map(|e| e.name().to_string()));
    rows[0].push("goal".into());
    for work in works {
        let mut row = vec![work.what.to_string()];
        row.extend(
            environments.iter().map(|e| {
                samples.median(work.name, e.name()).map_or(String::new(), |v| quantity(work.how, v))
            }),
        );
        row.push(verdict(work, samples));
        rows.push(row);
    }
    let columns = rows[0].len();
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for (i, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(out, "| {cell:<width$} ");
        }
        out.push_str("|\n");
        if i == 0 {
            for width in &widths {
                let _ = write!(out, "|{}", "-".repeat(width + 2));
            }
            out.push_str("|\n");
        }
    }
    out
}

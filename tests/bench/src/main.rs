//! Times the same work natively, in Stockade and in its peers, in one run, and prints the ratios.
//!
//! Every round runs each work once in each environment, one after the other, so that what the machine does meanwhile
//! hits all of them alike. The figures are medians over the rounds.

mod control;
mod environment;
mod exec;
mod machine;
mod memory;
mod saving;
mod table;
mod work;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;

use environment::Environment;
use table::Samples;
use work::{GOALS, Work};

/// Times work natively, in Stockade, bubblewrap and runsc, side by side.
#[derive(Parser)]
struct Options {
    /// Rounds: each gives one figure of each work in each environment.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Only work whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these environments beside native.
    #[arg(long, value_delimiter = ',', default_value = "stockade,bwrap,runsc")]
    peers: Vec<String>,
    /// The `stockade` to measure: a release build.
    #[arg(long, env = "STOCKADE", default_value = "target/release/stockade")]
    stockade: PathBuf,
    /// Writes the table, with machine and date, to this Markdown file.
    #[arg(long)]
    output: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
    let program = work::build(dir.path())?;
    work::prepare_files(dir.path())?;
    let environments = Environment::all(&options.stockade, &options.peers)?;
    let works: Vec<&Work> = GOALS
        .iter()
        .filter(|w| options.only.is_empty() || options.only.iter().any(|o| w.name.contains(o.as_str())))
        .collect();
    let before = machine::Activity::now()?;
    let mut samples = Samples::default();
    for round in 1..=options.rounds {
        eprint!("\rround {round} of {} ", options.rounds);
        for work in &works {
            for environment in &environments {
                // What starts slowly and is only there for comparison is measured less often.
                if environment.is_slow() && round > options.rounds.div_ceil(4) {
                    continue;
                }
                match work.run(environment, &program, dir.path()) {
                    Ok(Some(value)) => samples.add(work.name, environment.name(), value),
                    Ok(None) => {}
                    Err(e) => eprintln!("\n{} in {}: {e:#}", work.name, environment.name()),
                }
            }
        }
    }
    eprintln!();
    let machine = machine::describe(&before)?;
    let text = table::render(&works, &environments, &samples);
    println!("{machine}\n\n{text}");
    if let Some(path) = options.output {
        let page = format!("{}\n{machine}\n\n{text}", table::INTRODUCTION);
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

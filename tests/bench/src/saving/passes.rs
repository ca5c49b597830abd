//! How fast programs use their memory: passes over 256 MiB of it, by the work program, one for each line that it is given.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Running, Stockade, timed};
use crate::environment::Environment;

/// Passes per figure.
const PASSES: usize = 7;

/// The work program, which waits for lines.
struct Passing(Running);

impl Passing {
    fn start(mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        Ok(Self(Running(child)))
    }

    /// The best of several passes, once one has brought all pages in: nanoseconds.
    fn best(&mut self) -> Result<f64> {
        let mut to = self.0.0.stdin.as_ref().context("no standard input")?;
        let mut lines = BufReader::new(self.0.0.stdout.as_mut().context("no standard output")?).lines();
        let mut pass = || -> Result<f64> {
            to.write_all(b"\n")?;
            Ok(lines.next().context("it has ended")??.trim().parse()?)
        };
        pass()?;
        (0..PASSES).map(|_| pass()).try_fold(f64::INFINITY, |best, pass| Ok(best.min(pass?)))
    }
}

/// Of one that was never saved.
pub(super) fn plain(environment: &Environment, dir: &Path, program: &str) -> Result<f64> {
    let mut command = environment.command(program, dir);
    command.arg("passes");
    Passing::start(command)?.best()
}

/// Of one that was saved between two passes. The image is made once.
pub(super) fn restored(stockade: &Stockade<'_>, program: &str) -> Result<f64> {
    let image = stockade.dir.join("image-passes");
    if !image.exists() {
        let mut command = stockade.command();
        command.args(["do", "-q", "--id", "passes", "--", program, "passes"]);
        let mut passing = Passing::start(command)?;
        passing.best()?;
        let mut command = stockade.command();
        command.args(["save", "passes"]).arg(&image);
        timed(command)?;
    }
    let mut command = stockade.command();
    command.args(["restore", "-q", "--id", "passes"]).arg(&image);
    Passing::start(command)?.best()
}

//! Saving, restoring, pausing.

mod passes;
mod runsc;
mod stockade;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::environment::Environment;
use runsc::Runsc;
use stockade::Stockade;

/// A program that is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A shell that waits.
    Shell,
    /// Python with much of its library, which waits.
    Python,
    /// Python with 256 MiB that it has written to.
    Warm,
    /// Python with 1 GiB that it has written to.
    Large,
}

/// What is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Saving {
    /// From the command to the file; natively: as much memory, by write(2).
    Save(Program),
    /// From the command to the first instruction.
    Restore(Program),
    /// From the command until all of a hundred run.
    Many(Program),
    /// Until all threads stand.
    Pause(Program),
    /// Not a time, but the memory of one of a hundred.
    Memory(Program),
    /// A pass over much memory; `restored`, of a program that was saved meanwhile.
    Pass { restored: bool },
}

/// Restored at once.
const COUNT: usize = 100;
const MIB: usize = 1 << 20;

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Python => "python",
            Self::Warm => "warm",
            Self::Large => "large",
        }
    }

    /// Its memory, as far as it is known.
    fn size(self) -> usize {
        match self {
            Self::Shell | Self::Python => 0,
            Self::Warm => 256 * MIB,
            Self::Large => 1024 * MIB,
        }
    }

    fn argv(self) -> Vec<String> {
        let python = |script: String| vec!["./python3".to_owned(), "-c".to_owned(), script];
        let wait = "open('ready', 'w').close()\nimport time\ntime.sleep(1000)";
        match self {
            Self::Shell => {
                ["/bin/sh", "-c", ": > ready; while :; do sleep 1000; done"].map(str::to_owned).into()
            }
            Self::Python => python(format!(
                "import asyncio, ctypes, email, http.client, json, logging, multiprocessing, sqlite3, ssl, unittest, urllib.request, xml.dom.minidom\n{wait}"
            )),
            Self::Warm | Self::Large => python(format!(
                "import os\nmemory = bytearray(os.urandom(4096)) * ({} // 4096)\n{wait}",
                self.size()
            )),
        }
    }
}

/// Nanoseconds, or bytes for memory; none where there is no such thing.
pub(crate) fn run(
    environment: &Environment,
    dir: &Path,
    program: &str,
    saving: Saving,
) -> Result<Option<f64>> {
    match (environment, saving) {
        (Environment::Native, Saving::Save(program)) => write(dir, program.size()),
        (Environment::Native | Environment::Stockade(_), Saving::Pass { restored: false }) => {
            passes::plain(environment, dir, program)
        }
        (Environment::Stockade(stockade), saving) => {
            let state = Stockade { program: stockade, dir };
            match saving {
                Saving::Save(program) => state.save(program),
                Saving::Restore(program) => state.restore(program, 1),
                Saving::Many(program) => state.restore(program, COUNT),
                Saving::Pause(program) => state.pause(program),
                Saving::Memory(program) => state.memory(program, COUNT),
                Saving::Pass { .. } => passes::restored(&state, program),
            }
        }
        (Environment::Runsc, Saving::Save(program)) => Runsc::new(dir, program)?.save(),
        (Environment::Runsc, Saving::Restore(program)) => Runsc::new(dir, program)?.restore(),
        _ => return Ok(None),
    }
    .map(Some)
}

/// Writes a buffer that is warm to a new file.
fn write(dir: &Path, size: usize) -> Result<f64> {
    let buffer = vec![0x5a; MIB];
    let path = dir.join("written");
    let mut file = File::create(&path)?;
    let start = Instant::now();
    for _ in 0..size / MIB {
        file.write_all(&buffer)?;
    }
    file.sync_all()?;
    let spent = start.elapsed();
    fs::remove_file(path)?;
    Ok(spent.as_nanos() as f64)
}

/// How long a command takes.
fn timed(mut command: Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.status()?;
    let spent = start.elapsed();
    if !status.success() {
        bail!("{status}");
    }
    Ok(spent.as_nanos() as f64)
}

/// Waits until a program says that it is ready, and then waits itself. `ended`: whether it never will.
fn wait_until_ready(dir: &Path, program: Program, mut ended: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while !dir.join("ready").exists() {
        if Instant::now() > end || ended() {
            bail!("{} does not start", program.name());
        }
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(50));
    Ok(())
}

/// A process, until this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(e) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("a sandbox is left: {e}");
        }
    }
}

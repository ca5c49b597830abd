//! Saving, restoring, pausing.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use stockade_control::client::Client;

use crate::environment::Environment;

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

/// Nanoseconds; none where there is no such thing.
pub(crate) fn run(environment: &Environment, dir: &Path, saving: Saving) -> Result<Option<f64>> {
    let Environment::Stockade(stockade) = environment else {
        return match (environment, saving) {
            (Environment::Native, Saving::Save(program)) => write(dir, program.size()).map(Some),
            _ => Ok(None),
        };
    };
    let state = Stockade { program: stockade, dir };
    match saving {
        Saving::Save(program) => state.save(program),
        Saving::Restore(program) => state.restore(program, 1),
        Saving::Many(program) => state.restore(program, COUNT),
        Saving::Pause(program) => state.pause(program),
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

struct Stockade<'a> {
    program: &'a Path,
    dir: &'a Path,
}

/// A sandbox, until this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(e) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("a sandbox is left: {e}");
        }
    }
}

impl Stockade<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.arg("--state-dir").arg(self.dir.join("state")).current_dir(self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn start(&self, program: Program) -> Result<Running> {
        let ready = self.dir.join("ready");
        let _ = fs::remove_file(&ready);
        let mut command = self.command();
        command.args(["do", "-q", "--id", program.name(), "-v"]).arg(self.dir);
        command.args(["--memory", "4G", "--"]).args(program.argv()).process_group(0);
        let mut running = Running(command.spawn()?);
        let end = Instant::now() + Duration::from_secs(60);
        while !ready.exists() {
            if Instant::now() > end || running.0.try_wait()?.is_some() {
                bail!("{} does not start", program.name());
            }
            thread::sleep(Duration::from_millis(5));
        }
        // Until it waits.
        thread::sleep(Duration::from_millis(50));
        Ok(running)
    }

    fn timed(&self, mut command: Command) -> Result<f64> {
        let start = Instant::now();
        let status = command.status()?;
        let spent = start.elapsed();
        if !status.success() {
            bail!("{status}");
        }
        Ok(spent.as_nanos() as f64)
    }

    fn save(&self, program: Program) -> Result<f64> {
        let _running = self.start(program)?;
        let image = self.dir.join("saved");
        let mut command = self.command();
        command.args(["save", "--leave-running", program.name()]).arg(&image);
        let spent = self.timed(command)?;
        fs::remove_file(image)?;
        Ok(spent)
    }

    /// The image is made once.
    fn restore(&self, program: Program, count: usize) -> Result<f64> {
        let image = self.dir.join(format!("image-{}", program.name()));
        if !image.exists() {
            let _running = self.start(program)?;
            let mut command = self.command();
            command.args(["save", program.name()]).arg(&image);
            self.timed(command)?;
        }
        let names: Vec<String> = match count {
            1 => vec!["copy".to_owned()],
            _ => (1..=count).map(|n| format!("copy-{n}")).collect(),
        };
        let mut command = self.command();
        command.args(["restore", "--detach", "--rm", "--id", "copy"]);
        if count > 1 {
            command.args(["--count", &count.to_string()]);
        }
        command.arg(&image);
        let spent = self.timed(command)?;
        for name in names {
            let mut command = self.command();
            command.args(["delete", "--force", &name]);
            self.timed(command)?;
        }
        Ok(spent)
    }

    fn pause(&self, program: Program) -> Result<f64> {
        let _running = self.start(program)?;
        let socket = self.dir.join("state").join(program.name()).join("control.sock");
        let mut client = Client::connect(&socket)?;
        let start = Instant::now();
        client.pause()?;
        Ok(start.elapsed().as_nanos() as f64)
    }
}

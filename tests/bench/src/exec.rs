//! Programs in a sandbox that runs already.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stockade_control::client::Client;
use stockade_control::types::proc::ExecArgs;

use crate::environment::Environment;

/// Programs per figure.
const TIMES: u32 = 20;

/// `true` in a running sandbox, over a connection that is open or by a command of its own each time; natively, `true`
/// itself. Nanoseconds each; none where there is no such thing.
pub(crate) fn run(environment: &Environment, dir: &Path, by_command: bool) -> Result<Option<f64>> {
    match environment {
        Environment::Native => each(|| command(Command::new("/bin/true"))).map(Some),
        Environment::Stockade(path) => Running::start(path, dir)?.measure(by_command).map(Some),
        Environment::Bwrap | Environment::Runsc => Ok(None),
    }
}

fn each(mut once: impl FnMut() -> Result<()>) -> Result<f64> {
    once()?;
    let start = Instant::now();
    for _ in 0..TIMES {
        once()?;
    }
    Ok((start.elapsed().as_nanos() / u128::from(TIMES)) as f64)
}

fn command(mut command: Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { bail!("{status}") }
}

/// An empty sandbox, until this is dropped.
struct Running<'a> {
    stockade: &'a Path,
    state: tempfile::TempDir,
}

impl<'a> Running<'a> {
    fn start(stockade: &'a Path, dir: &Path) -> Result<Self> {
        let running = Self { stockade, state: tempfile::tempdir_in(dir)? };
        let mut start = running.stockade();
        start.args(["do", "-q", "--detach", "--id", "bench"]).stdout(Stdio::null());
        command(start).context("an empty sandbox")?;
        Ok(running)
    }

    fn stockade(&self) -> Command {
        let mut command = Command::new(self.stockade);
        command.arg("--state-dir").arg(self.state.path());
        command
    }

    fn measure(&self, by_command: bool) -> Result<f64> {
        if by_command {
            return each(|| {
                let mut exec = self.stockade();
                exec.args(["exec", "bench", "/bin/true"]);
                command(exec)
            });
        }
        let mut client = Client::connect(&self.state.path().join("bench/control.sock"))?;
        let args =
            ExecArgs { filename: "/bin/true".into(), argv: vec!["true".into()], ..ExecArgs::default() };
        each(|| match client.exec(&args, &[])? {
            0 => Ok(()),
            status => bail!("true ended with {status}"),
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut delete = self.stockade();
        delete.args(["delete", "--force", "bench"]).stdin(Stdio::null());
        if let Err(e) = delete.status() {
            eprintln!("a sandbox is left: {e}");
        }
        // What it leaves is on the disk before the next figure.
        std::thread::sleep(Duration::from_millis(5));
    }
}

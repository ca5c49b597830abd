//! What it costs to look into a sandbox that runs.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stockade_control::client::Client;
use stockade_control::types::logging::LoggingArgs;
use stockade_control::types::proc::ExecArgs;
use stockade_control::types::process::PsArgs;

use crate::environment::Environment;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// Proc.Ps of 500 processes.
    Ps,
    /// What a call costs more when the log is told of it.
    StraceLog,
    /// What an event costs the one who makes the call that it tells of.
    StraceEvents,
    /// A call when nobody is told any more.
    StraceOff,
}

/// Nanoseconds; none where there is no such thing.
pub(crate) fn run(environment: &Environment, dir: &Path, program: &str, look: Look) -> Result<Option<f64>> {
    let Environment::Stockade(stockade) = environment else { return Ok(None) };
    let mut running = Running::start(stockade, dir)?;
    match look {
        Look::Ps => running.ps(500),
        Look::StraceLog => {
            let on = LoggingArgs { set_strace: true, enable_strace: true, ..LoggingArgs::default() };
            running.more(program, &on)
        }
        Look::StraceEvents => {
            let mut events = running.client.attach_events()?;
            // Somebody who keeps up.
            thread::spawn(move || events.by_ref().count());
            // A call is two events.
            running.more(program, &events_of(&["getppid"])).map(|call| call / 2.0)
        }
        Look::StraceOff => {
            running.client.change_logging(&events_of(&["getppid"]))?;
            running.client.change_logging(&events_of(&[]))?;
            running.getppid(program)
        }
    }
    .map(Some)
}

fn events_of(calls: &[&str]) -> LoggingArgs {
    let strace_event_allowlist = calls.iter().map(|&call| call.to_owned()).collect();
    LoggingArgs { set_event_strace: true, strace_event_allowlist, ..LoggingArgs::default() }
}

/// A sandbox that does nothing by itself, with a log, until this is dropped.
struct Running {
    front: Child,
    client: Client,
    _state: tempfile::TempDir,
}

impl Running {
    fn start(stockade: &PathBuf, dir: &Path) -> Result<Self> {
        let state = tempfile::tempdir_in(dir)?;
        let front = Command::new(stockade)
            .arg("--state-dir")
            .arg(state.path().join("state"))
            .args(["do", "-q", "--id", "bench", "--log"])
            .arg(state.path().join("log"))
            .args(["--", "sleep", "1000"])
            .stdin(Stdio::null())
            .spawn()?;
        let socket = state.path().join("state/bench/control.sock");
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(mut client) = Client::connect(&socket)
                && client.processes("").is_ok_and(|list| !list.is_empty())
            {
                return Ok(Self { front, client, _state: state });
            }
            if Instant::now() > end {
                bail!("the sandbox does not start");
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the work program says of a call.
    fn getppid(&mut self, program: &str) -> Result<f64> {
        let (mut reader, writer) = std::io::pipe()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let args = ExecArgs {
            filename: program.to_owned(),
            argv: vec!["work".into(), "getppid".into()],
            ..ExecArgs::default()
        };
        let files = [null.as_fd(), writer.as_fd(), null.as_fd()];
        let status: u32 = self.client.call("Proc.Exec", &args, &files)?;
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        let value = text.split_whitespace().last().and_then(|value| value.parse().ok());
        value.filter(|_| status == 0).with_context(|| format!("{status}: {text}"))
    }

    fn more(&mut self, program: &str, logging: &LoggingArgs) -> Result<f64> {
        let before = self.getppid(program)?;
        self.client.change_logging(logging)?;
        Ok(self.getppid(program)? - before)
    }

    fn ps(&mut self, processes: usize) -> Result<f64> {
        let script =
            format!("i=1; while [ $i -lt {processes} ]; do sleep 1000 & i=$((i+1)); done; exec sleep 1000");
        let args = ExecArgs {
            filename: "/bin/sh".into(),
            argv: vec!["sh".into(), "-c".into(), script],
            envv: vec!["PATH=/usr/bin:/bin".into()],
            ..ExecArgs::default()
        };
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let _: i32 = self.client.call("containerManager.ExecuteAsync", &args, &[null.as_fd(); 3])?;
        while self.client.processes("")?.len() <= processes {
            thread::sleep(Duration::from_millis(10));
        }
        const TIMES: u32 = 20;
        let start = Instant::now();
        for _ in 0..TIMES {
            self.client.ps(&PsArgs::default())?;
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(TIMES))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The sandbox ends with it.
        if let Err(e) = self.front.kill().and_then(|()| self.front.wait()) {
            eprintln!("a sandbox is left: {e}");
        }
    }
}

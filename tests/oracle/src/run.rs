//! Running a program made of cases, natively or inside, with whatever hangs or dies on the way.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process_group};

/// No case is silent for as long natively; one that is has lost its clock or its kernel.
const SILENCE: Duration = Duration::from_secs(12);

/// What each case said, by name.
pub type Said = BTreeMap<String, Vec<String>>;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side<'a> {
    /// On the host.
    Native,
    /// In a sandbox made by this binary.
    Inside(&'a Path),
    /// In one that is saved and restored again and again, by the program `interrupted`.
    Interrupted(&'a Path),
}

impl Side<'_> {
    /// The command that runs `program` in `dir`, with nothing of the caller's environment.
    pub fn command(self, program: &Path, dir: &Path) -> Command {
        let mut command = match self {
            Side::Native => Command::new(program),
            Side::Inside(stockade) => {
                let mut c = Command::new(stockade);
                c.args(["do", "-q", "--"]).arg(program);
                c
            }
            Side::Interrupted(stockade) => {
                let mut c = Command::new(crate::build::interrupted());
                c.arg(stockade).arg(program);
                c
            }
        };
        command.env_clear().current_dir(dir).stdin(Stdio::null()).process_group(0);
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("LC_ALL", "C")
            .env("TMPDIR", dir);
        if let Side::Interrupted(_) = self {
            let settings = ["ORACLE_SEED", "ORACLE_SAVES"];
            command.envs(settings.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        }
        command
    }

    /// A fresh directory to work in, removed with its guard.
    pub fn work_dir(self) -> Result<WorkDir, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let base = match (self, env::var_os("ORACLE_TMP")) {
            (Side::Native, Some(dir)) => PathBuf::from(dir),
            (Side::Native, None) if Path::new("/dev/shm").is_dir() => PathBuf::from("/dev/shm"),
            _ => PathBuf::from("/tmp"),
        };
        let name = format!("stockade-oracle-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = base.join(name);
        fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        rustix::fs::chmod(&dir, rustix::fs::Mode::from_raw_mode(0o755)).map_err(|e| e.to_string())?;
        Ok(WorkDir(dir))
    }
}

/// A directory that is removed when dropped.
#[derive(Debug)]
pub struct WorkDir(pub PathBuf);

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What is left behind in /tmp is ugly, and no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The names of a program's cases, in order.
pub fn list(program: &Path) -> Result<Vec<String>, String> {
    let out = Command::new(program).arg("--list").output().map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect())
}

/// Runs the named cases. A case at which the run hangs or dies says so, and the run goes on behind it.
pub fn cases(side: Side<'_>, program: &Path, names: &[String]) -> Result<Said, String> {
    let mut said = Said::new();
    let mut rest = names;
    while !rest.is_empty() {
        let why = once(side, program, rest, &mut said)?;
        let Some(stuck) = rest.iter().position(|n| !has_ended(n, &said)) else { break };
        said.entry(rest[stuck].clone()).or_default().push(why);
        rest = &rest[stuck + 1..];
    }
    Ok(said)
}

/// One process: adds what it says to `said`, and returns how it ended before all cases had.
fn once(side: Side<'_>, program: &Path, names: &[String], said: &mut Said) -> Result<String, String> {
    let dir = side.work_dir()?;
    let mut child = side
        .command(program, &dir.0)
        .args(names)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let (sender, lines) = mpsc::channel();
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("no pipes".to_owned());
    };
    let reader = |source: Box<dyn std::io::Read + Send>, is_error: bool| {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                if sender.send((is_error, String::from_utf8_lossy(&line).into_owned())).is_err() {
                    break;
                }
            }
        })
    };
    let readers = [reader(Box::new(out), false), reader(Box::new(err), true)];
    drop(sender);
    let mut complaint = String::new();
    let mut hung = false;
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok((true, line)) => {
                complaint.push_str("; ");
                complaint.push_str(&line);
            }
            Ok((false, line)) => note(&line, names, said),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                hung = true;
                let pid = Pid::from_child(&child);
                // Already gone is as good as killed.
                let _ = kill_process_group(pid, Signal::KILL);
                break;
            }
        }
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    if !hung {
        for r in readers {
            r.join().map_err(|_| "a reader panicked")?;
        }
    }
    complaint.truncate(complaint.floor_char_boundary(600));
    Ok(if hung { format!("hangs{complaint}") } else { format!("the program ended with {status}{complaint}") })
}

/// Files a line under the case that it names, or else (another program's output) under the one that runs.
fn note(line: &str, names: &[String], said: &mut Said) {
    let (name, text) = match line.split_once(": ") {
        Some((name, text)) if names.iter().any(|n| n == name) => (name, text),
        _ => match names.iter().find(|n| !has_ended(n, said)) {
            Some(name) => (name.as_str(), line),
            None => return,
        },
    };
    said.entry(name.to_owned()).or_default().push(text.to_owned());
}

fn has_ended(name: &str, said: &Said) -> bool {
    said.get(name).is_some_and(|lines| lines.iter().any(|l| l.starts_with("end: ")))
}

//! Scripts around real programs: same standard output and exit status on both sides.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::build;
use crate::known::{HANGS, Known};
use crate::run::Side;

/// The longest that a script may take on one side.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(PartialEq, Eq)]
struct Outcome {
    status: String,
    stdout: String,
    stderr: String,
}

/// Runs `tests/programs/NAME.sh` on both sides; a report of every difference, or nothing.
///
/// A script that exits with 77 natively has found that its program is not installed; that is an error too where
/// `ORACLE_STRICT` is set.
pub fn compare(out: &Path, name: &str) -> Result<(), String> {
    on(build::stockade().map_or(Side::Native, Side::Inside), out, name)
}

/// The same, with the sandbox saved and restored at random moments.
pub fn interrupted(out: &Path, name: &str) -> Result<(), String> {
    on(build::stockade().map_or(Side::Native, Side::Interrupted), out, name)
}

fn on(side: Side<'_>, out: &Path, name: &str) -> Result<(), String> {
    let path = crate::repository().join("tests/programs").join(name).with_extension("sh");
    let extra = compiled(out, name)?;
    let native = run(Side::Native, &path, &extra)?;
    if crate::flag("ORACLE_PRINT") {
        println!("{}\n{}\n{}", native.stdout, native.status, native.stderr);
    }
    if native.status == "exit status: 77" && !crate::flag("ORACLE_STRICT") {
        println!("skipped: {}", native.stderr);
        return Ok(());
    }
    if native.status != "exit status: 0" {
        return Err(format!("natively: {}\n{}\n{}", native.status, native.stdout, native.stderr));
    }
    let case = format!("programs/{name}");
    let known = Known::load(side)?;
    if let Some(why) = known.reason(&case).filter(|why| why.starts_with(HANGS)) {
        println!("known, not run: {case}: {why}");
        return Ok(());
    }
    let agrees = |inside: &Outcome| native.status == inside.status && native.stdout == inside.stdout;
    let mut inside = run(side, &path, &extra)?;
    if !agrees(&inside) && known.reason(&case).is_none() && !crate::flag("ORACLE_STRICT") {
        println!("unsteady: {case}\n{}", report(&native, &inside));
        inside = run(side, &path, &extra)?;
    }
    let same = agrees(&inside);
    match (same, known.reason(&case)) {
        (true, None) => Ok(()),
        (true, Some(_)) if build::stockade().is_some() && crate::flag("ORACLE_STRICT") => {
            Err(format!("{case} is in known.txt and agrees: take it out"))
        }
        (true, Some(_)) => {
            println!("stale: {case} is in known.txt and agrees");
            Ok(())
        }
        (false, Some(why)) => {
            println!("known: {case}: {why}");
            Ok(())
        }
        (false, None) => Err(report(&native, &inside)),
    }
}

/// Static programs that a script is about, compiled beside the tests; empty paths where there is no compiler.
fn compiled(out: &Path, name: &str) -> Result<Vec<(&'static str, PathBuf)>, String> {
    let source = crate::repository().join("tests/programs/src");
    std::fs::create_dir_all(out).map_err(|e| e.to_string())?;
    let (variable, binary, mut compiler) = match name {
        "static_rust" => {
            let mut c = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
            c.args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static"])
                .arg(source.join("threads.rs"));
            ("GUEST_RUST", out.join("threads-rust"), c)
        }
        "static_go" => {
            let installed = Path::new("/usr/local/go/bin/go");
            let mut c = Command::new(if installed.exists() { installed } else { Path::new("go") });
            c.env("CGO_ENABLED", "0").env("GOCACHE", out.join("go-cache")).env("GOFLAGS", "").arg("build");
            ("GUEST_GO", out.join("threads-go"), c)
        }
        _ => return Ok(Vec::new()),
    };
    compiler.arg("-o").arg(&binary);
    if name == "static_go" {
        compiler.arg(source.join("threads.go"));
    }
    match compiler.output() {
        Ok(done) if done.status.success() => Ok(vec![(variable, binary)]),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        Err(_) => Ok(vec![(variable, PathBuf::new())]),
    }
}

fn report(native: &Outcome, inside: &Outcome) -> String {
    let mut text = format!("native {}, inside {}\n", native.status, inside.status);
    let (a, b): (Vec<_>, Vec<_>) = (native.stdout.lines().collect(), inside.stdout.lines().collect());
    for i in 0..a.len().max(b.len()) {
        let (a, b) = (a.get(i).unwrap_or(&"(end)"), b.get(i).unwrap_or(&"(end)"));
        if a != b {
            text += &format!("line {}:\n    native {a:?}\n    inside {b:?}\n", i + 1);
            break;
        }
    }
    text + "standard error inside:\n" + &inside.stderr
}

fn run(side: Side<'_>, script: &Path, extra: &[(&str, PathBuf)]) -> Result<Outcome, String> {
    let dir = side.work_dir()?;
    let mut command: Command = side.command(Path::new("/bin/sh"), &dir.0);
    command.arg(script).env("HOME", &dir.0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(extra.iter().map(|(k, v)| (k, v)));
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", script.display()))?;
    let pid = Pid::from_child(&child);
    let (stop, stopped) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if stopped.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Already gone is as good as killed.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    });
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("no pipes".to_owned());
    };
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is what can be shown.
        let _ = err.read_to_end(&mut bytes);
        bytes
    });
    let mut stdout = Vec::new();
    out.read_to_end(&mut stdout).map_err(|e| e.to_string())?;
    let status = child.wait().map_err(|e| e.to_string())?;
    drop(stop);
    guard.join().map_err(|_| "the guard panicked")?;
    let stderr = errors.join().map_err(|_| "the reader panicked")?;
    let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
    Ok(Outcome { status: status.to_string(), stdout: text(stdout), stderr: text(stderr) })
}

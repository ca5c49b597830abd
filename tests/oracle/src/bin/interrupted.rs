//! `interrupted STOCKADE PROGRAM [ARG…]`: runs a program in a sandbox that is saved and restored at random moments, and ends
//! as it does. What could not be saved is printed as an error.
//!
//! Environment: `ORACLE_SEED`, a number for the moments; without it they differ each time. `ORACLE_SAVES`, how often it is
//! saved.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Output};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The longest that it is left alone at a time at first; many cases take less.
const MOMENT: Duration = Duration::from_millis(20);
/// What of the time before is added to that, so that the moments of one that runs for long are not all at its beginning.
const LATER: f64 = 0.3;
/// How often it is saved at most.
const SAVES: usize = 8;

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(stockade) = args.next() else { return ExitCode::from(125) };
    // TMPDIR is what the program works in.
    let dir = Path::new("/tmp").join(format!("stockade-interrupted-{}", std::process::id()));
    let ended = fs::create_dir(&dir).map_err(|e| e.to_string()).and_then(|()| {
        let run = Run { stockade: stockade.into(), state: dir.join("state") };
        let ended = run.whole(args.collect(), &dir);
        // What is left in /tmp is ugly, and no reason to fail.
        let _ = fs::remove_dir_all(&dir);
        ended
    });
    match ended {
        Ok(status) => {
            ExitCode::from(status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(125) as u8)
        }
        Err(e) => {
            eprintln!("interrupted: {e}");
            ExitCode::from(125)
        }
    }
}

struct Run {
    stockade: PathBuf,
    state: PathBuf,
}

impl Run {
    fn stockade(&self) -> Command {
        let mut command = Command::new(&self.stockade);
        command.arg("--state-dir").arg(&self.state);
        command
    }

    fn whole(&self, program: Vec<OsString>, dir: &Path) -> Result<ExitStatus, String> {
        let mut random = Random::new();
        let mut command = self.stockade();
        command.args(["do", "-q", "--id", "box", "--"]).args(program);
        let mut running = command.spawn().map_err(|e| e.to_string())?;
        let begun = Instant::now();
        let saves = env::var("ORACLE_SAVES").ok().and_then(|saves| saves.parse().ok()).unwrap_or(SAVES);
        for i in 0..saves {
            thread::sleep((MOMENT + begun.elapsed().mul_f64(LATER)).mul_f64(random.next()));
            let image = dir.join(format!("{i}.img"));
            if !self.save(&mut running, &image)? {
                break;
            }
            // It has gone into the image.
            running.wait().map_err(|e| e.to_string())?;
            let mut restore = self.stockade();
            restore.args(["restore", "-q", "--id", "box"]).arg(&image);
            running = restore.spawn().map_err(|e| e.to_string())?;
            if i > 0 {
                let _ = fs::remove_file(dir.join(format!("{}.img", i - 1)));
            }
        }
        running.wait().map_err(|e| e.to_string())
    }

    /// Saves it, which ends it; false if it had ended.
    fn save(&self, running: &mut Child, image: &Path) -> Result<bool, String> {
        loop {
            let output = self.stockade().args(["save", "box"]).arg(image).output();
            let Output { status, stderr, .. } = output.map_err(|e| e.to_string())?;
            if status.success() {
                return Ok(true);
            }
            // Why it could not be: it had not begun, or has ended.
            if running.try_wait().map_err(|e| e.to_string())?.is_some() {
                return Ok(false);
            }
            let said = String::from_utf8_lossy(&stderr);
            if said.contains("cannot be saved") {
                return Err(said.into_owned());
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Numbers from 0 to 1 (xorshift).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = env::var("ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
        Self(seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()) | 1)
    }

    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

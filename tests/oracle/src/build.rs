//! Compiling guest programs and finding the binary under test.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

/// Cases pass bad pointers and sizes on purpose.
const QUIET: [&str; 5] = [
    "-Wno-nonnull",
    "-Wno-stringop-overflow",
    "-Wno-stringop-overread",
    "-Wno-array-bounds",
    "-Wno-unused-result",
];

/// Built one at a time: tests run in threads, and programs share `case.c`.
static BUILDING: Mutex<()> = Mutex::new(());

/// Compiles `tests/guest/AREA/PROGRAM.c` (unless that was done already) and everything beside it that it needs.
///
/// The first line of a source may say how: `/* build: FLAGS */`; without it the program is static.
pub fn guest(out: &Path, area: &str, program: &str) -> Result<PathBuf, String> {
    let _lock = BUILDING.lock().map_err(|_| "another build panicked".to_owned())?;
    let dir = crate::repository().join("tests/guest");
    let source = dir.join(area).join(program).with_extension("c");
    let target = out.join("guest").join(area).join(program);
    let needs = [source.clone(), dir.join("case.c"), dir.join("case.h")];
    if newer(&target, &needs) {
        return Ok(target);
    }
    let text = fs::read_to_string(&source).map_err(|e| format!("{}: {e}", source.display()))?;
    let flags = text
        .lines()
        .next()
        .and_then(|l| l.strip_prefix("/* build: ")?.strip_suffix(" */"))
        .unwrap_or("-static");
    fs::create_dir_all(out.join("guest").join(area)).map_err(|e| e.to_string())?;
    let partial = target.with_extension("partial");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"])
        .arg(&dir);
    gcc.args(QUIET).args(flags.split_whitespace()).arg("-o").arg(&partial).args(&needs[..2]);
    let done = gcc.output().map_err(|e| format!("gcc: {e}"))?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    fs::rename(&partial, &target).map_err(|e| e.to_string())?;
    Ok(target)
}

fn newer(target: &Path, needs: &[PathBuf]) -> bool {
    let time = |p: &Path| fs::metadata(p).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let made = time(target);
    needs.iter().all(|n| time(n) < made)
}

/// What runs the inside half: `None` is the host itself.
pub fn stockade() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| match env::var_os("STOCKADE") {
            Some(name) if name == "native" => None,
            Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
            _ => Some(release_build().unwrap_or_else(|e| panic!("cannot build stockade: {e}"))),
        })
        .as_deref()
}

fn release_build() -> Result<PathBuf, String> {
    let root = crate::repository();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "-p", "stockade"])
        .current_dir(&root)
        .status()
        .map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("cargo build ended with {status}"));
    }
    Ok(root.join(target).join("release/stockade"))
}

/// The program that saves and restores a sandbox: beside the tests.
pub fn interrupted() -> PathBuf {
    let tests = env::current_exe().ok();
    let dir = tests.as_deref().and_then(Path::parent).and_then(Path::parent).unwrap_or(Path::new("."));
    dir.join("interrupted")
}

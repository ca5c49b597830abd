//! What is run, and what Stockade is to reach.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::control::{self, Look};
use crate::environment::Environment;
use crate::saving::{self, Program, Saving};
use crate::{exec, memory};

/// How a work is carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// By the work program, which times it inside.
    Inside,
    /// By the work program on the host, as a measure for others.
    OnHost,
    /// A shell command, timed inside: beginnings and ends of sandboxes are not counted.
    Command(&'static str),
    /// `true`, from start to end.
    StartToEnd,
    /// `true` in a sandbox that runs: over an open connection, or by a command.
    Exec { by_command: bool },
    /// What it costs to look into a sandbox.
    Control(Look),
    /// Saving and restoring.
    Saving(Saving),
    /// Memory of an idle sandbox.
    Memory,
    /// As `Inside`, for this work, while CPU profiles are taken.
    Profiled(&'static str),
}

impl How {
    /// Whether its figures are bytes.
    pub(crate) const fn is_memory(self) -> bool {
        matches!(self, Self::Memory | Self::Saving(Saving::Memory(_)))
    }
}

/// What is to be reached, as a ratio.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Native(f64),
    /// Of a bare round trip by user notification.
    Notify(f64),
    Bwrap(f64),
    /// At least so many times the throughput of one process.
    Throughput(f64),
    /// At most so many nanoseconds.
    Nanos(f64),
    /// Of the same without anybody looking.
    Getppid(f64),
    /// At most so much, in MiB.
    MiB(f64),
    /// Of this work, in the same environment.
    Plain(&'static str, f64),
    None,
}

/// One thing to measure.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) how: How,
    pub(crate) goal: Goal,
}

const fn work(name: &'static str, what: &'static str, how: How, goal: Goal) -> Work {
    Work { name, what, how, goal }
}

const SH: &str = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done";
const IMPORTS: &str = "exec ./python3 -c 'import asyncio, ctypes, email, http.client, json, logging, multiprocessing, sqlite3, ssl, unittest, urllib.request, xml.dom.minidom'";

/// All of them.
pub(crate) const GOALS: &[Work] = &[
    work("bare-notify", "a bare notify round trip", How::OnHost, Goal::None),
    work("getppid", "getppid", How::Inside, Goal::Notify(1.2)),
    work("fstat", "fstat", How::Inside, Goal::Notify(1.7)),
    work("stat", "stat", How::Inside, Goal::Notify(2.5)),
    work("open-close", "open and close", How::Inside, Goal::Notify(4.5)),
    work("pipe", "write to and read from a pipe in one thread", How::Inside, Goal::Notify(3.5)),
    work("pread-64", "pread of 64 bytes", How::Inside, Goal::Notify(2.2)),
    work(
        "pread-64-profiled",
        "the same under a CPU profile at 100 Hz",
        How::Profiled("pread-64"),
        Goal::Plain("pread-64", 1.03),
    ),
    work("pipe-60000", "60,000 bytes through a pipe", How::Inside, Goal::Native(4.0)),
    work("ping-pong", "two threads, ping-pong over two pipes", How::Inside, Goal::Native(2.5)),
    work("getppid-two", "getppid by two processes at once, each", How::Inside, Goal::Throughput(1.8)),
    work("clock_gettime", "clock_gettime", How::Inside, Goal::Native(1.5)),
    work("first-touch", "first touch of a page", How::Inside, Goal::Native(1.1)),
    work("cpu", "CPU-bound code (CPU time)", How::Inside, Goal::Native(1.02)),
    work("mmap-64k", "mmap of 64 KiB, touch, munmap", How::Inside, Goal::Native(4.0)),
    work("pthread", "pthread_create and join", How::Inside, Goal::Native(4.0)),
    work("fork", "fork, exit, wait", How::Inside, Goal::Native(3.0)),
    work("exec", "vfork, exec true, wait", How::Inside, Goal::Native(3.0)),
    work("do-true", "true, start to end", How::StartToEnd, Goal::Bwrap(2.0)),
    work(
        "exec-true",
        "true in a running sandbox, over an open connection",
        How::Exec { by_command: false },
        Goal::Native(4.0),
    ),
    work(
        "exec-true-command",
        "true in a running sandbox, by command",
        How::Exec { by_command: true },
        Goal::Native(5.0),
    ),
    work("sh-100", "sh runs /bin/true 100 times", How::Command(SH), Goal::Native(2.5)),
    work(
        "find",
        "find over 4,000 files",
        How::Command("exec find tree -type f -size +1k"),
        Goal::Native(4.0),
    ),
    work("grep", "grep -r over the same", How::Command("exec grep -r needle tree"), Goal::Native(2.0)),
    work(
        "gcc",
        "gcc -O2 of one file",
        How::Command("exec gcc -O2 -c c/big.c -o /tmp/big.o"),
        Goal::Native(1.25),
    ),
    work("make", "make -j2 of 12 files", How::Command("exec make -s -B -j2 -C c"), Goal::Native(1.25)),
    work("python", "python3 imports much of its library", How::Command(IMPORTS), Goal::Native(1.25)),
    work("pwrite-64k", "pwrite of 64 KiB to a file in memory", How::Inside, Goal::Native(4.0)),
    work("pread-64k", "pread of 64 KiB from it", How::Inside, Goal::Native(4.0)),
    work("ps-500", "Proc.Ps of 500 processes", How::Control(Look::Ps), Goal::Nanos(5e6)),
    work("strace-log", "strace to the log, per call", How::Control(Look::StraceLog), Goal::Nanos(3e3)),
    work("strace-events", "strace as events, per event", How::Control(Look::StraceEvents), Goal::Nanos(1e3)),
    work(
        "strace-off",
        "getppid when strace is off again",
        How::Control(Look::StraceOff),
        Goal::Getppid(1.02),
    ),
    work(
        "restore-shell",
        "an idle shell is restored",
        How::Saving(Saving::Restore(Program::Shell)),
        Goal::Nanos(15e6),
    ),
    work(
        "restore-python",
        "python3 with much of its library is restored",
        How::Saving(Saving::Restore(Program::Python)),
        Goal::Nanos(15e6),
    ),
    work(
        "restore-1g",
        "python3 with 1 GiB of memory is restored",
        How::Saving(Saving::Restore(Program::Large)),
        Goal::Nanos(15e6),
    ),
    work(
        "restore-100",
        "python3 with 256 MiB of memory, 100 at once",
        How::Saving(Saving::Many(Program::Warm)),
        Goal::Nanos(1e9),
    ),
    work(
        "save-1g",
        "the same with 1 GiB is saved (natively: write(2))",
        How::Saving(Saving::Save(Program::Large)),
        Goal::Native(1.0 / 0.7),
    ),
    work("pause", "it is paused", How::Saving(Saving::Pause(Program::Python)), Goal::Nanos(10e6)),
    work(
        "passes",
        "a pass over 256 MiB of memory (CPU time)",
        How::Saving(Saving::Pass { restored: false }),
        Goal::None,
    ),
    work(
        "passes-restored",
        "the same after a restore, once pages are in",
        How::Saving(Saving::Pass { restored: true }),
        Goal::Plain("passes", 1.05),
    ),
    work(
        "copy-memory",
        "memory of one of 100 copies of python3 with 256 MiB (PSS and page tables)",
        How::Saving(Saving::Memory(Program::Warm)),
        Goal::MiB(1.0),
    ),
    work("idle-memory", "memory of an idle sandbox (PSS)", How::Memory, Goal::MiB(4.0)),
];

/// Compiles the work program; static, so that it is the same everywhere.
pub(crate) fn build(dir: &Path) -> Result<PathBuf> {
    let source = dir.join("work.c");
    fs::write(&source, include_str!("../work.c"))?;
    // The interpreter itself, and not a script that looks for one of several.
    let python =
        Command::new("python3").args(["-c", "import sys; print(sys.executable, end='')"]).output()?;
    symlink(OsStr::from_bytes(&python.stdout), dir.join("python3"))?;
    let program = dir.join("work");
    let status = Command::new("gcc")
        .args(["-O2", "-static", "-pthread", "-o"])
        .args([&program, &source])
        .status()
        .context("cannot run gcc, which builds the work program")?;
    if !status.success() {
        bail!("gcc does not build the work program: {status}");
    }
    Ok(program)
}

/// Makes what the commands work on: a tree of 4,000 files and a small C project.
pub(crate) fn prepare_files(dir: &Path) -> Result<()> {
    for i in 0..80 {
        let sub = dir.join(format!("tree/d{}/e{i}", i % 8));
        fs::create_dir_all(&sub)?;
        for j in 0..50 {
            let line = format!("line of file {i} {j} with nothing to find in it\n");
            let mut text = line.repeat(20 + (i * j) % 60);
            if (i * 50 + j) % 97 == 0 {
                text.push_str("a needle\n");
            }
            fs::write(sub.join(format!("f{j}.txt")), text)?;
        }
    }
    let c = dir.join("c");
    fs::create_dir_all(&c)?;
    fs::write(c.join("big.c"), c_source(0, 150))?;
    let mut makefile = String::from("all:");
    for i in 0..12 {
        fs::write(c.join(format!("m{i}.c")), c_source(i, 40))?;
        write!(makefile, " /tmp/m{i}.o")?;
    }
    makefile.push('\n');
    for i in 0..12 {
        write!(makefile, "/tmp/m{i}.o: m{i}.c\n\tgcc -O2 -c m{i}.c -o $@\n")?;
    }
    fs::write(c.join("Makefile"), makefile)?;
    Ok(())
}

fn c_source(seed: usize, functions: usize) -> String {
    let mut text = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    for i in 0..functions {
        let _ = write!(
            text,
            "int f{seed}_{i}(int *v, int n) {{\n  int s = {i};\n  for (int i = 0; i < n; i++) {{\n    if (v[i] % {} == 0) s += v[i] * {i};\n    else if (v[i] > s) s ^= v[i] << {};\n    else v[i] = s - i;\n  }}\n  printf(\"%d\\n\", s);\n  return s;\n}}\n",
            i % 7 + 2,
            i % 13
        );
    }
    text
}

impl Work {
    /// One figure: nanoseconds, or bytes for memory. None where it says nothing.
    pub(crate) fn run(&self, environment: &Environment, program: &Path, dir: &Path) -> Result<Option<f64>> {
        let path = program.to_str().context("the path of the work program")?;
        match self.how {
            How::OnHost if *environment != Environment::Native => Ok(None),
            How::Inside | How::OnHost => {
                let mut command = environment.command(path, dir);
                command.arg(self.name);
                answer(command).map(Some)
            }
            How::Command(script) => {
                let mut command = environment.command(path, dir);
                command.args(["command", "1", "/bin/sh", "-c", script]);
                answer(command).map(Some)
            }
            How::StartToEnd => {
                let mut command = environment.command("/bin/true", dir);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                let start = Instant::now();
                let status = command.status()?;
                let spent = start.elapsed();
                if !status.success() {
                    bail!("{status}");
                }
                Ok(Some(spent.as_nanos() as f64))
            }
            How::Exec { by_command } => exec::run(environment, dir, by_command),
            How::Profiled(work) => environment.profiled(path, work, dir),
            How::Control(look) => control::run(environment, dir, path, look),
            How::Saving(saving) => saving::run(environment, dir, path, saving),
            How::Memory if *environment == Environment::Native => Ok(None),
            How::Memory => memory::idle(environment, dir).map(Some),
        }
    }
}

/// What the work program says.
fn answer(mut command: Command) -> Result<f64> {
    told(&command.output()?)
}

/// The same of one that has ended.
pub(crate) fn told(output: &Output) -> Result<f64> {
    let text = String::from_utf8_lossy(&output.stdout);
    let value = text.split_whitespace().last().and_then(|v| v.parse().ok());
    value.filter(|_| output.status.success()).with_context(|| {
        format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end())
    })
}

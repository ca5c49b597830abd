//! `stockade profile`: what the sentry of a running sandbox does.

use crate::cli::{ProfileArgs, ProfileKind};
use crate::connect::connect;
use crate::failure::{Failure, reason};
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use stockade_control::client::{Client, Error};
use stockade_control::types::profile::{
    BlockProfileOpts, CpuProfileOpts, HeapProfileOpts, MutexProfileOpts, TraceProfileOpts,
};

const DEFAULT_DURATION: Duration = Duration::from_secs(5);

/// Writes it to a file, or to standard output.
pub(super) fn run(args: &ProfileArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    if args.rate.is_some() && args.kind != ProfileKind::Cpu {
        return Err(Failure::new("--rate: only CPU profiles have one", ""));
    }
    let mut client = connect(state_dir, &args.id)?;
    let Some(path) = destination(args) else {
        let out = io::stdout();
        if args.kind != ProfileKind::Stacks && out.is_terminal() {
            return Err(Failure::new("standard output is a terminal", "name a file: --output FILE"));
        }
        return match ask(&mut client, args, out.as_fd()) {
            // A reader that went away is no error.
            Err(Error::Remote { errno: Some(EPIPE), .. }) => Ok(ExitCode::SUCCESS),
            other => told(args, other),
        };
    };
    let on_file = |e: &io::Error| Failure::new(format!("--output {}: {}", path.display(), reason(e)), "");
    let file = File::create(&path).map_err(|e| on_file(&e))?;
    let status = told(args, ask(&mut client, args, file.as_fd()))?;
    crate::run::say(&format!("{} written; {}", path.display(), next_step(args.kind, &path)));
    Ok(status)
}

const EPIPE: i32 = rustix::io::Errno::PIPE.raw_os_error();

/// None for standard output.
fn destination(args: &ProfileArgs) -> Option<PathBuf> {
    let name = match args.kind {
        ProfileKind::Cpu => "cpu.pb.gz",
        ProfileKind::Heap => "heap.pb.gz",
        ProfileKind::Waits => "waits.pb.gz",
        ProfileKind::Locks => "locks.pb.gz",
        ProfileKind::Trace => "trace.json",
        ProfileKind::Stacks => "",
    };
    match &args.output {
        Some(path) if path.as_os_str() == "-" => None,
        Some(path) => Some(path.clone()),
        None if name.is_empty() => None,
        None => Some(format!("{}.{name}", args.id).into()),
    }
}

fn ask(client: &mut Client, args: &ProfileArgs, file: BorrowedFd<'_>) -> Result<(), Error> {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let duration = nanos(args.duration.unwrap_or(DEFAULT_DURATION));
    match args.kind {
        ProfileKind::Cpu => {
            let rate = args.rate.map_or(0, i64::from);
            client.profile_cpu(&CpuProfileOpts { duration, rate }, file)
        }
        ProfileKind::Heap => {
            let delay = nanos(args.duration.unwrap_or_default());
            client.profile_heap_later(&HeapProfileOpts { delay }, file)
        }
        ProfileKind::Waits => client.profile_block(&BlockProfileOpts { duration, rate: 0 }, file),
        ProfileKind::Locks => client.profile_mutex(&MutexProfileOpts { duration, fraction: 1 }, file),
        ProfileKind::Stacks => client.profile_stacks(file),
        ProfileKind::Trace => client.trace(&TraceProfileOpts { duration }, file),
    }
}

fn told(args: &ProfileArgs, result: Result<(), Error>) -> Result<ExitCode, Failure> {
    result.map_err(|e| Failure::new(format!("sandbox {}: {e}", args.id), ""))?;
    Ok(ExitCode::SUCCESS)
}

fn next_step(kind: ProfileKind, path: &Path) -> String {
    match kind {
        ProfileKind::Trace => "open it at https://ui.perfetto.dev".into(),
        ProfileKind::Stacks => "it is text".into(),
        _ => format!("`go tool pprof -top {}` reads it", path.display()),
    }
}

//! From options to a [`SandboxConfig`]: defaults filled in, paths looked up on the host, contradictions refused.

mod environment;
pub(crate) mod files;
mod paths;

use crate::caller::Caller;
use crate::cli::DoArgs;
use crate::config::{Limits, LogConfig, LogLevel, OverlayConfig, ProcessConfig, SandboxConfig, StraceConfig};
use crate::failure::Failure;
use crate::parse::format_size;
use crate::state::ImageId;
use std::fs::File;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stockade_confine::Clocks;

/// What `stockade do` or `stockade restore` is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sandbox.
    pub sandbox: SandboxConfig,
    /// How long the program may run.
    pub timeout: Option<Duration>,
    /// Whether warnings are left out.
    pub quiet: bool,
    /// Whether it outlives the command.
    pub detach: Option<Detach>,
    /// What it goes on from, if it is no new one.
    pub image: Option<Source>,
}

/// The image that a sandbox is restored from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: Arc<File>,
    /// Descriptors that the sentry inherits: this one, and that of who reads it.
    pub inherited: [RawFd; 2],
    /// What tells it from other files; `None` if there is nothing to remember of it.
    pub id: Option<ImageId>,
    /// Where the clocks inside go on.
    pub clocks: Clocks,
}

/// How a sandbox outlives the command that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detach {
    /// Whether nothing of it is kept at its end.
    pub remove: bool,
}

/// Makes the plan. Its one effect on the host: the overlay directory is created.
///
/// # Errors
/// What is wrong with which option, and what to do.
pub fn plan(args: DoArgs, caller: &Caller) -> Result<Plan, Failure> {
    let limits = limits(&args, caller)?;
    let log = LogConfig {
        level: args.log_level.unwrap_or(match (&args.log, args.quiet) {
            (Some(_), _) => LogLevel::Info,
            (None, true) => LogLevel::Error,
            (None, false) => LogLevel::Warn,
        }),
        file: args.log.as_deref().map(|file| files::log_file(&caller.cwd.join(file))).transpose()?,
        format: args.log_format,
    };
    let id = match args.id {
        Some(id) => id,
        None => made_up_id("do")?,
    };
    let env = environment::environment(&args.env, args.clear_env, args.cwd.as_deref(), caller)?;
    let (root, volumes) = files::files(args.root.as_deref(), &args.volume, &args.overlay, &caller.cwd)?;
    let (uid, gid) = (args.uid.unwrap_or(caller.uid), args.gid.unwrap_or(caller.gid));
    let same_identity = (uid, gid) == (caller.uid, caller.gid);
    let process = ProcessConfig {
        argv: args.command,
        env,
        cwd: args.cwd.map_or_else(|| caller.cwd.clone(), |cwd| caller.cwd.join(cwd)),
        uid,
        gid,
        groups: if same_identity { caller.groups.clone() } else { Vec::new() },
        umask: caller.umask,
        nice: caller.nice,
        rlimits: caller.rlimits.clone(),
        blocked_signals: caller.blocked_signals,
        ignored_signals: caller.ignored_signals,
        terminal: args.tty,
    };
    let sandbox = SandboxConfig {
        id,
        hostname: args.hostname.unwrap_or_else(|| caller.hostname.clone()),
        limits: Limits { disk: args.disk.unwrap_or_else(|| default_disk(&root.overlay, &limits)), ..limits },
        root,
        volumes,
        process,
        strace: match args.strace {
            None => StraceConfig::Off,
            Some(None) => StraceConfig::All,
            Some(Some(calls)) => StraceConfig::Calls(calls.0),
        },
        log,
        annotations: args.annotation.into_iter().collect(),
    };
    let detach = args.detach.then_some(Detach { remove: args.rm });
    Ok(Plan { sandbox, timeout: args.timeout, quiet: args.quiet, detach, image: None })
}

fn limits(args: &DoArgs, caller: &Caller) -> Result<Limits, Failure> {
    let memory = args.memory.unwrap_or_else(|| (caller.memory / 2).max(Limits::LEAST_MEMORY));
    if memory < Limits::LEAST_MEMORY {
        return Err(Failure::new(
            format!("--memory: {} is too little for a sandbox", format_size(memory)),
            format!("give it at least {}", format_size(Limits::LEAST_MEMORY)),
        ));
    }
    Ok(Limits {
        memory,
        tasks: args.pids.unwrap_or(Limits::DEFAULT_TASKS),
        descriptors: args.descriptors.unwrap_or(Limits::DEFAULT_DESCRIPTORS),
        disk: args.disk.unwrap_or(Limits::DEFAULT_DISK),
        cpus: args.cpus,
    })
}

/// An overlay in memory shares the memory limit, so that a full disk is met (ENOSPC) before the end of memory is.
fn default_disk(overlay: &OverlayConfig, limits: &Limits) -> u64 {
    match overlay {
        OverlayConfig::Dir(_) => Limits::DEFAULT_DISK,
        OverlayConfig::Memory | OverlayConfig::None => limits.memory / 2,
    }
}

/// A name that nobody has, in all likelihood.
pub(crate) fn made_up_id(prefix: &str) -> Result<String, Failure> {
    let mut bytes = [0; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(|e| {
        Failure::new(format!("cannot make up a name for the sandbox: {e}"), "name it with --id")
    })?;
    Ok(format!("{prefix}-{:08x}", u32::from_ne_bytes(bytes)))
}

/// A path as messages show it.
fn shown(path: impl Into<PathBuf>) -> String {
    path.into().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;

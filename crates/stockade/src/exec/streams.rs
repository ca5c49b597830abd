//! The descriptors that a program is given.

use super::on_host;
use crate::cli::ExecArgs;
use crate::failure::{Failure, reason};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use rustix::stdio::{stderr, stdin, stdout};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Descriptors by the numbers that they get.
pub(super) type Numbered = Vec<(i32, OwnedFd)>;

/// Standard streams, and those that are passed on beside them. What is closed here is closed there.
pub(super) fn streams(args: &ExecArgs) -> Result<Numbered, Failure> {
    let on_host = |e: io::Error| on_host(&args.id, &e);
    let null = |flags| open("/dev/null", flags | OFlags::CLOEXEC, Mode::empty());
    let own = |fd: BorrowedFd<'static>| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    let mut streams = Vec::new();
    if args.interactive && !args.detach {
        streams.extend(own(stdin()).ok().map(|fd| (0, fd)));
    } else {
        streams.push((0, null(OFlags::RDONLY).map_err(|e| on_host(e.into()))?));
    }
    for (number, fd) in [(1, stdout()), (2, stderr())] {
        if args.detach {
            streams.push((number, null(OFlags::WRONLY).map_err(|e| on_host(e.into()))?));
        } else {
            streams.extend(own(fd).ok().map(|fd| (number, fd)));
        }
    }
    let passed = passed(args)?;
    streams.retain(|(number, _)| !passed.iter().any(|(other, _)| other == number));
    streams.extend(passed);
    Ok(streams)
}

/// Those of `--pass-fd`.
pub(super) fn passed(args: &ExecArgs) -> Result<Numbered, Failure> {
    if args.pass_fd.is_empty() {
        return Ok(Vec::new());
    }
    // The way to a descriptor of which only the number is known.
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|e| on_host(&args.id, &e.into()))?;
    let take = |pair: &crate::parse::PassFd| {
        let fd = pidfd_getfd(&own, pair.host, PidfdGetfdFlags::empty()).map_err(|e| {
            let cause = format!("--pass-fd {}: {}", pair.host, reason(&e.into()));
            Failure::new(cause, "open it in the shell first: stockade exec --pass-fd 3 … 3<FILE")
        })?;
        Ok((pair.guest, fd))
    };
    args.pass_fd.iter().map(take).collect()
}

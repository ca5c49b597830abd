//! From the pipes that a sandbox prints to into the file.

use super::entry::Stream;
use super::log::OutputLog;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::io;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

/// The reading ends.
#[derive(Debug)]
pub(crate) struct Pump {
    out: OwnedFd,
    err: OwnedFd,
}

impl Pump {
    /// Makes standard input of this process empty, and standard output and error pipes, for a sandbox to inherit.
    pub(crate) fn place() -> io::Result<Self> {
        let (out, out_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, err_end) = pipe_with(PipeFlags::CLOEXEC)?;
        dup2_stdin(&null()?)?;
        dup2_stdout(&out_end)?;
        dup2_stderr(&err_end)?;
        Ok(Self { out, err })
    }

    /// Takes the pipes away from this process again, and writes down what comes through them on a thread of its own, until
    /// the sandbox has ended.
    pub(crate) fn start(self, log: OutputLog) -> io::Result<JoinHandle<()>> {
        let null = null()?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        std::thread::Builder::new().name("output".into()).stack_size(256 << 10).spawn(move || self.run(log))
    }

    fn run(self, mut log: OutputLog) {
        // It takes no memory before it is used.
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut open = [Some((self.out, Stream::Out)), Some((self.err, Stream::Err))];
        while open.iter().any(Option::is_some) {
            let mut fds: Vec<PollFd<'_>> =
                open.iter().flatten().map(|(fd, _)| PollFd::new(fd, PollFlags::IN)).collect();
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            for (end, _) in open.iter_mut().filter(|end| end.is_some()).zip(ready).filter(|(_, ready)| *ready)
            {
                let Some((fd, stream)) = end else { continue };
                match rustix::io::read(&*fd, spare_capacity(&mut buffer)) {
                    Err(Errno::INTR) => {}
                    Ok(0) | Err(_) => *end = None,
                    // What the disk has no room for is lost; the program is not held up for it.
                    Ok(_) => {
                        drop(log.append(*stream, &buffer));
                        buffer.clear();
                    }
                }
            }
        }
    }
}

fn null() -> io::Result<OwnedFd> {
    Ok(open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

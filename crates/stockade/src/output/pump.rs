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

/// The reading ends of those that are open.
#[derive(Debug)]
pub(crate) struct Pump([Option<(OwnedFd, Stream)>; 3]);

/// One at work.
#[derive(Debug)]
pub(crate) struct Pumping {
    thread: JoinHandle<(Pump, OutputLog)>,
    stop: OwnedFd,
}

impl Pump {
    /// Makes standard input of this process empty, and standard output and error pipes, for a sandbox to inherit. `shown` is
    /// the other side of a terminal that the sandbox has, if it has one.
    pub(crate) fn place(shown: Option<OwnedFd>) -> io::Result<Self> {
        let (out, out_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, err_end) = pipe_with(PipeFlags::CLOEXEC)?;
        dup2_stdin(&null()?)?;
        dup2_stdout(&out_end)?;
        dup2_stderr(&err_end)?;
        let shown = shown.map(|terminal| (terminal, Stream::Out));
        Ok(Self([Some((out, Stream::Out)), Some((err, Stream::Err)), shown]))
    }

    /// Takes the pipes away from this process again, and writes down what comes through them and what the terminal shows on
    /// a thread of its own, until the sandbox has ended.
    pub(crate) fn start(self, log: OutputLog) -> io::Result<Pumping> {
        let null = null()?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
        let builder = std::thread::Builder::new().name("output".into()).stack_size(256 << 10);
        let thread = builder.spawn(move || self.run(log, &stopped))?;
        Ok(Pumping { thread, stop })
    }

    fn run(mut self, mut log: OutputLog, stopped: &OwnedFd) -> (Self, OutputLog) {
        // It takes no memory before it is used.
        let mut buffer = Vec::with_capacity(64 << 10);
        while self.0.iter().any(Option::is_some) {
            let mut fds: Vec<PollFd<'_>> =
                self.0.iter().flatten().map(|(fd, _)| PollFd::new(fd, PollFlags::IN)).collect();
            fds.push(PollFd::new(stopped, PollFlags::IN));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
            let mut ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            if ready.pop() == Some(true) {
                break;
            }
            for (end, _) in
                self.0.iter_mut().filter(|end| end.is_some()).zip(ready).filter(|(_, ready)| *ready)
            {
                let Some((fd, stream)) = end else { continue };
                match rustix::io::read(&*fd, spare_capacity(&mut buffer)) {
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Ok(0) | Err(_) => *end = None,
                    // What the disk has no room for is lost; the program is not held up for it.
                    Ok(_) => {
                        drop(log.append(*stream, &buffer));
                        buffer.clear();
                    }
                }
            }
        }
        (self, log)
    }
}

impl Pumping {
    /// Waits until the sandbox has ended, and all that it printed is written down.
    pub(crate) fn finish(self) {
        // One that panicked has nothing more to write down.
        drop(self.thread.join());
    }

    /// Stops it, for another to be started; what is printed meanwhile waits in the pipes.
    pub(crate) fn stop(self) -> io::Result<(Pump, OutputLog)> {
        drop(self.stop);
        self.thread.join().map_err(|_| io::Error::other("what writes down the output has failed"))
    }
}

fn null() -> io::Result<OwnedFd> {
    Ok(open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

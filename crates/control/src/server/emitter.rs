//! `Events`: tells whoever attached of what guests do.
//!
//! One thread takes events from the sentry's queue, puts them into words and sends them. If the reader is slow, it waits for
//! it, the queue fills, and what finds no room there is counted: guests never wait.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as HostErrno;
use rustix::net::{AddressFamily, SendFlags, SocketType, send, sockopt};
use serde::de::IgnoredAny;
use stockade_abi::Errno;
use stockade_sentry::diagnosis;
use stockade_sentry::strace::{Batch, End, Event, Queue, Record};

use super::methods::Nothing;
use super::{Error, Files, Sandbox};
use crate::events::{DebugEvent, Info, Strace, StraceEnter, StraceExit, frame};

/// Of the thread.
const STACK: usize = 256 << 10;

/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;

/// How long it rests between two looks at the queue while there are events: to be woken for each would cost the guest a
/// wake-up of another processor, which takes longer than the call that it is told of.
const NAP: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Where events go.
#[derive(Default)]
pub(super) struct Emitter {
    slot: Mutex<Slot>,
    lost: AtomicU64,
}

#[derive(Default)]
struct Slot {
    /// Who takes the place of the reader there is.
    next: Option<OwnedFd>,
    /// Whether the thread runs.
    is_served: bool,
}

/// `Events.AttachDebugEmitter`: events go to the given socket from now on, in place of the one before, which is closed.
pub(super) fn attach(sandbox: &Arc<Sandbox>, _: IgnoredAny, files: Files) -> Result<Nothing, Error> {
    let socket = files.0.into_iter().next().ok_or_else(|| Error::new("no output writer provided"))?;
    check(&socket)?;
    let queue = sandbox.kernel.tracing.queue();
    queue.bell().map_err(|e| Error::new(format!("events cannot be waited for: {e}")))?;
    let mut slot = sandbox.emitter.slot.lock();
    slot.next = Some(socket);
    if slot.is_served {
        queue.ring();
    } else {
        // What came when nobody read any more is not this reader's.
        queue.take(&mut Batch::default());
        let served = Arc::clone(sandbox);
        if let Err(e) = diagnosis::spawn("events", STACK, move || serve(&served)) {
            slot.next = None;
            return Err(Error::new(format!("no thread for events: {e}")));
        }
        slot.is_served = true;
    }
    // Whoever reads the answer finds that events are on their way.
    sandbox.kernel.tracing.set_has_reader(true);
    Ok(Nothing {})
}

impl Emitter {
    /// How many events found no room since the sandbox began.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// What is written to has to be what it is said to be: the sentry must not block or be ended by it.
fn check(socket: &OwnedFd) -> Result<(), Error> {
    let kind = sockopt::socket_domain(socket).and_then(|family| Ok((family, sockopt::socket_type(socket)?)));
    match kind {
        Ok((AddressFamily::UNIX, SocketType::STREAM)) => Ok(()),
        Ok(_) => Err(Error::new("the output writer is no UNIX stream socket")),
        Err(e) => Err(Error::on("the output writer", Errno::from_raw(e.raw_os_error()))),
    }
}

/// Why sending ends.
enum Stop {
    /// The reader is gone.
    Gone,
    /// Another one takes its place.
    Replaced,
}

fn serve(sandbox: &Sandbox) {
    let tracing = &sandbox.kernel.tracing;
    let queue = Arc::clone(tracing.queue());
    let mut batch = Batch::default();
    loop {
        let socket = {
            let mut slot = sandbox.emitter.slot.lock();
            let Some(socket) = slot.next.take() else {
                slot.is_served = false;
                tracing.set_has_reader(false);
                // What nobody reads takes no memory.
                queue.take(&mut Batch::default());
                return;
            };
            socket
        };
        let reader = Reader { emitter: &sandbox.emitter, queue: &queue, socket };
        // Either way, what matters is whether there is another.
        let (Stop::Gone | Stop::Replaced) = reader.tell(&mut batch);
    }
}

struct Reader<'a> {
    emitter: &'a Emitter,
    queue: &'a Queue,
    socket: OwnedFd,
}

impl Reader<'_> {
    /// Tells it all, until it is gone or another one comes.
    fn tell(&self, batch: &mut Batch) -> Stop {
        let mut is_first_loss = true;
        let mut bytes = Vec::with_capacity(CHUNK);
        loop {
            self.queue.take(batch);
            for event in &batch.events {
                bytes.extend(frame(&DebugEvent::from(strace(event))));
                if bytes.len() >= CHUNK
                    && let Err(stop) = self.send(&mut bytes)
                {
                    return stop;
                }
            }
            if batch.lost > 0 {
                self.emitter.lost.fetch_add(batch.lost, Ordering::Relaxed);
                bytes.extend(frame(&DebugEvent::of_lost(batch.lost)));
                if is_first_loss {
                    tracing::warn!("a reader of events is slow: some are lost");
                    is_first_loss = false;
                }
            }
            if let Err(stop) = self.send(&mut bytes).and_then(|()| self.rest()) {
                return stop;
            }
        }
    }

    fn send(&self, bytes: &mut Vec<u8>) -> Result<(), Stop> {
        let mut sent = 0;
        while sent < bytes.len() {
            match send(&self.socket, &bytes[sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) => sent += n,
                Err(HostErrno::INTR) => {}
                Err(HostErrno::AGAIN) => self.wait(PollFlags::OUT, None)?,
                Err(_) => return Err(Stop::Gone),
            }
        }
        bytes.clear();
        Ok(())
    }

    /// Waits for events: for a moment, and if none came meanwhile, until one does.
    fn rest(&self) -> Result<(), Stop> {
        self.wait(PollFlags::empty(), Some(&NAP))?;
        if !self.queue.may_sleep() {
            return Ok(());
        }
        let outcome = self.wait(PollFlags::empty(), None);
        self.queue.wake();
        outcome
    }

    /// Until the socket or the bell says something, or the time has passed.
    fn wait(&self, socket: PollFlags, at_most: Option<&Timespec>) -> Result<(), Stop> {
        let bell: BorrowedFd<'_> = self.queue.bell().map_err(|_| Stop::Gone)?;
        let mut fds = [
            PollFd::from_borrowed_fd(self.socket.as_fd(), socket),
            PollFd::from_borrowed_fd(bell, PollFlags::IN),
        ];
        match poll(&mut fds, at_most) {
            Ok(_) | Err(HostErrno::INTR) => {}
            Err(_) => return Err(Stop::Gone),
        }
        if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Err(Stop::Gone);
        }
        if fds[1].revents().contains(PollFlags::IN) {
            self.queue.wake();
        }
        self.look()
    }

    fn look(&self) -> Result<(), Stop> {
        if self.emitter.slot.lock().next.is_some() { Err(Stop::Replaced) } else { Ok(()) }
    }
}

fn strace(event: &Event) -> Strace {
    let Record { tid, process, function, args, end } = event.record();
    let info = match end {
        None => Info::Enter(StraceEnter {}),
        Some(End { result, elapsed }) => {
            let elapsed_ns = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
            Info::Exit(match result {
                Ok(value) => {
                    StraceExit { r#return: format!("{value:#x}"), elapsed_ns, ..StraceExit::default() }
                }
                Err(e) => StraceExit {
                    r#return: "-1".into(),
                    error: format!("{e:?} ({e})"),
                    err_no: i64::from(e.raw()),
                    elapsed_ns,
                },
            })
        }
    };
    Strace { process, function, args, tid, info: Some(info) }
}

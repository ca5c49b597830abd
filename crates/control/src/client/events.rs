//! `Events` and `containerManager.Event`.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::{Client, Error, Nothing};
use crate::events::Reader;
use crate::types::event::EventOut;

impl Client {
    /// `Events.AttachDebugEmitter`: has events sent to this process, in place of whoever read them before. Which calls they
    /// tell of is `strace_event_allowlist` of [`Client::change_logging`]'s. Who reads slowly loses events and is told how
    /// many; the guests do not wait. The events end when what is returned is dropped.
    ///
    /// # Errors
    /// EMFILE; see also [`Error`].
    pub fn attach_events(&mut self) -> Result<Reader<UnixStream>, Error> {
        let (ours, theirs): (OwnedFd, OwnedFd) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(std::io::Error::from)?;
        self.call("Events.AttachDebugEmitter", &(), &[theirs.as_fd()]).map(|Nothing {}| ())?;
        Ok(Reader::new(ours.into()))
    }

    /// `containerManager.Event`: what the sandbox uses now.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn event(&mut self) -> Result<EventOut, Error> {
        self.call("containerManager.Event", &"", &[])
    }
}

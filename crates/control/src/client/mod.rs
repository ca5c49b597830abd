//! The client's side: for the commands, and for programs that embed Stockade.
//!
//! ```no_run
//! use stockade_control::client::Client;
//!
//! // Where `stockade state` says that the control socket is.
//! let mut client = Client::connect("/run/stockade/box/control.sock".as_ref())?;
//! client.pause()?;
//! for process in client.processes("")? {
//!     println!("{} {}", process.pid, process.cmd);
//! }
//! client.resume()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod container;
mod events;
mod files;
mod logging;
mod proc;
mod profile;
mod state;
mod usage;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::{Answer, Budget, Call, Connection, MAX_MESSAGE, WireError};
pub use state::Saving;

/// A connection to a control server. One call at a time; open another one for a second.
#[derive(Debug)]
pub struct Client(Connection);

/// What a method without a result answers.
#[derive(serde::Deserialize)]
struct Nothing {}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The server went away without an answer: its sandbox has ended.
    #[error("the sandbox ended before it answered")]
    Ended,
    /// Something that is no answer.
    #[error("an answer that cannot be understood: {0}")]
    Answer(#[from] serde_json::Error),
    /// What the method says.
    #[error("{message}")]
    Remote {
        /// In words.
        message: String,
        /// errno(3), where there is one.
        errno: Option<i32>,
    },
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Self::Wire(WireError::Io(e))
    }
}

impl Client {
    /// Connects to the control socket of a sandbox.
    ///
    /// # Errors
    /// ENOENT, ECONNREFUSED if there is no such sandbox any more, EACCES if it is somebody else's.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Addresses are short (unix(7)), paths need not be.
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let directory = open(directory, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        connect(&socket, &SocketAddrUnix::new(short)?)?;
        Ok(Self::new(socket))
    }

    /// Takes over a connected socket.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self(Connection::new(socket, Budget::new(4 * MAX_MESSAGE)))
    }

    /// Has calls fail with EAGAIN when their answer takes longer; by default they wait for as long as it takes. A connection
    /// on which a call has failed so is of no more use.
    ///
    /// # Errors
    /// EINVAL for no time at all.
    pub fn set_timeout(&mut self, at_most: Duration) -> io::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, Some(at_most))?;
        Ok(set_socket_timeout(&self.0, Timeout::Send, Some(at_most))?)
    }

    /// Calls a method and waits for its result.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        arg: &impl Serialize,
        files: &[BorrowedFd<'_>],
    ) -> Result<R, Error> {
        self.begin(method, arg, files)?;
        self.finish()
    }

    /// Calls a method; [`finish`](Self::finish) waits for its result. This is readable when that will not take long.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn begin(
        &mut self,
        method: &str,
        arg: &impl Serialize,
        files: &[BorrowedFd<'_>],
    ) -> Result<(), Error> {
        let text = serde_json::to_vec(&Call { method, arg: Some(arg) })?;
        match self.0.send(&text, files) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Error::Ended),
            other => Ok(other?),
        }
    }

    /// Waits for the result of the method that was called.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn finish<R: DeserializeOwned>(&mut self) -> Result<R, Error> {
        let message = self.0.receive()?.ok_or(Error::Ended)?;
        let answer: Answer = serde_json::from_slice(&message.text)?;
        if !answer.success {
            return Err(Error::Remote { message: answer.err, errno: answer.errno });
        }
        Ok(serde_json::from_str(answer.result.as_deref().map_or("null", |r| r.get()))?)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

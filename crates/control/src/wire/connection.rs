//! One connection: objects and descriptors in and out.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::budget::{Budget, Share};
use super::scanner::Scanner;
use super::{MAX_FILES, MAX_MESSAGE, WireError};

/// What the host lets one message carry (SCM_MAX_FD): with room for all, none is lost unseen.
const HOST_MAX_FILES: usize = 253;

/// Bytes taken from the socket at once, and kept for the next object.
const CHUNK: usize = 16 << 10;

/// A connected stream socket.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    budget: Budget,
    /// What arrived beyond the last object.
    rest: Vec<u8>,
    rest_files: Vec<OwnedFd>,
}

/// An object as it arrived.
#[derive(Debug)]
pub struct Message {
    /// JSON, from brace to brace.
    pub text: Vec<u8>,
    /// The descriptors that came with it, close-on-exec.
    pub files: Vec<OwnedFd>,
    _share: Share,
}

impl Connection {
    /// Takes a socket over. What it holds in memory is taken from `budget`.
    #[must_use]
    pub fn new(socket: OwnedFd, budget: Budget) -> Self {
        Self { socket, budget, rest: Vec::new(), rest_files: Vec::new() }
    }

    /// The next object; none when the other side has ended the connection.
    ///
    /// # Errors
    /// Why there cannot be one. Descriptors that came with it are closed.
    pub fn receive(&mut self) -> Result<Option<Message>, WireError> {
        let mut text = std::mem::take(&mut self.rest);
        let mut files = std::mem::take(&mut self.rest_files);
        let mut scanner = Scanner::default();
        let mut share = self.budget.share();
        let mut scanned = 0;
        let end = loop {
            if let Some(end) = scanner.scan(&text[scanned..])? {
                break scanned + end;
            }
            scanned = text.len();
            if scanned > MAX_MESSAGE {
                return Err(WireError::TooLong);
            }
            // The vector doubles.
            if scanned > CHUNK && !share.grow(scanned * 2) {
                return Err(WireError::NoRoom);
            }
            if !self.read_more(&mut text, &mut files)? {
                let is_blank = text.iter().all(u8::is_ascii_whitespace);
                return if is_blank { Ok(None) } else { Err(WireError::Truncated) };
            }
        };
        // One call at a time: descriptors that came early belong to nobody else.
        self.rest = text.split_off(end);
        Ok(Some(Message { text, files, _share: share }))
    }

    /// False at the end.
    fn read_more(&self, text: &mut Vec<u8>, files: &mut Vec<OwnedFd>) -> Result<bool, WireError> {
        let start = text.len();
        text.resize(start + CHUNK, 0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HOST_MAX_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = loop {
            let mut part = [IoSliceMut::new(&mut text[start..])];
            match recvmsg(&self.socket, &mut part, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(got) => break got,
                Err(Errno::INTR) => {}
                // The other side died with bytes of ours unread.
                Err(Errno::CONNRESET) => return Ok(false),
                Err(e) => return Err(io::Error::from(e).into()),
            }
        };
        text.truncate(start + got.bytes);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                files.extend(rights);
            }
        }
        if files.len() > MAX_FILES {
            return Err(WireError::TooManyFiles);
        }
        Ok(got.bytes > 0)
    }

    /// Sends an object, with descriptors at its first byte.
    ///
    /// # Errors
    /// EPIPE if the other side is gone, EINVAL for more descriptors than [`MAX_FILES`].
    pub fn send(&self, text: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        if files.len() > MAX_FILES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut sent = 0;
        while sent < text.len() {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if sent == 0 && !files.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(files));
            }
            match sendmsg(&self.socket, &[IoSlice::new(&text[sent..])], &mut control, SendFlags::NOSIGNAL) {
                Ok(n) => sent += n,
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (Connection, Connection) {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        let budget = Budget::new(64 << 20);
        (Connection::new(a, budget.clone()), Connection::new(b, budget))
    }

    #[test]
    fn objects_arrive_one_by_one_however_they_were_cut() {
        let (a, mut b) = pair();
        a.send(b"{\"a\"", &[a.as_fd()]).unwrap();
        a.send(b":1}\n{\"b\":2}{", &[]).unwrap();
        let first = b.receive().unwrap().unwrap();
        assert_eq!((&first.text[..], first.files.len()), (&b"{\"a\":1}"[..], 1));
        let second = b.receive().unwrap().unwrap();
        assert_eq!((second.text.trim_ascii(), second.files.len()), (&b"{\"b\":2}"[..], 0));
        drop((a, first));
        assert!(matches!(b.receive(), Err(WireError::Truncated)));
    }

    #[test]
    fn the_end_between_objects_is_no_error() {
        let (a, mut b) = pair();
        a.send(b"{}  \n", &[]).unwrap();
        drop(a);
        assert!(b.receive().unwrap().is_some());
        assert!(b.receive().unwrap().is_none());
    }

    #[test]
    fn more_than_the_bounds_is_refused() {
        let (a, mut b) = pair();
        let fd = rustix::io::dup(&a).unwrap();
        let fds: Vec<BorrowedFd<'_>> = (0..MAX_FILES).map(|_| fd.as_fd()).collect();
        a.send(b"{", &fds).unwrap();
        a.send(b"}", &fds[..1]).unwrap();
        assert!(matches!(b.receive(), Err(WireError::TooManyFiles)));

        let (a, b) = pair();
        let mut b = Connection { budget: Budget::new(100_000), ..b };
        let writer = std::thread::spawn(move || {
            let _ = a.send(&[b"{\"", &vec![b'x'; 1 << 20][..]].concat(), &[]);
        });
        assert!(matches!(b.receive(), Err(WireError::NoRoom)));
        drop(b);
        writer.join().unwrap();
    }
}

//! Messages between the front and the sentry, with descriptors: a SOCK_SEQPACKET pair (unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Descriptors that one message may carry.
pub const MAX_FDS: usize = 16;

/// One end. Each message arrives whole or not at all.
#[derive(Debug)]
pub struct Link(OwnedFd);

/// A message that arrived.
#[derive(Debug)]
pub struct Message {
    /// Its length in bytes.
    pub len: usize,
    /// The descriptors that came with it, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

impl Link {
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    /// Sends `bytes` (not empty) as one message.
    ///
    /// # Errors
    /// EPIPE if the other side is gone; EMSGSIZE; EINVAL for an empty message or too many descriptors.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if bytes.is_empty() || fds.len() > MAX_FDS {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        loop {
            match sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Waits for a message; `None` when the other side is gone.
    ///
    /// # Errors
    /// EMSGSIZE if it does not fit into `buffer` or carried more descriptors than [`MAX_FDS`]: it is lost then.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Message>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = loop {
            match recvmsg(&self.0, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(got) => break got,
                // A reset, which is told once: the other side is gone with messages of ours unread. What it sent before
                // is still there.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                Err(e) => return Err(e.into()),
            }
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(rustix::io::Errno::MSGSIZE.into());
        }
        Ok((got.bytes > 0).then_some(Message { len: got.bytes, fds }))
    }

    /// Whether the other side is gone.
    pub(crate) fn hung_up(&self) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.0, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec::default()))?;
        Ok(fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_bytes_and_descriptors_and_sees_the_end() {
        let (a, b) = Link::pair().unwrap();
        let file = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        a.send(b"hello", &[file.as_fd()]).unwrap();
        a.send(b"!", &[]).unwrap();
        let mut buffer = [0; 64];
        let first = b.receive(&mut buffer).unwrap().unwrap();
        assert_eq!((&buffer[..first.len], first.fds.len()), (&b"hello"[..], 1));
        let second = b.receive(&mut buffer).unwrap().unwrap();
        assert_eq!((&buffer[..second.len], second.fds.len()), (&b"!"[..], 0));
        a.send(b"too long", &[]).unwrap();
        assert_eq!(b.receive(&mut [0; 3]).unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
        assert!(!b.hung_up().unwrap());
        drop(a);
        assert!(b.hung_up().unwrap());
        assert!(b.receive(&mut buffer).unwrap().is_none());
    }

    #[test]
    fn last_words_arrive_though_the_other_side_left_messages_unread() {
        let (a, b) = Link::pair().unwrap();
        a.send(b"too late", &[]).unwrap();
        b.send(b"bye", &[]).unwrap();
        drop(b);
        let mut buffer = [0; 64];
        let last = a.receive(&mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..last.len], b"bye");
        assert!(a.receive(&mut buffer).unwrap().is_none());
    }
}

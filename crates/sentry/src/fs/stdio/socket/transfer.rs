//! Sending and receiving by sockets of the host.

use std::io::{IoSlice, IoSliceMut};
use std::sync::Once;

use rustix::event::epoll::EventFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, recvmsg, sendmsg,
};
use stockade_abi::Errno;
use stockade_abi::net as n;

use super::HostSocket;
use super::address::to_sockaddr;
use crate::fs::host::file::with_buffer;
use crate::fs::stdio::host;
use crate::io::Sink;
use crate::net::{Outgoing, Received, Socket};
use crate::strace;
use crate::task::{Task, current};

/// MSG_ flags of a send that reach the host.
const SENT: u32 = n::MSG_EOR | n::MSG_MORE;

/// Logged the first time: what a guest asked for is not there.
fn note_rights() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            "a program sent descriptors or credentials by a socket of the host: answered with EPERM, as none leave a sandbox"
        );
    });
}

impl HostSocket {
    pub(super) fn send_some(&self, task: Option<&Task>, message: &mut Outgoing<'_>) -> Result<usize, Errno> {
        if message.flags & n::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        // Whom it reaches was settled by whoever passed it.
        if message.to.is_some() {
            return Err(if self.is_stream() { Errno::EISCONN } else { Errno::EPERM });
        }
        if message.rights.is_some() || message.creds.is_some() {
            note_rights();
            return Err(Errno::EPERM);
        }
        let Some(fd) = &self.fd else { return Err(Errno::EPIPE) };
        let flags = SendFlags::from_bits_retain(message.flags & SENT);
        let flags = flags | SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let want = message.src.remaining();
        let sent = with_buffer(want, |buf| {
            if buf.len() < want && !self.is_stream() {
                return Err(Errno::EMSGSIZE);
            }
            let n = message.src.peek(buf)?;
            if n < want && !self.is_stream() {
                return Err(Errno::EFAULT);
            }
            let bytes = [IoSlice::new(&buf[..n])];
            sendmsg(fd, &bytes, &mut SendAncillaryBuffer::default(), flags).map_err(host)
        });
        match sent {
            Ok(len) => {
                message.src.skip(len);
                strace::packet(task, || format!("{} of the host sends {len} bytes", self.described()));
            }
            Err(Errno::EAGAIN) => fd.want(EventFlags::OUT),
            Err(_) => {}
        }
        sent
    }

    pub(super) fn receive_some(&self, dst: &mut dyn Sink, flags: u32) -> Result<Received, Errno> {
        if flags & (n::MSG_OOB | n::MSG_ERRQUEUE) != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let Some(fd) = &self.fd else { return Ok(Received::default()) };
        if self.is_stream() && dst.remaining() == 0 {
            return Ok(Received::default());
        }
        let mut asked = RecvFlags::DONTWAIT;
        asked.set(RecvFlags::PEEK, flags & n::MSG_PEEK != 0);
        // Of a message, its whole length; of TCP's bytes it would throw away those that are asked for.
        asked.set(RecvFlags::TRUNC, !self.is_stream());
        let received = with_buffer(dst.remaining(), |buf| {
            let room = buf.len();
            // Without a place for them, the host closes descriptors that come along.
            let mut none = RecvAncillaryBuffer::default();
            let got = recvmsg(fd, &mut [IoSliceMut::new(buf)], &mut none, asked).map_err(host)?;
            let have = got.bytes.min(room);
            let len = if have == 0 { 0 } else { dst.put(&buf[..have])? };
            Ok(Received {
                len,
                full_len: if self.is_stream() { len } else { got.bytes },
                from: got.address.map(to_sockaddr),
                control_is_cut: got.flags.contains(ReturnFlags::CTRUNC),
                ..Received::default()
            })
        });
        match &received {
            Ok(got) => strace::packet(current().as_deref(), || {
                let verb = if flags & n::MSG_PEEK == 0 { "receives" } else { "looks at" };
                format!("{} of the host {verb} {} bytes", self.described(), got.len)
            }),
            Err(Errno::EAGAIN) => fd.want(EventFlags::IN),
            Err(_) => {}
        }
        received
    }
}

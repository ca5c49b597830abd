//! Sending and receiving.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::net as n;

use super::address;
use super::endpoint::{Endpoint, RECEIVE, SEND, State};
use super::inbox::{Attached, Taken};
use crate::io::Sink;
use crate::net::socket::{Credential, Outgoing, Received};
use crate::task::Task;
use crate::vfs::quota::SOCKET_BYTES;
use crate::wait::Readiness;

/// Bytes of a stream moved at once, with the inbox locked.
const STEP: usize = 64 * 1024;

impl Endpoint {
    /// Who the sender is, where somebody wants to know.
    fn creds_to_tell(&self, task: &Task, other: &Self, given: Option<Credential>) -> Option<Credential> {
        given.or_else(|| {
            let wanted = self.options.pass_creds()
                || other.options.pass_creds()
                || other.embryo.load(Ordering::Acquire);
            wanted.then(|| Credential::of(task))
        })
    }

    pub(super) fn send(self: &Arc<Self>, task: &Task, message: &mut Outgoing<'_>) -> Result<usize, Errno> {
        if message.flags & n::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        match self.kind().socket_type {
            n::SOCK_STREAM => self.send_bytes(task, message),
            n::SOCK_SEQPACKET => {
                self.check_error()?;
                let peer = self.peer().ok_or(Errno::ENOTCONN)?;
                self.send_message(task, message, &peer)
            }
            _ => {
                self.bind_if_telling()?;
                let other = match message.to {
                    Some(addr) => {
                        let name = address::parse(addr)?.ok_or(Errno::EINVAL)?;
                        self.space.names.find(task, &name, self.kind().socket_type)?
                    }
                    None => self.peer().ok_or(Errno::ENOTCONN)?,
                };
                self.send_message(task, message, &other)
            }
        }
    }

    fn send_bytes(&self, task: &Task, message: &mut Outgoing<'_>) -> Result<usize, Errno> {
        let peer = self.peer();
        if message.to.is_some() {
            return Err(if peer.is_some() { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        let peer = peer.ok_or(Errno::ENOTCONN)?;
        if self.has_shut(SEND) {
            return Err(Errno::EPIPE);
        }
        let want = message.src.remaining();
        if want == 0 {
            return Ok(0);
        }
        self.check_error()?;
        if peer.has_shut(RECEIVE) {
            return Err(Errno::EPIPE);
        }
        let room = self.credit.room();
        if room == 0 {
            return Err(Errno::EAGAIN);
        }
        let creds = self.creds_to_tell(task, &peer, message.creds);
        let n = want.min(room).min(STEP);
        if !SOCKET_BYTES.has_room(n) {
            return Err(Errno::ENOBUFS);
        }
        let sent = {
            let mut inbox = peer.inbox.lock();
            if inbox.is_closed() {
                return Err(Errno::EPIPE);
            }
            inbox.extend(message.src, n, creds, &mut message.rights, &self.credit)?
        };
        peer.queue.notify(Readiness::READABLE);
        Ok(sent)
    }

    fn send_message(
        self: &Arc<Self>,
        task: &Task,
        message: &mut Outgoing<'_>,
        other: &Arc<Self>,
    ) -> Result<usize, Errno> {
        let len = message.src.remaining();
        if len > self.credit.limit().saturating_sub(32) {
            return Err(Errno::EMSGSIZE);
        }
        self.check_error()?;
        if self.has_shut(SEND) {
            return Err(Errno::EPIPE);
        }
        if self.is_datagram() {
            if other.peer().is_some_and(|p| !Arc::ptr_eq(&p, self)) {
                return Err(Errno::EPERM);
            }
            if other.is_closed() {
                self.forget(other);
                return Err(Errno::ECONNREFUSED);
            }
        }
        if other.has_shut(RECEIVE) {
            return Err(Errno::EPIPE);
        }
        // Only what is already there counts: a message goes whole, or, before anything was sent, at all.
        // So does an empty one.
        if self.credit.used() > 0 && self.credit.room() < len.max(1) {
            return Err(Errno::EAGAIN);
        }
        if self.is_datagram() && self.is_full_for(other) {
            message.blocked_on = Some(Arc::clone(&other.room));
            return Err(Errno::EAGAIN);
        }
        if !SOCKET_BYTES.has_room(len) {
            return Err(Errno::ENOBUFS);
        }
        let mut data = vec![0; len];
        if message.src.take(&mut data)? < len {
            return Err(Errno::EFAULT);
        }
        let attached = Attached {
            from: self.name().map(|name| Arc::new(name.to_sockaddr())),
            creds: self.creds_to_tell(task, other, message.creds),
            rights: message.rights.take(),
        };
        {
            let mut inbox = other.inbox.lock();
            if inbox.is_closed() {
                return Err(if self.is_datagram() { Errno::ECONNREFUSED } else { Errno::EPIPE });
            }
            inbox.push(data, attached, &self.credit);
        }
        other.queue.notify(Readiness::READABLE);
        Ok(len)
    }

    /// The other side is no more: its sender is connected to nobody.
    fn forget(&self, other: &Arc<Self>) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Connected { peer, .. } if Arc::ptr_eq(peer, other)) {
            *state = State::Unconnected;
        }
    }

    pub(super) fn receive(&self, dst: &mut dyn Sink, flags: u32) -> Result<Received, Errno> {
        if flags & n::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if !self.is_datagram() && !matches!(*self.state.lock(), State::Connected { .. }) {
            return Err(if self.is_stream() { Errno::EINVAL } else { Errno::ENOTCONN });
        }
        let peek = flags & n::MSG_PEEK != 0;
        if self.is_stream() {
            return self.receive_bytes(dst, peek);
        }
        let taken = self.inbox.lock().take_message(dst, peek);
        match taken {
            Some((stored, taken)) => {
                if !peek && self.is_datagram() {
                    self.room.notify(Readiness::WRITABLE);
                }
                stored.map(|len| self.received(Taken { len, ..taken }))
            }
            None => self.nothing(),
        }
    }

    fn receive_bytes(&self, dst: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let taken = {
            let mut inbox = self.inbox.lock();
            if !inbox.is_empty() || dst.remaining() == 0 {
                Some(inbox.take_bytes(dst, peek, self.options.pass_creds())?)
            } else {
                None
            }
        };
        match taken {
            Some(taken) => Ok(self.received(taken)),
            None => self.nothing(),
        }
    }

    /// Nothing waits: an error, the end, or more to come.
    fn nothing(&self) -> Result<Received, Errno> {
        self.check_error()?;
        if self.has_shut(RECEIVE) { Ok(Received::default()) } else { Err(Errno::EAGAIN) }
    }

    fn received(&self, taken: Taken) -> Received {
        let Taken { len, full_len, attached, seen_files } = taken;
        let creds = self.options.pass_creds().then(|| attached.creds.unwrap_or(Credential::UNKNOWN));
        let files = match attached.rights {
            Some(rights) => rights.arrive(),
            None => seen_files,
        };
        let from = attached.from.map(|from| Vec::clone(&from));
        Received { len, full_len, from, creds, files, control_is_cut: false }
    }
}

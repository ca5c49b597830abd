//! Becoming connected: connect(2), listen(2), accept(2), shutdown(2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::net as n;

use super::address::{self, Bound, Name};
use super::endpoint::{Endpoint, Identity, MAX_BACKLOG, RECEIVE, SEND, State, identity};
use crate::task::Task;
use crate::wait::{Readiness, WaitQueue};

impl Endpoint {
    pub(super) fn bind(self: &Arc<Self>, task: &Task, addr: &[u8]) -> Result<(), Errno> {
        let name = address::parse(addr)?;
        if name == Some(Name::Path(Vec::new())) {
            return Err(Errno::EINVAL);
        }
        let mut bound = self.bound.write();
        if bound.is_some() {
            // Linux lets a bound socket be bound to a free name of its own choice again, which changes nothing.
            return if name.is_none() { Ok(()) } else { Err(Errno::EINVAL) };
        }
        *bound = Some(match name {
            Some(name) => self.space.names.bind(task, self, name)?,
            None => self.space.names.bind_to_any(self)?,
        });
        Ok(())
    }

    /// A sender that tells who it is gets a name, so that it can be answered.
    pub(super) fn bind_if_telling(self: &Arc<Self>) -> Result<(), Errno> {
        if self.options.pass_creds() {
            let mut bound = self.bound.write();
            if bound.is_none() {
                *bound = Some(self.space.names.bind_to_any(self)?);
            }
        }
        Ok(())
    }

    pub(super) fn listen(&self, task: &Task, backlog: u32) -> Result<(), Errno> {
        if self.is_datagram() {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.bound.read().is_none() {
            return Err(Errno::EINVAL);
        }
        let wanted = backlog.min(MAX_BACKLOG) as usize;
        let mut state = self.state.lock();
        match &mut *state {
            State::Unconnected => *state = State::Listening { backlog: wanted, pending: VecDeque::new() },
            State::Listening { backlog, .. } => *backlog = wanted,
            _ => return Err(Errno::EINVAL),
        }
        drop(state);
        *self.peer_identity.lock() = Some(identity(task));
        self.room.notify(Readiness::WRITABLE);
        Ok(())
    }

    pub(super) fn connect(
        self: &Arc<Self>,
        task: &Task,
        addr: &[u8],
        blocked_on: &mut Option<Arc<WaitQueue>>,
    ) -> Result<(), Errno> {
        if self.is_datagram() {
            return self.connect_datagram(task, addr);
        }
        let name = address::parse(addr)?.ok_or(Errno::EINVAL)?;
        self.bind_if_telling()?;
        let listener = self.space.names.find(task, &name, self.kind().socket_type);
        {
            let mut state = self.state.lock();
            match &*state {
                State::Unconnected => *state = State::Connecting,
                State::Connected { .. } => return Err(Errno::EISCONN),
                _ => return Err(Errno::EINVAL),
            }
        }
        let joined = listener.and_then(|listener| {
            self.join_queue(&listener, identity(task)).inspect_err(|&e| {
                if e == Errno::EAGAIN {
                    *blocked_on = Some(Arc::clone(&listener.room));
                }
            })
        });
        let mut state = self.state.lock();
        match joined {
            Ok(peer) => {
                *state = State::Connected { peer, _relay: None };
                Ok(())
            }
            Err(e) => {
                *state = State::Unconnected;
                Err(e)
            }
        }
    }

    /// Gets into the queue of a listener; returns the side that accept(2) will give.
    fn join_queue(self: &Arc<Self>, listener: &Arc<Self>, me: Identity) -> Result<Arc<Self>, Errno> {
        let mut state = listener.state.lock();
        let State::Listening { backlog, pending } = &mut *state else { return Err(Errno::ECONNREFUSED) };
        if listener.has_shut(RECEIVE) {
            return Err(Errno::ECONNREFUSED);
        }
        if pending.len() > *backlog {
            return Err(Errno::EAGAIN);
        }
        let side = Self::new(&self.space, self.kind().socket_type);
        side.embryo.store(true, Ordering::Release);
        *side.state.lock() = State::Connected { peer: Arc::clone(self), _relay: None };
        *side.peer_identity.lock() = Some(me);
        self.peer_identity.lock().clone_from(&listener.peer_identity.lock());
        *side.bound.write() = listener.name().map(Bound::inherited);
        pending.push_back(Arc::clone(&side));
        drop(state);
        listener.queue.notify(Readiness::READABLE);
        Ok(side)
    }

    fn connect_datagram(self: &Arc<Self>, task: &Task, addr: &[u8]) -> Result<(), Errno> {
        if address::is_unspecified(addr) {
            *self.state.lock() = State::Unconnected;
            self.queue.notify(Readiness::WRITABLE);
            return Ok(());
        }
        let name = address::parse(addr)?.ok_or(Errno::EINVAL)?;
        self.bind_if_telling()?;
        let peer = self.space.names.find(task, &name, self.kind().socket_type)?;
        if peer.peer().is_some_and(|p| !Arc::ptr_eq(&p, self)) {
            return Err(Errno::EPERM);
        }
        let relay = self.relay_from(&peer);
        *self.state.lock() = State::Connected { peer, _relay: Some(relay) };
        Ok(())
    }

    pub(super) fn accept(&self) -> Result<Arc<Self>, Errno> {
        if self.is_datagram() {
            return Err(Errno::EOPNOTSUPP);
        }
        let side = match &mut *self.state.lock() {
            State::Listening { pending, .. } => pending.pop_front(),
            _ => return Err(Errno::EINVAL),
        };
        let Some(side) = side else {
            return if self.has_shut(RECEIVE) { Err(Errno::EINVAL) } else { Err(Errno::EAGAIN) };
        };
        side.embryo.store(false, Ordering::Release);
        self.room.notify(Readiness::WRITABLE);
        Ok(side)
    }

    pub(super) fn shut_down(&self, how: u32) -> Result<(), Errno> {
        let mine = match how {
            n::SHUT_RD => RECEIVE,
            n::SHUT_WR => SEND,
            n::SHUT_RDWR => RECEIVE | SEND,
            _ => return Err(Errno::EINVAL),
        };
        let peer = self.peer();
        self.shut(mine);
        if let Some(peer) = peer
            && !self.is_datagram()
        {
            // What one does not send the other does not receive.
            let theirs =
                if mine & RECEIVE != 0 { SEND } else { 0 } | if mine & SEND != 0 { RECEIVE } else { 0 };
            peer.shut(theirs);
        }
        Ok(())
    }
}

//! One side of a connection, or who waits for some.

mod persist;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};

use stockade_abi::Errno;
use stockade_abi::net as n;
use stockade_platform::sync::{Mutex, RwLock};

pub use self::persist::EndpointState;

use super::UnixSpace;
use super::address::{Bound, Name};
use super::in_flight::Rights;
use super::inbox::{Credit, Inbox};
use crate::net::options::{DEFAULT_BUFFER, Options};
use crate::net::socket::{Credential, Kind};
use crate::task::Task;
use crate::wait::{Observer, Readiness, Registration, WaitQueue};

/// Bits of what is shut down: no more is received, no more is sent.
pub(super) const RECEIVE: u8 = 1;
pub(super) const SEND: u8 = 2;

/// Datagrams that wait at most for a socket whose other side is not the sender (`net.unix.max_dgram_qlen`).
pub const MAX_DATAGRAMS: usize = 512;
/// Most that listen(2) is granted (`net.core.somaxconn`).
pub const MAX_BACKLOG: u32 = 4096;

/// How it stands with others.
pub(super) enum State {
    Unconnected,
    /// connect(2) is under way.
    Connecting,
    Listening {
        backlog: usize,
        pending: VecDeque<Arc<Endpoint>>,
    },
    Connected {
        peer: Arc<Endpoint>,
        /// Tells of the other side's room, where that is not told anyway.
        _relay: Option<Registration>,
    },
    Closed,
}

/// Who somebody is, for SO_PEERCRED and SO_PEERGROUPS.
pub(super) type Identity = (Credential, Vec<u32>);

/// Who a task is.
pub(super) fn identity(task: &Task) -> Identity {
    (Credential::of(task), task.creds().groups.iter().map(|g| g.0).collect())
}

/// What a socket's open file and others who talk to it share.
pub struct Endpoint {
    kind: Kind,
    pub(super) space: Arc<UnixSpace>,
    pub(super) state: Mutex<State>,
    pub(super) inbox: Mutex<Inbox>,
    /// Told of what its owner can do.
    pub(super) queue: Arc<WaitQueue>,
    /// Told when it takes more connections or datagrams.
    pub(super) room: Arc<WaitQueue>,
    pub(super) credit: Arc<Credit>,
    pub(super) bound: RwLock<Option<Bound>>,
    pub(super) peer_identity: Mutex<Option<Identity>>,
    pub(super) shutdown: AtomicU8,
    pub(super) error: AtomicI32,
    pub(super) options: Options,
    /// Made by connect(2) and not yet accepted.
    pub(super) embryo: AtomicBool,
    /// The inode number of its open file, as `socket:[N]` shows it; 0 before it has one.
    pub(super) number: AtomicU64,
}

impl Endpoint {
    pub(super) fn new(space: &Arc<UnixSpace>, socket_type: u32) -> Arc<Self> {
        Self::of(space, socket_type, Credit::new(DEFAULT_BUFFER), Options::default())
    }

    fn of(space: &Arc<UnixSpace>, socket_type: u32, credit: Arc<Credit>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            kind: Kind { domain: n::AF_UNIX, socket_type, protocol: 0 },
            space: Arc::clone(space),
            state: Mutex::new(State::Unconnected),
            inbox: Mutex::default(),
            room: Arc::new(WaitQueue::new()),
            queue: Arc::clone(credit.queue()),
            credit,
            bound: RwLock::new(None),
            peer_identity: Mutex::new(None),
            shutdown: AtomicU8::new(0),
            error: AtomicI32::new(0),
            options,
            embryo: AtomicBool::new(false),
            number: AtomicU64::new(0),
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is_datagram(&self) -> bool {
        self.kind.socket_type == n::SOCK_DGRAM
    }

    pub(super) fn is_stream(&self) -> bool {
        self.kind.socket_type == n::SOCK_STREAM
    }

    pub(super) fn has_shut(&self, what: u8) -> bool {
        self.shutdown.load(Ordering::Acquire) & what != 0
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state.lock(), State::Closed)
    }

    pub(super) fn peer(&self) -> Option<Arc<Endpoint>> {
        match &*self.state.lock() {
            State::Connected { peer, .. } => Some(Arc::clone(peer)),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> Option<Name> {
        self.bound.read().as_ref().map(|b| b.name.clone())
    }

    /// Fails with the pending error, which is forgotten.
    pub(super) fn check_error(&self) -> Result<(), Errno> {
        match self.error.swap(0, Ordering::AcqRel) {
            0 => Ok(()),
            e => Err(Errno::from_raw(e)),
        }
    }

    pub(super) fn set_error(&self, error: Errno) {
        self.error.store(error.raw(), Ordering::Release);
    }

    /// Shuts directions down, and tells everybody.
    pub(super) fn shut(&self, what: u8) {
        self.shutdown.fetch_or(what, Ordering::AcqRel);
        self.queue.notify(Readiness::all());
        self.room.notify(Readiness::all());
    }

    /// Connects two sides with each other. Neither can be connected yet.
    pub(super) fn join(a: &Arc<Self>, b: &Arc<Self>) {
        *a.state.lock() = State::Connected { peer: Arc::clone(b), _relay: None };
        *b.state.lock() = State::Connected { peer: Arc::clone(a), _relay: None };
    }

    /// Whether its owner's datagrams to `other` are bounded by how many wait there.
    pub(super) fn is_full_for(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mutual = Arc::ptr_eq(self, other) || other.peer().is_some_and(|p| Arc::ptr_eq(&p, self));
        !mutual && other.inbox.lock().len() > MAX_DATAGRAMS
    }

    /// Sends where `other` is, from now on. Its room is told to those who wait here.
    pub(super) fn relay_from(self: &Arc<Self>, other: &Arc<Self>) -> Registration {
        let relay = Arc::new(Relay(Arc::clone(&self.queue)));
        other.room.register(Readiness::WRITABLE | Readiness::ALWAYS, relay)
    }

    /// Nobody has it open any more.
    pub(super) fn close(self: &Arc<Self>) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Closed);
        if let Some(bound) = &mut *self.bound.write() {
            self.space.names.release(self, bound);
        }
        let (unread, left) = {
            let mut inbox = self.inbox.lock();
            (!inbox.is_empty(), inbox.close())
        };
        self.shut(RECEIVE | SEND);
        match before {
            State::Connected { peer, .. } if !self.is_datagram() => {
                if unread || self.embryo.load(Ordering::Acquire) {
                    peer.set_error(Errno::ECONNRESET);
                }
                peer.shut(RECEIVE | SEND);
            }
            State::Listening { pending, .. } => pending.iter().for_each(Self::close),
            _ => {}
        }
        drop(left);
    }

    pub(super) fn poll(self: &Arc<Self>) -> Readiness {
        let mut ready = Readiness::empty();
        let (connected, listening, pending) = match &*self.state.lock() {
            State::Connected { .. } => (true, false, false),
            State::Listening { pending, .. } => (false, true, !pending.is_empty()),
            _ => (false, false, false),
        };
        if self.error.load(Ordering::Acquire) != 0 {
            ready |= Readiness::ERR;
        }
        if self.has_shut(RECEIVE) {
            ready |= Readiness::RDHUP | Readiness::READABLE;
            if self.has_shut(SEND) {
                ready |= Readiness::HUP;
            }
        }
        if pending || !self.inbox.lock().is_empty() {
            ready |= Readiness::READABLE;
        }
        if !self.is_datagram() && !connected && !listening {
            ready |= Readiness::HUP;
        }
        let mut writable = !listening && self.credit.is_writable();
        if writable
            && self.is_datagram()
            && let Some(peer) = self.peer()
        {
            writable = !self.is_full_for(&peer);
        }
        if writable {
            ready |= Readiness::WRITABLE | Readiness::WRBAND;
        }
        ready
    }

    fn each_inbox(&self, mut f: impl FnMut(&mut Inbox)) {
        f(&mut self.inbox.lock());
        let pending: Vec<Arc<Self>> = match &*self.state.lock() {
            State::Listening { pending, .. } => pending.iter().cloned().collect(),
            _ => Vec::new(),
        };
        for embryo in pending {
            f(&mut embryo.inbox.lock());
        }
    }

    pub(super) fn waiting_files(&self) -> Vec<u64> {
        let mut ids = Vec::new();
        self.each_inbox(|inbox| inbox.waiting_files(&mut ids));
        ids
    }

    pub(super) fn take_rights(&self) -> Vec<Rights> {
        let mut rights = Vec::new();
        self.each_inbox(|inbox| inbox.take_rights(&mut rights));
        rights
    }
}

/// Tells those who wait on one queue what happens on another.
struct Relay(Arc<WaitQueue>);

impl Observer for Relay {
    fn notify(&self, ready: Readiness) {
        self.0.notify(ready);
    }
}

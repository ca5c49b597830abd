//! The saved form of [`Endpoint`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use stockade_abi::net as n;

use super::{Endpoint, MAX_BACKLOG, RECEIVE, SEND, State};
use crate::net::options::OptionsState;
use crate::net::socket::Credential;
use crate::net::unix::address::BoundState;
use crate::net::unix::inbox::{CreditState, InboxState};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};

/// An [`Endpoint`].
#[derive(Debug, Serialize, Deserialize)]
pub struct EndpointState {
    socket_type: u32,
    link: LinkState,
    credit: Id<CreditState>,
    inbox: InboxState,
    bound: Option<BoundState>,
    /// Who is on the other side, with supplementary groups.
    peer_identity: Option<(Credential, Vec<u32>)>,
    /// Directions that are shut down: 1 to receive, 2 to send.
    shutdown: u8,
    /// A pending error, 0 for none.
    error: i32,
    options: OptionsState,
    embryo: bool,
    number: u64,
}

/// A [`State`].
#[derive(Debug, Serialize, Deserialize)]
enum LinkState {
    Unconnected,
    Listening { backlog: usize, pending: Vec<Id<EndpointState>> },
    Connected { peer: Id<EndpointState>, relays: bool },
    Closed,
}

impl LinkState {
    fn save(state: &State, saver: &mut Saver) -> Self {
        match state {
            // Who was about to connect does so anew.
            State::Unconnected | State::Connecting => Self::Unconnected,
            State::Listening { backlog, pending } => {
                let pending = pending.iter().map(|side| saver.id(side)).collect();
                Self::Listening { backlog: *backlog, pending }
            }
            State::Connected { peer, _relay } => {
                Self::Connected { peer: saver.id(peer), relays: _relay.is_some() }
            }
            State::Closed => Self::Closed,
        }
    }

    /// To be called later than the making of sockets.
    fn restore(self, me: &Arc<Endpoint>, restorer: &mut Restorer<'_>) -> Result<State, RestoreError> {
        let wrong = || RestoreError::new("a connection that sockets of its kind do not have");
        Ok(match self {
            Self::Unconnected => State::Unconnected,
            Self::Closed => State::Closed,
            Self::Listening { backlog, pending } => {
                if me.is_datagram() || backlog.max(pending.len().saturating_sub(1)) > MAX_BACKLOG as usize {
                    return Err(wrong());
                }
                let mut sides = VecDeque::new();
                for side in pending {
                    let side = restorer.get(side)?;
                    // As these are connected, none waits for connections itself.
                    if !side.embryo.load(Ordering::Relaxed) || side.kind() != me.kind() {
                        return Err(wrong());
                    }
                    sides.push_back(side);
                }
                State::Listening { backlog, pending: sides }
            }
            Self::Connected { peer, relays } => {
                let peer = restorer.get(peer)?;
                if peer.kind() != me.kind() || relays && !me.is_datagram() {
                    return Err(wrong());
                }
                let _relay = relays.then(|| me.relay_from(&peer));
                State::Connected { peer, _relay }
            }
        })
    }
}

impl Component for EndpointState {
    type Object = Arc<Endpoint>;

    fn save(endpoint: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self {
            socket_type: endpoint.kind.socket_type,
            link: LinkState::save(&endpoint.state.lock(), saver),
            credit: saver.id(&endpoint.credit),
            inbox: InboxState::save(&endpoint.inbox.lock(), saver),
            bound: endpoint.bound.read().as_ref().map(|bound| BoundState::save(bound, saver)),
            peer_identity: endpoint.peer_identity.lock().clone(),
            shutdown: endpoint.shutdown.load(Ordering::Acquire),
            error: endpoint.error.load(Ordering::Acquire),
            options: OptionsState::save(&endpoint.options),
            embryo: endpoint.embryo.load(Ordering::Acquire),
            number: endpoint.number.load(Ordering::Relaxed),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let is_kind = matches!(self.socket_type, n::SOCK_STREAM | n::SOCK_DGRAM | n::SOCK_SEQPACKET);
        if !is_kind || self.shutdown & !(RECEIVE | SEND) != 0 || !(0..4096).contains(&self.error) {
            return Err(RestoreError::new("a state that no socket has"));
        }
        let is_connected = matches!(self.link, LinkState::Connected { .. });
        let listens = matches!(self.link, LinkState::Listening { .. });
        if self.embryo && !is_connected || listens && !self.inbox.is_empty() {
            return Err(RestoreError::new(
                "a socket that was not accepted has no other side, or one that waits has data",
            ));
        }
        let credit = restorer.get(self.credit)?;
        let space = Arc::clone(&restorer.kernel().unix);
        let endpoint = Endpoint::of(&space, self.socket_type, credit, self.options.restore()?);
        *endpoint.peer_identity.lock() = self.peer_identity;
        endpoint.shutdown.store(self.shutdown, Ordering::Relaxed);
        endpoint.error.store(self.error, Ordering::Relaxed);
        endpoint.embryo.store(self.embryo, Ordering::Relaxed);
        endpoint.number.store(self.number, Ordering::Relaxed);
        let made = Arc::clone(&endpoint);
        restorer.later(move |restorer| {
            let state = self.link.restore(&made, restorer)?;
            *made.state.lock() = state;
            let inbox = self.inbox.restore(&space.in_flight, restorer)?;
            *made.inbox.lock() = inbox;
            match self.bound {
                Some(bound) => bound.restore(&made, restorer),
                None => Ok(()),
            }
        });
        Ok(endpoint)
    }
}

impl Drop for Endpoint {
    /// One that nobody closed was restored in vain. Whom it is connected with goes after it, not within it.
    fn drop(&mut self) {
        let mut peer = self.take_peer();
        while let Some(mut last) = peer.and_then(Arc::into_inner) {
            peer = last.take_peer();
        }
    }
}

impl Endpoint {
    fn take_peer(&mut self) -> Option<Arc<Self>> {
        match std::mem::replace(self.state.get_mut(), State::Closed) {
            State::Connected { peer, .. } => Some(peer),
            _ => None,
        }
    }
}

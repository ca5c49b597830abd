//! Who is allowed to connect.

use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// What the host shows for a uid that the sentry's user namespace does not map (user_namespaces(7)).
const OVERFLOW: u32 = 65534;

/// Whether the other side may steer the sandbox: its owner and root.
///
/// A sandbox of an ordinary user maps that user alone, and everybody else looks the same to it. Who gets through a socket
/// of mode 0600 in a directory of mode 0700 without being its owner is root, so those are let in there.
pub(super) fn may_connect(socket: impl AsFd, owner: u32) -> bool {
    let maps_others = owner == 0;
    getsockopt(&socket, PeerCredentials).is_ok_and(|peer| {
        let uid = peer.uid();
        uid == owner || uid == 0 || (uid == OVERFLOW && !maps_others)
    })
}

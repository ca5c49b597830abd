//! What the platform is told at its start.

use std::os::fd::OwnedFd;

/// Options of [`Notify::new`](super::Notify::new).
#[derive(Debug)]
pub struct Options {
    /// The directory of a proc file system that shows the sentry's own PID namespace, for memory maps, id maps and CPU
    /// times. Under Landlock it needs a rule that allows to read beneath it, and with `stub_ids` to write.
    pub proc: OwnedFd,
    /// User and group id that stubs get, as numbers of the sentry's user namespace; the sentry must be allowed to map
    /// them (user_namespaces(7)). Without them stubs share the sentry's own.
    pub stub_ids: Option<(u32, u32)>,
    /// An empty directory that becomes the stubs' root; without it they keep the sentry's, which should be empty then.
    pub root: Option<OwnedFd>,
    /// Whether stubs share the sentry's network namespace, which must be an empty one of the sentry's own then: making
    /// another costs up to 2 ms, and what no thread can reach by any call need not be separate from what is empty.
    pub share_network: bool,
}

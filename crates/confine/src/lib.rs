//! What surrounds the sentry on the host: namespaces, Landlock, seccomp, cgroups, feature probes.

mod cgroup;
pub mod crash;
mod error;
mod host;
mod idmap;
mod landlock;
mod launch;
mod link;
mod privileges;
pub mod probe;
mod rlimits;
mod seccomp;
mod sys;
mod tree;

pub use cgroup::{Cgroup, Events, Limit, Limits, Unavailable};
pub use error::Error;
pub use host::{Caller, SentryHost};
pub use landlock::LandlockState;
pub use launch::{Access, End, Options, SentryHandle, Tree, launch};
pub use link::{Link, MAX_FDS, Message};

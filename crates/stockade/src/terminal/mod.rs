//! Terminals of the sandbox's own, seen from outside: the caller's terminal becomes raw, and a pseudoterminal of the host
//! ([`Outer`]) carries bytes and window to the sentry, which has another one behind it. Line discipline and job control are
//! inside. What moves bytes here is [`Relay`].

mod outer;
mod raw;
mod relay;

pub(crate) use outer::{Outer, wait_for_foreground};
pub(crate) use raw::Raw;
pub(crate) use relay::{Gone, Relay, follow_window};

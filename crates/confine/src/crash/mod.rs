//! The report that a sentry leaves when it crashes: its version, the system call in progress, the stacks of its threads.
//! It holds addresses and names of the program, never memory, registers or formatted messages, which may be the guest's.
//!
//! The sentry writes into a memory file of its front's. The front puts names to the addresses
//! ([`SentryHandle::crash_report`](crate::SentryHandle::crash_report)): the sentry is its fork, so they are the same there.

mod call;
mod handler;
mod names;
mod out;
mod panic;
mod stack;
mod threads;

pub(crate) use call::current_call;
pub use call::set_call;
pub(crate) use handler::install;
pub(crate) use names::with_names;
pub use stack::{AlternateStack, guard_thread};
pub(crate) use threads::show_threads;

/// Exit status of a sentry that crashed or could not set itself up.
pub const CRASH_STATUS: u8 = 134;

#[cfg(test)]
mod tests;

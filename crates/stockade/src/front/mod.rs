//! The front: the caller's own, unconfined process while a sandbox runs. It forwards signals, keeps the time, puts the
//! terminal back and turns the end of the program into an exit status. It has one thread, so that a sentry can be forked
//! from it.
//!
//! In order: [`Signals::block`], [`Terminal::save`], start the sandbox, [`watch`], [`Ending::report`].

mod ending;
mod own_terminal;
mod protocol;
mod sentry;
mod signals;
mod terminal;
mod watch;

pub use ending::{Ending, TIMED_OUT};
pub(crate) use own_terminal::{OnTerminal, OwnTerminal};
pub use protocol::{Event, Forwarded, Outcome, Request};
pub use sentry::{FrontLine, lost};
pub(crate) use sentry::{ask, ended};
pub use signals::Signals;
pub use terminal::Terminal;
pub(crate) use watch::one_line;
pub use watch::{Audience, GRACE, Sandbox, Turn, watch};

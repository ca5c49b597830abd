//! Tasks: what they are, how they come to be, what they tell each other, and how they end.
//!
//! A [`Task`] is a guest thread and one thread of the sentry that serves it. Who is whose parent, in which group and
//! session, is in the [`Tree`], one plain structure behind one lock of the [`Kernel`].

mod access;
pub mod clone;
pub mod create;
mod current;
pub mod deliver;
pub mod exec;
pub mod exit;
pub mod freeze;
pub mod group;
pub mod kernel;
pub mod limits;
pub mod memory_watch;
pub mod namespaces;
mod orphans;
mod pause;
pub mod persist;
pub mod pidns;
pub mod run;
pub mod search;
pub mod send;
pub mod sigio;
mod snapshot;
pub mod stop;
mod thread;
pub mod tree;
mod usage;
pub mod wait;
pub mod work;
mod workers;

pub use create::NewProcess;
pub use current::current;
pub use deliver::Action;
pub use freeze::Frozen;
pub use group::{StopState, ThreadGroup};
pub(crate) use kernel::KernelRoots;
pub use kernel::{Kernel, KernelConfig};
pub use limits::Limits;
pub use pidns::{PID_MAX, PidNamespace};
pub use snapshot::ProcessInfo;
pub use thread::{NsProxy, SCHED_RESET_ON_FORK, Task, TaskSignals, UtsNamespace};
pub use tree::{Group, Tree, Zombie};
pub use usage::Usage;

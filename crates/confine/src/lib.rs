//! What surrounds the sentry on the host: namespaces, Landlock, seccomp, cgroups, feature probes.
//!
//! A sandbox is made by its *front* (the command, unconfined), which forks the *sentry* into namespaces of its own with
//! [`launch`]. No program is executed: the sentry is the same image, and starts within a millisecond. It is the init of
//! its PID namespace, so all that it forks dies with it, and it dies with the front.
//!
//! # Order
//!
//! 1. In [`launch`], before the sentry's function is called: descriptors closed, own session, limits, control groups, id
//!    maps, a proc file system of its own, the host's trees detached, an empty root entered, and then Landlock: mounts
//!    come before it, and the first stub after it, since a process outside the domain could not be looked into.
//! 2. In the sentry's function, first: the platform is started. Its zygote needs a user namespace, capabilities to map
//!    ids in it, and calls that the sentry will not be allowed; and it must not inherit the sentry's filter.
//! 3. Then [`SentryHost::lock_down`], before the second thread: capabilities, undumpable, the seccomp filter.
//! 4. Only then the first guest instruction.
//!
//! What comes later of the host comes as descriptors over the [`Link`]. Landlock lets nothing be opened beneath a directory
//! that arrives so; files that arrive open can be used.
//!
//! # Who may what
//!
//! The sentry keeps the caller's user and groups. Where the caller is root and may map ids, its namespace has all ids of
//! the caller's, and it keeps those of five file capabilities that the caller has; anybody else's has the caller's own id
//! only, and no capability. So a file that the caller could not open, the sentry cannot.
//!
//! # Example
//!
//! ```no_run
//! use stockade_confine::{Access, Cgroup, End, Limits, Options, Tree, launch};
//!
//! # fn start_platform(_: &std::os::fd::OwnedFd, _: Option<(u32, u32)>) {}
//! # fn run_guest(_: &std::os::fd::OwnedFd) -> u8 { 0 }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cgroup = Cgroup::create("example", &Limits { memory: Some(1 << 30), pids: Some(1000), cpus: None });
//! for limit in cgroup.unavailable() {
//!     eprintln!("{limit}; the sentry counts by itself");
//! }
//! let options = Options {
//!     trees: vec![Tree { path: "/".into(), access: Access::ReadOnly }],
//!     cgroup: Some(&cgroup),
//!     ..Options::default()
//! };
//! let mut sentry = launch(&options, |host| {
//!     start_platform(&host.proc, host.stub_ids);
//!     if let Err(error) = host.lock_down() {
//!         // The link is the way to say so; standard error is the guest's.
//!         let _ = host.link.send(error.to_string().as_bytes(), &[]);
//!         return 1;
//!     }
//!     run_guest(&host.trees[0])
//! })?;
//! match sentry.wait()? {
//!     End::Exited(status) => println!("the guest exited with {status}"),
//!     End::Crashed => println!("{}", sentry.crash_report()?.unwrap_or_default()),
//!     End::Killed(signal) => println!("killed by signal {signal}: {:?}", cgroup.events()),
//! }
//! # Ok(())
//! # }
//! ```

mod cgroup;
mod clocks;
pub mod crash;
mod detach;
mod error;
mod host;
mod idmap;
mod landlock;
mod launch;
mod link;
mod privileges;
pub mod probe;
pub mod profile;
mod rlimits;
mod seccomp;
mod settle;
pub mod streams;
mod sys;
mod tree;

pub use cgroup::{Cgroup, Events, Limit, Limits, Unavailable};
pub use clocks::Clocks;
pub use detach::{Side, detach};
pub use error::Error;
pub use host::{Caller, SentryHost};
pub use landlock::LandlockState;
pub use launch::{Access, End, Options, SentryHandle, Tree, launch};
pub use link::{Link, MAX_FDS, Message};
pub use settle::settle;

//! What crash reports and profiles are told of the sentry's threads: who writes them is not the kernel's business, so
//! whoever starts it says with [`install`] how to tell.

use std::any::Any;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::task::Task;
use crate::trace;

/// How to tell.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// A thread of the sentry begins: what is returned lives as long as the thread.
    pub thread: fn() -> Option<Box<dyn Any>>,
    /// The calling thread is about to serve this call, or has served it.
    pub call: fn(Option<&'static &'static str>),
    /// The calling thread works for this task from now on, whose name may have changed; or for none any more.
    pub task: fn(Option<&Task>),
    /// Whether anybody wants to know how long threads wait.
    pub wants_waits: fn() -> bool,
    /// The calling thread has waited for so long.
    pub wait: fn(Duration),
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// From now on these are told. The first are kept: there is one report per process.
pub fn install(hooks: Hooks) {
    let _ = HOOKS.set(hooks);
}

/// Starts a thread of the sentry.
///
/// # Errors
/// What the host says when it has no more threads.
pub fn spawn(name: &str, stack_size: usize, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let builder = thread::Builder::new().name(name.into()).stack_size(stack_size);
    let work = move || {
        // A thread that cannot have what it asks for leaves a shorter report, and works all the same.
        let _guard = HOOKS.get().and_then(|hooks| (hooks.thread)());
        work();
    };
    builder.spawn(work).map(drop)
}

/// The calling thread works for this task from now on, or for none any more.
pub(crate) fn serve(task: Option<&Task>) {
    if let Some(task) = task {
        trace::name(task);
    }
    if let Some(hooks) = HOOKS.get() {
        (hooks.task)(task);
    }
}

/// The name of a task (`comm`), filled up with zero bytes.
#[must_use]
pub fn command(task: &Task) -> [u8; 16] {
    let mut command = [0; 16];
    let name = task.name.read();
    for (to, from) in command.iter_mut().zip(name.iter()) {
        *to = *from;
    }
    command
}

/// Runs `wait`, in which the calling thread waits.
#[inline]
pub(crate) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let Some(hooks) = HOOKS.get().filter(|hooks| (hooks.wants_waits)()) else { return trace::waiting(wait) };
    let begun = Instant::now();
    let result = trace::waiting(wait);
    (hooks.wait)(begun.elapsed());
    result
}

/// Runs `serve`, which serves a call of this name.
#[inline]
pub(crate) fn during<T>(name: &'static &'static str, serve: impl FnOnce() -> T) -> T {
    let Some(hooks) = HOOKS.get() else { return serve() };
    (hooks.call)(Some(name));
    let result = serve();
    (hooks.call)(None);
    result
}

//! What a crash report is told of the sentry's threads: who writes reports is not the kernel's business, so whoever starts
//! it says with [`install`] how to tell.

use std::any::Any;
use std::sync::OnceLock;
use std::thread;

/// How to tell.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// A thread of the sentry begins: what is returned lives as long as the thread.
    pub thread: fn() -> Option<Box<dyn Any>>,
    /// The calling thread is about to serve this call, or has served it.
    pub call: fn(Option<&'static str>),
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

/// Runs `serve`, which serves a call of this name.
#[inline]
pub(crate) fn during<T>(name: &'static str, serve: impl FnOnce() -> T) -> T {
    let Some(hooks) = HOOKS.get() else { return serve() };
    (hooks.call)(Some(name));
    let result = serve();
    (hooks.call)(None);
    result
}

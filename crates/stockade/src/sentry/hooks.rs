//! What the kernel tells those who write crash reports and profiles.

use std::any::Any;

use stockade_confine::{crash, profile};
use stockade_platform::sync;
use stockade_sentry::diagnosis::{Hooks, command};
use stockade_sentry::task::Task;

pub(super) fn hooks() -> Hooks {
    sync::tell(sync::Contention {
        is_wanted: profile::lock_waits_are_sampled,
        waited: profile::note_lock_wait,
    });
    Hooks {
        thread: guard_thread,
        call: crash::set_call,
        task: set_label,
        wants_waits: profile::waits_are_sampled,
        wait: profile::note_wait,
    }
}

/// Lets a thread whose stack overflows still report it.
fn guard_thread() -> Option<Box<dyn Any>> {
    crash::guard_thread().ok().map(|stack| Box::new(stack) as Box<dyn Any>)
}

fn set_label(task: Option<&Task>) {
    profile::set_label(task.map_or_else(profile::Label::default, |task| profile::Label {
        pid: task.tg.tgid,
        tid: task.tid(),
        command: command(task),
    }));
}

//! The sentry: what the forked process does between the confinement of the host and the first guest instruction.

mod first;
mod hooks;
mod limits;
mod mounts;
mod restored;
mod successor;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stockade_abi::signal::{SIGKILL, SigInfo, si};
use stockade_confine::{Link, SentryHost};
use stockade_control::server::{Sandbox, SandboxParts, Server, Successor};
use stockade_control::types::proc::ProcessDefaults;
use stockade_platform::notify::{Notify, Options};
use stockade_sentry::diagnosis;
use stockade_sentry::task::{Kernel, memory_watch};
use stockade_sentry::tty::Tty;
use stockade_sentry::vfs::MountNamespace;

use self::first::First;
pub(crate) use self::restored::Saved;
use self::successor::Handover;
use crate::front::{Event, Forwarded, FrontLine, Outcome, Request};
use crate::logging;
use crate::run::Boot;

/// How long the end of a sandbox waits for answers to calls that it ended.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long a sandbox has lived when its sentry lets go of the memory that only the start needed.
const SETTLED: Duration = Duration::from_millis(250);

/// Runs a new sandbox in the sentry's process; returns its exit status, which the front does not look at once it was told
/// how the program ended.
#[must_use]
pub fn boot(boot: Boot<'_>) -> u8 {
    run(boot, None)
}

/// Goes on with a saved one, as [`boot`] does.
#[must_use]
pub(crate) fn restore(boot: Boot<'_>, saved: Saved) -> u8 {
    run(boot, Some(saved))
}

fn run(boot: Boot<'_>, saved: Option<Saved>) -> u8 {
    let Boot { config, mut host, cpu, memory_is_bounded, log, control, terminal, zone } = boot;
    let platform = match start_platform(&host) {
        Ok(platform) => platform,
        Err(e) => return give_up(&host.link, &format!("the platform could not be started: {e}")),
    };
    let zygote = platform.host_pid();
    if let Err(e) = host.prefer_for_oom(zygote) {
        tracing::debug!(error = %e, "stubs are not preferred when memory runs out");
    }
    if let Err(e) = host.lock_down() {
        return give_up(&host.link, &format!("the sentry could not be confined: {e}"));
    }
    let level = logging::install(&log, config.log.level);
    diagnosis::install(hooks::hooks());
    let trees = std::mem::take(&mut host.trees);
    let kernel_config = limits::kernel_config(config, cpu, host.stub_ids.is_none());
    let made = match saved {
        None => first::make(Arc::new(platform), kernel_config, config, trees, &host.proc),
        Some(saved) => {
            let Ok(proc) = host.proc.try_clone() else {
                return give_up(&host.link, "the host has no more descriptors");
            };
            let given = restored::Given { trees, proc, terminal };
            saved.make(Arc::new(platform), kernel_config, config, given)
        }
    };
    let Made { kernel, mounts, defaults, begins } = match made {
        Ok(made) => made,
        Err(text) => return give_up(&host.link, &text),
    };
    if !memory_is_bounded && let Err(e) = memory_watch::start(&kernel, config.limits.memory) {
        return give_up(&host.link, &format!("memory cannot be watched: {e}"));
    }
    let sink = Arc::clone(&log);
    kernel.tracing.set_output(Box::new(move |topic, pid, line| sink.task_line(topic, pid, line)));
    let link = Arc::new(host.link);
    let successor = match begins {
        Begins::Empty => match Handover::new(&link, control) {
            Ok(handover) => Some(handover),
            Err(e) => return give_up(&link, &format!("the host has no more descriptors: {e}")),
        },
        Begins::New | Begins::Restored(_) => None,
    };
    let sandbox = Sandbox::new(SandboxParts {
        id: config.id.clone(),
        kernel: Arc::clone(&kernel),
        mounts: Arc::clone(&mounts),
        owner: host.caller.uid,
        zone,
        log: Box::new(level),
        defaults,
        proc: host.proc,
        program: host.program,
        was_restored: matches!(begins, Begins::Restored(_)),
        successor: successor.clone().map(|handover| handover as Arc<dyn Successor>),
        description: config.description(),
    });
    let serve = |sandbox| Ok((Arc::clone(&sandbox), Server::start(control.try_clone()?, sandbox)?));
    let (sandbox, server) = match sandbox.and_then(serve) {
        Ok(served) => served,
        Err(e) => return give_up(&link, &format!("the control server could not be started: {e}")),
    };
    let started = match begins {
        Begins::Restored(restored) => Ok(restored.go(&sandbox, &link)),
        Begins::Empty => kernel.start_empty().map(|()| First::default()),
        Begins::New => first::start(&kernel, config, mounts, &link, terminal),
    };
    let outcome = match started {
        Ok(First { tty, bridge }) => {
            tell(&link, &Event::Started);
            obey(&kernel, &link, tty, successor);
            let status = kernel.wait_for(SETTLED).unwrap_or_else(|| {
                stockade_confine::settle();
                kernel.wait()
            });
            if let Some(bridge) = bridge {
                // As a program that writes waits for who reads.
                bridge.flush(None);
            }
            if sandbox.was_saved() { Outcome::Saved } else { outcome_of(status) }
        }
        Err(e) => Outcome::NotStarted(e.raw()),
    };
    for text in limits::limits_hit(&kernel, config) {
        tell(&link, &Event::Notice(text));
    }
    server.finish(LAST_ANSWERS);
    // All that is left of guests ends with it, as it does with us; but what that takes, others need not wait for.
    if let Some(zygote) = Pid::from_raw(zygote) {
        // It may have been killed from outside.
        let _ = kill_process(zygote, Signal::KILL);
    }
    if let Some(why) = kernel.failure() {
        return give_up(&link, why);
    }
    tell(&link, &Event::Ended(outcome));
    0
}

/// A kernel, and what is known of its sandbox.
struct Made {
    kernel: Arc<Kernel>,
    mounts: Arc<MountNamespace>,
    defaults: ProcessDefaults,
    begins: Begins,
}

/// What a kernel begins with.
enum Begins {
    /// The program of the configuration.
    New,
    /// No program.
    Empty,
    /// Where it stood.
    Restored(Box<restored::Standing>),
}

fn start_platform(host: &SentryHost) -> Result<Notify, String> {
    let proc = rustix::io::fcntl_dupfd_cloexec(&host.proc, 3).map_err(|e| e.to_string())?;
    let options = Options { proc, stub_ids: host.stub_ids, root: None, share_network: true };
    Notify::new(options).map_err(|e| e.to_string())
}

fn give_up(link: &Link, text: &str) -> u8 {
    tell(link, &Event::Failed(text.to_owned()));
    125
}

/// A front that is gone is no longer to be told: the host ends the sentry then.
fn tell(link: &Link, event: &Event) {
    drop(link.tell(event));
}

fn outcome_of(status: i32) -> Outcome {
    match status & 0x7f {
        0 => Outcome::Exited((status >> 8) as u8),
        signal => Outcome::Signaled(signal as u8),
    }
}

/// Does what the front asks, on a thread of its own. When the front is gone the host ends the sentry.
fn obey(
    kernel: &Arc<Kernel>,
    link: &Arc<Link>,
    terminal: Option<Arc<Tty>>,
    successor: Option<Arc<Handover>>,
) {
    let (kernel, link) = (Arc::clone(kernel), Arc::clone(link));
    let serve = move || {
        while let Ok(Some(request)) = link.asked() {
            let answered = |answer| {
                if let Some(handover) = &successor {
                    handover.answered(answer);
                }
            };
            match request {
                Request::Signal(signal) => pass_on(&kernel, Some(signal), terminal.as_ref()),
                Request::Kill => pass_on(&kernel, None, None),
                Request::TakenOver => answered(Ok(())),
                Request::NotTakenOver(reason) => answered(Err(reason)),
            }
        }
    };
    if let Err(e) = thread::Builder::new().name("front".into()).stack_size(128 * 1024).spawn(serve) {
        tracing::warn!(error = %e, "signals of the front will not reach the program");
    }
}

/// Gives the program a signal that the front received, or ends it.
fn pass_on(kernel: &Arc<Kernel>, signal: Option<Forwarded>, terminal: Option<&Arc<Tty>>) {
    let signo = signal.map_or(SIGKILL, |signal| i32::from(signal.signal));
    if kernel.end_empty(signo) {
        return;
    }
    let init = kernel.init_tgid();
    let _changing = kernel.changing();
    let tree = kernel.tree.lock();
    // A process that has ended already needs no signal.
    let _ = match signal {
        Some(signal) => {
            let info = SigInfo::new(signo, si::SI_USER);
            if let Some(terminal) = terminal.and_then(|tty| kernel.ttys.get(tty.number)) {
                terminal.window_changed();
            }
            let foreground = terminal.map_or(0, |tty| tty.control().foreground);
            if signal.from_terminal {
                tree.send_pgrp(if foreground > 0 { foreground } else { init }, &info)
            } else {
                tree.send_group(init, &info)
            }
        }
        None => tree.send_group(init, &SigInfo::new(signo, si::SI_KERNEL)),
    };
    drop(tree);
    kernel.report_continued();
}

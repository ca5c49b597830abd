//! The guest's side of a thread: what a program can do.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use stockade_abi::Errno;

use super::space::Memory;
use crate::{Context, CpuSet, Event, FaultInfo, Kicker, StopCause, SyscallRequest, Usage};

/// What the kernel does with a thread that waits for it.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The call's result.
    Complete(u64),
    /// Goes on with this.
    Resume(Context),
}

#[derive(Default)]
struct State {
    event: Option<Event>,
    /// The context at the event.
    context: Context,
    answer: Option<Answer>,
    kicked: bool,
    dead: bool,
}

/// Where the two sides of a thread meet.
#[derive(Default)]
pub(super) struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

impl Link {
    /// Waits for the guest's next event.
    pub(super) fn event(&self) -> (Event, Context) {
        let mut state = self.state.lock();
        loop {
            if state.dead {
                return (Event::Died, Context::default());
            }
            if let Some(event) = state.event.take() {
                return (event, state.context.clone());
            }
            self.changed.wait(&mut state);
        }
    }

    pub(super) fn answer(&self, answer: Answer) {
        self.state.lock().answer = Some(answer);
        self.changed.notify_all();
    }

    pub(super) fn kill(&self) {
        self.state.lock().dead = true;
        self.changed.notify_all();
    }

    /// Whether it has been kicked, once.
    fn take_kick(&self) -> bool {
        std::mem::take(&mut self.state.lock().kicked)
    }

    pub(super) fn forget_kick(&self) {
        self.state.lock().kicked = false;
    }

    /// Reports an event and waits for the answer; unwinds when the thread has been killed.
    fn report(&self, event: Event, context: &Context) -> Answer {
        let mut state = self.state.lock();
        state.event = Some(event);
        state.context = context.clone();
        self.changed.notify_all();
        loop {
            if state.dead {
                drop(state);
                resume_unwind(Box::new(Killed));
            }
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            self.changed.wait(&mut state);
        }
    }

    fn wait_for_kick(&self) {
        let mut state = self.state.lock();
        while !state.kicked && !state.dead {
            self.changed.wait(&mut state);
        }
    }
}

impl Kicker for Link {
    fn kick(&self) {
        self.state.lock().kicked = true;
        self.changed.notify_all();
    }

    fn set_cpus(&self, _cpus: &CpuSet) {}

    fn cpu_time(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    fn usage(&self) -> Option<Usage> {
        Some(Usage::default())
    }
}

/// What unwinds a killed program's thread.
pub(super) struct Killed;

/// What came of a call or another event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call's result; 0 for events without one.
    Returned(u64),
    /// The kernel sent the thread elsewhere: into a signal handler, or a new program. See [`Guest::follow`].
    Diverted(Box<Context>),
}

/// The processor, as a program sees it.
pub struct Guest {
    memory: Arc<Memory>,
    link: Arc<Link>,
    /// Registers: the kernel sees them when the thread stops.
    pub context: Context,
}

impl Guest {
    pub(super) fn new(memory: Arc<Memory>, link: Arc<Link>, context: Context) -> Self {
        Self { memory, link, context }
    }

    /// Makes a system call; one that the kernel has rewound is made again. An instruction is two bytes long.
    pub fn syscall(&mut self, nr: u64, args: [u64; 6]) -> Outcome {
        self.enter(nr, args, Event::Syscall)
    }

    /// Makes a system call of which the kernel needs the registers.
    pub fn trapped_syscall(&mut self, nr: u64, args: [u64; 6]) -> Outcome {
        self.enter(nr, args, |request| Event::Stopped(StopCause::Syscall(request)))
    }

    fn enter(&mut self, nr: u64, args: [u64; 6], event: impl Fn(SyscallRequest) -> Event) -> Outcome {
        if let diverted @ Outcome::Diverted(_) = self.check() {
            return diverted;
        }
        let site = self.context.regs.rip;
        loop {
            let regs = &mut self.context.regs;
            regs.rip = site.wrapping_add(2);
            (regs.rax, regs.rdi, regs.rsi, regs.rdx) = (nr, args[0], args[1], args[2]);
            (regs.r10, regs.r8, regs.r9) = (args[3], args[4], args[5]);
            let request = SyscallRequest { nr, args, ip: regs.rip };
            match self.link.report(event(request), &self.context) {
                Answer::Complete(rax) => {
                    self.context.regs.rax = rax;
                    return Outcome::Returned(rax);
                }
                Answer::Resume(context) => {
                    self.context = context;
                    let regs = &self.context.regs;
                    if regs.rip == site.wrapping_add(2) {
                        return Outcome::Returned(regs.rax);
                    }
                    if regs.rip != site || regs.rax != nr {
                        return Outcome::Diverted(Box::new(self.context.clone()));
                    }
                }
            }
        }
    }

    /// Raises a hardware exception; returns when the kernel lets the instruction be tried again.
    pub fn fault(&mut self, info: FaultInfo) -> Outcome {
        self.stop(StopCause::Fault(info))
    }

    /// Runs until it is kicked.
    pub fn spin(&mut self) -> Outcome {
        self.link.wait_for_kick();
        self.check()
    }

    /// Stops if it has been kicked.
    pub fn check(&mut self) -> Outcome {
        if self.link.take_kick() { self.stop(StopCause::Kick) } else { Outcome::Returned(0) }
    }

    fn stop(&mut self, cause: StopCause) -> Outcome {
        let at = self.context.regs.rip;
        if let Answer::Resume(context) = self.link.report(Event::Stopped(cause), &self.context) {
            self.context = context;
        }
        if self.context.regs.rip == at {
            Outcome::Returned(0)
        } else {
            Outcome::Diverted(Box::new(self.context.clone()))
        }
    }

    /// Runs the program that is registered where the registers point; whether there is one.
    pub fn follow(&mut self) -> bool {
        let program = self.memory.programs.0.lock().get(&self.context.regs.rip).cloned();
        let Some(program) = program else { return false };
        let context = self.context.clone();
        program(self, context);
        true
    }

    /// Reads its memory.
    ///
    /// # Errors
    /// EFAULT where there is none.
    pub fn read(&self, addr: u64, local: &mut [u8]) -> Result<usize, Errno> {
        self.memory.pages.lock().read(addr, local)
    }

    /// Writes its memory.
    ///
    /// # Errors
    /// EFAULT where there is none.
    pub fn write(&self, addr: u64, local: &[u8]) -> Result<usize, Errno> {
        self.memory.pages.lock().write(addr, local)
    }
}

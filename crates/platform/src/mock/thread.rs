//! The kernel's side of a thread.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use stockade_abi::Errno;

use super::guest::{Answer, Guest, Killed, Link};
use super::space::Memory;
use crate::{Context, Event, FpState, GuestThread, Kicker, StopCause, SyscallRequest, Usage};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Created,
    /// Reported its start, and has no host thread yet.
    Fresh,
    Running,
    Syscall(SyscallRequest),
    Stopped,
    Dead,
}

pub(super) struct Thread {
    memory: Arc<Memory>,
    link: Arc<Link>,
    state: State,
    context: Context,
    fp: FpState,
}

impl Thread {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        let link = Arc::new(Link::default());
        memory.links.lock().push(Arc::clone(&link));
        let fp = FpState::default();
        Self { memory: Arc::clone(memory), link, state: State::Created, context: Context::default(), fp }
    }

    /// Starts the program where the context points.
    fn start(&self) -> Result<(), Errno> {
        let (memory, link, context) =
            (Arc::clone(&self.memory), Arc::clone(&self.link), self.context.clone());
        let run = move || {
            let mut guest = Guest::new(Arc::clone(&memory), link, context);
            let end = catch_unwind(AssertUnwindSafe(|| guest.follow()));
            memory.kill();
            match end {
                Err(panic) if !panic.is::<Killed>() => resume_unwind(panic),
                _ => {}
            }
        };
        thread::Builder::new().name("mock-guest".into()).spawn(run).map(drop).map_err(Errno::from)
    }
}

impl GuestThread for Thread {
    fn next_event(&mut self) -> Event {
        if self.state == State::Created {
            self.state = State::Fresh;
            return Event::Stopped(StopCause::Start);
        }
        if self.state == State::Dead {
            return Event::Died;
        }
        let (event, context) = self.link.event();
        self.context = context;
        self.state = match event {
            Event::Syscall(request) => State::Syscall(request),
            Event::Stopped(_) => State::Stopped,
            Event::Died => State::Dead,
        };
        event
    }

    fn complete(&mut self, rax: u64) {
        if matches!(self.state, State::Syscall(_)) {
            self.state = State::Running;
            self.link.answer(Answer::Complete(rax));
        }
    }

    fn stop(&mut self) -> Result<(), Errno> {
        let State::Syscall(request) = self.state else { return Err(Errno::ESRCH) };
        self.link.forget_kick();
        self.context.regs.rip = request.ip.wrapping_sub(2);
        self.context.regs.rax = request.nr;
        self.state = State::Stopped;
        Ok(())
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    fn fp_state(&mut self) -> Result<FpState, Errno> {
        Ok(self.context.fp.clone().unwrap_or_else(|| self.fp.clone()))
    }

    fn resume(&mut self) -> Result<(), Errno> {
        if let Some(fp) = self.context.fp.take() {
            self.fp = fp;
        }
        match self.state {
            State::Fresh => self.start()?,
            State::Stopped => self.link.answer(Answer::Resume(self.context.clone())),
            _ => return Ok(()),
        }
        self.state = State::Running;
        Ok(())
    }

    fn exit(&mut self) {
        self.state = State::Dead;
        self.link.kill();
    }

    fn kicker(&self) -> Arc<dyn Kicker> {
        Arc::clone(&self.link) as Arc<dyn Kicker>
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    fn host_tid(&self) -> i32 {
        0
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.link.kill();
    }
}

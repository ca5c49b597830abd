//! The loop of a sentry thread that serves a guest thread.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::nr;
use stockade_abi::signal::*;
use stockade_platform::{Context, Event, FaultInfo, StopCause, SyscallRequest};

use super::deliver::Action;
use super::exit::status_of_exit;
use super::freeze::Standing;
use super::thread::Task;
use super::work;
use crate::mm::UserMemory;
use crate::observe;
use crate::signal::frame::{self, Delivery, LastFault};
use crate::syscalls::{self, Args, Ctx, Flow, SysResult};
use crate::trace;

/// Bytes of the `syscall` instruction.
const SYSCALL_LEN: u64 = 2;

/// Has a thread of the sentry serve a task from a context on, which first finds its number where CLONE_CHILD_SETTID says,
/// unless that is 0.
///
/// # Errors
/// EAGAIN if the host has no more threads.
pub(super) fn spawn(task: &Arc<Task>, start: Context, child_tid: u64) -> Result<(), Errno> {
    go_on(task, Standing { context: start, ..Standing::default() }, child_tid)
}

/// Has a thread of the sentry serve a task that stood somewhere.
///
/// # Errors
/// As [`spawn`].
pub(super) fn go_on(task: &Arc<Task>, from: Standing, child_tid: u64) -> Result<(), Errno> {
    let served = Arc::clone(task);
    task.kernel.workers.run(move || serve(&served, from, child_tid))
}

fn serve(task: &Arc<Task>, from: Standing, child_tid: u64) {
    task.account.begin_service();
    task.waiter.bind_current();
    super::current::set_current(Some(Arc::clone(task)));
    let status = match begin(task, from.context, child_tid) {
        Some(mut ctx) => {
            ctx.patience.set_kept(from.kept);
            let status = ctx.serve(from.restart);
            ctx.leave();
            status
        }
        None => {
            task.exit_group(SIGKILL);
            SIGKILL
        }
    };
    task.set_kicker(None);
    super::current::set_current(None);
    trace::ended(task);
    task.finish(status);
    task.kernel.uncount_task();
}

/// Makes the guest thread, which then stands before its first instruction.
fn begin(task: &Arc<Task>, start: Context, child_tid: u64) -> Option<Ctx> {
    let mm = task.mm()?;
    let thread = mm.space().new_thread().ok()?;
    if child_tid != 0 {
        // It finds out by itself if its parent gave a bad address.
        let _ = mm.copy_out(child_tid, &task.local_tid());
    }
    let mut ctx = Ctx::new(Arc::clone(task), mm, task.files(), thread);
    ctx.enter(start).then_some(ctx)
}

/// Whether to go on serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The guest runs.
    Go,
    /// The task ends with this status.
    End(i32),
}

impl Ctx {
    /// Puts a fresh guest thread into a context; false if it died.
    fn enter(&mut self, start: Context) -> bool {
        if self.thread().next_event() != Event::Stopped(StopCause::Start) {
            return false;
        }
        *self.thread().context_mut() = start;
        let kicker = self.thread().kicker();
        self.task.set_kicker(Some(kicker));
        true
    }

    /// Serves until the task ends; returns its status. `restart`: the call that it was in.
    fn serve(&mut self, restart: Option<(u64, Errno)>) -> i32 {
        let mut next = self.return_to_guest(restart);
        loop {
            if let Next::End(status) = next {
                return status;
            }
            let since = observe::now_if_traced();
            let event = self.thread().next_event();
            self.task.leave_guest();
            if let Some(since) = since {
                trace::ran(&self.task, since);
            }
            next = match event {
                Event::Syscall(request) => self.plain_call(&request),
                Event::Stopped(cause) => self.stopped(cause),
                Event::Died => {
                    // Its stub was killed from outside, or it did something that only ends a stub.
                    self.dead = true;
                    self.task.exit_group(SIGKILL);
                    Next::End(SIGKILL)
                }
            };
        }
    }

    /// Ends what holds the guest thread.
    fn leave(&mut self) {
        // First what others may wait for (pthread_join(3)).
        self.task.leave_memory(&self.mm);
        self.refresh_usage();
        if self.dead {
            return;
        }
        // The last one saves itself the farewell; before, others of the process may have words to leave in its memory.
        if self.mm.is_private() && self.task.is_last() {
            self.mm.space().kill();
            return;
        }
        if self.stopped || self.thread().stop().is_ok() {
            self.thread().exit();
        }
    }

    fn plain_call(&mut self, request: &SyscallRequest) -> Next {
        self.stopped = false;
        let result = syscalls::dispatch(self, request.nr, &Args(request.args));
        if self.flow == Flow::Return && !matches!(result, Err(e) if e.is_restart()) && self.task.enter_guest()
        {
            self.thread().complete(to_rax(result));
            return Next::Go;
        }
        match self.flow {
            Flow::Return if self.task.work() & work::EXIT != 0 => self.ending(),
            Flow::Return => {
                if self.thread().stop().is_err() {
                    return Next::Go;
                }
                self.stopped = true;
                self.thread().context_mut().regs.rip += SYSCALL_LEN;
                self.after_call(request.nr, result)
            }
            _ => self.other_flow(),
        }
    }

    fn stopped(&mut self, cause: StopCause) -> Next {
        self.stopped = true;
        match cause {
            StopCause::Syscall(request) => {
                let result = syscalls::dispatch(self, request.nr, &Args(request.args));
                match self.flow {
                    Flow::Return => self.after_call(request.nr, result),
                    _ => self.other_flow(),
                }
            }
            StopCause::ForeignSyscall => {
                self.thread().context_mut().regs.rip -= SYSCALL_LEN;
                self.task.force_signal(SigInfo::new(SIGSEGV, si::SI_KERNEL));
                self.return_to_guest(None)
            }
            StopCause::Fault(fault) => {
                self.fault(&fault);
                self.return_to_guest(None)
            }
            StopCause::Kick | StopCause::Start => self.return_to_guest(None),
        }
    }

    fn fault(&mut self, fault: &FaultInfo) {
        trace::fault(&self.task, fault.signo, fault.addr);
        let limits = self.task.memory_limits();
        let Some(info) = self.mm.handle_fault(fault, &limits) else { return };
        let ip = self.thread().context().regs.rip;
        tracing::debug!(
            tid = self.task.tid(),
            signo = fault.signo,
            code = fault.code,
            addr = fault.addr,
            ip,
            "fault"
        );
        let cr2 = if fault.trap_no == 14 { fault.addr } else { self.task.last_fault.lock().cr2 };
        *self.task.last_fault.lock() =
            LastFault { trap_no: fault.trap_no, error_code: fault.error_code, cr2 };
        self.task.force_signal(info);
    }

    fn other_flow(&mut self) -> Next {
        match std::mem::replace(&mut self.flow, Flow::Return) {
            Flow::Return | Flow::Restored => self.return_to_guest(None),
            Flow::Exit(code) => Next::End(status_of_exit(code)),
            Flow::Exec(image) => {
                self.refresh_usage();
                self.leave_old_image();
                self.mm = Arc::clone(&image.mm);
                self.task.set_kicker(None);
                self.task.retire_usage();
                let old = self.task.set_mm(Some(Arc::clone(&image.mm)));
                if let Some(done) = self.task.vfork_done.lock().take() {
                    done.finish();
                }
                drop(old);
                let made = self.mm.space().new_thread();
                let ok = match made {
                    Ok(thread) => {
                        self.set_thread(thread);
                        self.dead = false;
                        self.enter(image.start)
                    }
                    Err(_) => false,
                };
                if !ok {
                    self.dead = true;
                    self.task.exit_group(SIGKILL);
                    return Next::End(SIGKILL);
                }
                self.stopped = true;
                self.return_to_guest(None)
            }
        }
    }

    /// execve(2) has replaced the program: the old guest thread goes, and with it its memory if nobody else has it.
    fn leave_old_image(&mut self) {
        if self.mm.is_private() {
            self.mm.space().kill();
        } else if self.stopped || self.thread().stop().is_ok() {
            self.thread().exit();
        }
        self.mm.release();
    }

    fn ending(&self) -> Next {
        Next::End(self.task.tg.signals.lock().group_exit.unwrap_or(SIGKILL))
    }

    /// A call has a result and the thread stands after its instruction.
    fn after_call(&mut self, number: u64, result: SysResult) -> Next {
        let restart = match result {
            Err(e) if e.is_restart() => Some((number, e)),
            // No signal has ended it: but for the saving it would wait on.
            Err(Errno::EINTR) if self.task.is_only_saved() => Some((number, Errno::ERESTARTNOHAND)),
            _ => None,
        };
        if restart.is_none() {
            self.thread().context_mut().regs.rax = to_rax(result);
        } else if self.task.work() & work::SAVE != 0 || self.patience.must_be_kept() {
            self.patience.keep();
        }
        self.return_to_guest(restart)
    }

    /// Does all that is pending, then lets a stopped thread go on. `restart`: the call it was in was interrupted.
    fn return_to_guest(&mut self, mut restart: Option<(u64, Errno)>) -> Next {
        loop {
            let pending = self.task.work();
            if pending & work::EXIT != 0 {
                return self.ending();
            }
            if pending & work::SAVE != 0 && self.can_stand() {
                self.stand(restart);
                continue;
            }
            if pending & work::PAUSE != 0 {
                self.task.take_part_in_pause();
                continue;
            }
            if pending & work::VFORK != 0 {
                self.task.take_part_in_vfork();
                continue;
            }
            if pending & work::STOP != 0 {
                self.task.take_part_in_stop();
                continue;
            }
            if pending & work::SIGNAL != 0 {
                match self.task.next_action() {
                    Action::Continue => {}
                    Action::Exit(status) => self.task.exit_group(status),
                    Action::Stop(signo) => self.task.start_group_stop(signo),
                    Action::Handle { action, info, mask } => {
                        let moved = self.patience.forget();
                        match restart.take() {
                            Some((number, error)) if moved == 0 => {
                                self.resolve_restart(number, error, Some(&action));
                            }
                            other if moved > 0 => self.end_call(other.is_none(), moved),
                            _ => {}
                        }
                        self.enter_handler(&action, &info, mask);
                    }
                }
                continue;
            }
            if pending & work::RESTORE_MASK != 0 {
                self.task.restore_mask();
                continue;
            }
            if let Some((number, error)) = restart.take() {
                self.resolve_restart(number, error, None);
            }
            if self.task.enter_guest() {
                break;
            }
        }
        if self.thread().resume().is_err() {
            // The guest destroyed the frame that it would have gone on from: the next event says that it died.
            self.dead = true;
        }
        Next::Go
    }

    /// A call that has moved something is not made again after a handler. `again`: the thread stands before its instruction.
    fn end_call(&mut self, again: bool, moved: u64) {
        let regs = &mut self.thread().context_mut().regs;
        if again {
            regs.rip = regs.rip.wrapping_add(SYSCALL_LEN);
        }
        regs.rax = moved;
    }

    /// What becomes of an interrupted call (signal(7), "Interruption of system calls").
    fn resolve_restart(&mut self, number: u64, error: Errno, handler: Option<&SigAction>) {
        let again = match handler {
            None => true,
            Some(action) => match error {
                Errno::ERESTARTNOINTR => true,
                Errno::ERESTARTSYS => SaFlags::from_bits_retain(action.flags).contains(SaFlags::RESTART),
                _ => false,
            },
        };
        let by_block = error == Errno::ERESTART_RESTARTBLOCK && handler.is_none();
        let regs = &mut self.thread().context_mut().regs;
        if again {
            regs.rip = regs.rip.wrapping_sub(SYSCALL_LEN);
            regs.rax = if by_block { u64::from(nr::restart_syscall) } else { number };
        } else {
            regs.rax = Errno::EINTR.to_rax();
        }
        if !by_block {
            *self.task.restart.lock() = None;
        }
    }

    fn enter_handler(&mut self, action: &SigAction, info: &SigInfo, mask: SigSet) {
        let altstack = self.task.signals.lock().altstack;
        let fault = *self.task.last_fault.lock();
        let mm = Arc::clone(&self.mm);
        let pushed = self.thread().fp_state().and_then(|fp| {
            let delivery = Delivery { action, info, mask, altstack, fault };
            frame::push(self.thread().context_mut(), &*mm, &fp, &delivery)
        });
        match pushed {
            Ok(()) => self.task.handler_entered(action, info.signo),
            Err(_) => self.task.force_segv(info.signo),
        }
    }

    /// rt_sigreturn(2): back from a handler.
    pub(crate) fn return_from_handler(&mut self) {
        let mm = Arc::clone(&self.mm);
        let size = self.mm.layout().xsave_size;
        match frame::pop(self.thread().context_mut(), &*mm, size) {
            Ok(restored) => {
                self.task.set_mask(restored.mask);
                let sp = self.thread().context().regs.rsp;
                // Errors are ignored, as Linux does.
                let _ = self.task.set_altstack(&restored.altstack, sp);
            }
            Err(_) => self.task.force_segv(0),
        }
        *self.task.restart.lock() = None;
        self.flow = Flow::Restored;
    }

    /// Notes what the guest thread has used, before it goes.
    fn refresh_usage(&mut self) {
        let now = self.thread().usage();
        self.task.note_usage(&now);
    }
}

fn to_rax(result: SysResult) -> u64 {
    match result {
        Ok(value) => value,
        Err(e) => e.to_rax(),
    }
}

impl Task {
    /// sigaltstack(2), its second half.
    ///
    /// # Errors
    /// EPERM while on the stack, EINVAL for bad flags, ENOMEM if it is too small.
    pub fn set_altstack(&self, new: &StackT, sp: u64) -> Result<(), Errno> {
        let mut own = self.signals.lock();
        if frame::is_using(&own.altstack, sp) {
            return Err(Errno::EPERM);
        }
        let mode = new.flags & !SS_AUTODISARM;
        if mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK {
            return Err(Errno::EINVAL);
        }
        if mode == SS_DISABLE {
            own.altstack = StackT { flags: new.flags, ..StackT::default() };
            return Ok(());
        }
        if new.size < MINSIGSTKSZ {
            return Err(Errno::ENOMEM);
        }
        own.altstack = StackT { pad: 0, ..*new };
        Ok(())
    }
}

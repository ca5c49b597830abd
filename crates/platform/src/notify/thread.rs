//! A guest thread, as the sentry thread that serves it sees it.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::signal::{SigInfo, si};
use stockade_abi::ucontext::{RtSigframe, UC_FP_XSTATE};
use zerocopy::{FromZeros, IntoBytes};

use super::channel::{current_cpu, set_affinity};
use super::kick::KickState;
use super::listener::{Listener, Notification};
use super::parked::Parked;
use super::process::Stub;
use super::procfs::Sample;
use super::{filter, frame, layout as l, memory, stub, zygote};
use crate::{Context, Event, FaultInfo, FpState, GuestThread, Kicker, StopCause, SyscallRequest, Usage};

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const ERESTARTSYS: u64 = Errno::ERESTARTSYS.to_rax();
/// CPU time of which it is not asked how it was spent.
const BRIEF: Duration = Duration::from_micros(250);
/// First address of the vsyscall page.
const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its first stop has been received and not been reported.
    Created,
    /// Runs guest code, or is about to.
    Running,
    /// In a call that awaits its answer.
    Syscall(SyscallRequest),
    /// In a call that came by way of the signal handler, though the kernel does not need the registers: the filter of
    /// whoever started the sentry would have answered the notified call with an error.
    Trapped(SyscallRequest),
    /// In the signal handler.
    Stopped,
    Dead,
}

/// The frame of a stopped thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    addr: u64,
    flags: u64,
    fpstate: u64,
}

pub(crate) struct Thread {
    stub: Arc<Stub>,
    listener: Arc<Listener>,
    kick: Arc<KickState>,
    slot: u32,
    state: State,
    /// The notification to answer.
    id: u64,
    frame: Frame,
    /// Its first frame has not been written yet.
    fresh: bool,
    context: Context,
    /// What the context was when the thread stopped.
    saved: Context,
    /// What the host's thread had used when last looked at.
    used: Cell<Sample>,
}

impl Thread {
    pub(crate) fn new(stub: &Arc<Stub>) -> Result<Self, Errno> {
        if stub.threads.fetch_add(1, Ordering::Relaxed) == 0 {
            return Self::create(stub, 0, stub.first_thread());
        }
        if let Some(parked) = stub.parked.take() {
            return Ok(Self::take_over(stub, parked));
        }
        let slot = stub.slots.lock().take().ok_or(Errno::EAGAIN)?;
        let made = stub.channel().thread(zygote::thread_op(frame::start(slot)));
        Self::create(stub, slot, made)
    }

    fn create(stub: &Arc<Stub>, slot: u32, made: Result<OwnedFd, Errno>) -> Result<Self, Errno> {
        let made = made.map_err(|e| stub.failed(e)).and_then(|listener| Self::begin(stub, slot, listener));
        made.inspect_err(|_| stub.slots.lock().give_back(slot))
    }

    fn begin(stub: &Arc<Stub>, slot: u32, listener: OwnedFd) -> Result<Self, Errno> {
        let listener = Listener::new(listener).inspect_err(|_| stub.kill())?;
        let first = listener.receive().ok_or(Errno::EAGAIN)?;
        stub.first_tid.get_or_init(|| first.pid as i32);
        let thread = Parked {
            listener: Arc::new(listener),
            tid: first.pid as i32,
            slot,
            id: first.id,
            frame: Frame { addr: frame::start(slot), ..Frame::default() },
            used: Sample::default(),
            // It was born on our CPU, like the helper; from here on it may run anywhere.
            restricted: true,
        };
        Ok(Self::take_over(stub, thread))
    }

    /// A new guest thread on a thread of the host that stands in a stop. Nothing of what that was before remains: it goes on
    /// from a frame that is written anew.
    fn take_over(stub: &Arc<Stub>, parked: Parked) -> Self {
        let Parked { listener, tid, slot, id, frame, used, restricted } = parked;
        let kick = KickState::new(stub, tid, used);
        if restricted {
            kick.roam();
        }
        Self {
            stub: Arc::clone(stub),
            listener,
            kick,
            slot,
            state: State::Created,
            id,
            frame,
            fresh: true,
            context: Context::default(),
            saved: Context::default(),
            used: Cell::new(used),
        }
    }

    /// What the host's thread has used until now. If that is little more than when last looked at, only for how long it
    /// has run: the rest takes long to learn.
    fn sample(&self) -> Option<Sample> {
        let (tid, used) = (self.kick.tid, self.used.get());
        let run_time = self.stub.run_time(tid)?;
        if run_time.saturating_sub(used.run_time) < BRIEF {
            return Some(Sample { run_time, ..used });
        }
        Some(Sample { run_time, stat: self.stub.stat(tid)? })
    }

    /// What becomes of the host's thread when the guest's ends.
    fn parked(&self) -> Parked {
        Parked {
            listener: Arc::clone(&self.listener),
            tid: self.kick.tid,
            slot: self.slot,
            id: self.id,
            frame: self.frame,
            used: self.used.get(),
            restricted: self.kick.is_restricted(),
        }
    }

    /// A thread does not end by itself: its whole process has been killed, by whomever.
    fn die(&mut self) -> Event {
        self.stub.kill();
        self.ended();
        Event::Died
    }

    fn ended(&mut self) {
        if self.state != State::Dead {
            self.gone();
            self.stub.slots.lock().give_back(self.slot);
        }
    }

    fn gone(&mut self) {
        self.state = State::Dead;
        self.kick.gone.store(true, Ordering::SeqCst);
    }

    /// Waits for the next notification.
    fn receive(&mut self) -> Option<Notification> {
        self.kick.running.store(true, Ordering::SeqCst);
        let notification = self.listener.receive();
        self.kick.running.store(false, Ordering::SeqCst);
        if let Some(n) = &notification {
            self.id = n.id;
        }
        notification
    }

    /// Takes in what a stopped thread says of itself. Guest code can say it too: all of it is guest data, except that
    /// the frame must lie where the sentry writes without a second look. `None` kills the stub.
    fn stopped(&mut self, n: &Notification) -> Option<Event> {
        let [addr, signo, fs_base, gs_base, ..] = n.args;
        if !frame::plausible(self.slot, addr) {
            return None;
        }
        let mut f = RtSigframe::new_zeroed();
        let read = memory::read_any(self.stub.pid(), addr, f.as_mut_bytes());
        if read != Ok(size_of::<RtSigframe>()) {
            return None;
        }
        self.frame = Frame { addr, flags: f.uc.flags, fpstate: f.uc.mcontext.fpstate };
        self.context = Context { regs: frame::to_regs(&f.uc.mcontext), fs_base, gs_base, fp: None };
        self.saved = self.context.clone();
        self.state = State::Stopped;
        let event = self.cause(signo as i32, &f);
        if let Event::Syscall(request) = event {
            self.state = State::Trapped(request);
        }
        Some(event)
    }

    fn cause(&self, signo: i32, f: &RtSigframe) -> Event {
        let info: &SigInfo = &f.info;
        let regs = &self.context.regs;
        let cause = match signo {
            super::KICK_SIGNAL => {
                self.kick.arrived();
                StopCause::Kick
            }
            // Sent by somebody on the host: not the guest's business, but it has stopped.
            _ if info.code <= 0 => StopCause::Kick,
            libc::SIGSYS if info.code == si::SYS_SECCOMP => {
                // si_syscall and si_arch, where others have si_status and onwards.
                let (nr, arch) = (info.status() as u32, u32_at(&info.fields, 12));
                if arch != AUDIT_ARCH_X86_64 {
                    return Event::Stopped(StopCause::ForeignSyscall);
                }
                let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
                let request = SyscallRequest { nr: nr.into(), args, ip: regs.rip };
                if !filter::TRAPPED.contains(&nr) {
                    return Event::Syscall(request);
                }
                StopCause::Syscall(request)
            }
            _ => StopCause::Fault(FaultInfo {
                signo,
                code: info.code,
                addr: info.addr(),
                trap_no: f.uc.mcontext.trapno,
                error_code: f.uc.mcontext.err,
            }),
        };
        Event::Stopped(cause)
    }

    fn decode(&mut self, n: &Notification) -> Event {
        if n.ip == stub::stopped() && n.nr == l::STOP_CALL {
            return self.stopped(n).unwrap_or_else(|| {
                self.stub.kill();
                self.die()
            });
        }
        let request = SyscallRequest { nr: u64::from(n.nr as u32), args: n.args, ip: n.ip };
        self.state = State::Syscall(request);
        if n.ip >= l::STUB_BEGIN && filter::TRAPPED.contains(&(n.nr as u32)) {
            return self.trap(request);
        }
        Event::Syscall(request)
    }

    /// A guest has jumped into the helper's code, where what else traps does not: it is made to look as if.
    fn trap(&mut self, request: SyscallRequest) -> Event {
        if self.stop().is_err() {
            return Event::Died;
        }
        self.context.regs.rip = request.ip;
        Event::Stopped(StopCause::Syscall(request))
    }

    fn answer(&mut self, rax: u64) {
        self.state = State::Running;
        self.listener.answer(self.id, rax);
    }

    /// A call answered with ERESTARTSYS that the host did not rewind, because it does not count as one: number -1, or the
    /// vsyscall page.
    fn rewind(&mut self, request: &SyscallRequest) {
        let regs = &mut self.context.regs;
        if regs.rax != ERESTARTSYS {
            return;
        }
        if request.ip & !0xfff == VSYSCALL {
            regs.rip = request.ip;
            regs.rsp = regs.rsp.wrapping_sub(8);
        } else {
            regs.rip = request.ip.wrapping_sub(2);
        }
        regs.rax = request.nr;
    }

    fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        match memory::write_any(self.stub.pid(), addr, bytes) {
            Ok(n) if n == bytes.len() => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    /// Floating point state as it lies in a frame, and where the frame will point to; none and 0 for the initial state.
    fn place_fp(&self, fp: &FpState) -> (u64, Vec<u8>) {
        let xstate = self.stub.shared.xstate;
        let Some(bytes) = xstate.to_frame(fp) else { return (0, Vec::new()) };
        let at = match self.frame.fpstate {
            0 => frame::fpstate(self.slot, xstate.size),
            at => at,
        };
        let end = super::slots::end(self.slot) - bytes.len() as u64;
        let inside = at % 64 == 0 && at >= self.frame.addr + size_of::<RtSigframe>() as u64 && at <= end;
        (if inside { at } else { super::slots::base(self.slot) + 1024 }, bytes)
    }

    /// Writes the frame that a new thread begins with.
    fn write_first(&self, bases: [u64; 2], fp: Option<&FpState>) -> Result<(), Errno> {
        let (at, fp) = fp.map_or_else(Default::default, |fp| self.place_fp(fp));
        let start = self.frame.addr - 16;
        let mut bytes = bases.as_bytes().to_vec();
        bytes.extend_from_slice(frame::initial(self.slot, &self.context.regs, at).as_bytes());
        let gap = at.wrapping_sub(start + bytes.len() as u64);
        if fp.is_empty() {
            return self.write(start, &bytes);
        }
        if gap >= 64 {
            self.write(at, &fp)?;
            return self.write(start, &bytes);
        }
        bytes.resize(bytes.len() + gap as usize, 0);
        bytes.extend_from_slice(&fp);
        self.write(start, &bytes)
    }

    /// Puts the context into force, as far as it differs from what the thread has.
    fn write_context(&mut self) -> Result<u64, Errno> {
        let fp = self.context.fp.take();
        let (fs_base, gs_base) = (canonical(self.context.fs_base), canonical(self.context.gs_base));
        let bases = [fs_base, gs_base];
        let bases_changed = bases != [self.saved.fs_base, self.saved.gs_base];
        if self.fresh {
            self.write_first(bases, fp.as_ref())?;
            self.fresh = false;
            return Ok(l::RESUME_BASES);
        }
        if let Some(fp) = fp {
            let (fpstate, bytes) = self.place_fp(&fp);
            if !bytes.is_empty() {
                self.write(fpstate, &bytes)?;
            }
            if fpstate != self.frame.fpstate {
                self.write(self.frame.addr + frame::FPSTATE_OFFSET, fpstate.as_bytes())?;
            }
            let flags =
                if fpstate == 0 { self.frame.flags & !UC_FP_XSTATE } else { self.frame.flags | UC_FP_XSTATE };
            if flags != self.frame.flags {
                self.write(self.frame.addr + frame::FLAGS_OFFSET, flags.as_bytes())?;
            }
        }
        if self.context.regs != self.saved.regs {
            self.write(self.frame.addr + frame::REGS_OFFSET, &frame::regs_bytes(&self.context.regs))?;
        }
        if bases_changed {
            self.write(self.frame.addr - 16, bases.as_bytes())?;
        }
        Ok(if bases_changed { l::RESUME_BASES } else { 0 })
    }
}

/// An address that the processor takes as a segment base; another would kill the stub.
fn canonical(base: u64) -> u64 {
    let shifted = (base as i64) << 16 >> 16;
    if shifted as u64 == base { base } else { 0 }
}

fn u32_at(bytes: &[u8; 112], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl GuestThread for Thread {
    fn next_event(&mut self) -> Event {
        match self.state {
            State::Dead => return Event::Died,
            State::Created => {
                self.state = State::Stopped;
                return Event::Stopped(StopCause::Start);
            }
            _ => {}
        }
        match self.receive() {
            // What it did before it was killed is of no interest any more.
            Some(n) if !self.stub.is_killed() => self.decode(&n),
            _ => self.die(),
        }
    }

    fn complete(&mut self, rax: u64) {
        match self.state {
            State::Syscall(_) => {
                // The host would take these for its own and restart the call if a kick is pending.
                let restart = (Errno::ERESTART_RESTARTBLOCK.to_rax()..=ERESTARTSYS).contains(&rax);
                self.answer(if restart { Errno::EINTR.to_rax() } else { rax });
            }
            State::Trapped(_) => {
                self.context.regs.rax = rax;
                // A failure shows as the thread's death.
                let _ = self.resume();
            }
            _ => {}
        }
    }

    fn stop(&mut self) -> Result<(), Errno> {
        match self.state {
            State::Stopped => Ok(()),
            State::Trapped(_) => {
                self.context.regs.rip = self.context.regs.rip.wrapping_sub(2);
                self.state = State::Stopped;
                Ok(())
            }
            State::Syscall(request) => {
                // The signal wakes it for a moment, and on another CPU that would cost us tens of microseconds.
                set_affinity(self.kick.tid, current_cpu());
                self.kick.send();
                self.answer(ERESTARTSYS);
                let event = self.receive().map(|n| self.decode(&n));
                self.kick.roam();
                match event {
                    Some(Event::Stopped(StopCause::Kick)) => {
                        self.rewind(&request);
                        Ok(())
                    }
                    _ => {
                        self.stub.kill();
                        self.ended();
                        Err(Errno::ESRCH)
                    }
                }
            }
            _ => Err(Errno::ESRCH),
        }
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    fn fp_state(&mut self) -> Result<FpState, Errno> {
        let xstate = self.stub.shared.xstate;
        // What the sentry has set counts, not what the frame still says.
        if let Some(fp) = &self.context.fp {
            return Ok(xstate.cleaned(fp));
        }
        if self.fresh || self.frame.fpstate == 0 {
            return Ok(xstate.initial());
        }
        let mut bytes = vec![0; xstate.size];
        match memory::read_any(self.stub.pid(), self.frame.fpstate, &mut bytes) {
            Ok(n) if n == bytes.len() => Ok(FpState(bytes)),
            _ => Err(Errno::EFAULT),
        }
    }

    fn resume(&mut self) -> Result<(), Errno> {
        match self.write_context() {
            Ok(how) => {
                self.answer(how);
                Ok(())
            }
            Err(_) => {
                self.exit();
                Err(Errno::EFAULT)
            }
        }
    }

    fn exit(&mut self) {
        if matches!(self.state, State::Created | State::Stopped | State::Trapped(_)) {
            self.gone();
            if !self.stub.parked.put(|| self.parked()) {
                self.listener.answer(self.id, l::RESUME_EXIT);
                self.stub.slots.lock().give_back(self.slot);
            }
        }
    }

    fn kicker(&self) -> Arc<dyn Kicker> {
        Arc::new(Arc::clone(&self.kick))
    }

    fn usage(&self) -> Usage {
        if self.state != State::Dead
            && let Some(used) = self.sample()
        {
            self.used.set(used);
        }
        self.used.get().since(&self.kick.before)
    }

    fn host_tid(&self) -> i32 {
        self.kick.tid
    }
}

impl Drop for Thread {
    /// A thread that nobody serves must not go on: closing its listener alone would let it.
    fn drop(&mut self) {
        while self.state != State::Dead && !self.stub.is_killed() {
            match self.state {
                State::Syscall(_) => drop(self.stop()),
                State::Running => {
                    self.kick.send();
                    self.next_event();
                }
                _ => self.exit(),
            }
        }
        self.ended();
    }
}

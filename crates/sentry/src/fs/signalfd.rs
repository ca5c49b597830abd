//! Signals that are read from descriptors (signalfd(2)).
//!
//! What can be read are the signals of whoever reads; those who wait are told of every signal that is sent, and look.

mod persist;

use std::fmt::Write;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::SignalfdSiginfo;
use stockade_abi::signal::{SigInfo, SigSet};
use stockade_platform::sync::Mutex;
use zerocopy::IntoBytes;

pub use self::persist::SignalFdState;

use crate::io::Sink;
use crate::persist::{Saver, Unsavable};
use crate::task;
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps};
use crate::wait::{Readiness, WaitQueue};

/// A set of signals to read.
pub struct SignalFd {
    set: Mutex<SigSet>,
    signals: Arc<WaitQueue>,
}

impl SignalFd {
    /// Reads signals of a set; `signals` is told of all that are sent.
    #[must_use]
    pub fn new(set: SigSet, signals: &Arc<WaitQueue>) -> Arc<Self> {
        Arc::new(Self { set: Mutex::new(set), signals: Arc::clone(signals) })
    }

    /// The signals that it reads.
    #[must_use]
    pub fn set(&self) -> SigSet {
        *self.set.lock()
    }

    /// Changes them.
    pub fn change(&self, set: SigSet) {
        *self.set.lock() = set;
        self.signals.notify(Readiness::READABLE);
    }
}

impl FileOps for SignalFd {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        let room = dst.remaining() / size_of::<SignalfdSiginfo>();
        if room == 0 {
            return Err(Errno::EINVAL);
        }
        let reader = task::current().ok_or(Errno::EAGAIN)?;
        let set = self.set();
        let mut read = 0;
        for _ in 0..room {
            let Some(info) = reader.take_signal_of(set) else { break };
            match dst.put(record(&info).as_bytes()) {
                Ok(n) => read += n,
                // As on Linux, a signal that cannot be handed over is lost.
                Err(e) if read == 0 => return Err(e),
                Err(_) => break,
            }
        }
        if read == 0 { Err(Errno::EAGAIN) } else { Ok(read) }
    }

    fn poll(&self) -> Readiness {
        let pending = task::current().map_or(SigSet::EMPTY, |task| task.pending_signals());
        if (pending & self.set()).is_empty() { Readiness::empty() } else { Readiness::READABLE }
    }

    fn info(&self, out: &mut String) {
        let _ = writeln!(out, "sigmask:\t{:016x}", self.set().0);
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.signals)
    }

    fn save(&self, _saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::SignalFd(SignalFdState { set: self.set() }))
    }
}

/// A signal as it is read: the fields that its kind has (sigaction(2), "The siginfo_t argument").
fn record(info: &SigInfo) -> SignalfdSiginfo {
    use stockade_abi::signal::{self as s, si};
    let mut r = SignalfdSiginfo {
        signo: info.signo as u32,
        errno: info.errno,
        code: info.code,
        ..SignalfdSiginfo::default()
    };
    let sender = |r: &mut SignalfdSiginfo| {
        r.pid = info.pid() as u32;
        r.uid = info.uid();
    };
    let value = |r: &mut SignalfdSiginfo| {
        r.ptr = info.value();
        r.int = info.value() as i32;
    };
    match (info.code, info.signo) {
        (si::SI_TIMER, _) => {
            r.tid = info.timer_id() as u32;
            r.overrun = info.overrun() as u32;
            value(&mut r);
        }
        (si::SI_SIGIO, _) => {
            r.band = info.band() as u32;
            r.fd = info.fd();
        }
        (si::SI_USER | si::SI_TKILL | si::SI_KERNEL, _) => sender(&mut r),
        (..0, _) => {
            sender(&mut r);
            value(&mut r);
        }
        (1.., s::SIGCHLD) => {
            sender(&mut r);
            r.status = info.status();
            r.utime = info.utime();
            r.stime = info.stime();
        }
        (1.., s::SIGIO) => {
            r.band = info.band() as u32;
            r.fd = info.fd();
        }
        (1.., s::SIGSEGV | s::SIGBUS | s::SIGILL | s::SIGFPE | s::SIGTRAP) => r.addr = info.addr(),
        _ => sender(&mut r),
    }
    r
}

#[cfg(test)]
mod tests {
    use stockade_abi::signal::SIGCHLD;

    use super::*;

    #[test]
    fn records_hold_the_fields_of_their_kind() {
        let r = record(&SigInfo::queued(40, 7, 8, 9));
        assert_eq!((r.signo, r.code, r.pid, r.uid, r.int, r.ptr), (40, -1, 7, 8, 9, 9));
        let r = record(&SigInfo::timer(14, 3, 5, 6));
        assert_eq!((r.tid, r.overrun, r.int, r.pid), (3, 5, 6, 0));
        let r = record(&SigInfo::child(SIGCHLD, 1, 7, 8, 12, 2, 3));
        assert_eq!((r.pid, r.status, r.utime, r.stime), (7, 12, 2, 3));
    }
}

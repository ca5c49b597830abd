//! Signals that tell that a file became ready (fcntl(2), "Managing signals").

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use stockade_abi::general as c;
use stockade_abi::signal::{SIGIO, SigInfo, si};

use super::{Group, Kernel, Task, Tree};
use crate::creds::Credentials;
use crate::time::{Alarm, Base, Slot};
use crate::vfs::File;
use crate::vfs::file::{Owner, OwnerKind};
use crate::wait::{Observer, Readiness};

/// What of readiness makes which `si_code`.
const REASONS: [(Readiness, i32); 5] = [
    (Readiness::IN, si::POLL_IN),
    (Readiness::OUT, si::POLL_OUT),
    (Readiness::ERR, si::POLL_ERR),
    (Readiness::PRI, si::POLL_PRI),
    (Readiness::HUP, si::POLL_HUP),
];

/// Watches one file. Whoever makes it ready may hold locks, so the signal itself is sent by the thread of the timers.
struct Watch {
    file: Weak<File>,
    kernel: Weak<Kernel>,
    fd: i32,
    ready: AtomicU32,
    slot: Slot,
    me: Weak<Watch>,
}

/// Begins or ends watching, as O_ASYNC says. `fd` is what signals will call the file.
pub fn update(kernel: &Arc<Kernel>, file: &Arc<File>, fd: i32) {
    let wanted = file.flags() & c::FASYNC != 0;
    let mut registration = file.sigio.lock();
    let Some(queue) = file.ops().wait_queue().filter(|_| wanted) else {
        *registration = None;
        return;
    };
    if registration.is_none() {
        let watch = Arc::new_cyclic(|me| Watch {
            file: Arc::downgrade(file),
            kernel: Arc::downgrade(kernel),
            fd,
            ready: AtomicU32::new(0),
            slot: Slot::default(),
            me: me.clone(),
        });
        *registration = Some((fd, queue.register(Readiness::all(), watch)));
    }
}

impl Observer for Watch {
    fn notify(&self, ready: Readiness) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        self.ready.fetch_or(ready.bits(), Ordering::AcqRel);
        let me: Weak<dyn Alarm> = Weak::<Self>::clone(&self.me);
        // Without a thread for it the signal is lost.
        let _ = kernel.timers.schedule(&self.slot, Base::Monotonic, Base::Monotonic.now(), me);
    }
}

impl Alarm for Watch {
    fn expire(&self) {
        let ready = Readiness::from_bits_truncate(self.ready.swap(0, Ordering::AcqRel));
        let (Some(kernel), Some(file)) = (self.kernel.upgrade(), self.file.upgrade()) else { return };
        let owner = file.owner.lock().clone();
        // A notification says what may have changed: a signal, what is so.
        let ready = ready & file.ops().poll();
        let tree = kernel.tree.lock();
        for (bit, code) in REASONS.into_iter().filter(|(bit, _)| ready.contains(*bit)) {
            send(&tree, &owner, self.fd, code, bit);
        }
        drop(tree);
        kernel.report_continued();
    }
}

fn send(tree: &Tree, owner: &Owner, fd: i32, code: i32, band: Readiness) {
    let info = match owner.signal {
        0 => SigInfo::new(SIGIO, si::SI_KERNEL),
        signo => SigInfo::polled(signo, code, i64::from(band.bits()), fd),
    };
    let allowed = |task: &Task| owner.creds.as_ref().is_some_and(|creds| may_tell(creds, task));
    let tell = |group: &Group| {
        if group.threads.first().is_some_and(|task| allowed(task)) {
            let _ = tree.send_group(group.tg.tgid, &info);
        }
    };
    match owner.kind {
        OwnerKind::Thread => {
            if let Ok(task) = tree.task(owner.root_id)
                && allowed(task)
            {
                let _ = tree.send_task(task, &info);
            }
        }
        OwnerKind::Process => tree.group(owner.root_id).into_iter().for_each(tell),
        OwnerKind::Group => tree.members(owner.root_id).for_each(tell),
    }
}

/// Whether who set the owner may send it signals.
fn may_tell(creds: &Credentials, task: &Task) -> bool {
    let theirs = task.creds();
    let same = |id| id == theirs.uid || id == theirs.suid;
    creds.euid.0 == 0 || same(creds.euid) || same(creds.uid)
}

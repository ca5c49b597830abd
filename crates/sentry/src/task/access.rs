//! Who may look into whom (ptrace(2), "Ptrace access mode checking").

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::general as c;

use super::Task;

impl Task {
    /// Whether this task may look into another one: at its memory, descriptors, environment.
    #[must_use]
    pub fn may_look_into(&self, target: &Task) -> bool {
        if Arc::ptr_eq(&self.tg, &target.tg) {
            return true;
        }
        let (mine, theirs) = (self.creds(), target.creds());
        if mine.has_cap(c::CAP_SYS_PTRACE) {
            return true;
        }
        let same_user = [theirs.uid, theirs.euid, theirs.suid].iter().all(|&id| id == mine.fsuid);
        let same_group = [theirs.gid, theirs.egid, theirs.sgid].iter().all(|&id| id == mine.fsgid);
        let dumpable = target.tg.dumpable.load(Ordering::Relaxed) == 1;
        same_user && same_group && dumpable && theirs.permitted & !mine.permitted == 0
    }
}

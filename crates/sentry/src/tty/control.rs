//! Controlling terminals and job control (credentials(7), "Sessions"; ioctl_tty(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::ioctl as io;
use stockade_abi::signal::*;

use super::Tty;
use crate::mm::{MemoryManager, UserMemory};
use crate::signal::Disposition;
use crate::task::{Task, Tree, current};
use crate::vfs::File;

impl Tty {
    fn is_of(self: &Arc<Self>, tree: &Tree, task: &Task) -> bool {
        tree.group(task.tg.tgid).is_ok_and(|g| g.tty.as_ref().is_some_and(|t| Arc::ptr_eq(t, self)))
    }

    /// Whether the calling task is in the background of its controlling terminal, and this is that.
    #[must_use]
    pub fn is_background(self: &Arc<Self>) -> bool {
        current().is_some_and(|task| self.is_background_in(&task.kernel.tree.lock(), &task))
    }

    fn is_background_in(self: &Arc<Self>, tree: &Tree, task: &Task) -> bool {
        let foreground = self.control.lock().foreground;
        let pgid = tree.group(task.tg.tgid).map_or(0, |g| g.pgid);
        foreground != 0 && pgid != foreground && self.is_of(tree, task)
    }

    /// Holds up a calling task in the background: SIGTTIN for reading, SIGTTOU for changing the terminal (or writing, with
    /// TOSTOP).
    ///
    /// # Errors
    /// ERESTARTSYS when the signal was sent; EIO if it would stop an orphaned group, or if a reader does not take it.
    pub fn hold_background(self: &Arc<Self>, signo: i32) -> Result<(), Errno> {
        let Some(task) = current() else { return Ok(()) };
        let tree = task.kernel.tree.lock();
        if !self.is_background_in(&tree, &task) {
            return Ok(());
        }
        let pgid = tree.group(task.tg.tgid)?.pgid;
        let ignored = task.signals.lock().mask.contains(signo)
            || task.tg.actions().disposition(signo) == Disposition::Ignore;
        if ignored {
            return if signo == SIGTTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if tree.is_orphaned(pgid, None) {
            return Err(Errno::EIO);
        }
        let _ = tree.send_pgrp(pgid, &SigInfo::new(signo, si::SI_KERNEL));
        Err(Errno::ERESTARTSYS)
    }

    /// A signal that the terminal makes (Ctrl-C, a new window size), to the foreground.
    pub fn signal_foreground(&self, tree: &Tree, signo: i32) {
        let foreground = self.control.lock().foreground;
        if foreground != 0 {
            let _ = tree.send_pgrp(foreground, &SigInfo::new(signo, si::SI_KERNEL));
        }
    }

    /// Makes it the controlling terminal of a session's leader, if that has none and it controls none.
    fn acquire(self: &Arc<Self>, tree: &mut Tree, tgid: i32) {
        let Ok(group) = tree.group_mut(tgid) else { return };
        let mut control = self.control.lock();
        if group.sid == tgid && group.tty.is_none() && control.session == 0 {
            (control.session, control.foreground) = (group.sid, group.pgid);
            group.tty = Some(Arc::clone(self));
        }
    }

    /// It was opened, or the first process found it among its standard streams.
    pub fn opened_by(self: &Arc<Self>, task: &Task, flags: u32) {
        if flags & c::O_NOCTTY == 0 && flags & c::O_ACCMODE != c::O_WRONLY {
            self.acquire(&mut task.kernel.tree.lock(), task.tg.tgid);
        }
    }

    /// The requests that are about control. `outside` says that the caller has the other side, a pseudoterminal's
    /// master. None for others.
    pub fn control_ioctl(
        self: &Arc<Self>,
        file: &File,
        mm: &MemoryManager,
        (request, arg): (u32, u64),
        outside: bool,
    ) -> Option<Result<u64, Errno>> {
        let task = &*current()?;
        let done = match request {
            io::TIOCGPGRP => self.foreground_for(task, outside).and_then(|id| mm.copy_out(arg, &id)),
            io::TIOCGSID => self.session_for(task, outside).and_then(|id| mm.copy_out(arg, &id)),
            io::TIOCSPGRP => self.set_foreground(task, mm, arg),
            io::TIOCSCTTY if !outside => self.take(task, file, arg == 1),
            io::TIOCNOTTY => self.leave(task),
            // Typing for somebody else is refused, as with dev.tty.legacy_tiocsti off.
            io::TIOCSTI => Err(Errno::EIO),
            _ => return None,
        };
        Some(done.map(|()| 0))
    }

    fn foreground_for(self: &Arc<Self>, task: &Task, outside: bool) -> Result<i32, Errno> {
        let tree = task.kernel.tree.lock();
        if !outside && !self.is_of(&tree, task) {
            return Err(Errno::ENOTTY);
        }
        Ok(task.tg.pidns.local(self.control.lock().foreground))
    }

    fn session_for(self: &Arc<Self>, task: &Task, outside: bool) -> Result<i32, Errno> {
        let tree = task.kernel.tree.lock();
        let session = self.control.lock().session;
        if session == 0 || (!outside && !self.is_of(&tree, task)) {
            return Err(Errno::ENOTTY);
        }
        Ok(task.tg.pidns.local(session))
    }

    fn set_foreground(self: &Arc<Self>, task: &Task, mm: &MemoryManager, arg: u64) -> Result<(), Errno> {
        self.hold_background(SIGTTOU).map_err(|e| if e == Errno::EIO { Errno::ENOTTY } else { e })?;
        let local: i32 = mm.copy_in(arg)?;
        if local < 0 {
            return Err(Errno::EINVAL);
        }
        let tree = task.kernel.tree.lock();
        let mut control = self.control.lock();
        let sid = tree.group(task.tg.tgid)?.sid;
        if !self.is_of(&tree, task) || control.session != sid {
            return Err(Errno::ENOTTY);
        }
        let pgid = task.tg.pidns.root_of(local).ok_or(Errno::ESRCH)?;
        match tree.session_of_pgrp(pgid) {
            None => Err(Errno::ESRCH),
            Some(of) if of != sid => Err(Errno::EPERM),
            Some(_) => {
                control.foreground = pgid;
                Ok(())
            }
        }
    }

    /// TIOCSCTTY
    fn take(self: &Arc<Self>, task: &Task, file: &File, steal: bool) -> Result<(), Errno> {
        let mut tree = task.kernel.tree.lock();
        let group = tree.group(task.tg.tgid)?;
        let (leads, sid, has) = (group.sid == task.tg.tgid, group.sid, group.tty.is_some());
        let owner = self.control.lock().session;
        if leads && owner == sid {
            return Ok(());
        }
        if !leads || has {
            return Err(Errno::EPERM);
        }
        let is_admin = task.creds().has_cap(c::CAP_SYS_ADMIN);
        if owner != 0 {
            if !steal || !is_admin {
                return Err(Errno::EPERM);
            }
            tree.lose_tty(owner);
            *self.control.lock() = super::Control::default();
        }
        if !file.is_readable() && !is_admin {
            return Err(Errno::EPERM);
        }
        self.acquire(&mut tree, task.tg.tgid);
        Ok(())
    }

    /// TIOCNOTTY
    fn leave(self: &Arc<Self>, task: &Task) -> Result<(), Errno> {
        let mut tree = task.kernel.tree.lock();
        if !self.is_of(&tree, task) {
            return Err(Errno::ENOTTY);
        }
        if tree.group(task.tg.tgid)?.sid == task.tg.tgid {
            tree.disassociate(task.tg.tgid, false);
        } else {
            tree.group_mut(task.tg.tgid)?.tty = None;
        }
        Ok(())
    }

    /// The other side has gone: the session it controlled has no terminal any more, and its leader is told.
    pub fn hang_up(self: &Arc<Self>, tree: &mut Tree) {
        let session = std::mem::take(&mut *self.control.lock()).session;
        if session == 0 {
            return;
        }
        tree.lose_tty(session);
        for signo in [SIGHUP, SIGCONT] {
            let _ = tree.send_group(session, &SigInfo::new(signo, si::SI_KERNEL));
        }
    }
}

impl Tree {
    /// No process of a session has a controlling terminal any more.
    fn lose_tty(&mut self, sid: i32) {
        for group in self.groups.values_mut().filter(|g| g.sid == sid) {
            group.tty = None;
        }
    }

    /// The leader of a session gives up its terminal, or ends: the foreground is told.
    pub(crate) fn disassociate(&mut self, tgid: i32, ends: bool) {
        let Ok(group) = self.group(tgid) else { return };
        if group.sid != tgid {
            return;
        }
        if let Some(tty) = group.tty.clone() {
            tty.signal_foreground(self, SIGHUP);
            if !ends {
                tty.signal_foreground(self, SIGCONT);
            }
            *tty.control.lock() = super::Control::default();
        }
        self.lose_tty(tgid);
    }
}

//! Requests to pseudoterminals (ioctl_tty(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::ioctl as io;
use stockade_abi::signal::{SIGINT, SIGQUIT, SIGTSTP, SIGTTOU, SIGWINCH};

use super::{Pty, Terminal};
use crate::mm::{MemoryManager, UserMemory};
use crate::task::current;
use crate::tty::discipline::Effects;
use crate::tty::termios::{Termios, Termios2, Winsize};
use crate::vfs::{File, Path};

/// N_TTY, the only line discipline.
const N_TTY: i32 = 0;

impl Pty {
    pub(super) fn slave_ioctl(
        self: &Arc<Self>,
        file: &File,
        mem: &MemoryManager,
        request: u32,
        arg: u64,
    ) -> Result<u64, Errno> {
        if !self.state.lock().master_is_open() {
            return Err(if request == io::TIOCSPGRP { Errno::ENOTTY } else { Errno::EIO });
        }
        if let Some(done) = self.tty.control_ioctl(file, mem, (request, arg), false) {
            return done;
        }
        match request {
            io::FIONREAD => mem.copy_out(arg, &(self.state.lock().line.readable() as i32))?,
            io::TCFLSH => {
                self.hold_changes()?;
                let (input, output) = queues(arg)?;
                let mut state = self.state.lock();
                let mut packet = 0;
                if input {
                    packet |= state.line.flush_input();
                }
                if output {
                    packet |= state.line.flush_output();
                }
                state.tell(packet);
            }
            _ => return self.common_ioctl(mem, request, arg),
        }
        self.wake();
        Ok(0)
    }

    pub(super) fn master_ioctl(
        self: &Arc<Self>,
        file: &File,
        mem: &MemoryManager,
        request: u32,
        arg: u64,
    ) -> Result<u64, Errno> {
        if let Some(done) = self.tty.control_ioctl(file, mem, (request, arg), true) {
            return done;
        }
        match request {
            io::TIOCGPTN => mem.copy_out(arg, &self.tty.number)?,
            io::TIOCSPTLCK => {
                let on: i32 = mem.copy_in(arg)?;
                self.state.lock().locked = on != 0;
            }
            io::TIOCGPTLCK => mem.copy_out(arg, &i32::from(self.state.lock().locked))?,
            io::TIOCGPTPEER => return self.open_peer(file, arg as u32),
            io::TIOCPKT => {
                let on: i32 = mem.copy_in(arg)?;
                let mut state = self.state.lock();
                state.packet = (on != 0).then(|| state.packet.unwrap_or(0));
            }
            io::TIOCGPKT => mem.copy_out(arg, &i32::from(self.state.lock().packet.is_some()))?,
            io::TIOCSIG => {
                let signo = arg as i32;
                if ![SIGINT, SIGQUIT, SIGTSTP].contains(&signo) {
                    return Err(Errno::EINVAL);
                }
                self.follow_up(&Effects { signals: vec![signo], packet: 0 });
            }
            io::FIONREAD => mem.copy_out(arg, &(self.state.lock().line.output().len() as i32))?,
            io::TCFLSH => {
                let (input, _) = queues(arg)?;
                if input {
                    self.state.lock().line.flush_output();
                    self.wake();
                }
            }
            io::TIOCSCTTY => return Err(Errno::EIO),
            _ => return self.common_ioctl(mem, request, arg),
        }
        Ok(0)
    }

    /// What both sides take.
    fn common_ioctl(&self, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        match request {
            io::TCGETS => mem.copy_out(arg, &self.state.lock().line.modes().modes)?,
            io::TCGETS2 => mem.copy_out(arg, &self.state.lock().line.modes())?,
            io::TCSETS | io::TCSETSW | io::TCSETSF => {
                self.hold_changes()?;
                let modes: Termios = mem.copy_in(arg)?;
                self.set_modes(modes, None, request == io::TCSETSF);
            }
            io::TCSETS2 | io::TCSETSW2 | io::TCSETSF2 => {
                self.hold_changes()?;
                let Termios2 { modes, ispeed, ospeed } = mem.copy_in(arg)?;
                self.set_modes(modes, Some((ispeed, ospeed)), request == io::TCSETSF2);
            }
            io::TIOCGWINSZ => mem.copy_out(arg, &self.state.lock().size)?,
            io::TIOCSWINSZ => {
                let size: Winsize = mem.copy_in(arg)?;
                let old = std::mem::replace(&mut self.state.lock().size, size);
                if old != size {
                    self.follow_up(&Effects { signals: vec![SIGWINCH], packet: 0 });
                }
            }
            io::TIOCOUTQ => mem.copy_out(arg, &0i32)?,
            io::TCXONC => {
                self.hold_changes()?;
                let mut state = self.state.lock();
                match u32::try_from(arg).map_err(|_| Errno::EINVAL)? {
                    c::TCOOFF | c::TCOON => {
                        let packet = state.line.flow_by_call(arg == u64::from(c::TCOON));
                        state.tell(packet);
                    }
                    c::TCIOFF => state.line.send_flow(c::VSTOP),
                    c::TCION => state.line.send_flow(c::VSTART),
                    _ => return Err(Errno::EINVAL),
                }
                drop(state);
                self.wake();
            }
            // Nothing is on its way for long, and there is no line that could be broken.
            io::TCSBRK | io::TCSBRKP => self.hold_changes()?,
            io::TIOCEXCL => self.state.lock().exclusive = true,
            io::TIOCNXCL => self.state.lock().exclusive = false,
            io::TIOCGEXCL => mem.copy_out(arg, &i32::from(self.state.lock().exclusive))?,
            io::TIOCGETD => mem.copy_out(arg, &N_TTY)?,
            io::TIOCSETD => {
                if mem.copy_in::<i32>(arg)? != N_TTY {
                    return Err(Errno::EINVAL);
                }
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn hold_changes(&self) -> Result<(), Errno> {
        self.tty.hold_background(SIGTTOU)
    }

    fn set_modes(&self, modes: Termios, speeds: Option<(u32, u32)>, flush: bool) {
        let mut state = self.state.lock();
        let old = state.line.modes();
        let mut packet = state.line.set_modes(modes, speeds.unwrap_or((old.ispeed, old.ospeed)));
        if flush {
            packet |= state.line.flush_input();
        }
        state.tell(packet);
        drop(state);
        self.wake();
    }

    /// TIOCGPTPEER: the slave, whatever is at its name.
    fn open_peer(self: &Arc<Self>, master: &File, flags: u32) -> Result<u64, Errno> {
        let task = current().ok_or(Errno::EIO)?;
        let directory = master.path.dentry.parent().ok_or(Errno::EIO)?;
        let dentry = directory.lookup(self.tty.number.to_string().as_bytes())?;
        let path = Path { mount: Arc::clone(&master.path.mount), dentry };
        let ops = Arc::clone(self).open(flags)?;
        let file = File::open(path, ops, flags);
        self.tty.opened_by(&task, flags);
        let fd = task.files().add(file, flags & c::O_CLOEXEC != 0, task.fd_limit())?;
        Ok(fd as u64)
    }
}

/// Which queues tcflush(3) means: input, output.
fn queues(arg: u64) -> Result<(bool, bool), Errno> {
    match u32::try_from(arg) {
        Ok(c::TCIFLUSH) => Ok((true, false)),
        Ok(c::TCOFLUSH) => Ok((false, true)),
        Ok(c::TCIOFLUSH) => Ok((true, true)),
        _ => Err(Errno::EINVAL),
    }
}

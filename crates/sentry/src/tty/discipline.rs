//! The line discipline: what becomes of the bytes between the two sides of a pseudoterminal (termios(3)).
//!
//! Pure: it holds modes and queues, and says which signals are due; [`super::pty`] locks, waits and sends.

mod edit;
mod output;
mod persist;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use stockade_abi::general as c;
use stockade_abi::signal::{SIGINT, SIGQUIT, SIGTSTP};

pub(in crate::tty) use self::persist::DisciplineState;

use super::termios::{Termios, Termios2};

/// Bytes of input that are kept (`N_TTY_BUF_SIZE`), a line's end included.
const INPUT_SIZE: usize = 4096;
/// Bytes of output that wait for the master.
const OUTPUT_SIZE: usize = 8192;
/// Echoes that are kept beyond that; more are lost.
const ECHO_SIZE: usize = 4096;
/// Bytes that one byte of output becomes at most, a tabulator.
const WIDEST: usize = 8;

/// A line that waits to be read, or what was there when lines began to count.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Bytes, its end included unless that is none.
    len: usize,
    /// It ends without a byte: by end-of-file.
    bare: bool,
}

/// What else is due after input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Signals for the foreground.
    pub signals: Vec<i32>,
    /// Bits of packet mode (`TIOCPKT_`).
    pub packet: u8,
}

/// The state of a line.
#[derive(Debug)]
pub struct Discipline {
    modes: Termios,
    speeds: (u32, u32),
    /// What can be read: whole lines in canonical mode, else everything.
    ready: VecDeque<u8>,
    lines: VecDeque<Line>,
    /// How many of these are bare: they take room, too.
    bare: usize,
    /// The line that is being edited.
    edit: Vec<u8>,
    /// The next byte is taken literally.
    literal: bool,
    /// Erased bytes are being shown (ECHOPRT).
    erasing: bool,
    output: VecDeque<u8>,
    /// Echoes that wait until output goes on.
    held: VecDeque<u8>,
    column: usize,
    /// Where the line that is being edited begins.
    edit_column: usize,
    /// Output was stopped by the STOP character, or by tcflow(3).
    stopped: bool,
    stopped_by_call: bool,
}

impl Default for Discipline {
    /// As a terminal begins.
    fn default() -> Self {
        let modes = Termios::initial();
        let Termios2 { ispeed, ospeed, .. } = modes.with_speeds((0, 0));
        Self {
            modes,
            speeds: (ispeed, ospeed),
            ready: VecDeque::new(),
            lines: VecDeque::new(),
            bare: 0,
            edit: Vec::new(),
            literal: false,
            erasing: false,
            output: VecDeque::new(),
            held: VecDeque::new(),
            column: 0,
            edit_column: 0,
            stopped: false,
            stopped_by_call: false,
        }
    }
}

impl Discipline {
    /// The modes.
    #[must_use]
    pub fn modes(&self) -> Termios2 {
        Termios2 { modes: self.modes, ispeed: self.speeds.0, ospeed: self.speeds.1 }
    }

    /// Whether the STOP and START characters are the usual ones, for packet mode.
    fn is_usual_flow(&self) -> bool {
        let usual = (0x13, 0x11);
        let cc = (self.modes.cc[c::VSTOP as usize], self.modes.cc[c::VSTART as usize]);
        self.modes.input(c::IXON) && cc == usual
    }

    /// Changes the modes; returns bits of packet mode.
    pub fn set_modes(&mut self, mut new: Termios, speeds: (u32, u32)) -> u8 {
        // A pseudoterminal has eight bits and no parity.
        new.cflag = new.cflag & !(c::CSIZE | c::PARENB) | c::CS8 | c::CREAD;
        let (old, usual) = (self.modes, self.is_usual_flow());
        self.modes = new;
        let with = new.with_speeds(speeds);
        self.speeds = (with.ispeed, with.ospeed);
        match (old.local(c::ICANON), new.local(c::ICANON)) {
            (true, false) => {
                self.lines.clear();
                self.bare = 0;
                self.ready.extend(self.edit.drain(..));
            }
            // What is there already counts as a line.
            (false, true) if !self.ready.is_empty() => self.push_line(self.ready.len(), true),
            _ => {}
        }
        let mut packet = 0;
        if old.input(c::IXON) && !new.input(c::IXON) && !self.stopped_by_call {
            packet |= self.start();
        }
        match (usual, self.is_usual_flow()) {
            (true, false) => packet | c::TIOCPKT_NOSTOP as u8,
            (false, true) => packet | c::TIOCPKT_DOSTOP as u8,
            _ => packet,
        }
    }

    /// How many bytes the master may write: none while input is full, unless that is a line without an end, of which the
    /// rest is lost.
    #[must_use]
    pub fn input_room(&self) -> usize {
        let room = (INPUT_SIZE - 1).saturating_sub(self.held());
        room.max(usize::from(self.modes.local(c::ICANON) && self.lines.is_empty()))
    }

    /// A byte from the master.
    pub fn input(&mut self, byte: u8, effects: &mut Effects) {
        let mut byte = byte;
        if self.modes.input(c::ISTRIP) {
            byte &= 0x7f;
        }
        if self.modes.input(c::IUCLC) && self.modes.local(c::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if std::mem::take(&mut self.literal) {
            return self.store_echoed(byte);
        }
        if self.modes.local(c::EXTPROC) {
            return self.store(byte);
        }
        if self.modes.input(c::IXON) && self.flow(byte, effects) {
            return;
        }
        if self.modes.local(c::ISIG) {
            for (which, signo) in [(c::VINTR, SIGINT), (c::VQUIT, SIGQUIT), (c::VSUSP, SIGTSTP)] {
                if self.modes.is(byte, which) {
                    return self.signal(byte, signo, effects);
                }
            }
        }
        if self.stopped && !self.stopped_by_call && self.modes.input(c::IXON) && self.modes.input(c::IXANY) {
            effects.packet |= self.start();
        }
        match byte {
            b'\r' if self.modes.input(c::IGNCR) => return,
            b'\r' if self.modes.input(c::ICRNL) => byte = b'\n',
            b'\n' if self.modes.input(c::INLCR) => byte = b'\r',
            _ => {}
        }
        if !(self.modes.local(c::ICANON) && self.canonical(byte)) {
            self.store_echoed(byte);
        }
    }

    /// START and STOP; whether it was one.
    fn flow(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if self.modes.is(byte, c::VSTART) {
            effects.packet |= self.start();
        } else if self.modes.is(byte, c::VSTOP) {
            effects.packet |= self.stop();
        } else {
            return false;
        }
        true
    }

    fn signal(&mut self, byte: u8, signo: i32, effects: &mut Effects) {
        effects.signals.push(signo);
        if !self.modes.local(c::NOFLSH) {
            effects.packet |= self.flush_input() | self.flush_output();
        }
        if self.modes.input(c::IXON) {
            effects.packet |= self.start();
        }
        if self.modes.local(c::ECHO) {
            self.echo(byte);
        }
    }

    fn store_echoed(&mut self, byte: u8) {
        if self.modes.local(c::ECHO) {
            self.finish_erasing();
            if byte == b'\n' {
                self.echo_raw(byte);
            } else {
                self.note_edit_column();
                self.echo(byte);
            }
        }
        self.store(byte);
    }

    fn store(&mut self, byte: u8) {
        let held = self.held();
        if self.modes.local(c::ICANON) {
            // There always is a place for the end of a line.
            if held >= INPUT_SIZE - usize::from(byte != b'\n') {
                self.edit.pop();
            }
            self.edit.push(byte);
        } else if held < INPUT_SIZE {
            self.ready.push_back(byte);
        }
    }

    /// Places that are taken.
    fn held(&self) -> usize {
        self.ready.len() + self.edit.len() + self.bare
    }

    fn push_line(&mut self, len: usize, bare: bool) {
        self.lines.push_back(Line { len, bare });
        self.bare += usize::from(bare);
    }

    /// The line that was edited is complete; `bare` if without a byte that says so.
    fn commit(&mut self, bare: bool) {
        self.push_line(self.edit.len(), bare);
        self.ready.extend(self.edit.drain(..));
    }

    /// Bytes that can be read at once, as FIONREAD tells.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.ready.len()
    }

    /// Whether poll(2) says that it can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        if self.modes.local(c::ICANON) {
            return !self.lines.is_empty();
        }
        let (min, time) = self.min_time();
        self.ready.len() >= if time == 0 { min.max(1) } else { 1 }
    }

    /// VMIN, and VTIME in tenths of a second.
    #[must_use]
    pub fn min_time(&self) -> (usize, u8) {
        (usize::from(self.modes.cc[c::VMIN as usize]), self.modes.cc[c::VTIME as usize])
    }

    /// Whether a read that finds nothing ends after VTIME.
    #[must_use]
    pub fn ends_in_time(&self) -> bool {
        !self.modes.local(c::ICANON) && self.min_time().0 == 0
    }

    /// What a read of at most `max` bytes gives; none if it has to wait. After VMIN bytes, or some with VTIME.
    #[must_use]
    pub fn peek(&self, max: usize) -> Option<Vec<u8>> {
        let len = if self.modes.local(c::ICANON) {
            self.lines.front()?.len
        } else {
            let (min, time) = self.min_time();
            let wanted = if time > 0 { min.min(1) } else { min.min(max) };
            if self.ready.len() < wanted || (self.ready.is_empty() && time > 0) {
                return None;
            }
            self.ready.len()
        };
        Some(self.ready.iter().copied().take(len.min(max)).collect())
    }

    /// So many bytes of what [`peek`](Self::peek) gave were read.
    pub fn consume(&mut self, n: usize) {
        self.ready.drain(..n.min(self.ready.len()));
        if self.modes.local(c::ICANON)
            && let Some(line) = self.lines.front_mut()
        {
            line.len = line.len.saturating_sub(n);
            if line.len == 0 {
                self.bare -= usize::from(line.bare);
                self.lines.pop_front();
            }
        }
    }

    /// Forgets what was typed; returns bits of packet mode.
    pub fn flush_input(&mut self) -> u8 {
        self.ready.clear();
        self.lines.clear();
        self.bare = 0;
        self.edit.clear();
        self.erasing = false;
        c::TIOCPKT_FLUSHREAD as u8
    }
}

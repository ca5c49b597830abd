//! Output and echoes on their way to the master.

use stockade_abi::general as c;

use super::{Discipline, ECHO_SIZE, OUTPUT_SIZE, WIDEST};

/// Whether a byte is a control character.
pub(super) fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

impl Discipline {
    /// How many bytes a program may write at least.
    #[must_use]
    pub fn output_room(&self) -> usize {
        if self.stopped { 0 } else { OUTPUT_SIZE.saturating_sub(self.output.len()) / WIDEST }
    }

    /// A byte that a program writes; there has to be room.
    pub fn write(&mut self, byte: u8) {
        self.process(byte);
    }

    /// What waits for the master.
    #[must_use]
    pub fn output(&self) -> &std::collections::VecDeque<u8> {
        &self.output
    }

    /// The master has read so many bytes.
    pub fn consume_output(&mut self, n: usize) {
        self.output.drain(..n.min(self.output.len()));
    }

    /// Forgets what the master has not read; returns bits of packet mode.
    pub fn flush_output(&mut self) -> u8 {
        self.output.clear();
        self.held.clear();
        c::TIOCPKT_FLUSHWRITE as u8
    }

    /// Output stops; returns bits of packet mode.
    pub fn stop(&mut self) -> u8 {
        if std::mem::replace(&mut self.stopped, true) { 0 } else { c::TIOCPKT_STOP as u8 }
    }

    /// Output goes on, unless tcflow(3) stopped it; returns bits of packet mode.
    pub fn start(&mut self) -> u8 {
        if self.stopped_by_call || !std::mem::take(&mut self.stopped) {
            return 0;
        }
        self.output.append(&mut self.held);
        c::TIOCPKT_START as u8
    }

    /// TCOOFF and TCOON; returns bits of packet mode.
    pub fn flow_by_call(&mut self, on: bool) -> u8 {
        if on {
            self.stopped_by_call = false;
            self.start()
        } else {
            self.stopped_by_call = true;
            self.stop()
        }
    }

    /// A START or STOP character for the master, by tcflow(3).
    pub fn send_flow(&mut self, which: u32) {
        let byte = self.modes.cc[which as usize];
        if byte != 0 && self.output.len() < OUTPUT_SIZE + ECHO_SIZE {
            self.output.push_back(byte);
        }
    }

    /// Puts a byte where the master finds it. Echoes beyond what fits are lost.
    pub(super) fn put(&mut self, byte: u8) {
        if self.output.len() + self.held.len() >= OUTPUT_SIZE + ECHO_SIZE {
            return;
        }
        if self.stopped {
            self.held.push_back(byte);
        } else {
            self.output.push_back(byte);
        }
    }

    /// Shows a byte that was typed, a control character as `^X`.
    pub(super) fn echo(&mut self, byte: u8) {
        if self.modes.local(c::ECHOCTL) && is_control(byte) && byte != b'\t' {
            self.process(b'^');
            self.process(byte ^ 0o100);
        } else {
            self.process(byte);
        }
    }

    /// Shows a byte as it is.
    pub(super) fn echo_raw(&mut self, byte: u8) {
        self.process(byte);
    }

    /// Output processing.
    fn process(&mut self, byte: u8) {
        let m = self.modes;
        if !m.output(c::OPOST) {
            return self.put(byte);
        }
        match byte {
            b'\n' => {
                if m.output(c::ONLRET) {
                    self.column = 0;
                }
                if m.output(c::ONLCR) {
                    self.column = 0;
                    self.put(b'\r');
                }
                self.put(b'\n');
            }
            b'\r' if m.output(c::ONOCR) && self.column == 0 => {}
            b'\r' if m.output(c::OCRNL) => {
                if m.output(c::ONLRET) {
                    self.column = 0;
                }
                self.put(b'\n');
            }
            b'\r' => {
                self.column = 0;
                self.put(b'\r');
            }
            b'\t' => {
                let width = 8 - self.column % 8;
                self.column += width;
                if m.oflag & c::TABDLY == c::XTABS {
                    (0..width).for_each(|_| self.put(b' '));
                } else {
                    self.put(b'\t');
                }
            }
            b'\x08' => {
                self.column = self.column.saturating_sub(1);
                self.put(byte);
            }
            _ if is_control(byte) => self.put(byte),
            _ => {
                if !self.continues(byte) {
                    self.column += 1;
                }
                self.put(if m.output(c::OLCUC) { byte.to_ascii_uppercase() } else { byte });
            }
        }
    }
}

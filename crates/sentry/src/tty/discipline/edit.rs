//! Editing a line in canonical mode.

use stockade_abi::general as c;

use super::Discipline;
use super::output::is_control;

/// How much an erasing character takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

impl Discipline {
    /// Whether a byte is one of the second to fourth of a character in UTF-8.
    pub(super) fn continues(&self, byte: u8) -> bool {
        self.modes.input(c::IUTF8) && byte & 0xc0 == 0x80
    }

    /// A byte that means something in canonical mode; false if it does not.
    pub(super) fn canonical(&mut self, byte: u8) -> bool {
        let m = self.modes;
        let extended = m.local(c::IEXTEN);
        let echo = m.local(c::ECHO);
        if m.is(byte, c::VERASE) {
            self.erase(byte, Erase::Character);
        } else if m.is(byte, c::VKILL) {
            self.erase(byte, Erase::Line);
        } else if extended && m.is(byte, c::VWERASE) {
            self.erase(byte, Erase::Word);
        } else if extended && m.is(byte, c::VLNEXT) {
            self.literal = true;
            if echo {
                self.finish_erasing();
                if m.local(c::ECHOCTL) {
                    self.echo_raw(b'^');
                    self.echo_raw(b'\x08');
                }
            }
        } else if extended && echo && m.is(byte, c::VREPRINT) {
            self.finish_erasing();
            self.echo(byte);
            self.echo_raw(b'\n');
            for byte in self.edit.clone() {
                self.echo(byte);
            }
        } else if byte == b'\n' {
            if echo || m.local(c::ECHONL) {
                self.echo_raw(byte);
            }
            self.store(byte);
            self.commit(false);
        } else if m.is(byte, c::VEOF) {
            self.commit(true);
        } else if m.is(byte, c::VEOL) || (extended && m.is(byte, c::VEOL2)) {
            if echo {
                self.note_edit_column();
                self.echo(byte);
            }
            self.store(byte);
            self.commit(false);
        } else {
            return false;
        }
        true
    }

    fn erase(&mut self, byte: u8, what: Erase) {
        if self.edit.is_empty() {
            return;
        }
        let m = self.modes;
        let echo = m.local(c::ECHO);
        if what == Erase::Line {
            if !echo {
                self.edit.clear();
                return;
            }
            if !(m.local(c::ECHOK) && m.local(c::ECHOKE) && m.local(c::ECHOE)) {
                self.edit.clear();
                self.finish_erasing();
                self.echo(byte);
                if m.local(c::ECHOK) {
                    self.echo_raw(b'\n');
                }
                return;
            }
        }
        let mut in_word = false;
        while let Some((first, rest)) = self.last_character() {
            if what == Erase::Word {
                if first.is_ascii_alphanumeric() || first == b'_' {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            self.edit.truncate(self.edit.len() - 1 - rest.len());
            if echo {
                self.show_erased(byte, what, first, &rest);
            }
            if what == Erase::Character {
                break;
            }
        }
        if self.edit.is_empty() && echo {
            self.finish_erasing();
        }
    }

    /// The last character: its first byte, and the others. None of a part of one.
    fn last_character(&self) -> Option<(u8, Vec<u8>)> {
        let at = self.edit.iter().rposition(|&b| !self.continues(b))?;
        Some((self.edit[at], self.edit[at + 1..].to_vec()))
    }

    fn show_erased(&mut self, byte: u8, what: Erase, first: u8, rest: &[u8]) {
        let m = self.modes;
        if m.local(c::ECHOPRT) {
            if !self.erasing {
                self.echo_raw(b'\\');
                self.erasing = true;
            }
            self.echo(first);
            rest.iter().for_each(|&b| self.echo_raw(b));
        } else if what == Erase::Character && !m.local(c::ECHOE) {
            self.echo(byte);
        } else if first == b'\t' {
            let width = self.width_since_tab();
            for _ in 0..8 - width % 8 {
                self.put(b'\x08');
                self.column = self.column.saturating_sub(1);
            }
        } else {
            let shown = match is_control(first) {
                true if m.local(c::ECHOCTL) => 2,
                true => 0,
                false => 1,
            };
            for byte in b"\x08 \x08".repeat(shown) {
                self.echo_raw(byte);
            }
        }
    }

    /// Columns from the last tabulator, or from the column where the line began, to its end.
    fn width_since_tab(&self) -> usize {
        let mut width = 0;
        for &byte in self.edit.iter().rev() {
            if byte == b'\t' {
                return width;
            }
            if is_control(byte) {
                width += if self.modes.local(c::ECHOCTL) { 2 } else { 0 };
            } else if !self.continues(byte) {
                width += 1;
            }
        }
        width + self.edit_column
    }

    pub(super) fn finish_erasing(&mut self) {
        if std::mem::take(&mut self.erasing) {
            self.echo_raw(b'/');
        }
    }

    /// The line that is being edited begins here, if it begins now.
    pub(super) fn note_edit_column(&mut self) {
        if self.edit.is_empty() {
            self.edit_column = self.column;
        }
    }
}

//! Modes and sizes of the host's terminals, in the kernel's own form.

use std::os::fd::AsFd;

use rustix::termios;
use stockade_abi::Errno;

use super::host;
use crate::tty::termios::{Termios, Winsize};

/// Its modes.
pub(super) fn of(t: &termios::Termios) -> Termios {
    let mut cc = [0; 19];
    for (to, index) in cc.iter_mut().zip(SPECIAL) {
        *to = t.special_codes[*index];
    }
    Termios {
        iflag: t.input_modes.bits(),
        oflag: t.output_modes.bits(),
        cflag: t.control_modes.bits(),
        lflag: t.local_modes.bits(),
        line: 0,
        cc,
    }
}

/// Puts modes into it.
pub(super) fn put(t: &mut termios::Termios, k: &Termios) {
    t.input_modes = termios::InputModes::from_bits_retain(k.iflag);
    t.output_modes = termios::OutputModes::from_bits_retain(k.oflag);
    t.control_modes = termios::ControlModes::from_bits_retain(k.cflag);
    t.local_modes = termios::LocalModes::from_bits_retain(k.lflag);
    for (from, index) in k.cc.iter().zip(SPECIAL) {
        t.special_codes[*index] = *from;
    }
}

/// The size of its window.
pub(super) fn size_of(fd: impl AsFd) -> Result<Winsize, Errno> {
    let w = termios::tcgetwinsize(fd).map_err(host)?;
    Ok(Winsize { row: w.ws_row, col: w.ws_col, xpixel: w.ws_xpixel, ypixel: w.ws_ypixel })
}

/// The indices of `c_cc`, in the kernel's order.
const SPECIAL: &[termios::SpecialCodeIndex] = &[
    termios::SpecialCodeIndex::VINTR,
    termios::SpecialCodeIndex::VQUIT,
    termios::SpecialCodeIndex::VERASE,
    termios::SpecialCodeIndex::VKILL,
    termios::SpecialCodeIndex::VEOF,
    termios::SpecialCodeIndex::VTIME,
    termios::SpecialCodeIndex::VMIN,
    termios::SpecialCodeIndex::VSWTC,
    termios::SpecialCodeIndex::VSTART,
    termios::SpecialCodeIndex::VSTOP,
    termios::SpecialCodeIndex::VSUSP,
    termios::SpecialCodeIndex::VEOL,
    termios::SpecialCodeIndex::VREPRINT,
    termios::SpecialCodeIndex::VDISCARD,
    termios::SpecialCodeIndex::VWERASE,
    termios::SpecialCodeIndex::VLNEXT,
    termios::SpecialCodeIndex::VEOL2,
];

//! The modes of a terminal, as ioctl(2) has them (termios(3), ioctl_tty(2)).

use serde::{Deserialize, Serialize};
use stockade_abi::general as c;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct termios` of the kernel, as TCGETS has it.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, PartialEq, Eq, Serialize, Deserialize,
)]
#[expect(missing_docs, reason = "named as in termios(3)")]
pub struct Termios {
    pub iflag: u32,
    pub oflag: u32,
    pub cflag: u32,
    pub lflag: u32,
    pub line: u8,
    pub cc: [u8; 19],
}

/// `struct termios2`, as TCGETS2 has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in ioctl_tty(2)")]
pub struct Termios2 {
    pub modes: Termios,
    pub ispeed: u32,
    pub ospeed: u32,
}

/// `struct winsize`
#[repr(C)]
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
)]
#[expect(missing_docs, reason = "named as in ioctl_tty(2)")]
pub struct Winsize {
    pub row: u16,
    pub col: u16,
    pub xpixel: u16,
    pub ypixel: u16,
}

/// Where speeds of the input are among the control modes, from those of the output.
const IBSHIFT: u32 = 16;
/// Speeds from B0 on, and from B57600 on.
const SPEEDS: [u32; 16] =
    [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
const FAST_SPEEDS: [u32; 15] = [
    57600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000,
    2_500_000, 3_000_000, 3_500_000, 4_000_000,
];

/// The speed that a B constant stands for; `other` for BOTHER.
fn speed(bits: u32, other: u32) -> u32 {
    match bits & c::CBAUD {
        c::BOTHER => other,
        slow if slow & c::CBAUDEX == 0 => SPEEDS[slow as usize & 15],
        fast => FAST_SPEEDS.get((fast - c::B57600) as usize).copied().unwrap_or(38400),
    }
}

impl Termios {
    /// As a pseudoterminal begins.
    #[must_use]
    pub fn initial() -> Self {
        let mut cc = [0; 19];
        for (at, byte) in [
            (c::VINTR, 3),
            (c::VQUIT, 0x1c),
            (c::VERASE, 0x7f),
            (c::VKILL, 0x15),
            (c::VEOF, 4),
            (c::VMIN, 1),
            (c::VSTART, 0x11),
            (c::VSTOP, 0x13),
            (c::VSUSP, 0x1a),
            (c::VREPRINT, 0x12),
            (c::VDISCARD, 0x0f),
            (c::VWERASE, 0x17),
            (c::VLNEXT, 0x16),
        ] {
            cc[at as usize] = byte;
        }
        let echo = c::ECHO | c::ECHOE | c::ECHOK | c::ECHOCTL | c::ECHOKE;
        Self {
            iflag: c::ICRNL | c::IXON,
            oflag: c::OPOST | c::ONLCR,
            cflag: c::B38400 | c::CS8 | c::CREAD,
            lflag: c::ISIG | c::ICANON | c::IEXTEN | echo,
            line: 0,
            cc,
        }
    }

    /// Whether an input mode is set.
    #[must_use]
    pub fn input(&self, flag: u32) -> bool {
        self.iflag & flag != 0
    }

    /// Whether an output mode is set.
    #[must_use]
    pub fn output(&self, flag: u32) -> bool {
        self.oflag & flag != 0
    }

    /// Whether a local mode is set.
    #[must_use]
    pub fn local(&self, flag: u32) -> bool {
        self.lflag & flag != 0
    }

    /// Whether a byte is a special character; one that is zero is none.
    #[must_use]
    pub fn is(&self, byte: u8, which: u32) -> bool {
        byte != 0 && self.cc[which as usize] == byte
    }

    /// With its speeds in numbers: those of the constants, or as `old` had them for BOTHER.
    #[must_use]
    pub fn with_speeds(self, old: (u32, u32)) -> Termios2 {
        let ospeed = speed(self.cflag, old.1);
        let ispeed = match self.cflag >> IBSHIFT & c::CBAUD {
            0 => ospeed,
            bits => speed(bits, old.0),
        };
        Termios2 { modes: self, ispeed, ospeed }
    }
}

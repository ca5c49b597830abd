//! Floating point and vector state as signal frames hold it (XSAVE's standard format with the kernel's software bytes).

use std::arch::x86_64::__cpuid_count;

use stockade_abi::ucontext::{FP_XSTATE_MAGIC1, FP_XSTATE_MAGIC2, FPX_SW_BYTES_OFFSET, FpxSwBytes};
use zerocopy::{FromBytes, IntoBytes};

use crate::FpState;

/// AMX's tiles: the host gives them only to those who ask.
const DYNAMIC: u64 = 1 << 17 | 1 << 18;
/// Legacy area and header.
const MINIMUM: usize = 576;
const HEADER: usize = 512;
const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
/// Initial values.
const FCW: u16 = 0x37f;
const MXCSR_DEFAULT: u32 = 0x1f80;
/// XSTATE_BV of x87 and SSE state.
const LEGACY: u64 = 3;

/// Sizes and features of frames on this host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xstate {
    pub(crate) size: usize,
    pub(crate) features: u64,
}

/// Asks the processor.
pub(crate) fn detect() -> Xstate {
    let leaf = __cpuid_count(0xd, 0);
    let all = u64::from(leaf.edx) << 32 | u64::from(leaf.eax);
    if all & DYNAMIC == 0 {
        // What it needs for all that is switched on. A virtual machine's processor is asked as rarely as can be: 10 µs each.
        return Xstate { size: (leaf.ebx as usize).max(MINIMUM), features: all };
    }
    let features = all & !DYNAMIC;
    let ends = (2..63).filter(|i| features >> i & 1 == 1).map(|i| {
        let leaf = __cpuid_count(0xd, i);
        (leaf.ebx + leaf.eax) as usize
    });
    Xstate { size: ends.max().unwrap_or(0).max(MINIMUM), features }
}

impl Xstate {
    /// The bytes to put on a frame, magic words included; `None` for the initial state, which is also what a malformed
    /// one becomes. What the host would refuse (and kill the stub for) is not let through.
    pub(crate) fn to_frame(self, state: &FpState) -> Option<Vec<u8>> {
        let mut bytes = state.0.clone();
        if bytes.len() != self.size {
            return None;
        }
        let header: Vec<u64> = bytes[HEADER..MINIMUM].chunks_exact(8).map(word).collect();
        if header[0] & !self.features != 0 || header[1..].iter().any(|&w| w != 0) {
            return None;
        }
        let mask = match half(&bytes, MXCSR_MASK) {
            0 => 0xffbf,
            mask => mask & 0xffff,
        };
        let mxcsr = half(&bytes, MXCSR) & mask;
        bytes[MXCSR..MXCSR + 4].copy_from_slice(&mxcsr.to_ne_bytes());
        let sw = FpxSwBytes {
            magic1: FP_XSTATE_MAGIC1,
            extended_size: self.size as u32 + 4,
            xfeatures: self.features,
            xstate_size: self.size as u32,
            padding: [0; 7],
        };
        bytes[FPX_SW_BYTES_OFFSET..FPX_SW_BYTES_OFFSET + 48].copy_from_slice(sw.as_bytes());
        bytes.extend_from_slice(&FP_XSTATE_MAGIC2.to_ne_bytes());
        Some(bytes)
    }

    /// A state as a frame would hold it once put into force.
    pub(crate) fn cleaned(self, state: &FpState) -> FpState {
        match self.to_frame(state) {
            Some(mut bytes) => {
                bytes.truncate(self.size);
                FpState(bytes)
            }
            None => self.initial(),
        }
    }

    /// The state that a program begins with (`fninit`, and the default of MXCSR).
    pub(crate) fn initial(self) -> FpState {
        let mut bytes = vec![0; self.size];
        bytes[..2].copy_from_slice(&FCW.to_ne_bytes());
        bytes[MXCSR..MXCSR + 4].copy_from_slice(&MXCSR_DEFAULT.to_ne_bytes());
        bytes[MXCSR_MASK..MXCSR_MASK + 4].copy_from_slice(&0xffffu32.to_ne_bytes());
        bytes[HEADER..HEADER + 8].copy_from_slice(&LEGACY.to_ne_bytes());
        let framed = self.to_frame(&FpState(bytes.clone()));
        FpState(framed.map_or(bytes, |mut framed| {
            framed.truncate(self.size);
            framed
        }))
    }

    /// Whether a frame's state is laid out as this says.
    #[cfg(test)]
    pub(crate) fn matches(self, state: &FpState) -> bool {
        let sw = state.0.get(FPX_SW_BYTES_OFFSET..).and_then(|b| FpxSwBytes::read_from_prefix(b).ok());
        sw.is_some_and(|(sw, _)| {
            sw.magic1 == FP_XSTATE_MAGIC1
                && sw.xstate_size as usize == self.size
                && sw.xfeatures == self.features
        })
    }
}

fn word(bytes: &[u8]) -> u64 {
    u64::read_from_prefix(bytes).map_or(0, |(w, _)| w)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::read_from_prefix(&bytes[at..]).map_or(0, |(w, _)| w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_host_would_kill_for() {
        let x = detect();
        let good = FpState(vec![0; x.size]);
        let framed = FpState(x.to_frame(&good).unwrap());
        assert!(x.matches(&framed) && framed.0.len() == x.size + 4);
        assert_eq!(x.to_frame(&FpState(vec![0; x.size - 1])), None);
        for (at, byte) in [(HEADER + 7, 0x80), (HEADER + 8, 1), (HEADER + 63, 1)] {
            let mut bad = good.clone();
            bad.0[at] = byte;
            assert_eq!(x.to_frame(&bad), None, "byte {at}");
        }
        let mut odd = good;
        odd.0[MXCSR..MXCSR + 4].fill(0xff);
        assert_eq!(half(&x.to_frame(&odd).unwrap(), MXCSR) >> 16, 0);
    }
}

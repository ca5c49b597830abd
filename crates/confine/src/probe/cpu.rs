//! Features of the CPU.

use super::Probe;

/// `AT_HWCAP2` bit 1 on x86-64: user code may read and write the segment bases.
const HWCAP2_FSGSBASE: usize = 1 << 1;

pub(super) fn has_fsgsbase() -> bool {
    cfg!(not(target_arch = "x86_64")) || rustix::param::linux_hwcap().1 & HWCAP2_FSGSBASE != 0
}

pub(super) fn fsgsbase() -> Probe {
    const NAME: &str = "FSGSBASE";
    const WHY: &str = "a stopped guest thread's segment bases are saved with it";
    if has_fsgsbase() {
        return Probe::present(NAME, WHY, "enabled");
    }
    let fix = "needs an Intel CPU since Ivy Bridge or AMD since Excavator, and a boot without `nofsgsbase`";
    Probe::missing(NAME, WHY, "the CPU lacks it or the kernel has it disabled", fix)
}

//! Landlock (landlock(7)).

#![expect(unsafe_code, reason = "asking for the version")]

use super::Probe;

/// The first version with scopes for signals and abstract sockets.
const WANTED: i64 = 6;

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: u32 = 1;

/// The version of Landlock's interface, 0 if there is none.
pub(super) fn version() -> i64 {
    // SAFETY: with this flag the call takes no attributes.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, VERSION) };
    abi.max(0)
}

pub(super) fn abi() -> Probe {
    const NAME: &str = "Landlock";
    const WHY: &str = "a second wall around the host's files, besides mounts and the seccomp filter";
    match version() {
        abi if abi >= WANTED => Probe::present(NAME, WHY, format!("version {abi}")),
        0 => Probe::degraded(
            NAME,
            WHY,
            "not there: sandboxes run without it",
            "boot with `landlock` in the list that the kernel parameter lsm= gives, or in CONFIG_LSM",
        ),
        abi => Probe::degraded(
            NAME,
            WHY,
            format!("version {abi} of {WANTED}: its newer restrictions are left out"),
            "install a newer kernel",
        ),
    }
}

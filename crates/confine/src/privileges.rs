//! What the sentry may do as a process: capabilities, and ways to get more of them.

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

use crate::error::{Error, Step};
use crate::link::Link;
use crate::sys;

/// What a sentry of root's keeps, to reach files as root does.
pub(crate) const FILE: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID);

/// Has the host kill this process when the front dies. Changes of credentials can undo it.
pub(crate) fn die_with_front(link: &Link) -> Result<(), Error> {
    set_parent_process_death_signal(Some(Signal::KILL)).step("asking to die with the front")?;
    // It may have died before.
    if link.hung_up().step("looking after the front")? {
        return Err(Error::Sentry("the front is gone".into()));
    }
    Ok(())
}

/// Runs `f` with `extra` and nothing else in effect: while files are opened, a capability over the own user namespace
/// would open what the caller could not.
pub(crate) fn with_only<T>(extra: CapabilitySet, f: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let all = capabilities(None).step("asking for the own capabilities")?;
    let few = CapabilitySets { effective: all.permitted & extra, ..all };
    set_capabilities(None, few).step("setting capabilities aside")?;
    let result = f();
    set_capabilities(None, all).step("taking capabilities back")?;
    result
}

/// Keeps `kept` and gives up everything else for good (capabilities(7)).
pub(crate) fn drop(kept: CapabilitySet) -> Result<(), Error> {
    clear_ambient_capability_set().step("clearing the ambient capabilities")?;
    for capability in 0..64 {
        match sys::prctl(libc::PR_CAPBSET_DROP, capability) {
            Ok(_) => {}
            // Past the last that this host knows.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => break,
            Err(e) => return Err(Error::new("dropping the capability bounding set", e)),
        }
    }
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(bits).step("locking the secure bits")?;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).step("dropping capabilities")?;
    set_no_new_privs(true).step("setting no_new_privs")?;
    sys::prctl(libc::PR_SET_DUMPABLE, 0).step("becoming undumpable")?;
    Ok(())
}

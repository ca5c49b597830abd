//! A process that outlives the command that made it.
#![expect(unsafe_code, reason = "fork(2) has no safe form")]

use std::io;
use std::path::Path;

/// On which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In the process that was there before.
    Before,
    /// In the new one.
    New,
}

/// Makes a copy of this process, which goes on in a session of its own, without a terminal, in `/`. Relative paths mean
/// something else there.
///
/// # Errors
/// What fork(2) says. EDEADLK if the process has other threads: the copy would keep their locks for ever.
pub fn detach() -> io::Result<Side> {
    if super::launch::threads(Path::new("/proc/self/task"))? != 1 {
        return Err(io::Error::from_raw_os_error(libc::EDEADLK));
    }
    // SAFETY: there is no other thread, so that all locks and all memory are as this one left them.
    match unsafe { libc::fork() } {
        0 => {}
        -1 => return Err(io::Error::last_os_error()),
        _ => return Ok(Side::Before),
    }
    // A fresh child leads no process group, so that neither fails.
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    Ok(Side::New)
}

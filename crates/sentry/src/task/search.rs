//! Finding a program by its name along PATH.

use stockade_abi::Errno;

use super::exec::open_executable;
use crate::creds::Credentials;
use crate::vfs::FsContext;

/// What entries of PATH that do not begin with a slash mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relative {
    /// A directory below the working directory, and an empty one that itself (execvp(3)).
    ToCwd,
    /// Nothing.
    Skipped,
}

/// The path of a program: a name with a slash as it is, others as PATH leads to them.
///
/// # Errors
/// ENOENT if there is none; EACCES if there is one that may not be executed, or may not be reached.
pub fn find_program(
    creds: &Credentials,
    fs: &FsContext,
    name: &[u8],
    path: &[u8],
    relative: Relative,
) -> Result<Vec<u8>, Errno> {
    if name.contains(&b'/') {
        return Ok(name.to_vec());
    }
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    let mut error = Errno::ENOENT;
    for dir in path.split(|&b| b == b':') {
        if relative == Relative::Skipped && !dir.starts_with(b"/") {
            continue;
        }
        let candidate = if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() };
        match open_executable(creds, fs, &candidate, false) {
            Ok(_) => return Ok(candidate),
            Err(Errno::EACCES) => error = Errno::EACCES,
            Err(_) => {}
        }
    }
    Err(error)
}

//! The descriptors that come with a program.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use stockade_abi::general as c;
use stockade_sentry::fs::stdio;
use stockade_sentry::vfs::File;

use crate::server::{Error, Files};
use crate::types::proc::ExecArgs;

/// What the descriptors of a call are.
pub(super) struct Payload {
    /// The process's, by their numbers.
    pub(super) numbered: Vec<(i32, OwnedFd)>,
    /// The program, if it is one.
    pub(super) program: Option<Arc<File>>,
}

impl Payload {
    /// Gives descriptors their numbers, which lie below `most`; one more than numbers is the program.
    pub(super) fn new(args: &ExecArgs, Files(files): Files, most: u64) -> Result<Self, Error> {
        let mut files = files.into_iter();
        let Some(numbers) = &args.guest_fds else {
            return Ok(Self { numbered: (0..).zip(files).collect(), program: None });
        };
        if files.len() < numbers.len() || files.len() > numbers.len() + 1 {
            return Err(Error::new(format!("{} descriptors for {} GuestFDs", files.len(), numbers.len())));
        }
        for (i, number) in numbers.iter().enumerate() {
            if !u64::try_from(*number).is_ok_and(|n| n < most) {
                return Err(Error::new(format!(
                    "GuestFDs: {number} is no descriptor; 0 to {} are",
                    most - 1
                )));
            }
            if numbers[..i].contains(number) {
                return Err(Error::new(format!("GuestFDs: {number} is there twice")));
            }
        }
        let numbered = numbers.iter().copied().zip(files.by_ref()).collect();
        let program = files.next();
        if program.is_some() && !args.filename.is_empty() {
            return Err(Error::new("a program is given by a descriptor and by filename: leave one out"));
        }
        Ok(Self { numbered, program: program.map(program_file).transpose()? })
    }
}

/// A program of the host's, as a file to execute.
fn program_file(fd: OwnedFd) -> Result<Arc<File>, Error> {
    stdio::open(-1, fd, c::O_RDONLY).map_err(|e| Error::on("the program's descriptor", e))
}

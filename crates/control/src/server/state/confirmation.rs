//! The word of a client that an image is where it belongs, before its sandbox is ended.

use std::os::fd::OwnedFd;

use rustix::io::Errno as HostErrno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::server::{Error, Files};

/// Over which socket it comes.
#[derive(Debug)]
pub(super) struct Confirmation(OwnedFd);

impl Confirmation {
    /// Takes the last descriptor of a call.
    pub(super) fn of(files: &mut Files) -> Result<Self, Error> {
        let socket = files.0.pop().ok_or_else(|| Error::new("there is no socket to confirm the image by"))?;
        Ok(Self(socket))
    }

    /// Says that the image is written, and waits for the word, for as long as the client lives.
    pub(super) fn wait(self) -> Result<(), Error> {
        let unconfirmed = || Error::new("the image was not confirmed");
        send(&self.0, &[1], SendFlags::NOSIGNAL).map_err(|_| unconfirmed())?;
        let mut word = [0];
        loop {
            match recv(&self.0, &mut word, RecvFlags::empty()) {
                Ok((1.., _)) => return Ok(()),
                Err(HostErrno::INTR) => {}
                Ok(_) | Err(_) => return Err(unconfirmed()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (UnixStream, Confirmation) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut files = Files(vec![tempfile::tempfile().unwrap().into(), theirs.into()]);
        let confirmation = Confirmation::of(&mut files).unwrap();
        assert_eq!(files.0.len(), 1);
        (ours, confirmation)
    }

    #[test]
    fn only_a_word_confirms() {
        let (mut ours, confirmation) = pair();
        let waiting = std::thread::spawn(move || confirmation.wait());
        ours.read_exact(&mut [0]).unwrap();
        ours.write_all(&[1]).unwrap();
        assert_eq!(waiting.join().unwrap().map_err(|e| e.message), Ok(()));
        let (mut ours, confirmation) = pair();
        let waiting = std::thread::spawn(move || confirmation.wait());
        ours.read_exact(&mut [0]).unwrap();
        drop(ours);
        assert_eq!(waiting.join().unwrap().unwrap_err().message, "the image was not confirmed");
        let (ours, confirmation) = pair();
        drop(ours);
        assert!(confirmation.wait().is_err());
        assert!(Confirmation(tempfile::tempfile().unwrap().into()).wait().is_err());
        assert!(Confirmation::of(&mut Files::default()).is_err());
    }
}

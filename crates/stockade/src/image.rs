//! Images as the commands meet them: by path, with a key from a file.

use crate::failure::{Failure, reason};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use stockade_image::{Error, Image, Key};

/// The key in the file that `--key-file` names: all bytes of it.
///
/// # Errors
/// When it cannot be read, or is no key.
pub fn key(path: &Path) -> Result<Key, Failure> {
    key_and_bytes(path).map(|(key, _)| key)
}

/// The bytes of the key in the file that `--key-file` names.
///
/// # Errors
/// As [`key`].
pub fn key_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    key_and_bytes(path).map(|(_, bytes)| bytes)
}

fn key_and_bytes(path: &Path) -> Result<(Key, Vec<u8>), Failure> {
    let fail =
        |cause: String, hint: &str| Failure::new(format!("--key-file {}: {cause}", path.display()), hint);
    let mut bytes = Vec::new();
    let file = File::open(path);
    file.and_then(|file| file.take(Key::LONGEST as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| fail(reason(&e), "name the file with the key that the image was saved with"))?;
    let hint = "make a key with: head -c 32 /dev/urandom > FILE";
    let key = Key::new(bytes.clone()).map_err(|e| fail(e.to_string(), hint))?;
    Ok((key, bytes))
}

/// Opens the file of an image, for [`Image::open`] or [`Image::look`].
///
/// # Errors
/// When it cannot be read.
pub fn file(path: &Path) -> Result<File, Failure> {
    // A pipe that nobody writes to is not waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path);
    file.map_err(|e| failure(path, &e.into()))
}

/// Opens an image and, if it was saved with a key and that is given, checks that it fits.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn look(path: &Path, key: Option<&Key>) -> Result<Image, Failure> {
    Image::look(file(path)?, key).map_err(|e| failure(path, &e))
}

/// What is said of an image that cannot be used.
#[must_use]
pub fn failure(path: &Path, error: &Error) -> Failure {
    let hint = match error {
        Error::Io(e) if e.kind() == io::ErrorKind::NotFound => "name a file that `stockade save` wrote",
        Error::NotAnImage | Error::NotAFile => "name a file that `stockade save` wrote",
        Error::Incomplete | Error::Damaged(_) | Error::Chunk { .. } => {
            "take another copy of it, or save again"
        }
        Error::TooNew { .. } => "use that version of Stockade, or a later one",
        Error::KeyNeeded => "give the key with --key-file",
        Error::NotAuthenticated => "leave --key-file out if you trust whoever wrote the image",
        Error::WrongKey => "give the key that it was saved with; if this is it, do not trust the image",
        Error::Host(_) => "use a host like the one it was saved on",
        _ => "",
    };
    let cause = match error {
        Error::Io(e) => reason(e),
        error => error.to_string(),
    };
    let colon = if matches!(error, Error::Io(_)) { ": " } else { " " };
    Failure::new(format!("{}{colon}{cause}", path.display()), hint)
}

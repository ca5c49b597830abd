//! Files into and out of a running sandbox: tar streams between the sentry, which packs and unpacks the sandbox's own files,
//! and this process, which does the same with the host's.

mod host;

use crate::cli::{CopyArgs, Place};
use crate::failure::{Failure, reason};
use crate::run::say;
use host::{HostTree, directory};
use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader, BufWriter};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use stockade_control::archive::{self, Rights};
use stockade_control::client::{Client, Error};
use stockade_control::types::files::{FileKind, FilesArgs, PackArgs};

/// Bytes on the way at once.
const BUFFER: usize = 64 << 10;

/// Copies.
///
/// # Errors
/// What is wrong with which of the places, and what reading or writing failed with.
pub(crate) fn run(args: &CopyArgs, state_dir: Option<&Path>) -> Result<(), Failure> {
    let inside = |id| Ok(Inside { id, client: crate::connect::connect(state_dir, id)? });
    match (&args.source, &args.destination) {
        (Place::Inside { id, path }, Place::Outside(to)) => inside(id)?.copy_out(path, to),
        (Place::Inside { id, path }, Place::Stream) => inside(id)?.copy_to_stream(path),
        (Place::Outside(from), Place::Inside { id, path }) => inside(id)?.copy_in(from, path),
        (Place::Stream, Place::Inside { id, path }) => inside(id)?.copy_from_stream(path),
        _ => Err(Failure::new(
            "one of the two has to be in a sandbox, and only one",
            "a path in a sandbox is ID:PATH, with an absolute PATH",
        )),
    }
}

/// A sandbox.
struct Inside<'a> {
    id: &'a str,
    client: Client,
}

/// Where something goes: a directory, and what it is called there. With an empty name its contents go there.
struct Destination<D> {
    directory: D,
    name: Vec<u8>,
}

impl Inside<'_> {
    fn copy_out(&mut self, path: &str, to: &Path) -> Result<(), Failure> {
        let kind = self.look(path)?;
        if kind == FileKind::Nothing {
            return Err(Failure::new(format!("{}:{path}: No such file or directory", self.id), ""));
        }
        let destination = self.outside(path, kind, to)?;
        let (stream, end) = pipe(self.id)?;
        let name = String::from_utf8_lossy(&destination.name).into_owned();
        let args = PackArgs { path: path.to_owned(), name };
        self.client.begin_pack(&args, end.as_fd()).map_err(|e| self.failed(&e))?;
        drop(end);
        let tree = HostTree { chowns: rustix::process::geteuid().is_root() };
        let stream = BufReader::with_capacity(BUFFER, std::fs::File::from(stream));
        let unpacked = archive::unpack(&tree, &destination.directory, stream, Rights::WithoutSetId);
        let packed = self.client.finish::<u64>();
        // What was cut off is the packer's fault, unless the reader closed the stream.
        match (packed, unpacked) {
            (Ok(left_out), Ok(more)) => {
                self.note_left_out(left_out + more);
                Ok(())
            }
            (Err(Error::Remote { errno: Some(EPIPE), .. }) | Ok(_), Err(e)) => Err(on_file(to, &e)),
            (Err(e), _) => Err(self.failed(&e)),
        }
    }

    fn copy_to_stream(&mut self, path: &str) -> Result<(), Failure> {
        let name = Path::new(path).file_name().unwrap_or(OsStr::new("."));
        let args = PackArgs { path: path.to_owned(), name: name.to_string_lossy().into_owned() };
        // The sentry writes it itself.
        self.client.begin_pack(&args, rustix::stdio::stdout()).map_err(|e| self.failed(&e))?;
        match self.client.finish::<u64>() {
            Ok(left_out) => self.note_left_out(left_out),
            // A reader that went away is no error.
            Err(Error::Remote { errno: Some(EPIPE), .. }) => {}
            Err(e) => return Err(self.failed(&e)),
        }
        Ok(())
    }

    fn copy_in(&mut self, from: &Path, path: &str) -> Result<(), Failure> {
        let (parent, name) = split(from);
        let tree = HostTree { chowns: false };
        let dir = directory(parent).map_err(|e| on_file(from, &e))?;
        let found = archive::Source::look(&tree, &dir, name.as_bytes()).map_err(|e| on_file(from, &e))?;
        let is_dir = found.file_type == 0o040_000;
        let destination = self.inside(from, is_dir, path)?;
        let (stream, end) = pipe(self.id)?;
        let args = FilesArgs { path: destination.directory };
        self.client.begin_unpack(&args, stream.as_fd()).map_err(|e| self.failed(&e))?;
        drop(stream);
        let out = BufWriter::with_capacity(BUFFER, std::fs::File::from(end));
        let packed = archive::pack(&tree, &dir, name.as_bytes(), &destination.name, out);
        match (packed, self.client.finish::<u64>()) {
            (Ok(left_out), Ok(more)) => {
                self.note_left_out(left_out + more);
                Ok(())
            }
            (Err(e), _) if e.kind() != io::ErrorKind::BrokenPipe => Err(on_file(from, &e)),
            (_, Err(e)) => Err(self.failed(&e)),
            (Err(e), Ok(_)) => Err(on_file(from, &e)),
        }
    }

    fn copy_from_stream(&mut self, path: &str) -> Result<(), Failure> {
        let args = FilesArgs { path: path.to_owned() };
        self.client.begin_unpack(&args, rustix::stdio::stdin()).map_err(|e| self.failed(&e))?;
        let left_out = self.client.finish::<u64>().map_err(|e| self.failed(&e))?;
        self.note_left_out(left_out);
        Ok(())
    }

    /// Where on the host something goes, as cp(1) has it.
    fn outside(&self, path: &str, kind: FileKind, to: &Path) -> Result<Destination<Arc<OwnedFd>>, Failure> {
        let on_to = |e: io::Error| on_file(to, &e);
        let name = Path::new(path).file_name().map(OsStr::as_bytes).unwrap_or_default().to_vec();
        match std::fs::metadata(to) {
            Ok(m) if m.is_dir() => {
                let name = if takes_contents(path) { Vec::new() } else { name };
                Ok(Destination { directory: directory(to).map_err(on_to)?, name })
            }
            Ok(_) if kind == FileKind::Directory => Err(not_a_directory(&to.to_string_lossy())),
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(on_to(e)),
            _ if kind != FileKind::Directory && to.as_os_str().as_bytes().ends_with(b"/") => {
                Err(not_a_directory(&to.to_string_lossy()))
            }
            _ => {
                let (parent, name) = split(to);
                let directory = directory(parent).map_err(on_to)?;
                Ok(Destination { directory, name: name.as_bytes().to_vec() })
            }
        }
    }

    /// Where in the sandbox something goes.
    fn inside(&mut self, from: &Path, is_dir: bool, path: &str) -> Result<Destination<String>, Failure> {
        let name = from.file_name().map(OsStr::as_bytes).unwrap_or_default().to_vec();
        match self.look(path)? {
            FileKind::Directory => {
                let is_contents = takes_contents(&from.to_string_lossy());
                let name = if is_contents { Vec::new() } else { name };
                Ok(Destination { directory: path.to_owned(), name })
            }
            FileKind::File if is_dir => Err(not_a_directory(&format!("{}:{path}", self.id))),
            FileKind::Nothing if !is_dir && path.ends_with('/') => {
                Err(not_a_directory(&format!("{}:{path}", self.id)))
            }
            _ => {
                let (parent, name) = split(Path::new(path));
                let directory = parent.to_string_lossy().into_owned();
                Ok(Destination { directory, name: name.as_bytes().to_vec() })
            }
        }
    }

    fn look(&mut self, path: &str) -> Result<FileKind, Failure> {
        let args = FilesArgs { path: path.to_owned() };
        self.client.look(&args).map_err(|e| self.failed(&e))
    }

    fn note_left_out(&self, files: u64) {
        match files {
            0 => {}
            1 => say("a device or socket was left out"),
            n => say(&format!("{n} devices, sockets or files that went away were left out")),
        }
    }

    fn failed(&self, e: &Error) -> Failure {
        Failure::new(format!("{}:{}", self.id, crate::front::one_line(&e.to_string())), "")
    }
}

const EPIPE: i32 = 32;

/// Whether a path means what is in a directory, and not the directory.
fn takes_contents(path: &str) -> bool {
    path == "." || path.ends_with("/.") || path.trim_end_matches('/').is_empty()
}

/// A directory, and a name in it; `.` where the path ends with no name.
fn split(path: &Path) -> (&Path, OsString) {
    let is_itself = takes_contents(&path.to_string_lossy()) || path.file_name().is_none();
    match (is_itself, path.parent(), path.file_name()) {
        (false, Some(parent), Some(name)) => (parent, name.to_owned()),
        _ => (path, OsString::from(".")),
    }
}

fn not_a_directory(place: &str) -> Failure {
    Failure::new(format!("{place}: not a directory"), "give a directory that exists, or another name")
}

fn pipe(id: &str) -> Result<(OwnedFd, OwnedFd), Failure> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| Failure::new(format!("sandbox {id}: {}", reason(&e.into())), ""))
}

fn on_file(path: &Path, e: &io::Error) -> Failure {
    Failure::new(crate::front::one_line(&format!("{}: {}", path.display(), reason(e))), "")
}

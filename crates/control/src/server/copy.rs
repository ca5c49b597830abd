//! `Files`: files into and out of a sandbox.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_sentry::creds::Credentials;
use stockade_sentry::vfs::{Last, LookupFlags, Path, ops};

use super::vfs_tree::VfsTree;
use super::{Error, Files, Sandbox};
use crate::archive::{self, Source as _};
use crate::types::files::{FileKind, FilesArgs, PackArgs};

/// Bytes on the way at once.
const BUFFER: usize = 64 << 10;

/// `Files.Look`: what is at a path, links followed.
pub(super) fn look(sandbox: &Arc<Sandbox>, args: FilesArgs, _: Files) -> Result<FileKind, Error> {
    let creds = Credentials::root();
    let request = request(sandbox, &creds);
    let on_path = |e| Error::on(&args.path, e);
    match request.walk(LookupFlags::FOLLOW).resolve(args.path.as_bytes()) {
        Ok(place) if place.dentry.inode.is_dir() => Ok(FileKind::Directory),
        Ok(_) => Ok(FileKind::File),
        Err(Errno::ENOENT) => {
            request.walk(LookupFlags::empty()).parent(args.path.as_bytes()).map_err(on_path)?;
            Ok(FileKind::Nothing)
        }
        Err(e) => Err(on_path(e)),
    }
}

/// `Files.Pack`: writes what is at a path to a descriptor; gives how many files were left out.
pub(super) fn pack(sandbox: &Arc<Sandbox>, args: PackArgs, files: Files) -> Result<u64, Error> {
    let out = BufWriter::with_capacity(BUFFER, File::from(files.exactly_one()?));
    let creds = Credentials::root();
    let request = request(sandbox, &creds);
    let (dir, name) = place(&request, &args.path)?;
    let tree = VfsTree { root: request.root.clone(), creds: &creds };
    tree.look(&dir, &name).map_err(|e| Error::on(&args.path, e.into()))?;
    archive::pack(&tree, &dir, &name, args.name.as_bytes(), out).map_err(|e| failed(&e))
}

/// `Files.Unpack`: reads a tar stream from a descriptor into a directory; gives how many entries were left out.
pub(super) fn unpack(sandbox: &Arc<Sandbox>, args: FilesArgs, files: Files) -> Result<u64, Error> {
    sandbox.beginning.used()?;
    let stream = BufReader::with_capacity(BUFFER, File::from(files.exactly_one()?));
    let creds = Credentials::root();
    let request = request(sandbox, &creds);
    let walk = LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
    let on_path = |e| Error::on(&args.path, e);
    let dir = request.walk(walk).resolve(args.path.as_bytes()).map_err(on_path)?;
    let tree = VfsTree { root: request.root.clone(), creds: &creds };
    archive::unpack(&tree, &dir, stream, archive::Rights::All).map_err(|e| failed(&e))
}

fn request<'a>(sandbox: &Sandbox, creds: &'a Credentials) -> ops::Request<'a> {
    let root = sandbox.mounts().root();
    ops::Request { root: root.clone(), start: root, creds, umask: 0 }
}

/// The directory that a path leads to, and a name in it; `.` for the directory itself.
fn place(request: &ops::Request<'_>, path: &str) -> Result<(Path, Vec<u8>), Error> {
    let on_path = |e| Error::on(path, e);
    let parent = request.walk(LookupFlags::empty()).parent(path.as_bytes()).map_err(on_path)?;
    match parent.last {
        Last::Name(name) if !parent.trailing_slash => Ok((parent.dir, name)),
        _ => {
            let walk = LookupFlags::FOLLOW | LookupFlags::DIRECTORY;
            let dir = request.walk(walk).resolve(path.as_bytes()).map_err(on_path)?;
            Ok((dir, b".".to_vec()))
        }
    }
}

fn failed(e: &io::Error) -> Error {
    let errno = e.raw_os_error().map(Errno::from_raw);
    Error { errno, ..Error::new(e.to_string()) }
}

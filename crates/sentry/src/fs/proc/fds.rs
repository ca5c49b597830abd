//! `/proc/PID/fd` and `/proc/PID/fdinfo`.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::inode::{Directory, Listed, Node, ProcInode};
use super::process::{ino, owner, reader_root};
use super::{ProcFs, Subject, locks};
use crate::vfs::{Fd, File, FileType};

/// Inode numbers of descriptors begin here, those of their information here.
const FD_INO: u64 = 0x100;
const INFO_INO: u64 = 0x2_0000;

/// Open descriptors, as links.
pub(super) struct Fds(pub(super) Subject);

/// Open descriptors, as texts.
pub(super) struct FdInfos(pub(super) Subject);

fn number(name: &[u8]) -> Result<Fd, Errno> {
    if name == b"0" {
        return Ok(0);
    }
    super::root::number(name).ok_or(Errno::ENOENT)
}

fn file(subject: &Subject, fd: Fd) -> Result<Arc<File>, Errno> {
    subject.task().and_then(|t| t.files().get(fd)).map_err(|_| Errno::ENOENT)
}

fn list(subject: &Subject, base: u64, file_type: FileType) -> Result<Vec<Listed>, Errno> {
    subject.check_access()?;
    let fds = subject.task().map_err(|_| Errno::ENOENT)?.files().list();
    let listed = fds.into_iter().map(|fd| Listed {
        name: fd.to_string().into_bytes(),
        ino: ino(subject, base + fd as u64),
        file_type,
    });
    Ok(listed.collect())
}

impl Directory for Fds {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        let fd = number(name)?;
        self.0.check_access()?;
        let open = file(&self.0, fd)?;
        let mut permissions = 0;
        if open.is_readable() || open.is_path_only() {
            permissions |= 0o500;
        }
        if open.is_writable() {
            permissions |= 0o300;
        }
        let (for_words, for_place) = (self.0.clone(), self.0.clone());
        let node = Node::Magic {
            words: Box::new(move || Ok(file(&for_words, fd)?.path.display(&reader_root()).0)),
            place: Box::new(move || Ok(file(&for_place, fd)?.path.clone())),
        };
        Ok(ProcInode::owned(fs, ino(&self.0, FD_INO + fd as u64), permissions, owner(&self.0)?, node))
    }

    fn list(&self, _fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        list(&self.0, FD_INO, FileType::Symlink)
    }

    fn size(&self) -> u64 {
        self.0.task().map_or(0, |t| t.files().list().len() as u64)
    }
}

impl Directory for FdInfos {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        let fd = number(name)?;
        self.0.check_access()?;
        file(&self.0, fd)?;
        let (subject, of) = (self.0.clone(), Arc::clone(fs));
        Ok(ProcInode::text(fs, ino(&self.0, INFO_INO + fd as u64), move || info(&of, &subject, fd)))
    }

    fn list(&self, _fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        list(&self.0, INFO_INO, FileType::Regular)
    }
}

fn info(fs: &ProcFs, subject: &Subject, fd: Fd) -> Result<Vec<u8>, Errno> {
    let open = file(subject, fd)?;
    let files = subject.task()?.files();
    let mut flags = open.flags();
    if files.cloexec(fd).unwrap_or(false) {
        flags |= c::O_CLOEXEC;
    }
    let position = if open.ops().is_seekable() { open.with_position(|p| Ok(*p))? } else { 0 };
    let ino = open.attrs()?.ino;
    let mount = open.path.mount.id();
    let mut text = format!("pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{ino}\n");
    text.push_str(&locks::text(fs, "lock:\t", open.locks_of(&files)));
    open.ops().info(&mut text);
    Ok(text.into_bytes())
}

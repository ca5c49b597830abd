//! What descriptors of the host are known by, and what is left of those that are gone.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use stockade_abi::{Errno, ioctl as io};

use super::persist::{HostStreamState, StreamKind};
use super::socket::{HostSocket, SocketInfo};
use super::stream::HostStream;
use super::terminal::HostTerminal;
use super::watch::Watched;
use crate::io::{Sink, Source};
use crate::mm::MemoryManager;
use crate::persist::{Saver, Unsavable};
use crate::tty::Tty;
use crate::vfs::attrs::make_dev;
use crate::vfs::persist::FileOpsState;
use crate::vfs::quota::Share;
use crate::vfs::{Attrs, File, FileOps, FileType};
use crate::wait::{Readiness, WaitQueue};

/// A descriptor of the host that a process was given.
pub struct Descriptor {
    /// The number that it was given under, negative for what a restore has nothing in place of.
    pub(super) number: i32,
    pub(super) attrs: Attrs,
    /// Its access mode.
    pub(super) access: u32,
    /// None once it is gone, as nothing took its place at a restore.
    pub(super) fd: Option<Arc<Watched>>,
    /// If it is one.
    pub(super) socket: Option<Arc<SocketInfo>>,
    /// What it takes of the sandbox's descriptors, if the guest made it.
    pub(super) _share: Option<Share>,
}

impl Descriptor {
    pub(super) fn new(number: i32, fd: OwnedFd, attrs: Attrs, access: u32) -> Self {
        let socket = SocketInfo::of(&fd).map(Arc::new);
        Self { socket, ..Self::plain(number, Some(Watched::new(fd)), attrs, access) }
    }

    /// One that is no socket.
    pub(super) fn plain(number: i32, fd: Option<Arc<Watched>>, attrs: Attrs, access: u32) -> Self {
        Self { number, attrs, access, fd, socket: None, _share: None }
    }

    /// It as a stream.
    pub(super) fn stream(self: &Arc<Self>, terminal: Option<Arc<HostTerminal>>) -> Arc<dyn FileOps> {
        if let Some(info) = &self.socket {
            return Arc::new(HostSocket::new(self, info));
        }
        match &self.fd {
            Some(fd) => Arc::new(HostStream::new(self, Arc::clone(fd), terminal)),
            None => HungUp::new(self, None),
        }
    }
}

/// A stream of which the other side is gone.
pub(super) struct HungUp {
    of: Arc<Descriptor>,
    /// The terminal that it was.
    terminal: Option<Arc<Tty>>,
    /// Nobody is told anything.
    queue: Arc<WaitQueue>,
}

impl HungUp {
    pub(super) fn new(of: &Arc<Descriptor>, terminal: Option<Arc<Tty>>) -> Arc<Self> {
        Arc::new(Self { of: Arc::clone(of), terminal, queue: Arc::default() })
    }

    /// What went nowhere still does.
    fn is_null(&self) -> bool {
        self.of.attrs.rdev == make_dev(1, 3) && self.of.attrs.file_type() == FileType::CharDevice
    }
}

impl FileOps for HungUp {
    fn read(&self, _file: &File, _dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        Ok(0)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        match self.of.attrs.file_type() {
            FileType::Fifo | FileType::Socket => Err(Errno::EPIPE),
            FileType::CharDevice if self.is_null() => Ok(src.remaining()),
            _ => Err(Errno::EIO),
        }
    }

    fn poll(&self) -> Readiness {
        let ready = Readiness::READABLE | Readiness::WRITABLE;
        if self.is_null() { ready } else { ready | Readiness::ERR | Readiness::HUP }
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.queue)
    }

    fn ioctl(&self, _file: &File, _mem: &MemoryManager, request: u32, _arg: u64) -> Result<u64, Errno> {
        match self.terminal {
            Some(_) if request != io::TIOCSPGRP => Err(Errno::EIO),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        self.terminal.is_none().then_some(Ok(self.of.attrs))
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        let kind = match &self.terminal {
            Some(tty) => StreamKind::HungUpTerminal(saver.id(tty)),
            None => StreamKind::Stream,
        };
        Ok(FileOpsState::HostStream(HostStreamState { of: saver.id(&self.of), kind }))
    }
}

//! What cases are made of.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use stockade_confine::{Access, End, Options, SentryHandle, SentryHost, Tree, launch};

/// One case; it panics if something is wrong. Its working directory is empty and its own.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
    pub(crate) root_only: bool,
    /// What it prints is worth showing.
    pub(crate) talks: bool,
}

pub(crate) const fn case(name: &'static str, run: fn()) -> Case {
    Case { name, run, root_only: false, talks: false }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The own effective capabilities.
pub(crate) fn capabilities() -> CapabilitySet {
    rustix::thread::capabilities(None).expect("capget").effective
}

/// Whether the sentry's namespace has all ids of this one, rather than just the own.
pub(crate) fn maps_all() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SETFCAP;
    is_root() && capabilities().contains(needed)
}

/// Whether those are more than one.
pub(crate) fn maps_more_ids() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").expect("uid_map");
    maps_all() && map.split_ascii_whitespace().nth(2) != Some("1")
}

/// A directory for one case, with a copy of this program that an ordinary user can run.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new(user: Option<u32>) -> Self {
        let scratch = Self(tempfile::tempdir().expect("a scratch directory"));
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(scratch.0.path(), open).expect("chmod");
        std::fs::create_dir(scratch.path()).expect("mkdir");
        let own = std::env::current_exe().expect("the own name");
        if std::fs::hard_link(&own, scratch.program()).is_err() {
            std::fs::copy(&own, scratch.program()).expect("a copy of this program");
        }
        if user.is_some() {
            chown(scratch.path(), user, user).expect("chown");
        }
        scratch
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("dir")
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.0.path().join("program")
    }
}

pub(crate) fn tree(path: impl Into<PathBuf>, access: Access) -> Tree {
    Tree { path: path.into(), access }
}

/// Runs `f` in a sentry with these trees and expects it to return.
pub(crate) fn in_sentry(trees: &[Tree], f: impl FnOnce(SentryHost)) {
    let mut handle = start(trees, |host| {
        f(host);
        0
    });
    assert_eq!(handle.wait().expect("waitid"), End::Exited(0), "{:?}", handle.crash_report());
}

pub(crate) fn start(trees: &[Tree], f: impl FnOnce(SentryHost) -> u8) -> SentryHandle {
    let options = Options { trees: trees.to_vec(), ..Options::default() };
    launch(&options, f).expect("launch")
}

/// Opens beneath a descriptor, as the sentry does.
pub(crate) fn at(dir: impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(dir, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))
}

pub(crate) fn read_at(dir: impl AsFd, path: &str) -> Result<String, Errno> {
    let fd = at(dir, path, OFlags::RDONLY)?;
    let mut bytes = vec![0; 1 << 16];
    let mut len = 0;
    loop {
        match rustix::io::read(&fd, &mut bytes[len..])? {
            0 => return Ok(String::from_utf8_lossy(&bytes[..len]).into_owned()),
            n => len += n,
        }
    }
}

pub(crate) fn names(dir: BorrowedFd<'_>) -> Vec<String> {
    let own = at(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY).expect("opening a directory");
    let entries = rustix::fs::Dir::read_from(own).expect("reading a directory");
    let names = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|n| n != "." && n != "..").collect()
}

/// A line of `/proc/PID/status`.
pub(crate) fn status(pid: i32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key}")).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}

use std::os::unix::fs::symlink;

use super::*;
use crate::creds::Credentials;
use crate::io::{BufSink, BufSource};
use crate::vfs::ops::Request;
use crate::vfs::{LookupFlags, Mount, MountFlags, NodeKind, Path, SetAttrs};

struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stockade-host-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn request<'a>(&self, creds: &'a Credentials) -> Request<'a> {
        self.request_as(creds, true)
    }

    fn request_as<'a>(&self, creds: &'a Credentials, shared: bool) -> Request<'a> {
        let fd = rustix::fs::open(&self.0, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let root =
            Path::of_mount(&Mount::new(HostFs::mount("tree", fd, shared).unwrap(), MountFlags::empty()));
        Request { root: root.clone(), start: root, creds, umask: 0o022 }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_are_read_and_written() {
    let scratch = Scratch::new("rw");
    let creds = Credentials::initial(rustix::process::geteuid().as_raw(), 0, &[]);
    let request = scratch.request(&creds);
    let file = request.open(b"/a", 0o102, 0o644, LookupFlags::empty()).unwrap();
    assert_eq!(file.write(&mut BufSource::new(b"hello")), Ok(5));
    assert_eq!(std::fs::read(scratch.0.join("a")).unwrap(), b"hello");
    let mut buf = [0; 9];
    assert_eq!(file.read_at(&mut BufSink::new(&mut buf), 1), Ok(4));
    assert_eq!(&buf[..4], b"ello");
    std::fs::write(scratch.0.join("a"), b"longer than before").unwrap();
    assert_eq!(file.attrs().unwrap().size, 18);
    request.remove(b"/a", false).unwrap();
    assert!(!scratch.0.join("a").exists());
}

#[test]
fn nothing_outside_can_be_reached() {
    let scratch = Scratch::new("escape");
    let creds = Credentials::root();
    std::fs::create_dir(scratch.0.join("in")).unwrap();
    symlink("/etc/passwd", scratch.0.join("absolute")).unwrap();
    symlink("../../../../etc/passwd", scratch.0.join("in/relative")).unwrap();
    let request = scratch.request(&creds);
    for path in [&b"/absolute"[..], b"/in/relative", b"/../../../../etc/passwd", b"in/../../../etc/passwd"] {
        let found = request.open(path, 0, 0, LookupFlags::empty()).err();
        assert_eq!(found, Some(Errno::ENOENT), "{}", String::from_utf8_lossy(path));
    }
}

#[test]
fn renamed_directories_keep_working() {
    let scratch = Scratch::new("rename");
    let creds = Credentials::root();
    std::fs::create_dir_all(scratch.0.join("a/b")).unwrap();
    std::fs::write(scratch.0.join("a/b/f"), b"x").unwrap();
    let request = scratch.request(&creds);
    let inner = request.walk(LookupFlags::FOLLOW).resolve(b"/a/b").unwrap();
    request.rename(b"/a", &scratch_clone(&request), b"/z", 0).unwrap();
    assert!(inner.dentry.lookup(b"f").is_ok());
    assert_eq!(inner.display(&request.root).0, b"/z/b");
}

fn scratch_clone<'a>(r: &Request<'a>) -> Request<'a> {
    Request { root: r.root.clone(), start: r.start.clone(), creds: r.creds, umask: r.umask }
}

#[test]
fn a_single_file_is_a_root_of_its_own() {
    let scratch = Scratch::new("single");
    std::fs::write(scratch.0.join("a"), "text").unwrap();
    let open = |name: &str| rustix::fs::open(name, OFlags::PATH, Mode::empty()).unwrap();
    let file = || open(scratch.0.join("a").to_str().unwrap());
    assert_eq!(HostFs::mount("tree", file(), true).err(), Some(Errno::ENOTDIR));
    assert_eq!(HostFs::mount_file("file", open("/"), open("/proc")).err(), Some(Errno::EINVAL));
    let root = HostFs::mount_file("file", file(), open("/proc")).unwrap();
    let creds = Credentials::root();
    let request = scratch.request(&creds);
    std::fs::write(scratch.0.join("b"), "below").unwrap();
    let place = request.walk(LookupFlags::FOLLOW).resolve(b"/b").unwrap();
    Mount::new(Arc::clone(&root), MountFlags::empty()).attach(&place);
    let opened = request.open(b"/b", 2, 0, LookupFlags::FOLLOW).unwrap();
    assert_eq!(opened.write_at(&mut BufSource::new(b"new "), 2), Ok(4));
    assert_eq!(request.remove(b"/b", false).err(), Some(Errno::EBUSY));
    let now = crate::vfs::TimeSet::At(Timespec { sec: 7, nsec: 0 });
    let set = SetAttrs { mode: Some(0o600), size: Some(5), mtime: Some(now), ..SetAttrs::default() };
    root.inode.set_attrs(&set).unwrap();
    assert_eq!(std::fs::read(scratch.0.join("a")).unwrap(), b"tenew");
    let attrs = root.inode.attrs().unwrap();
    assert_eq!((attrs.mode & 0o7777, attrs.size, attrs.mtime.sec), (0o600, 5, 7));
    assert_eq!(root.inode.lookup(b"x").err(), Some(Errno::ENOTDIR));
}

#[test]
fn guests_see_attributes_of_users_and_set_no_others() {
    let scratch = Scratch::new("xattr");
    let path = scratch.0.join("f");
    std::fs::write(&path, b"").unwrap();
    if rustix::fs::setxattr(&path, "user.given", b"1", rustix::fs::XattrFlags::empty()).is_err() {
        return;
    }
    let creds = Credentials::initial(rustix::process::geteuid().as_raw(), 0, &[]);
    let request = scratch.request(&creds);
    let inode = request.walk(LookupFlags::empty()).resolve(b"/f").unwrap().dentry.inode.clone();
    assert_eq!(inode.get_xattr(b"user.given"), Ok(b"1".to_vec()));
    assert_eq!(inode.get_xattr(b"user.none"), Err(Errno::ENODATA));
    assert_eq!(inode.get_xattr(b"security.selinux"), Err(Errno::ENODATA));
    assert_eq!(inode.set_xattr(b"security.capability", b"x", 0), Err(Errno::EOPNOTSUPP));
    assert_eq!(inode.set_xattr(b"trusted.overlay.opaque", b"y", 0), Err(Errno::EOPNOTSUPP));
    let long = vec![b'v'; 300];
    assert_eq!(inode.set_xattr(b"user.long", &long, 0), Ok(()));
    assert_eq!(inode.get_xattr(b"user.long"), Ok(long));
    assert_eq!(inode.remove_xattr(b"user.given"), Ok(()));
    assert_eq!(inode.list_xattr(), Ok(vec![b"user.long".to_vec()]));
}

#[test]
fn what_is_open_can_be_mapped_without_a_name() {
    let scratch = Scratch::new("mapped");
    let creds = Credentials::root();
    let request = scratch.request(&creds);
    std::fs::write(scratch.0.join("a"), b"text").unwrap();
    let ino = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(scratch.0.join("a")).unwrap());
    let file = request.open(b"/a", 0, 0, LookupFlags::empty()).unwrap();
    request.remove(b"/a", false).unwrap();
    assert_eq!(file.ops().mappable().map(|m| m.object_id().ino), Ok(ino));
}

#[test]
fn an_end_is_not_believed_for_longer_than_it_holds() {
    let scratch = Scratch::new("end");
    let path = scratch.0.join("a");
    let creds = Credentials::initial(rustix::process::geteuid().as_raw(), 0, &[]);
    let grow = || std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    for shared in [true, false] {
        std::fs::write(&path, b"12345").unwrap();
        let request = scratch.request_as(&creds, shared);
        let open = || request.open(b"/a", 2, 0, LookupFlags::empty()).unwrap();
        let (file, mut buf) = (open(), [0; 64]);
        let mut read = || file.read(&mut BufSink::new(&mut buf));
        assert_eq!((read(), read(), read()), (Ok(5), Ok(0), Ok(0)));
        // What the sandbox writes itself is seen at once, whichever way it went.
        assert_eq!(open().write_at(&mut BufSource::new(b"67"), 5), Ok(2));
        assert_eq!((read(), read()), (Ok(2), Ok(0)));
        std::io::Write::write_all(&mut grow(), b"89a").unwrap();
        if !shared {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        assert_eq!((read(), read()), (Ok(3), Ok(0)));
    }
}

/// Deeper than there are directories open: all above have to be opened again, on a stack as threads of tasks have it.
#[test]
fn directories_that_were_closed_are_opened_again_however_deep() {
    let deep = || {
        let scratch = Scratch::new("deep");
        let creds = Credentials::initial(rustix::process::geteuid().as_raw(), 0, &[]);
        let top = scratch.request(&creds);
        let below = |start: &Path| Request { start: start.clone(), ..scratch_clone(&top) };
        let mut names = vec![top.root.clone()];
        for _ in 0..3 * MAX_OPEN_DIRS {
            let next = below(names.last().unwrap()).make(b"d", NodeKind::Directory, 0o755).unwrap();
            names.push(next);
        }
        for n in 0..MAX_OPEN_DIRS {
            let name = format!("/{n}");
            let other = top.make(name.as_bytes(), NodeKind::Directory, 0o755).unwrap();
            below(&other).make(b"f", NodeKind::Regular, 0o644).unwrap();
        }
        let last = names.pop().unwrap();
        below(&last).make(b"f", NodeKind::Regular, 0o644).unwrap();
        below(&last).remove(b"f", false).unwrap();
        // More of them are in use, but no more are open.
        for dir in &names {
            assert!(below(dir).walk(LookupFlags::empty()).resolve(b"d").is_ok());
        }
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
        assert!(descriptors < 2 * MAX_OPEN_DIRS, "{descriptors}");
        for dir in names.iter().rev() {
            below(dir).remove(b"d", true).unwrap();
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(deep).unwrap().join().unwrap();
}

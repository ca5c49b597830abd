use super::*;
use crate::creds::Credentials;
use crate::fs::tmpfs::{Budget, TmpFs};
use crate::io::{BufSink, BufSource};
use crate::vfs::ops::Request;
use crate::vfs::{LookupFlags, Mount, MountFlags, NodeKind, Path};

struct Both {
    creds: Credentials,
    lower: Path,
    root: Path,
}

fn at<'a>(root: &Path, creds: &'a Credentials) -> Request<'a> {
    // The request borrows only the credentials.
    Request { root: root.clone(), start: root.clone(), creds, umask: 0 }
}

impl Both {
    fn new() -> Self {
        Self::marked(Whiteouts::Devices)
    }

    fn marked(whiteouts: Whiteouts) -> Self {
        let creds = Credentials::root();
        let (_, lower) = TmpFs::mount(Budget::new(1 << 30), 0o755).unwrap();
        let lower = Path::of_mount(&Mount::new(lower, MountFlags::empty()));
        let below = at(&lower, &creds);
        below.make(b"/dir", NodeKind::Directory, 0o755).unwrap();
        for name in [&b"/file"[..], b"/dir/a", b"/dir/b"] {
            let file = below.open(name, 0o102, 0o644, LookupFlags::empty()).unwrap();
            file.write(&mut BufSource::new(b"below")).unwrap();
        }
        let (_, upper) = TmpFs::mount(Budget::new(1 << 30), 0o755).unwrap();
        let root = mount(&upper, &lower.dentry, whiteouts).unwrap();
        let root = Path::of_mount(&Mount::new(root, MountFlags::empty()));
        Self { creds, lower, root }
    }

    fn top(&self) -> Request<'_> {
        at(&self.root, &self.creds)
    }

    fn read(&self, root: &Path, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let file = at(root, &self.creds).open(path, 0, 0, LookupFlags::empty())?;
        let mut buf = [0; 64];
        let n = file.read(&mut BufSink::new(&mut buf))?;
        Ok(buf[..n].to_vec())
    }

    fn names(&self, path: &[u8]) -> Vec<String> {
        let file = self.top().open(path, 0o200000, 0, LookupFlags::empty()).unwrap();
        let mut names = Vec::new();
        file.ops()
            .iterate(&file, 0, &mut |e| {
                names.push(String::from_utf8_lossy(e.name).into_owned());
                true
            })
            .unwrap();
        names.retain(|n| !n.starts_with('.'));
        names.sort();
        names
    }
}

#[test]
fn writes_copy_up_and_leave_the_lower_file_alone() {
    let both = Both::new();
    let reader = both.top().open(b"/file", 0, 0, LookupFlags::empty()).unwrap();
    let before = reader.attrs().unwrap().ino;
    let writer = both.top().open(b"/file", 2, 0, LookupFlags::empty()).unwrap();
    writer.write(&mut BufSource::new(b"ABOVE")).unwrap();
    assert_eq!(both.read(&both.root, b"/file").unwrap(), b"ABOVE");
    assert_eq!(both.read(&both.lower, b"/file").unwrap(), b"below");
    let mut buf = [0; 5];
    reader.read_at(&mut BufSink::new(&mut buf), 0).unwrap();
    assert_eq!(&buf, b"ABOVE");
    assert_eq!(both.top().open(b"/file", 0, 0, LookupFlags::empty()).unwrap().attrs().unwrap().ino, before);
}

#[test]
fn removed_names_stay_removed_and_can_come_back() {
    for whiteouts in [Whiteouts::Devices, Whiteouts::Names] {
        removed_and_back(&Both::marked(whiteouts));
    }
}

fn removed_and_back(both: &Both) {
    both.top().remove(b"/dir/a", false).unwrap();
    assert_eq!(both.read(&both.root, b"/dir/a"), Err(Errno::ENOENT));
    assert_eq!(both.names(b"/dir"), ["b"]);
    assert_eq!(both.top().remove(b"/dir", true), Err(Errno::ENOTEMPTY));
    both.top().remove(b"/dir/b", false).unwrap();
    both.top().remove(b"/dir", true).unwrap();
    assert_eq!(both.names(b"/"), ["file"]);
    both.top().make(b"/dir", NodeKind::Directory, 0o755).unwrap();
    assert!(both.names(b"/dir").is_empty(), "a directory made anew hides the old one");
    assert_eq!(both.read(&both.lower, b"/dir/a").unwrap(), b"below");
}

#[test]
fn renames_move_copies() {
    let both = Both::new();
    both.top().rename(b"/file", &both.top(), b"/dir/a", 0).unwrap();
    assert_eq!(both.names(b"/"), ["dir"]);
    assert_eq!(both.read(&both.root, b"/dir/a").unwrap(), b"below");
    both.top().make(b"/new", NodeKind::Directory, 0o755).unwrap();
    both.top().rename(b"/new", &both.top(), b"/newer", 0).unwrap();
    assert_eq!(both.names(b"/"), ["dir", "newer"]);
}

#[test]
fn names_that_mean_something_are_not_the_guests() {
    let both = Both::marked(Whiteouts::Names);
    both.top().remove(b"/dir/a", false).unwrap();
    assert_eq!(both.read(&both.root, b"/dir/.wh.a"), Err(Errno::ENOENT));
    assert_eq!(both.top().make(b"/.wh.file", NodeKind::Regular, 0o644).err(), Some(Errno::EPERM));
    assert_eq!(both.top().rename(b"/file", &both.top(), b"/.wh.dir", 0), Err(Errno::EPERM));
    let plain = Both::new();
    plain.top().make(b"/.wh.file", NodeKind::Regular, 0o644).unwrap();
    assert_eq!(plain.read(&plain.root, b"/.wh.file").unwrap(), b"");
}

#[test]
fn renamed_names_leave_whiteouts_of_either_kind() {
    for whiteouts in [Whiteouts::Devices, Whiteouts::Names] {
        let both = Both::marked(whiteouts);
        both.top().rename(b"/file", &both.top(), b"/moved", 0).unwrap();
        assert_eq!(both.names(b"/"), ["dir", "moved"]);
        both.top().rename(b"/moved", &both.top(), b"/file", 0).unwrap();
        assert_eq!(both.names(b"/"), ["dir", "file"]);
        assert_eq!(both.read(&both.root, b"/file").unwrap(), b"below");
    }
}

#[test]
fn directories_take_along_what_is_below() {
    for whiteouts in [Whiteouts::Devices, Whiteouts::Names] {
        let both = Both::marked(whiteouts);
        let below = at(&both.lower, &both.creds);
        below.make(b"/dir/deep", NodeKind::Directory, 0o755).unwrap();
        below.make(b"/dir/deep/x", NodeKind::Regular, 0o644).unwrap();
        both.top().remove(b"/dir/b", false).unwrap();
        let open = both.top().open(b"/dir/a", 0, 0, LookupFlags::empty()).unwrap();
        both.top().rename(b"/dir", &both.top(), b"/other", 0).unwrap();
        assert_eq!(both.names(b"/"), ["file", "other"]);
        assert_eq!(both.names(b"/other"), ["a", "deep"]);
        assert_eq!(both.names(b"/other/deep"), ["x"]);
        // The name that was opened before is the same file as the one that is found now.
        let writer = both.top().open(b"/other/a", 2, 0, LookupFlags::empty()).unwrap();
        writer.write(&mut BufSource::new(b"moved")).unwrap();
        let mut buf = [0; 5];
        open.read_at(&mut BufSink::new(&mut buf), 0).unwrap();
        assert_eq!(&buf, b"moved");
        // What replaces it is empty.
        both.top().make(b"/dir", NodeKind::Directory, 0o755).unwrap();
        assert!(both.names(b"/dir").is_empty());
        assert_eq!(both.read(&both.lower, b"/dir/a").unwrap(), b"below");
    }
}

/// The roots of the file systems mounted beneath `/dev` of the host often have one number.
#[test]
fn files_of_several_devices_have_numbers_of_their_own() {
    use rustix::fs::{Mode, OFlags};
    let creds = Credentials::root();
    let dev = rustix::fs::open("/dev", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let lower = crate::fs::host::HostFs::mount("root", dev, false).unwrap();
    let (_, upper) = TmpFs::mount(Budget::new(1 << 30), 0o755).unwrap();
    let root = mount(&upper, &lower, Whiteouts::Devices).unwrap();
    let root = Path::of_mount(&Mount::new(root, MountFlags::empty()));
    let open = |path: &[u8]| at(&root, &creds).open(path, 0o200000, 0, LookupFlags::empty()).unwrap();
    let scratch = format!("/dev/shm/stockade-overlay-{}", std::process::id());
    std::fs::write(&scratch, "").unwrap();
    let (top, shm) = (open(b"/"), open(b"/shm"));
    assert_ne!(top.attrs().unwrap().ino, shm.attrs().unwrap().ino);
    let listed = scratch.strip_prefix("/dev/shm/").unwrap().as_bytes();
    let mut ino = None;
    shm.ops()
        .iterate(&shm, 0, &mut |e| {
            if e.name == listed {
                ino = Some(e.ino);
            }
            true
        })
        .unwrap();
    let file =
        at(&root, &creds).open(&scratch.as_bytes()[b"/dev".len()..], 0, 0, LookupFlags::empty()).unwrap();
    std::fs::remove_file(&scratch).unwrap();
    assert_eq!(ino, Some(file.attrs().unwrap().ino));
}

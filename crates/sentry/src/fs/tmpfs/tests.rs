use stockade_abi::Errno;

use super::*;
use crate::io::{BufSink, BufSource};
use crate::vfs::{File, Inode, Mount, MountFlags, Path, Seek};

fn node(kind: NodeKind) -> NewNode {
    NewNode { kind, mode: 0o644, uid: 0, gid: 0 }
}

fn open(limit: u64) -> (Arc<TmpInode>, Arc<File>) {
    let (fs, root) = TmpFs::mount(Budget::new(limit), 0o755).unwrap();
    let inode = fs.make(&node(NodeKind::Regular)).unwrap();
    let mount = Mount::new(root, MountFlags::empty());
    let dentry = Dentry::unattached(Arc::clone(&mount.root().sb), inode.clone(), b"x");
    let file = File::new(Path { mount, dentry }, inode.clone().open(2).unwrap(), 2);
    (inode, file)
}

fn read(file: &File, at: i64, n: usize) -> Vec<u8> {
    let mut buf = vec![0xee; n];
    let n = file.read_at(&mut BufSink::new(&mut buf), at).unwrap();
    buf.truncate(n);
    buf
}

#[test]
fn holes_read_as_zeros_before_and_after_mapping() {
    let (inode, file) = open(1 << 30);
    let at = 300_000;
    assert_eq!(file.write_at(&mut BufSource::new(b"tail"), at), Ok(4));
    assert_eq!(file.write_at(&mut BufSource::new(b"head"), 0), Ok(4));
    for _ in 0..2 {
        assert_eq!(inode.attrs().unwrap().size, at as u64 + 4);
        assert_eq!(read(&file, 0, 8), b"head\0\0\0\0");
        assert_eq!(read(&file, at - 2, 100), b"\0\0tail");
        inode.as_mappable(Vec::new()).host_fd(true).unwrap();
    }
    assert_eq!(file.write_at(&mut BufSource::new(b"TAIL"), at), Ok(4));
    assert_eq!(read(&file, at, 4), b"TAIL");
}

#[test]
fn what_was_cut_off_is_gone() {
    let (inode, file) = open(1 << 20);
    file.write_at(&mut BufSource::new(&[7; 10_000]), 0).unwrap();
    let size = |n| crate::vfs::SetAttrs { size: Some(n), ..Default::default() };
    inode.set_attrs(&size(100)).unwrap();
    inode.set_attrs(&size(200)).unwrap();
    assert_eq!(read(&file, 99, 200), [&[7][..], &[0; 100]].concat());
}

#[test]
fn the_budget_binds_and_is_given_back() {
    let (inode, file) = open(1 << 20);
    let big = vec![1; 4 << 20];
    let n = file.write_at(&mut BufSource::new(&big), 0).unwrap();
    assert!(n <= 1 << 20 && n > 1 << 19, "{n}");
    assert_eq!(file.write_at(&mut BufSource::new(b"x"), 8 << 20), Err(Errno::ENOSPC));
    let budget = Arc::clone(&inode.fs.budget);
    assert!(budget.was_exhausted());
    drop((inode, file));
    // The dentry of an unattached file holds the inode no longer either.
    assert_eq!(budget.figures().1, 0);
}

#[test]
fn data_and_holes_are_found() {
    let (_, file) = open(1 << 30);
    file.write_at(&mut BufSource::new(b"x"), 1 << 20).unwrap();
    assert_eq!(file.seek(Seek::Data, 0), Ok(1 << 20));
    assert_eq!(file.seek(Seek::Hole, 0), Ok(0));
    assert_eq!(file.seek(Seek::Data, 2 << 20), Err(Errno::ENXIO));
}

#[test]
fn names_come_and_go() {
    let (_, root) = TmpFs::mount(Budget::new(1 << 20), 0o755).unwrap();
    let dir = &root.inode;
    let sub = dir.create(b"sub", &node(NodeKind::Directory)).unwrap();
    let file = sub.create(b"f", &node(NodeKind::Regular)).unwrap();
    assert_eq!(dir.attrs().unwrap().nlink, 3);
    assert_eq!(dir.rmdir(b"sub", &sub), Err(Errno::ENOTEMPTY));
    dir.link(b"g", &file).unwrap();
    assert_eq!(file.attrs().unwrap().nlink, 2);
    sub.rename(b"f", dir, b"g", 0).unwrap();
    assert_eq!(file.attrs().unwrap().nlink, 1);
    dir.rmdir(b"sub", &sub).unwrap();
    assert_eq!(dir.lookup(b"sub").err(), Some(Errno::ENOENT));
    assert_eq!(dir.attrs().unwrap().nlink, 2);
}

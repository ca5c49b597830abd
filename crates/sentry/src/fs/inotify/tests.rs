use super::*;
use crate::fs::tmpfs::{Budget, TmpFs};
use crate::io::BufSink;
use crate::vfs::{NewNode, NodeKind, anon};

fn read(file: &File) -> Result<Vec<(i32, u32, Vec<u8>)>, Errno> {
    let mut buf = vec![0; 4096];
    let n = file.read(&mut BufSink::new(&mut buf))?;
    let (mut at, mut events) = (0, Vec::new());
    while at < n {
        let word = |i: usize| u32::from_ne_bytes(buf[at + i * 4..at + i * 4 + 4].try_into().unwrap());
        let (wd, mask, len) = (word(0) as i32, word(1), word(3) as usize);
        let name = buf[at + 16..at + 16 + len].iter().copied().take_while(|&b| b != 0).collect();
        events.push((wd, mask, name));
        at += 16 + len;
    }
    Ok(events)
}

struct Fixture {
    root: Arc<Dentry>,
    inotify: Arc<Inotify>,
    file: Arc<File>,
    users: Arc<Users>,
}

fn fixture() -> Fixture {
    let (_, root) = TmpFs::mount(Budget::new(1 << 20), 0o755).unwrap();
    let users = Arc::new(Users::default());
    let inotify = Inotify::new(&users, 7).unwrap();
    let file = anon::file("inotify", inotify.clone(), c::O_RDONLY);
    Fixture { root, inotify, file, users }
}

fn child(dir: &Arc<Dentry>, name: &[u8]) -> Arc<Dentry> {
    let node = NewNode { kind: NodeKind::Regular, mode: 0o644, uid: 0, gid: 0 };
    let inode = dir.inode.create(name, &node).unwrap();
    dir.lock().add(name, inode)
}

#[test]
fn entries_and_files_are_told_of_and_alike_events_become_one() {
    let f = fixture();
    let dentry = child(&f.root, b"f");
    assert_eq!(f.inotify.add_watch(&f.root, c::IN_MODIFY), Ok(1));
    assert_eq!(f.inotify.add_watch(&dentry, c::IN_MODIFY), Ok(2));
    assert_eq!(read(&f.file), Err(Errno::EAGAIN));
    dentry.notify(c::IN_MODIFY);
    dentry.notify(c::IN_ACCESS);
    let both = vec![(1, c::IN_MODIFY, b"f".to_vec()), (2, c::IN_MODIFY, Vec::new())];
    assert_eq!(read(&f.file), Ok(both));
    f.inotify.remove_watch(1).unwrap();
    assert_eq!(read(&f.file), Ok(vec![(1, c::IN_IGNORED, Vec::new())]));
    dentry.notify(c::IN_MODIFY);
    dentry.notify(c::IN_MODIFY);
    assert_eq!(read(&f.file), Ok(vec![(2, c::IN_MODIFY, Vec::new())]));
    assert_eq!(f.inotify.remove_watch(1), Err(Errno::EINVAL));
}

#[test]
fn a_full_queue_says_so_once() {
    let f = fixture();
    let wd = f.inotify.add_watch(&f.root, c::IN_CREATE).unwrap();
    for i in 0..MAX_QUEUED_EVENTS + 10 {
        f.root.notify_entry(&i.to_ne_bytes(), c::IN_CREATE, false);
    }
    let queue = f.inotify.queue.lock();
    assert_eq!(queue.events.len(), MAX_QUEUED_EVENTS + 1);
    assert_eq!(queue.events.back().map(|e| (e.wd, e.mask)), Some((-1, c::IN_Q_OVERFLOW)));
    assert_eq!(queue.events.front().map(|e| e.wd), Some(wd));
}

#[test]
fn an_unmounted_file_system_ends_its_watches() {
    let Fixture { root, inotify, file, users } = fixture();
    inotify.add_watch(&root, c::IN_CREATE).unwrap();
    drop(root);
    let end = vec![(1, c::IN_UNMOUNT, Vec::new()), (1, c::IN_IGNORED, Vec::new())];
    assert_eq!(read(&file), Ok(end));
    drop((inotify, file));
    assert!(users.0.lock().is_empty());
}

#[test]
fn a_one_shot_watch_ends_by_itself() {
    let f = fixture();
    f.inotify.add_watch(&f.root, c::IN_CREATE | c::IN_ONESHOT).unwrap();
    f.root.notify_entry(b"a", c::IN_CREATE, false);
    f.root.notify_entry(b"b", c::IN_CREATE, false);
    let events = vec![(1, c::IN_CREATE, b"a".to_vec()), (1, c::IN_IGNORED, Vec::new())];
    assert_eq!(read(&f.file), Ok(events));
    assert!(f.root.sb.watches.is_empty());
}

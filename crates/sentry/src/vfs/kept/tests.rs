use super::*;
use crate::creds::Credentials;
use crate::fs::tmpfs::{Budget, TmpFs};
use crate::vfs::ops::Request;
use crate::vfs::{LookupFlags, Mount, MountFlags, MountNamespace, NodeKind, Path};

#[test]
fn small_directories_do_not_keep_names_without_end() {
    let (_, root) = TmpFs::mount(Budget::new(1 << 30), 0o755).unwrap();
    let kept = || root.sb.kept.count.load(Ordering::Relaxed);
    let creds = Credentials::root();
    let place = Path::of_mount(&Mount::new(Arc::clone(&root), MountFlags::empty()));
    let request = Request { root: place.clone(), start: place, creds: &creds, umask: 0 };
    let make = |path: String, kind| request.make(path.as_bytes(), kind, 0o755).unwrap();
    let mut used = Vec::new();
    for d in 0..600 {
        make(format!("/{d}"), NodeKind::Directory);
        for f in 0..50 {
            let made = make(format!("/{d}/{f}"), NodeKind::Regular);
            if f == d % 50 {
                used.push((format!("/{d}/{f}"), made));
            }
        }
        assert!(kept() <= MAX + STEP, "{}", kept());
    }
    assert!(kept() > MAX / 2, "{}", kept());
    let resolve = |path: &str| request.walk(LookupFlags::empty()).resolve(path.as_bytes()).unwrap();
    for (path, made) in used {
        // What is in use stays, and is found.
        assert!(Arc::ptr_eq(&resolve(&path).dentry, &made.dentry), "{path}");
        assert_eq!(made.display(&request.root).0, path.as_bytes());
    }
    for d in 0..600 {
        for f in 0..50 {
            resolve(&format!("/{d}/{f}"));
        }
        assert!(kept() <= MAX + STEP, "{}", kept());
    }
    for d in 0..600 {
        for f in 0..50 {
            request.remove(format!("/{d}/{f}").as_bytes(), false).unwrap();
        }
        request.remove(format!("/{d}").as_bytes(), true).unwrap();
    }
    assert_eq!(kept(), 0);
}

/// A tree with a file in a directory: its mount, and that file.
fn tree(budget: &Arc<Budget>) -> (Path, Path) {
    let (_, root) = TmpFs::mount(Arc::clone(budget), 0o755).unwrap();
    let top = Path::of_mount(&Mount::new(root, MountFlags::empty()));
    make(&top, b"a", NodeKind::Directory);
    make(&top, b"a/b", NodeKind::Directory);
    let file = make(&top, b"a/b/c", NodeKind::Regular);
    (top, file)
}

fn request<'a>(start: &Path, creds: &'a Credentials) -> Request<'a> {
    Request { root: start.clone(), start: start.clone(), creds, umask: 0 }
}

fn make(start: &Path, path: &[u8], kind: NodeKind) -> Path {
    request(start, &Credentials::root()).make(path, kind, 0o755).unwrap()
}

fn resolve(start: &Path, path: &[u8]) -> Path {
    request(start, &Credentials::root()).walk(LookupFlags::empty()).resolve(path).unwrap()
}

#[test]
fn names_go_with_the_last_mount() {
    let budget = Budget::new(1 << 20);
    let (top, file) = tree(&budget);
    let (sb, dentry) = (Arc::downgrade(&top.dentry.sb), Arc::downgrade(&file.dentry));
    drop(file);
    let bound = Path::of_mount(&top.mount.copy(&top.dentry));
    drop(top);
    // There is another one.
    assert!(Arc::ptr_eq(&resolve(&bound, b"a/b/c").dentry, &dentry.upgrade().unwrap()));
    assert_eq!(bound.dentry.sb.kept.count.load(Ordering::Relaxed), 3);
    drop(bound);
    assert!(dentry.upgrade().is_none() && sb.upgrade().is_none());
    assert_eq!(budget.figures().1, 0);
}

#[test]
fn names_go_with_the_namespace() {
    let (outside, inside) = (Budget::new(1 << 20), Budget::new(1 << 20));
    let namespace = MountNamespace::new(tree(&outside).0.mount);
    let at = resolve(&namespace.root(), b"a/b");
    for _ in 0..3 {
        let copy = namespace.copy(&mut []).unwrap();
        let place = resolve(&copy.root(), b"a/b");
        copy.attach(&tree(&inside).0.mount, &place).unwrap();
        drop(place);
        assert!(at.dentry.is_mount_point());
        let deep = resolve(&copy.root(), b"a/b/a/b");
        drop(copy);
        // Who is in it goes on, and what it was mounted on is as before.
        assert!(!at.dentry.is_mount_point());
        make(&deep, b"new", NodeKind::Regular);
        assert!(Arc::ptr_eq(&resolve(&deep, b"c").dentry, &resolve(&deep, b"c").dentry));
        drop(deep);
        assert_eq!(inside.figures().1, 0);
    }
    drop((namespace, at));
    assert_eq!(outside.figures().1, 0);
}

#[test]
fn none_are_kept_without_a_mount() {
    let budget = Budget::new(1 << 20);
    let (top, file) = tree(&budget);
    let root = Arc::clone(&top.dentry);
    drop((top, file));
    // By the name alone, as nobody should.
    let a = root.lookup(b"a").unwrap();
    assert!(Arc::ptr_eq(&a, &root.lookup(b"a").unwrap()));
    let weak = Arc::downgrade(&a);
    drop(a);
    assert!(weak.upgrade().is_none());
    assert_eq!(root.sb.kept.count.load(Ordering::Relaxed), 0);
    // Mounted again, it is as any other.
    let top = Path::of_mount(&Mount::new(root, MountFlags::empty()));
    let a = Arc::downgrade(&resolve(&top, b"a").dentry);
    assert!(a.upgrade().is_some());
    drop(top);
    assert_eq!(budget.figures().1, 0);
}

//! What is as deep as a guest makes it, dropped on a stack as threads of tasks have it.

use std::sync::Arc;

use crate::creds::Credentials;
use crate::fs::overlay::{self, Whiteouts};
use crate::fs::tmpfs::{Budget, TmpFs};
use crate::vfs::ops::Request;
use crate::vfs::{
    Dentry, LookupFlags, Mount, MountFlags, MountNamespace, NewNode, NodeKind, Path, SetAttrs, Unmount,
};

const DEPTH: usize = 50_000;

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

fn tmpfs(budget: &Arc<Budget>) -> Arc<Dentry> {
    TmpFs::mount(Arc::clone(budget), 0o755).unwrap().1
}

fn request<'a>(start: &Path, creds: &'a Credentials) -> Request<'a> {
    Request { root: start.clone(), start: start.clone(), creds, umask: 0 }
}

/// Makes a directory in a directory in a directory, and gives them all, the topmost first.
fn make_deep(top: &Path, creds: &Credentials, depth: usize) -> Vec<Path> {
    let mut all = vec![top.clone()];
    for _ in 0..depth {
        let next = request(all.last().unwrap(), creds).make(b"d", NodeKind::Directory, 0o755).unwrap();
        all.push(next);
    }
    all
}

fn mounted(root: Arc<Dentry>) -> Path {
    Path::of_mount(&Mount::new(root, MountFlags::empty()))
}

#[test]
fn trees_in_memory_that_are_unmounted() {
    on_a_small_stack(|| {
        let (creds, budget) = (Credentials::root(), Budget::new(1 << 30));
        let names = make_deep(&mounted(tmpfs(&budget)), &creds, DEPTH);
        let last = Arc::downgrade(&names[DEPTH].dentry);
        drop(names);
        assert!(last.upgrade().is_none());
        assert_eq!(budget.figures().1, 0);
    });
}

#[test]
fn names_that_were_removed_one_after_the_other() {
    on_a_small_stack(|| {
        let (creds, budget) = (Credentials::root(), Budget::new(1 << 30));
        let mut names = make_deep(&mounted(tmpfs(&budget)), &creds, DEPTH);
        let root = names.remove(0);
        let cwd = names.pop().unwrap();
        for above in names.iter().rev() {
            request(above, &creds).remove(b"d", true).unwrap();
        }
        request(&root, &creds).remove(b"d", true).unwrap();
        drop(names);
        assert!(cwd.dentry.is_deleted());
        drop(cwd);
        drop(root);
        assert_eq!(budget.figures().1, 0);
    });
}

#[test]
fn mounts_on_mounts() {
    on_a_small_stack(|| {
        let (creds, budget) = (Credentials::root(), Budget::new(1 << 30));
        let namespace = MountNamespace::new(Mount::new(tmpfs(&budget), MountFlags::empty()));
        let mut inside = None;
        for n in 0..9_000 {
            let top = namespace.root();
            let at = match &inside {
                None => top,
                Some(inside) => request(inside, &creds).make(b"d", NodeKind::Directory, 0o755).unwrap(),
            };
            let mount = Mount::new(tmpfs(&budget), MountFlags::empty());
            // Looking for room takes longer the more there are.
            if n % 1000 == 0 {
                namespace.attach(&mount, &at).unwrap()
            } else {
                mount.attach(&at)
            }
            inside = Some(Path::of_mount(&mount));
        }
        let inside = inside.unwrap();
        let root = namespace.root();
        assert_eq!(namespace.unmount(&root, Unmount::Lazily), Ok(()));
        drop((namespace, root));
        // Who is in one of them has this one still.
        assert!(inside.mount.mount_point().is_none());
        request(&inside, &creds).make(b"x", NodeKind::Regular, 0o644).unwrap();
        assert!(request(&inside, &creds).walk(LookupFlags::empty()).resolve(b"x").is_ok());
        drop(inside);
        assert_eq!(budget.figures().1, 0);
    });
}

fn node() -> NewNode {
    NewNode { kind: NodeKind::Directory, mode: 0o755, uid: 0, gid: 0 }
}

#[test]
fn inodes_of_overlays_that_outlive_their_names() {
    on_a_small_stack(|| {
        let (creds, budget) = (Credentials::root(), Budget::new(1 << 30));
        let lower = make_deep(&mounted(tmpfs(&budget)), &creds, DEPTH).remove(0);
        let root = overlay::mount(&tmpfs(&budget), &lower.dentry, Whiteouts::Devices).unwrap();
        let mut inode = Arc::clone(&root.inode);
        drop(root);
        for _ in 0..DEPTH {
            inode = inode.lookup(b"d").unwrap();
        }
        // A change copies all directories above, too.
        inode.set_attrs(&SetAttrs { mode: Some(0o700), ..SetAttrs::default() }).unwrap();
        inode.create(b"new", &node()).unwrap();
        drop((inode, lower));
        assert_eq!(budget.figures().1, 0);
    });
}

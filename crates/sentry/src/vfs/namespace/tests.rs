use super::*;
use crate::creds::Credentials;
use crate::fs::tmpfs::{Budget, TmpFs};
use crate::vfs::ops::Request;
use crate::vfs::{Dentry, LookupFlags, MountFlags, NodeKind};

fn fresh() -> Arc<Dentry> {
    TmpFs::mount(Budget::new(1 << 20), 0o755).unwrap().1
}

struct World {
    creds: Credentials,
    ns: Arc<MountNamespace>,
}

impl World {
    fn new() -> Self {
        let ns = MountNamespace::new(Mount::new(fresh(), MountFlags::empty()));
        let world = Self { creds: Credentials::root(), ns };
        for dir in ["/a", "/a/b", "/c", "/d"] {
            world.make(dir);
        }
        world
    }

    fn request(&self) -> Request<'_> {
        Request { root: self.ns.root(), start: self.ns.root(), creds: &self.creds, umask: 0 }
    }

    fn make(&self, path: &str) {
        self.request().make(path.as_bytes(), NodeKind::Directory, 0o755).unwrap();
    }

    fn at(&self, path: &str) -> Path {
        self.request().walk(LookupFlags::FOLLOW).resolve(path.as_bytes()).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.request().walk(LookupFlags::FOLLOW).resolve(path.as_bytes()).is_ok()
    }

    fn mount(&self, path: &str) {
        self.ns.attach(&Mount::new(fresh(), MountFlags::empty()), &self.at(path)).unwrap();
    }

    fn unmount(&self, path: &str, how: Unmount) -> Result<(), Errno> {
        let place = self.at(path);
        self.ns.unmount(&place, how)
    }
}

#[test]
fn what_is_in_use_stays_mounted() {
    let world = World::new();
    world.mount("/a");
    world.make("/a/new");
    let inside = world.at("/a/new");
    assert_eq!(world.unmount("/a", Unmount::Unused), Err(Errno::EBUSY));
    assert_eq!(world.unmount("/a/new", Unmount::Unused), Err(Errno::EINVAL));
    drop(inside);
    assert_eq!(world.unmount("/a", Unmount::Unused), Ok(()));
    assert!(world.has("/a/b"));
    assert_eq!(world.unmount("/", Unmount::Unused), Err(Errno::EBUSY));
    assert_eq!(world.unmount("/", Unmount::Lazily), Err(Errno::EINVAL));
}

#[test]
fn binds_take_along_what_is_mounted_if_asked() {
    let world = World::new();
    world.mount("/a/b");
    world.make("/a/b/deep");
    world.ns.bind(&world.at("/a"), &world.at("/c"), false).unwrap();
    world.ns.bind(&world.at("/a"), &world.at("/d"), true).unwrap();
    assert!(world.has("/c/b") && !world.has("/c/b/deep"));
    assert!(world.has("/d/b/deep"));
    assert_eq!(world.ns.mounts().len(), 5);
}

#[test]
fn moves_keep_out_of_themselves() {
    let world = World::new();
    world.mount("/a");
    world.make("/a/x");
    assert_eq!(world.ns.move_to(&world.at("/a"), &world.at("/a/x")), Err(Errno::ELOOP));
    assert_eq!(world.ns.move_to(&world.at("/c"), &world.at("/d")), Err(Errno::EINVAL));
    world.ns.move_to(&world.at("/a"), &world.at("/c")).unwrap();
    assert!(world.has("/c/x") && world.has("/a/b"));
}

#[test]
fn copies_live_apart() {
    let world = World::new();
    world.mount("/a");
    let mut paths = [world.at("/a"), world.at("/c")];
    let copy = World { creds: Credentials::root(), ns: world.ns.copy(&mut paths).unwrap() };
    assert!(copy.at("/a") == paths[0] && copy.at("/c") == paths[1]);
    drop(paths);
    copy.unmount("/a", Unmount::Unused).unwrap();
    copy.mount("/c");
    copy.make("/c/only-here");
    assert!(copy.has("/a/b") && !world.has("/a/b") && !world.has("/c/only-here"));
    // What is not a place of this tree cannot be used with it.
    let foreign = world.at("/c");
    assert_eq!(copy.ns.attach(&Mount::new(fresh(), MountFlags::empty()), &foreign), Err(Errno::EINVAL));
}

#[test]
fn the_root_can_be_exchanged() {
    let world = World::new();
    let root = world.at("/");
    assert_eq!(world.ns.pivot(&world.at("/a"), &world.at("/a/b"), &root), Err(Errno::EBUSY));
    world.mount("/a");
    world.make("/a/old");
    assert_eq!(world.ns.pivot(&world.at("/a"), &world.at("/c"), &root), Err(Errno::EBUSY));
    assert_eq!(world.ns.pivot(&world.at("/a/old"), &world.at("/a/old"), &root), Err(Errno::EINVAL));
    world.ns.pivot(&world.at("/a"), &world.at("/a/old"), &root).unwrap();
    assert!(world.has("/old/c") && !world.has("/c"));
    assert!(world.has("/old/a/b"));
    drop(root);
    world.unmount("/old", Unmount::Lazily).unwrap();
    assert_eq!(world.ns.mounts().len(), 1);
}

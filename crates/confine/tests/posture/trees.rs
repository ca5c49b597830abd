//! The host's files, as the sentry reaches them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, mknodat, openat2, statat};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use stockade_confine::{Access, Error, Options, launch};

use crate::tools::{Case, at, capabilities, case, in_sentry, maps_more_ids, names, read_at, tree};

pub(crate) const CASES: &[Case] = &[
    case("read-only trees", read_only),
    case("read-write trees", read_write),
    case("trees cannot be left", no_way_out),
    case("the host's kernel does not show", no_pseudo),
    case("no more than the caller may", no_more_rights),
    case("single files and submounts", files),
    case("bad trees", bad),
];

fn read_only() {
    std::fs::write("file", "old").expect("write");
    let host_name = std::fs::read_to_string("/etc/passwd").expect("read");
    in_sentry(&[tree("/", Access::ReadOnly), tree(".", Access::ReadOnly)], |host| {
        assert_eq!(read_at(&host.trees[0], "etc/passwd").expect("read"), host_name);
        let here = &host.trees[1];
        assert_eq!(read_at(here, "file").expect("read"), "old");
        for (path, flags) in [
            ("file", OFlags::WRONLY),
            ("file", OFlags::RDONLY | OFlags::TRUNC),
            ("new", OFlags::RDWR | OFlags::CREATE),
        ] {
            let error = at(here, path, flags).expect_err("refused");
            assert!([Errno::ROFS, Errno::ACCESS].contains(&error), "{path} {flags:?}: {error}");
        }
        // What Landlock has no word for, the mount refuses.
        let chmod = rustix::fs::chmodat(here, "file", Mode::RWXU, AtFlags::empty());
        assert_eq!(chmod, Err(Errno::ROFS));
        let error = rustix::fs::unlinkat(here, "file", AtFlags::empty()).expect_err("refused");
        assert!([Errno::ROFS, Errno::ACCESS].contains(&error));
    });
    assert_eq!(std::fs::read_to_string("file").expect("read"), "old");
}

fn read_write() {
    let more = maps_more_ids();
    in_sentry(&[tree(".", Access::ReadWrite)], |host| {
        let here = &host.trees[0];
        let file = at(here, "new", OFlags::RDWR | OFlags::CREATE).expect("create");
        rustix::io::write(&file, b"text").expect("write");
        rustix::fs::mkdirat(here, "sub", Mode::from_raw_mode(0o777)).expect("mkdir");
        rustix::fs::symlinkat("../..", here, "sub/link").expect("symlink");
        rustix::fs::renameat(here, "new", here, "sub/moved").expect("rename");
        rustix::fs::linkat(here, "sub/moved", here, "linked", AtFlags::empty()).expect("link");
        for kind in [FileType::CharacterDevice, FileType::BlockDevice] {
            let error =
                mknodat(here, "device", kind, Mode::RWXU, rustix::fs::makedev(1, 3)).expect_err("refused");
            assert!([Errno::PERM, Errno::ACCESS].contains(&error), "{error}");
        }
        if more {
            rustix::fs::chownat(
                here,
                "linked",
                Some(rustix::fs::Uid::from_raw(1234)),
                None,
                AtFlags::empty(),
            )
            .expect("chown");
        }
    });
    assert_eq!(std::fs::read_to_string("sub/moved").expect("read"), "text");
    let meta = std::fs::metadata("linked").expect("stat");
    assert_eq!(meta.uid(), if more { 1234 } else { rustix::process::getuid().as_raw() });
    assert_eq!(std::fs::metadata("sub").expect("stat").mode() & 0o7777, 0o777, "umask 0");
}

fn no_way_out() {
    std::fs::create_dir_all("jail/sub").expect("mkdir");
    std::fs::write("outside", "secret").expect("write");
    std::os::unix::fs::symlink("../outside", "jail/up").expect("symlink");
    let absolute = std::env::current_dir().expect("getcwd").join("outside");
    std::os::unix::fs::symlink(&absolute, "jail/absolute").expect("symlink");
    std::os::unix::fs::symlink("/proc/self/fd/0", "jail/magic").expect("symlink");
    in_sentry(&[tree("jail", Access::ReadWrite)], |host| {
        let jail = &host.trees[0];
        let own = statat(jail, ".", AtFlags::empty()).expect("stat");
        for up in ["..", "../..", "sub/../..", "../../../../../../.."] {
            let there = statat(jail, up, AtFlags::empty()).expect("stat");
            assert_eq!((there.st_dev, there.st_ino), (own.st_dev, own.st_ino), "{up}");
        }
        for path in ["../outside", "up", "sub/../../outside", "absolute", "magic"] {
            assert_eq!(read_at(jail, path).expect_err("refused"), Errno::NOENT, "{path}");
        }
        assert_eq!(read_at(jail, absolute.to_str().expect("utf-8")).expect_err("refused"), Errno::NOENT);
        let beneath = |path| openat2(jail, path, OFlags::RDONLY, Mode::empty(), ResolveFlags::BENEATH);
        assert_eq!(beneath("up").expect_err("refused"), Errno::XDEV);
        // A directory that is moved away while it is open: the sentry may rename in this tree.
        let sub = at(jail, "sub", OFlags::PATH | OFlags::DIRECTORY).expect("open");
        rustix::fs::renameat(jail, "sub", jail, "moved").expect("rename");
        assert_eq!(read_at(&sub, "../../outside").expect_err("refused"), Errno::NOENT);
    });
}

fn no_pseudo() {
    in_sentry(&[tree("/", Access::ReadWrite), tree("/etc", Access::ReadOnly)], |host| {
        for path in ["proc", "sys", "dev"] {
            let directory = at(&host.trees[0], path, OFlags::RDONLY | OFlags::DIRECTORY).expect(path);
            assert_eq!(names(std::os::fd::AsFd::as_fd(&directory)), [""; 0], "{path}");
        }
        for path in ["proc/sys/kernel/core_pattern", "proc/1/root", "dev/null", "sys/kernel", "dev/pts/0"] {
            assert_eq!(at(&host.trees[0], path, OFlags::PATH).expect_err("refused"), Errno::NOENT, "{path}");
        }
    });
}

fn no_more_rights() {
    // Nobody's but root's, on any host.
    let shadow = at(rustix::fs::CWD, "/etc/shadow", OFlags::RDONLY).map(drop);
    std::fs::write("closed", "x").expect("write");
    std::fs::set_permissions("closed", std::fs::Permissions::from_mode(0o000)).expect("chmod");
    std::fs::create_dir_all("shut/inner").expect("mkdir");
    std::fs::set_permissions("shut", std::fs::Permissions::from_mode(0o000)).expect("chmod");
    let closed = at(rustix::fs::CWD, "closed", OFlags::RDONLY).map(drop);
    let overrides = capabilities().contains(CapabilitySet::DAC_OVERRIDE);
    assert_eq!(closed.is_ok(), overrides);
    let through =
        launch(&Options { trees: vec![tree("shut/inner", Access::ReadOnly)], ..Options::default() }, |_| 0);
    assert_eq!(through.is_ok(), overrides, "a tree behind a directory that the caller cannot enter");
    in_sentry(&[tree("/", Access::ReadOnly), tree(".", Access::ReadWrite)], |host| {
        host.lock_down().expect("lock_down");
        assert_eq!(at(&host.trees[0], "etc/shadow", OFlags::RDONLY).map(drop), shadow);
        assert_eq!(at(&host.trees[1], "closed", OFlags::RDONLY).map(drop), closed);
    });
    std::fs::set_permissions("shut", std::fs::Permissions::from_mode(0o755)).expect("chmod");
}

fn files() {
    std::fs::write("one", "1").expect("write");
    std::fs::write("two", "2").expect("write");
    in_sentry(&[tree("one", Access::ReadOnly), tree("two", Access::ReadWrite)], |host| {
        // A descriptor of a file is opened again by way of the process's own descriptors.
        use std::os::fd::AsRawFd;
        let open = |i: usize, flags| at(&host.proc, &format!("self/fd/{}", host.trees[i].as_raw_fd()), flags);
        open(0, OFlags::RDONLY).expect("one");
        assert!(open(0, OFlags::WRONLY).is_err());
        let two = open(1, OFlags::RDWR).expect("two");
        rustix::io::write(&two, b"3").expect("write");
    });
    assert_eq!(std::fs::read_to_string("two").expect("read"), "3");
}

fn bad() {
    for (path, part) in
        [("nothing/here", "nothing/here"), ("/proc", "cannot be given"), ("/sys/kernel", "cannot be given")]
    {
        let error =
            launch(&Options { trees: vec![tree(path, Access::ReadOnly)], ..Options::default() }, |_| 0);
        let error: Error = error.expect_err(path);
        assert!(error.to_string().contains(part), "{error}");
    }
}

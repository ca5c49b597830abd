//! The rehearsal of a sandbox's start: namespaces, a procfs, copies of mounts.

#![expect(unsafe_code, reason = "calls that rustix lacks, in a child that must not allocate")]

use std::ffi::CStr;
use std::fs;
use std::io;

use super::Probe;
use super::child::Child;
use crate::error::Error;
use crate::host::Caller;
use crate::launch::Maps;

const USER: (&str, &str) = ("user namespaces", "a sandbox's privileges end at its own");
const IDS: (&str, &str) = ("ids mapped in a user namespace", "a sandbox keeps the caller's identity");
const PROC: (&str, &str) =
    ("a proc file system of one's own", "CPU times and memory of guest processes are read there");
const TREE: (&str, &str) =
    ("copies of mounts (open_tree, mount_setattr)", "the host's files are reached through them");

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// Where the rehearsal failed, and the errno; 0 if it got through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    user: i32,
    ids: i32,
    proc: i32,
    tree: i32,
}

pub(super) fn all() -> [Probe; 4] {
    match rehearse() {
        Ok(outcome) => [user(outcome.user), ids(outcome.ids), proc(outcome.proc), tree(outcome.tree)],
        Err(error) => [
            user(error.raw_os_error().unwrap_or(libc::EIO)),
            Probe::degraded(IDS.0, IDS.1, "not tried: it needs user namespaces", ""),
            Probe::degraded(PROC.0, PROC.1, "not tried: it needs user namespaces", ""),
            Probe::degraded(TREE.0, TREE.1, "not tried: it needs user namespaces", ""),
        ],
    }
}

fn rehearse() -> io::Result<Outcome> {
    let child = Child::start(NAMESPACES, |report| {
        report.say(0);
        // On hosts where AppArmor restricts user namespaces they can be made, but give no rights.
        report.say(errno_of(sethostname(c"stockade")));
        report.say(errno_of(mount_proc()));
        report.say(errno_of(clone_mounts()));
        report.stay();
    })?;
    let next = || child.next().ok_or_else(|| io::Error::from_raw_os_error(libc::EPERM));
    next()?;
    let ids = match Maps::of(&Caller::current()).and_then(|maps| maps.write(child.pid)) {
        Ok(()) => 0,
        Err(Error::Host { source, .. }) => source.raw_os_error().unwrap_or(libc::EIO),
        Err(_) => libc::EIO,
    };
    Ok(Outcome { user: next()?, ids, proc: next()?, tree: next()? })
}

fn errno_of(result: libc::c_long) -> i32 {
    // SAFETY: the C library's errno of this thread.
    if result < 0 { unsafe { *libc::__errno_location() } } else { 0 }
}

fn sethostname(name: &CStr) -> libc::c_long {
    // SAFETY: a string of that length.
    unsafe { libc::syscall(libc::SYS_sethostname, name.as_ptr(), name.count_bytes()) }
}

/// `FSCONFIG_SET_STRING` and `FSCONFIG_CMD_CREATE`.
const SET_STRING: u32 = 1;
const CREATE: u32 = 6;

fn mount_proc() -> libc::c_long {
    // SAFETY: C strings, nulls where the calls want none, and descriptors of this process that end with it.
    unsafe {
        let context = libc::syscall(libc::SYS_fsopen, c"proc".as_ptr(), 0);
        if context < 0 {
            return context;
        }
        let (key, value) = (c"subset".as_ptr(), c"pid".as_ptr());
        let r = libc::syscall(libc::SYS_fsconfig, context, SET_STRING, key, value, 0);
        if r < 0 {
            return r;
        }
        let none = std::ptr::null::<u8>();
        let r = libc::syscall(libc::SYS_fsconfig, context, CREATE, none, none, 0);
        if r < 0 { r } else { libc::syscall(libc::SYS_fsmount, context, 0, 0) }
    }
}

fn clone_mounts() -> libc::c_long {
    // `OPEN_TREE_CLONE`.
    let flags = 1 | libc::AT_RECURSIVE;
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: C strings; the structure lives through the call and its size is given.
    unsafe {
        let tree = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/".as_ptr(), flags);
        if tree < 0 {
            return tree;
        }
        let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
        libc::syscall(libc::SYS_mount_setattr, tree, c"".as_ptr(), flags, &raw const attr, size_of_val(&attr))
    }
}

fn user(errno: i32) -> Probe {
    let (name, why) = USER;
    if errno == 0 {
        return Probe::present(name, why, "a process in its own namespaces has its rights there");
    }
    let error = io::Error::from_raw_os_error(errno);
    let (cause, fix) =
        user_cause(errno, |path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned()));
    Probe::missing(name, why, format!("making one failed: {error}{cause}"), fix)
}

/// What forbids user namespaces, as far as the settings tell, and what to do.
fn user_cause(errno: i32, read: impl Fn(&str) -> Option<String>) -> (&'static str, &'static str) {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text == value);
    if is("/proc/sys/user/max_user_namespaces", "0") {
        (" (user.max_user_namespaces is 0)", "`sysctl user.max_user_namespaces=15000`")
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        (" (kernel.unprivileged_userns_clone is 0)", "`sysctl kernel.unprivileged_userns_clone=1`")
    } else if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        (
            " (AppArmor restricts them: kernel.apparmor_restrict_unprivileged_userns is 1)",
            "install an AppArmor profile for stockade with the rule `userns,`, or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
        )
    } else {
        match errno {
            libc::ENOSPC => {
                (" (a limit of user.max_*_namespaces is reached)", "raise the limits under /proc/sys/user")
            }
            libc::EUSERS => (" (they are nested too deep)", "start it from fewer nested containers"),
            libc::EINVAL => (
                "",
                "use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS and CONFIG_UTS_NS",
            ),
            _ => (
                "",
                "in a container, permit them (docker: --security-opt seccomp=PROFILE with clone and unshare allowed, or --cap-add SYS_ADMIN)",
            ),
        }
    }
}

fn ids(errno: i32) -> Probe {
    let (name, why) = IDS;
    if errno == 0 {
        return Probe::present(name, why, "the caller's own, or all that root has");
    }
    let error = io::Error::from_raw_os_error(errno);
    // Linux lets nobody map root who could not set capabilities of files.
    let (cause, fix) = if rustix::process::geteuid().is_root() {
        (
            " (root without CAP_SETFCAP cannot even map itself)",
            "run it as an ordinary user, or with CAP_SETUID, CAP_SETGID and CAP_SETFCAP (docker: --cap-add)",
        )
    } else {
        ("", "in a container, permit writing /proc/PID/uid_map")
    };
    Probe::missing(name, why, format!("mapping them failed: {error}{cause}"), fix)
}

fn proc(errno: i32) -> Probe {
    let (name, why) = PROC;
    match errno {
        0 => Probe::present(name, why, "mounted in a user namespace"),
        libc::EPERM => Probe::missing(
            name,
            why,
            "mounting one is not permitted, because parts of the /proc in view are covered",
            "in a container, uncover /proc (docker and podman: --security-opt systempaths=unconfined)",
        ),
        _ => {
            let error = io::Error::from_raw_os_error(errno);
            Probe::missing(
                name,
                why,
                format!("mounting one failed: {error}"),
                "use a kernel with CONFIG_PROC_FS",
            )
        }
    }
}

fn tree(errno: i32) -> Probe {
    let (name, why) = TREE;
    if errno == 0 {
        return Probe::present(name, why, "made read-only in a user namespace");
    }
    let error = io::Error::from_raw_os_error(errno);
    let fix = "in a container, permit open_tree and mount_setattr in its seccomp profile";
    Probe::missing(name, why, format!("making them failed: {error}"), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_here() {
        assert_eq!(rehearse().unwrap(), Outcome { user: 0, ids: 0, proc: 0, tree: 0 });
    }

    #[test]
    fn names_the_setting_that_forbids() {
        let with = |path: &'static str, value: &'static str| {
            user_cause(libc::EPERM, move |asked| (asked == path).then(|| value.to_owned())).0
        };
        assert!(with("/proc/sys/user/max_user_namespaces", "0").contains("max_user_namespaces"));
        assert!(
            with("/proc/sys/kernel/unprivileged_userns_clone", "0").contains("unprivileged_userns_clone")
        );
        assert!(with("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1").contains("AppArmor"));
        assert_eq!(with("/proc/sys/user/max_user_namespaces", "100"), "");
    }
}

use super::directory::choose;
use super::*;
use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

fn record(id: &str) -> Record {
    Record {
        id: id.to_owned(),
        status: Status::Creating,
        pid: None,
        front: 1,
        created: "2026-01-01T00:00:00Z".to_owned(),
        finished: None,
        exit_status: None,
        message: None,
        control_socket: PathBuf::new(),
        annotations: [("a".to_owned(), "1".to_owned())].into(),
        detached: false,
        remove: false,
        cgroups: Vec::new(),
        command: vec!["true".to_owned()],
        version: "0".to_owned(),
    }
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn state() -> (tempfile::TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open_at(&dir.path().join("state"), uid()).unwrap();
    (dir, state)
}

#[test]
fn where_it_is() {
    let choose = |option: Option<&str>, uid, xdg: Option<&str>| {
        choose(option.map(Path::new), uid, xdg.map(OsStr::new)).to_str().unwrap().to_owned()
    };
    assert_eq!(choose(None, 0, Some("/run/user/0")), "/run/stockade");
    assert_eq!(choose(None, 7, Some("/run/user/7")), "/run/user/7/stockade");
    assert_eq!(choose(None, 7, Some("")), "/tmp/stockade-7");
    assert_eq!(choose(None, 7, Some("relative")), "/tmp/stockade-7");
    assert_eq!(choose(None, 7, None), "/tmp/stockade-7");
    assert_eq!(choose(Some("x"), 0, None), "x");
}

#[test]
fn is_made_private() {
    let (_dir, state) = state();
    assert_eq!(state.path().metadata().unwrap().mode() & 0o7777, 0o700);
    std::fs::set_permissions(state.path(), PermissionsExt::from_mode(0o755)).unwrap();
    StateDir::open_at(state.path(), uid()).unwrap();
    assert_eq!(state.path().metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn refuses_what_others_own_or_can_write() {
    let dir = tempfile::tempdir().unwrap();
    let said = |path: PathBuf, uid| StateDir::open_at(&path, uid).unwrap_err().to_string();
    assert!(said(dir.path().to_owned(), uid() + 1).contains("belongs to user"));
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    assert!(said(dir.path().to_owned(), uid()).contains("others can write to it (mode 1777)"));
    std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
    assert!(said(dir.path().join("link"), uid()).contains("is not a directory"));
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(said(dir.path().join("file"), uid()).contains("is not a directory"));
    assert!(said(dir.path().join("a/b"), uid()).contains("No such file"));
}

#[test]
fn a_name_is_taken_once_and_given_back() {
    let (_dir, state) = state();
    let mut first = state.register(record("a")).unwrap();
    let said = state.register(record("a")).unwrap_err().to_string();
    assert!(said.contains("a running sandbox has this name (process 1)"), "{said}");
    let _second = state.register(record("b")).unwrap();
    first.running(77, std::iter::empty()).unwrap();
    let running = state.sandboxes().unwrap();
    assert_eq!(
        running.iter().map(|r| (r.id.as_str(), r.pid)).collect::<Vec<_>>(),
        [("a", Some(77)), ("b", None)]
    );
    let path = first.path().to_owned();
    drop(first);
    assert!(!path.exists());
    state.register(record("a")).unwrap();
}

#[test]
fn the_dead_are_cleared_away() {
    let (_dir, state) = state();
    // As one that was killed leaves it, and one that was killed before it wrote anything.
    for (name, files) in [("dead", ["lock", "state.json"].as_slice()), ("early", &[])] {
        std::fs::create_dir(state.path().join(name)).unwrap();
        for file in files {
            std::fs::write(state.path().join(name).join(file), "{}").unwrap();
        }
    }
    std::fs::create_dir(state.crashes()).unwrap();
    // Somebody named a directory that is used for something else.
    std::fs::create_dir(state.path().join("other")).unwrap();
    std::fs::write(state.path().join("other/lock"), "").unwrap();
    std::fs::write(state.path().join("other/file"), "").unwrap();
    assert!(state.sandboxes().unwrap().is_empty());
    let _dead = state.register(record("dead")).unwrap();
    assert!(!state.path().join("early").exists());
    assert!(state.path().join("other/file").exists());
    assert!(state.crashes().exists());
    assert_eq!(state.sandboxes().unwrap().iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["dead"]);
}

fn detached(id: &str) -> Record {
    Record { detached: true, ..record(id) }
}

#[test]
fn detached_ones_are_kept_until_they_are_removed() {
    let (_dir, state) = state();
    let mut first = state.register(detached("a")).unwrap();
    first.running(77, std::iter::empty()).unwrap();
    drop(first.control_socket().unwrap());
    assert!(state.remove("a").unwrap_err().to_string().contains("sandbox a runs"));
    first.end(7, Some("said".to_owned())).unwrap();
    let kept = state.sandbox("a").unwrap();
    assert_eq!((kept.status, kept.pid, kept.exit_status), (Status::Stopped, None, Some(7)));
    assert_eq!((kept.message.as_deref(), kept.finished.is_some()), (Some("said"), true));
    assert!(!kept.control_socket.exists() && !state.is_alive("a").unwrap());
    let said = state.register(record("a")).unwrap_err().to_string();
    assert!(said.contains("a stopped sandbox has this name"), "{said}");
    state.remove("a").unwrap();
    let said = state.sandbox("a").unwrap_err().to_string();
    assert_eq!(said, "no sandbox named \"a\"\n  hint: `stockade list` shows which there are");
}

#[test]
fn nothing_is_kept_of_others() {
    let (_dir, state) = state();
    state.register(record("a")).unwrap().end(0, None).unwrap();
    state.register(Record { remove: true, ..detached("b") }).unwrap().end(0, None).unwrap();
    assert!(state.sandboxes().unwrap().is_empty());
    assert_eq!(state.path().read_dir().unwrap().count(), 0);
}

#[test]
fn detached_ones_whose_owner_was_killed_have_stopped() {
    let (dir, state) = state();
    let group = dir.path().join("group");
    std::fs::create_dir(&group).unwrap();
    let mut first = state.register(detached("a")).unwrap();
    first.running(77, [group.as_path()].into_iter()).unwrap();
    drop(first.control_socket().unwrap());
    // What a copy of the directory has is what a killed owner leaves: everything but the lock.
    let left = dir.path().join("left");
    std::fs::create_dir(&left).unwrap();
    for file in ["state.json", "lock"] {
        std::fs::copy(first.path().join(file), left.join(file)).unwrap();
    }
    drop(first);
    std::fs::rename(left, state.path().join("a")).unwrap();
    let lost = state.sandbox("a").unwrap();
    assert_eq!((lost.status, lost.pid, lost.exit_status), (Status::Stopped, None, None));
    assert!(lost.message.as_deref().unwrap().contains("was killed"));
    assert!(!group.exists());
    assert_eq!(state.sandbox("a").unwrap(), lost);
}

#[test]
fn state_json_reads_as_json() {
    let (_dir, state) = state();
    let registered = state.register(record("a")).unwrap();
    let text = std::fs::read_to_string(registered.path().join("state.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((value["status"].as_str(), value["pid"].as_u64()), (Some("creating"), None));
    assert_eq!(registered.path().join("state.json").metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn crash_reports_are_kept_within_bounds() {
    let (_dir, state) = state();
    let first = state.keep_crash("a", "text").unwrap();
    assert_eq!(std::fs::read_to_string(&first).unwrap(), "text");
    for _ in 0..24 {
        state.keep_crash("b", "text").unwrap();
    }
    let last = state.keep_crash("b", "text").unwrap();
    assert_eq!(state.crashes().read_dir().unwrap().count(), 20);
    assert!(!first.exists() && last.exists());
}

/// One that ends while others are looked at is no reason to fail.
#[test]
fn what_goes_meanwhile_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(sandbox::settle(&dir.path().join("gone")).unwrap(), None);
}

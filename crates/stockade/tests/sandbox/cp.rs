//! `stockade cp`: files, trees and streams, into a sandbox and out of it; names and links that want to lead elsewhere.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::detached::State;

fn sandbox() -> State {
    let state = State::new();
    assert_eq!(state.run(&["do", "--detach", "--id", "box"]).2, Some(0));
    // The sandbox begins with the host's files.
    inside(&state, "rm -rf /tmp/stockade-cp; mkdir /tmp/stockade-cp");
    state
}

fn inside(state: &State, script: &str) -> String {
    let (out, err, status) = state.run(&["exec", "box", "sh", "-c", script]);
    assert_eq!((err.as_str(), status), ("", Some(0)), "{out}");
    out
}

fn cp(state: &State, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> (String, Option<i32>) {
    let (out, err, status) = crate::run(state.stockade(&["cp"]).arg(from).arg(to));
    assert_eq!(out, "");
    (err, status)
}

fn copies(state: &State, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) {
    assert_eq!(cp(state, from, to), (String::new(), Some(0)));
}

/// A listing that tells all that is kept.
const LIST: &str =
    "find . -printf '%p %y %m %s %T@ %l %n\\n' | sed 's/^\\(.* d [0-9]*\\) [0-9]* /\\1 /' | sort";

fn list(directory: &Path) -> String {
    let out = Command::new("sh").args(["-c", LIST]).current_dir(directory).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

/// A tree with one of each kind.
fn tree(at: &Path) {
    let script = "mkdir -p a/b a/ro; printf hello >a/f; chmod 640 a/f; ln a/f a/hard; ln -s ../../etc/passwd a/link; \
        mkfifo -m 600 a/fifo; printf x >a/ro/y; touch -d 2001-02-03T04:05:06.789 a/f a/ro/y a/b; \
        truncate -s 100G a/sparse; printf end | dd of=a/sparse bs=1 seek=5000000000 conv=notrunc status=none; \
        : >a/empty; head -c 300000 /dev/urandom >a/big; chmod 555 a/ro; touch -d 1999-01-01 a/ro a";
    assert!(Command::new("sh").args(["-c", script]).current_dir(at).status().unwrap().success());
}

#[test]
fn trees_survive_the_way_in_and_out() {
    let state = sandbox();
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path());
    let source = dir.path().join("a");
    copies(&state, &source, "box:/tmp/stockade-cp");
    assert_eq!(inside(&state, &format!("cd /tmp/stockade-cp/a && {LIST}")), list(&source));
    assert_eq!(inside(&state, "tail -c +5000000001 /tmp/stockade-cp/a/sparse | head -c 3"), "end");
    let back = dir.path().join("back");
    copies(&state, "box:/tmp/stockade-cp/a", &back);
    assert_eq!(list(&back), list(&source));
    assert_eq!(fs::read(back.join("big")).unwrap(), fs::read(source.join("big")).unwrap());
    let sparse = fs::metadata(back.join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "{}", sparse.blocks());
    assert!(Command::new("chmod").arg("-R").arg("u+w").arg(dir.path()).status().unwrap().success());
}

#[test]
fn destinations_are_as_with_cp() {
    let state = sandbox();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("d/sub")).unwrap();
    fs::write(at("d/f"), "one").unwrap();
    // A file to a new name, over an old one, and into a directory.
    copies(&state, at("d/f"), "box:/tmp/stockade-cp/new");
    fs::write(at("d/f"), "two").unwrap();
    copies(&state, at("d/f"), "box:/tmp/stockade-cp/new");
    inside(&state, "mkdir /tmp/stockade-cp/dir");
    copies(&state, at("d/f"), "box:/tmp/stockade-cp/dir");
    copies(&state, at("d/f"), "box:/tmp/stockade-cp/dir/");
    assert_eq!(inside(&state, "cat /tmp/stockade-cp/new /tmp/stockade-cp/dir/f"), "twotwo");
    // What is in a directory, the directory itself, and a new name for it.
    copies(&state, at("d/."), "box:/tmp/stockade-cp/dir");
    copies(&state, at("d"), "box:/tmp/stockade-cp/dir");
    copies(&state, at("d"), "box:/tmp/stockade-cp/other");
    assert_eq!(
        inside(&state, "cd /tmp/stockade-cp; ls -d dir/sub dir/d/sub other/sub"),
        "dir/d/sub\ndir/sub\nother/sub\n"
    );
    copies(&state, "box:/tmp/stockade-cp/dir/.", at("contents"));
    copies(&state, "box:/tmp/stockade-cp/new", at("d"));
    copies(&state, "box:/tmp/stockade-cp/new", at("name"));
    assert!(at("contents/d/sub").is_dir() && at("d/new").is_file());
    assert_eq!(fs::read(at("name")).unwrap(), b"two");
    for (from, to, says) in [
        ("box:/none".into(), at("x").into_os_string(), "stockade: box:/none: No such file or directory\n".to_owned()),
        (at("none").into_os_string(), "box:/tmp/stockade-cp".into(), format!("stockade: {}: No such file or directory\n", at("none").display())),
        (at("d").into_os_string(), "box:/tmp/stockade-cp/new".into(), "stockade: box:/tmp/stockade-cp/new: not a directory\n  hint: give a directory that exists, or another name\n".into()),
        (at("d/f").into_os_string(), "box:/tmp/stockade-cp/none/".into(), "stockade: box:/tmp/stockade-cp/none/: not a directory\n  hint: give a directory that exists, or another name\n".into()),
        (at("d/f").into_os_string(), "box:/none/f".into(), "stockade: box:/none/f: No such file or directory\n".into()),
    ] {
        assert_eq!(cp(&state, &from, &to), (says, Some(1)), "{from:?} {to:?}");
    }
    let (err, status) = cp(&state, at("d"), at("e"));
    assert!(err.contains("one of the two has to be in a sandbox") && status == Some(1), "{err}");
}

#[test]
fn streams_are_tar() {
    let state = sandbox();
    inside(&state, "mkdir /tmp/stockade-cp/d; echo x >/tmp/stockade-cp/d/f; ln -s f /tmp/stockade-cp/d/l");
    let out = state.stockade(&["cp", "box:/tmp/stockade-cp/d", "-"]).output().unwrap();
    let mut tar = Command::new("tar").arg("-t").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    tar.stdin.take().unwrap().write_all(&out.stdout).unwrap();
    let names = tar.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(names.stdout).unwrap(), "d/\nd/f\nd/l\n");
    // And what tar writes goes in, in each of its formats.
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("long").join("n".repeat(90)).join("m".repeat(90));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f"), "y").unwrap();
    for format in ["gnu", "posix", "ustar"] {
        let mut tar = Command::new("tar");
        tar.args(["-c", "--format", format, "-C"]).arg(dir.path()).arg("long");
        let bytes = tar.output().unwrap().stdout;
        inside(&state, "rm -rf /tmp/stockade-cp/in; mkdir /tmp/stockade-cp/in");
        let mut child =
            state.stockade(&["cp", "-", "box:/tmp/stockade-cp/in"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format}");
        assert_eq!(inside(&state, "cat /tmp/stockade-cp/in/long/*/*/f"), "y", "{format}");
    }
}

/// A stream of headers with these names, types and targets, and no data.
fn hostile(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, entry_type, link) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*entry_type);
        header.set_mode(0o4755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        let ustar = header.as_ustar_mut().unwrap();
        ustar.name[..name.len()].copy_from_slice(name.as_bytes());
        ustar.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn hostile_streams_lead_nowhere() {
    use tar::EntryType::{Link, Regular, Symlink};
    let state = sandbox();
    inside(&state, "mkdir /tmp/stockade-cp/in; echo kept >/tmp/stockade-cp/kept");
    for (entries, says) in [
        (&[("../kept", Regular, "")][..], "leads out of it"),
        (&[("a/../../kept", Regular, "")], "leads out of it"),
        (&[("l", Symlink, ".."), ("l/kept", Regular, "")], "Not a directory"),
        (&[("l", Symlink, "/tmp/stockade-cp"), ("l/kept", Regular, "")], "Not a directory"),
        (&[("l", Symlink, "/tmp/stockade-cp/kept"), ("h", Link, "l"), ("h", Regular, "")], ""),
        (&[("h", Link, "../kept")], "leads out of it"),
        (&[("/kept", Regular, "")], ""),
    ] {
        let mut child = state
            .stockade(&["cp", "-", "box:/tmp/stockade-cp/in"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&hostile(entries)).unwrap();
        let out = child.wait_with_output().unwrap();
        let err = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.success(), err.contains(says)), (says.is_empty(), true), "{entries:?}: {err}");
        assert_eq!(
            inside(
                &state,
                "cat /tmp/stockade-cp/kept; rm -rf /tmp/stockade-cp/in; mkdir /tmp/stockade-cp/in"
            ),
            "kept\n",
            "{entries:?}"
        );
    }
}

#[test]
fn what_comes_out_leads_nowhere_either() {
    let state = sandbox();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("kept"), "kept").unwrap();
    fs::create_dir_all(at("out/d")).unwrap();
    // The caller's own links are in the way of what comes: they are not followed.
    symlink(dir.path(), at("out/d/sub")).unwrap();
    symlink(at("kept"), at("out/d/file")).unwrap();
    inside(
        &state,
        "mkdir -p /tmp/stockade-cp/d/sub; echo evil >/tmp/stockade-cp/d/sub/kept; chmod 4755 /tmp/stockade-cp/d/sub/kept",
    );
    let (err, status) = cp(&state, "box:/tmp/stockade-cp/d", at("out"));
    assert!(err.contains("Not a directory") || err.contains("Too many levels"), "{err}");
    assert_eq!(status, Some(1));
    inside(
        &state,
        "rm -r /tmp/stockade-cp/d; mkdir -p /tmp/stockade-cp/d; echo evil >/tmp/stockade-cp/d/file; chmod 6755 /tmp/stockade-cp/d/file",
    );
    copies(&state, "box:/tmp/stockade-cp/d", at("out"));
    assert_eq!(fs::read(at("kept")).unwrap(), b"kept");
    let file = fs::symlink_metadata(at("out/d/file")).unwrap();
    assert_eq!((file.is_file(), file.permissions().mode() & 0o7777), (true, 0o755));
    // A tree that is swapped for a link to elsewhere all the time.
    inside(
        &state,
        "mkdir /tmp/stockade-cp/swap; echo in >/tmp/stockade-cp/swap/f; (while :; do mv /tmp/stockade-cp/swap /tmp/stockade-cp/s; ln -s /etc /tmp/stockade-cp/swap; rm /tmp/stockade-cp/swap; mv /tmp/stockade-cp/s /tmp/stockade-cp/swap; done) >/dev/null 2>&1 &",
    );
    for round in 0..20 {
        let to = at(&format!("swap{round}"));
        let _ = cp(&state, "box:/tmp/stockade-cp/swap", &to);
        let found = fs::symlink_metadata(&to).map(|m| m.file_type());
        assert!(found.map_or(true, |t| t.is_symlink() || !to.join("passwd").exists()), "{round}");
    }
}

#[test]
fn devices_sockets_and_made_up_files_are_left_out() {
    let state = sandbox();
    inside(
        &state,
        "mkdir /tmp/stockade-cp/d; mknod /tmp/stockade-cp/d/null c 1 3 2>/dev/null || mkfifo /tmp/stockade-cp/d/null; touch /tmp/stockade-cp/d/f",
    );
    let dir = tempfile::tempdir().unwrap();
    let (err, status) = cp(&state, "box:/tmp/stockade-cp/d", dir.path());
    assert_eq!(status, Some(0), "{err}");
    assert!(dir.path().join("d/f").exists());
    copies(&state, "box:/proc", dir.path());
    assert_eq!(fs::read_dir(dir.path().join("proc")).unwrap().count(), 0);
}

//! What of the host's files the program sees and changes.

use std::fs::{create_dir, read_to_string, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::{output, run, script};

fn volume(dir: &Path, rest: &str) -> String {
    format!("{}{rest}", dir.display())
}

#[test]
fn changes_stay_in_the_overlay() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("kept"), "as it was\n").unwrap();
    let text = "echo changed > kept; echo new > new; mkdir -p a/b; rm -f kept; ls; rmdir a/b";
    let out = output(&mut script(&["--cwd", dir.path().to_str().unwrap()], text));
    assert_eq!(out, "a\nnew\n");
    assert_eq!(read_to_string(dir.path().join("kept")).unwrap(), "as it was\n");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_overlay_directory_keeps_the_changes() {
    let (root, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(root.path().join("old"), "old\n").unwrap();
    write(root.path().join("gone"), "gone\n").unwrap();
    let at = root.path().to_str().unwrap();
    let options = ["--overlay", upper.path().to_str().unwrap(), "--cwd", at];
    output(&mut script(&options, "echo more >> old; rm gone; mkdir d; echo new > d/new; ln -s old link"));
    let again = "cat old d/new; readlink link; test -e gone && echo still there; ls";
    assert_eq!(output(&mut script(&options, again)), "old\nmore\nnew\nold\nd\nlink\nold\n");
    assert_eq!(read_to_string(root.path().join("old")).unwrap(), "old\n");
    assert!(root.path().join("gone").exists());
}

#[test]
fn directories_of_the_host_can_be_renamed_in_an_overlay() {
    let (root, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(root.path().join("a/b")).unwrap();
    write(root.path().join("a/b/file"), "file\n").unwrap();
    let at = root.path().to_str().unwrap();
    let text = "python3 -c 'import os; os.rename(\"a\", \"c\")'; ls; cat c/b/file";
    assert_eq!(output(&mut script(&["--cwd", at], text)), "c\nfile\n");
    let options = ["--cwd", at, "--overlay", upper.path().to_str().unwrap()];
    assert_eq!(output(&mut script(&options, text)), "c\nfile\n");
    assert_eq!(output(&mut script(&options, "ls; cat c/b/file")), "c\nfile\n");
    assert!(root.path().join("a/b/file").exists());
}

#[test]
fn no_overlay_means_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--overlay", "none", "--cwd", dir.path().to_str().unwrap()];
    let (_, err, status) = run(&mut script(&options, "echo x > file"));
    assert_eq!(status, Some(2));
    assert!(err.contains("Read-only file system"), "{err}");
}

#[test]
fn volumes_are_shared_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("in"), "from the host\n").unwrap();
    let options = ["--volume", &volume(dir.path(), ":/deep/new/place")];
    let text = "cat /deep/new/place/in; echo from inside > /deep/new/place/out; mv /deep/new/place/in /deep/new/place/moved";
    assert_eq!(output(&mut script(&options, text)), "from the host\n");
    assert_eq!(read_to_string(dir.path().join("out")).unwrap(), "from inside\n");
    assert_eq!(read_to_string(dir.path().join("moved")).unwrap(), "from the host\n");
}

#[test]
fn root_inside_cannot_write_to_a_read_only_volume() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--volume", &volume(dir.path(), ":/mnt:ro"), "--uid", "0", "--gid", "0"];
    let text = "mount -o remount,rw,bind /mnt; mount --bind /mnt /srv; mount -o remount,rw,bind /srv; \
        touch /mnt/x /srv/x; umount /srv; echo done";
    let (out, err, status) = run(&mut script(&options, text));
    assert_eq!((out.as_str(), status), ("done\n", Some(0)), "{err}");
    assert_eq!(err.matches("Read-only file system").count(), 2, "{err}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_relative_volume_is_the_callers() {
    let dir = tempfile::tempdir().unwrap();
    create_dir(dir.path().join("sub")).unwrap();
    let mut command =
        script(&["-v", "sub:/mnt", "-v", "./sub:/again:ro"], "echo x > /mnt/file; cat /again/file");
    assert_eq!(output(command.current_dir(dir.path())), "x\n");
    assert_eq!(read_to_string(dir.path().join("sub/file")).unwrap(), "x\n");
}

#[test]
fn links_do_not_lead_out_of_a_volume() {
    let (shared, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(outside.path().join("secret"), "secret\n").unwrap();
    symlink(outside.path().join("secret"), shared.path().join("absolute")).unwrap();
    let up = format!("..{}", outside.path().join("secret").display());
    symlink("../".repeat(20) + &up, shared.path().join("relative")).unwrap();
    let root = tempfile::tempdir().unwrap();
    for tool in ["/bin/busybox", "/usr/bin/busybox"].into_iter().filter(|p| Path::new(p).exists()).take(1) {
        std::fs::copy(tool, root.path().join("busybox")).unwrap();
    }
    let mut command = crate::stockade_do(&[
        "--root",
        root.path().to_str().unwrap(),
        "--volume",
        &volume(shared.path(), ":/mnt"),
        "/busybox",
        "sh",
        "-c",
        "/busybox cat /mnt/absolute /mnt/relative /mnt/../../../etc/passwd; /busybox ls /mnt/..",
    ]);
    let (out, err, _) = run(&mut command);
    assert!(!out.contains("secret") && !out.contains("root:"), "{out}");
    assert_eq!(err.matches("can't open").count(), 3, "{err}");
    assert!(out.contains("busybox") && out.contains("mnt"), "{out}");
}

#[test]
fn what_the_caller_cannot_open_the_program_cannot() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("secret"), "secret\n").unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = script(&[], &format!("cat {}/secret", dir.path().display()));
    // The binary has to be reachable for that user, too.
    let copy = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let here = copy.path().join("stockade");
    std::fs::copy(env!("CARGO_BIN_EXE_stockade"), &here).unwrap();
    let args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_os_string).collect();
    command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(here).args(args).current_dir("/");
    let (out, err, status) = run(&mut command);
    assert_eq!((out.as_str(), status), ("", Some(1)), "{err}");
    assert!(err.contains("Permission denied"), "{err}");
}

#[test]
fn sockets_and_fifos_of_the_host_are_out_of_reach() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let at = dir.path().to_str().unwrap();
    let text = "timeout 5 cat fifo; test $? != 0 && echo no fifo; \
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"socket\")' 2>/dev/null || echo no socket";
    let (out, _, _) = run(&mut script(&["--cwd", at], text));
    assert_eq!(out, "no fifo\nno socket\n");
}

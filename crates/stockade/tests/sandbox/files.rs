//! What of the host's files the program sees and changes.

use std::fs::{create_dir, read_to_string, write};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::{as_user, output, run, script};

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
fn room_is_that_of_the_overlay() {
    let text = "stat -f -c %T / /usr/bin; df --output=size,avail / /usr/bin | tail -n 2 | \
        while read size free; do test $size = 20480 && test $free -gt 20000 && echo bounded; done";
    let out = output(&mut script(&["--disk", "20M"], text));
    assert_eq!(out, "overlayfs\noverlayfs\nbounded\nbounded\n");
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
    // As an ordinary user, too, to whom mount(8) is a set-user-ID program of nobody's.
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
    let (_reachable, mut command) = as_user(&script(&[], &format!("cat {}/secret", dir.path().display())));
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

/// On the host they are names and no more.
#[test]
fn fifos_and_sockets_can_be_made_in_volumes_and_overlay_directories() {
    let (shared, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "
import os, socket, stat, threading
os.mkfifo('fifo', 0o640); os.chmod('fifo', 0o600)
w = threading.Thread(target=lambda: open('fifo', 'w').write('through')); w.start()
print(open('fifo').read(), stat.filemode(os.stat('fifo').st_mode)); w.join()
try: os.open('fifo', os.O_WRONLY | os.O_NONBLOCK)
except OSError as e: print(e.strerror)
os.rename('fifo', 'renamed'); os.link('renamed', 'linked')
r = os.open('renamed', os.O_RDONLY | os.O_NONBLOCK); os.write(os.open('linked', os.O_WRONLY), b'x'); print(os.read(r, 9))
def serve(name):
    s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen(); return s
def reaches(name, server):
    c = socket.socket(socket.AF_UNIX); c.settimeout(3); c.connect(name); c.send(b'?'); return server.accept()[0].recv(9)
old = serve('socket'); os.unlink('socket'); new = serve('socket'); print(reaches('socket', new))
old.close(); print(reaches('socket', new))
os.chmod('socket', 0o700); print(stat.filemode(os.stat('socket').st_mode))
new.close()
try: socket.socket(socket.AF_UNIX).connect('socket')
except OSError as e: print(e.strerror)
try: os.mknod('device', stat.S_IFCHR | 0o600, os.makedev(1, 3))
except OSError as e: print(e.strerror)
";
    let expected = "through prw-------\nNo such device or address\nb'x'\nb'?'\nb'?'\nsrwx------\nConnection refused\n\
        Operation not permitted\n";
    let volume = volume(shared.path(), ":/mnt");
    // Beneath the overlay a directory in which the caller may write, whoever that is.
    let lower = tempfile::tempdir().unwrap();
    let (upper_dir, lower_dir) = (upper.path().to_str().unwrap(), lower.path().to_str().unwrap());
    for options in
        [["--volume", volume.as_str(), "--cwd", "/mnt"], ["--overlay", upper_dir, "--cwd", lower_dir]]
    {
        let mut command = crate::stockade_do(&options);
        let out = output(command.args(["--", "python3", "-c", text]));
        assert_eq!(out, expected, "{options:?}");
    }
    for place in [shared.path(), &upper.path().join(lower_dir.trim_start_matches('/'))] {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = |name: &str| place.join(name).symlink_metadata().unwrap().file_type();
        assert!(kind("renamed").is_fifo() && kind("socket").is_socket());
        assert!(!place.join("device").exists());
    }
}

/// Directories and links change places while the program walks, by its own doing and by that of somebody on the host.
#[test]
fn renames_during_the_walk_do_not_lead_out_of_a_volume() {
    let host = tempfile::tempdir().unwrap();
    let (shared, outside) = (host.path().join("shared"), host.path().join("outside"));
    std::fs::create_dir_all(shared.join("a/b/c")).unwrap();
    create_dir(shared.join("turn")).unwrap();
    create_dir(&outside).unwrap();
    write(outside.join("secret"), "secret\n").unwrap();
    write(host.path().join("secret"), "secret\n").unwrap();
    write(shared.join("turn/secret"), "inside\n").unwrap();
    symlink("../outside", shared.join("link")).unwrap();
    let text = "
import ctypes, os, threading, time
libc = ctypes.CDLL(None); end = time.time() + 5; reads = 0; found = set()
def swap(a, b): libc.renameat2(-100, a, -100, b, 2)
def rename():
    while time.time() < end:
        os.rename('a/b/c', 'c'); os.rename('c', 'a/b/c')
def exchange():
    while time.time() < end: swap(b'a/b', b'link2')
def go(act):
    while time.time() < end:
        try: act()
        except OSError: pass
os.symlink('..', 'link2')
for act in (rename, exchange): threading.Thread(target=go, args=(act,)).start()
def read(open_one):
    global reads
    try:
        fd = open_one(); data = os.read(fd, 100); os.close(fd); found.add(data); reads += 1
    except OSError: pass
while time.time() < end:
    read(lambda: os.open('turn/secret', os.O_RDONLY))
    for path in ('a/b/c/../../../../secret', 'a/b/../../secret', 'a/b/c/../../../../outside/secret', 'link2/../secret', 'link/secret'):
        read(lambda: os.open(path, os.O_RDONLY))
    try: d = os.open('a/b/c', os.O_RDONLY | os.O_DIRECTORY)
    except OSError: continue
    for path in ('../../../../secret', '../../../secret', '../secret', '../../../../../shared/../secret'):
        read(lambda: os.open(path, os.O_RDONLY, dir_fd=d))
        read(lambda: os.open('/proc/self/fd/%d/%s' % (d, path), os.O_RDONLY))
    os.close(d)
print(sorted(found), reads > 100)
";
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            let (turn, link) = (shared.join("turn"), shared.join("link"));
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = renameat_with(CWD, &turn, CWD, &link, RenameFlags::EXCHANGE);
            }
        });
        let mut command = crate::stockade_do(&["--volume", &volume(&shared, ":/mnt"), "--cwd", "/mnt"]);
        let result = run(command.args(["--", "python3", "-c", text]));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(result, ("[b'inside\\n'] True\n".to_owned(), String::new(), Some(0)));
    });
}

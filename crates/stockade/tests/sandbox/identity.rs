//! Who and where the program is.

use std::process::{Command, Stdio};

use crate::{as_user, output, run, script, stockade_do};

fn native(text: &str) -> String {
    String::from_utf8(Command::new("sh").args(["-c", text]).output().unwrap().stdout).unwrap()
}

#[test]
fn the_caller_stays_who_and_where_it_is() {
    for text in ["id", "pwd", "umask", "nice", "uname -n", "echo $HOME $PATH", "ulimit -n", "date +%Z"] {
        assert_eq!(output(&mut script(&[], text)), native(text), "{text}");
    }
}

#[test]
fn umask_and_niceness_are_inherited() {
    let here = env!("CARGO_BIN_EXE_stockade");
    let line = format!("umask 027; nice -n 5 {here} do sh -c 'umask; nice; >/tmp/f; stat -c %a /tmp/f'");
    let wanted = native("umask 027; nice -n 5 sh -c 'umask; nice'") + "640\n";
    assert_eq!(output(Command::new("sh").args(["-c", &line])), wanted);
}

#[test]
fn the_environment_is_what_was_asked_for() {
    let mut command = stockade_do(&["--clear-env", "--env", "A=1 2", "--env", "STOCKADE_TEST_B", "env"]);
    command.env("STOCKADE_TEST_B", "b").env("STOCKADE_TEST_C", "c");
    let mut lines: Vec<String> = output(&mut command).lines().map(String::from).collect();
    lines.sort();
    assert_eq!(lines, ["A=1 2", "STOCKADE_TEST_B=b"]);
}

#[test]
fn another_user_may_do_less() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "secret\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let volume = format!("{}:/mnt", dir.path().display());
    let options = ["--volume", &volume, "--uid", "12345", "--gid", "23456"];
    let (out, err, status) = run(&mut script(&options, "id -u; id -g; id -G; cat /mnt/secret"));
    assert_eq!((out.as_str(), status), ("12345\n23456\n23456\n", Some(1)), "{err}");
    assert!(err.contains("Permission denied"), "{err}");
}

#[test]
fn host_name_and_working_directory_can_be_set() {
    let options = ["--hostname", "elsewhere", "--cwd", "/usr/bin"];
    assert_eq!(output(&mut script(&options, "uname -n; pwd")), "elsewhere\n/usr/bin\n");
}

#[test]
fn the_network_is_not_there() {
    let probe = "import socket,sys\ntry:\n s=socket.socket(); s.connect(('127.0.0.1',1))\nexcept OSError as e: print('no')\n";
    assert_eq!(output(stockade_do(&["python3", "-c", probe]).stdin(Stdio::null())), "no\n");
}

/// An ordinary user's sandbox sees root's files as nobody's: as in a user namespace, their set-user-ID bits mean nothing.
/// Those that a program sets inside do.
#[test]
fn set_user_id_programs_of_nobody_are_ordinary_ones() {
    let text = "
import fcntl, os, stat, subprocess, time
mount = '/usr/bin/mount'
print(stat.filemode(os.stat(mount).st_mode), os.stat(mount).st_uid)
# Its output goes where there is no room, so that it stays.
r, w = os.pipe(); fcntl.fcntl(w, 1031, 4096); os.write(w, bytes(4096))
pid = os.posix_spawn(mount, ['mount'], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)]); time.sleep(0.5)
print([line.split() for line in open(f'/proc/{pid}/status') if line.startswith('Uid')])
os.kill(pid, 9); os.waitpid(pid, 0)
subprocess.run('cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id; setpriv --reuid=7 --clear-groups /tmp/id -u', shell=True)
";
    let command = stockade_do(&["--uid", "0", "--gid", "0", "--", "python3", "-u", "-c", text]);
    let (_reachable, mut command) = as_user(&command);
    assert_eq!(output(&mut command), "-rwsr-xr-x 65534\n[['Uid:', '0', '0', '0', '0']]\n0\n");
}

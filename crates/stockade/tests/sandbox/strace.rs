//! `--strace` reads like strace(1).

use super::{run, script};

#[test]
fn calls_are_decoded() {
    let text = "exec 3<>/dev/null; (sleep 0.3; kill -USR1 $$) & trap 'exit 3' USR1; cd /etc; test -r passwd; /bin/true; wait";
    let (_, told, status) = run(&mut script(&["--strace"], text));
    assert_eq!(status, Some(3), "{told}");
    for line in [
        "execve(\"/",
        " vars */) = 0 <",
        "openat(AT_FDCWD, \"/dev/null\", O_RDWR|O_CREAT, 0666) = 3 <",
        "{st_mode=S_IFREG|0",
        "rt_sigaction(SIGUSR1, {sa_handler=0x",
        "sa_mask=~[",
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x",
        "chdir(\"/etc\") = 0 <",
        "faccessat2(AT_FDCWD, \"passwd\", R_OK, AT_EACCESS) = 0 <",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=",
        "ENOENT (No such file or directory)",
        "+++ exited with 3 +++",
    ] {
        assert!(told.contains(line), "no {line:?} in:\n{told}");
    }
    assert!(told.lines().all(|line| line.starts_with("[pid ")), "{told}");
}

#[test]
fn only_what_was_asked_for_is_told() {
    let (_, told, status) = run(&mut script(&["--strace=chdir,getcwd"], "cd /; cd /etc; true"));
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("chdir(\"/etc\") = 0"), "{told}");
    assert!(told.lines().all(|line| line.contains("chdir(") || line.contains("getcwd(")), "{told}");
}

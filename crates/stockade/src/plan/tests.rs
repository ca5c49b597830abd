use super::*;
use crate::cli::{Cli, Command};
use crate::config::{Cpus, LogFormat};
use clap::Parser as _;
use std::ffi::OsString;
use std::path::Path;

fn caller(cwd: &Path) -> Caller {
    Caller {
        cwd: cwd.to_owned(),
        env: vec![("PATH".into(), "/bin".into()), ("PWD".into(), cwd.into()), ("A".into(), "1".into())],
        uid: 1000,
        gid: 1000,
        groups: vec![4, 27],
        umask: 0o27,
        nice: 5,
        blocked_signals: 0,
        ignored_signals: 1,
        rlimits: Vec::new(),
        hostname: "host".into(),
        memory: 8 << 30,
    }
}

fn plan_in(cwd: &Path, options: &str) -> Result<Plan, Failure> {
    let words = ["stockade", "do"].into_iter().chain(options.split_whitespace()).chain(["--", "true", "-x"]);
    let Command::Do(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not do") };
    plan(*args, &caller(cwd))
}

fn ok(options: &str) -> Plan {
    plan_in(Path::new("/usr"), options).unwrap()
}

fn message(cwd: &Path, options: &str) -> String {
    plan_in(cwd, options).expect_err(options).to_string()
}

fn strings(list: &[OsString]) -> Vec<&str> {
    list.iter().map(|s| s.to_str().unwrap()).collect()
}

#[test]
fn defaults_are_the_callers() {
    let plan = ok("");
    let sandbox = &plan.sandbox;
    assert_eq!(sandbox.root.path, Path::new("/"));
    assert_eq!(sandbox.root.overlay, OverlayConfig::Memory);
    assert_eq!(sandbox.hostname, "host");
    assert!(sandbox.id.starts_with("do-") && sandbox.id.len() == 11, "{}", sandbox.id);
    let process = &sandbox.process;
    assert_eq!(strings(&process.argv), ["true", "-x"]);
    assert_eq!(strings(&process.env), ["PATH=/bin", "PWD=/usr", "A=1"]);
    assert_eq!(process.cwd, Path::new("/usr"));
    assert_eq!((process.uid, process.gid, process.groups.as_slice()), (1000, 1000, [4, 27].as_slice()));
    assert_eq!((process.umask, process.nice, process.ignored_signals), (0o27, 5, 1));
    let limits = &sandbox.limits;
    assert_eq!((limits.memory, limits.disk, limits.tasks), (4 << 30, 2 << 30, 2048));
    assert_eq!(sandbox.log, LogConfig { file: None, format: LogFormat::Text, level: LogLevel::Warn });
    assert_eq!(sandbox.strace, StraceConfig::Off);
    assert_eq!(plan.timeout, None);
}

#[test]
fn two_sandboxes_get_two_names() {
    assert_ne!(ok("").sandbox.id, ok("").sandbox.id);
}

#[test]
fn process_options() {
    let plan = ok("--cwd lib -e A=2 -e B=3 -e B=4 -e PATH --hostname h --id x --timeout 2s");
    assert_eq!(strings(&plan.sandbox.process.env), ["PATH=/bin", "PWD=/usr/lib", "A=2", "B=4"]);
    assert_eq!(plan.sandbox.process.cwd, Path::new("/usr/lib"));
    assert_eq!((plan.sandbox.hostname.as_str(), plan.sandbox.id.as_str()), ("h", "x"));
    assert_eq!(plan.timeout, Some(Duration::from_secs(2)));
    assert_eq!(strings(&ok("--clear-env --cwd / -e A").sandbox.process.env), ["A=1"]);
    assert!(message(Path::new("/"), "--env NO").contains("--env NO=VALUE"));
}

#[test]
fn another_identity_drops_groups() {
    let process = ok("--uid 0").sandbox.process;
    assert_eq!((process.uid, process.gid, process.groups), (0, 1000, vec![]));
    assert_eq!(ok("--uid 1000 --gid 1000").sandbox.process.groups, [4, 27]);
}

#[test]
fn limit_options() {
    let limits = ok("-m 512M --pids 7 --cpus 1.5 --disk 1G --descriptors 99").sandbox.limits;
    let want = Limits {
        memory: 512 << 20,
        tasks: 7,
        descriptors: 99,
        disk: 1 << 30,
        cpus: Some(Cpus { thousandths: 1500 }),
    };
    assert_eq!(limits, want);
    assert!(message(Path::new("/"), "--memory 1M").contains("at least 16 MiB"));
}

#[test]
fn log_options() {
    let dir = tempfile::tempdir().unwrap();
    let log = plan_in(dir.path(), "--log l.json --log-format json").unwrap().sandbox.log;
    let want =
        LogConfig { file: Some(dir.path().join("l.json")), format: LogFormat::Json, level: LogLevel::Info };
    assert_eq!(log, want);
    assert_eq!(ok("-q").sandbox.log.level, LogLevel::Error);
    assert_eq!(ok("-q --log-level debug").sandbox.log.level, LogLevel::Debug);
    assert!(message(dir.path(), "--log no/l").contains("No such file or directory"));
    assert!(message(dir.path(), "--log .").contains("is a directory"));
}

#[test]
fn strace_options() {
    assert_eq!(ok("--strace").sandbox.strace, StraceConfig::All);
    assert_eq!(ok("--strace=read").sandbox.strace, StraceConfig::Calls(vec!["read".into()]));
}

#[test]
fn volumes_are_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    std::fs::create_dir(at.join("real")).unwrap();
    std::fs::write(at.join("file"), "").unwrap();
    std::os::unix::fs::symlink("real", at.join("link")).unwrap();
    let volumes = plan_in(&at, "-v link -v ./file:/etc/../etc/f:ro").unwrap().sandbox.volumes;
    assert_eq!((&volumes[0].source, &volumes[0].destination), (&at.join("real"), &at.join("link")));
    assert!(!volumes[0].read_only);
    assert_eq!(
        (&volumes[1].source, volumes[1].destination.as_path()),
        (&at.join("file"), Path::new("/etc/f"))
    );
    assert!(volumes[1].read_only);
}

#[test]
fn bad_volumes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    for (options, says) in [
        ("-v missing", "No such file or directory"),
        ("-v socket", "is a socket"),
        ("-v /dev/null:/x", "is a device"),
        ("-v .:/", "--root"),
        ("-v .:/proc/x", "sandbox's own"),
        ("-v .:/a/../dev", "sandbox's own"),
        ("-v .:/a -v .:/b/../a", "two volumes at /a"),
    ] {
        let said = message(dir.path(), options);
        assert!(said.contains(says) && said.contains("hint: "), "{options}: {said}");
    }
}

#[test]
fn roots_and_overlays() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    std::fs::create_dir(at.join("root")).unwrap();
    std::fs::write(at.join("file"), "").unwrap();
    let sandbox = plan_in(&at, "--root root --overlay new").unwrap().sandbox;
    assert_eq!(sandbox.root.path, at.join("root"));
    assert_eq!(sandbox.root.overlay, OverlayConfig::Dir(at.join("new")));
    assert_eq!(sandbox.limits.disk, Limits::DEFAULT_DISK);
    assert!(at.join("new").is_dir());
    assert!(plan_in(&at, "--overlay new").is_ok(), "an existing one is used again");
    assert_eq!(plan_in(&at, "--overlay none").unwrap().sandbox.root.overlay, OverlayConfig::None);
    for (options, says) in [
        ("--root missing", "No such file or directory"),
        ("--root file", "Not a directory"),
        ("--overlay a/b", "cannot create it"),
        ("--overlay file", "Not a directory"),
        ("--root root --overlay root", "root itself"),
        ("-v .:/w --overlay new", "could write to it"),
    ] {
        let said = message(&at, options);
        assert!(said.contains(says) && said.contains("hint: "), "{options}: {said}");
    }
}

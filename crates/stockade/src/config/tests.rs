use super::*;
use std::os::unix::ffi::OsStringExt;

fn sample() -> SandboxConfig {
    SandboxConfig {
        id: "a".into(),
        hostname: "h".into(),
        root: RootConfig { path: "/".into(), overlay: OverlayConfig::Dir("/changes".into()) },
        volumes: vec![VolumeConfig { source: "/src".into(), destination: "/dst".into(), read_only: true }],
        process: ProcessConfig {
            argv: vec!["sh".into(), OsString::from_vec(vec![0xff, b'a'])],
            env: vec!["PATH=/bin".into()],
            cwd: "/".into(),
            uid: 0,
            gid: 0,
            groups: vec![4],
            umask: 0o22,
            nice: -1,
            rlimits: vec![Rlimit { resource: 7, soft: 1024, hard: u64::MAX }],
            blocked_signals: 1 << 63,
            ignored_signals: 1,
            terminal: true,
        },
        limits: Limits {
            memory: 1 << 30,
            tasks: 10,
            descriptors: 20,
            disk: 30,
            cpus: Some(Cpus { thousandths: 500 }),
        },
        strace: StraceConfig::Calls(vec!["read".into()]),
        log: LogConfig { file: Some("/log".into()), format: LogFormat::Json, level: LogLevel::Info },
        annotations: [("a".into(), "b".into())].into(),
    }
}

#[test]
fn survives_json() {
    let config = sample();
    let json = serde_json::to_string(&config).unwrap();
    assert!(json.contains(r#""argv":["sh",[255,97]]"#), "{json}");
    assert!(json.contains(r#""overlay":{"dir":"/changes"}"#), "{json}");
    assert_eq!(serde_json::from_str::<SandboxConfig>(&json).unwrap(), config);
}

#[test]
fn absent_log_file_survives_json() {
    let mut config = sample();
    config.log.file = None;
    config.strace = StraceConfig::Off;
    config.root.overlay = OverlayConfig::Memory;
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<SandboxConfig>(&json).unwrap(), config);
}

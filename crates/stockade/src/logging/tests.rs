use super::*;
use crate::config::LogConfig;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use stockade_sentry::strace::Topic;

fn sink(dir: &Path, format: LogFormat) -> (PathBuf, Arc<Sink>) {
    let path = dir.join("log");
    let config = LogConfig { file: Some(path.clone()), format, level: LogLevel::Info };
    (path, Arc::new(Sink::open(&config).unwrap()))
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn levels_change_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sink) = sink(dir.path(), LogFormat::Text);
    let (subscriber, level) = subscriber(&sink, LogLevel::Warn);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        tracing::warn!(call = "bpf", "two");
        level.set(LogLevel::Debug);
        tracing::debug!("three");
        level.set(LogLevel::Error);
        tracing::warn!("four");
    });
    let lines = lines(&path);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].ends_with("two call=\"bpf\""), "{lines:?}");
    assert!(lines[1].contains("DEBUG") && lines[1].ends_with("three"), "{lines:?}");
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn json_has_an_object_per_line() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sink) = sink(dir.path(), LogFormat::Json);
    let (subscriber, _level) = subscriber(&sink, LogLevel::Info);
    tracing::subscriber::with_default(subscriber, || tracing::info!(call = "bpf", "unsupported\n"));
    sink.task_line(Topic::Strace, 3, "read(0, \"\\n\", 1) = 1");
    let objects: Vec<serde_json::Value> =
        lines(&path).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!((&objects[0]["message"], &objects[0]["call"]), (&"unsupported\n".into(), &"bpf".into()));
    assert_eq!((&objects[1]["pid"], &objects[1]["target"]), (&3.into(), &"strace".into()));
}

#[test]
fn appends_and_says_when_full() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sink) = sink(dir.path(), LogFormat::Text);
    sink.task_line(Topic::Strace, 1, "getpid() = 1");
    let file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let bounded = Sink::bounded(file, LogFormat::Text, 70);
    for _ in 0..5 {
        bounded.task_line(Topic::Strace, 2, "0123456789012345678");
    }
    let lines = lines(&path);
    assert_eq!(lines[0], "[pid     1] getpid() = 1");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[3].contains("reached its bound"), "{lines:?}");
}

#[test]
fn a_file_that_cannot_be_opened() {
    let config =
        LogConfig { file: Some("/proc/none".into()), format: LogFormat::Text, level: LogLevel::Info };
    assert!(Sink::open(&config).unwrap_err().to_string().contains("--log /proc/none: No such file"));
}

fn own(dir: &Path, config: &LogConfig) -> Arc<Sink> {
    Arc::new(Sink::open(config).unwrap().with_journal(Journal::create(dir).unwrap()))
}

#[test]
fn the_own_log_is_kept_without_another() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { file: None, format: LogFormat::Text, level: LogLevel::Warn };
    let sink = own(dir.path(), &config);
    assert_eq!(sink.keep().len(), 2);
    let (subscriber, level) = subscriber(&sink, LogLevel::Error);
    assert_eq!(level.get(), LogLevel::Info);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        level.set(LogLevel::Warn);
        tracing::info!("two");
        level.set(LogLevel::Debug);
        tracing::debug!("three");
    });
    sink.task_line(Topic::Packets, 7, "four");
    let path = &paths(dir.path())[0];
    let lines = lines(path);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, end) in lines.iter().zip(["one", "three", "[pid     7] four"]) {
        assert!(line.ends_with(end), "{lines:?}");
    }
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn the_own_log_keeps_what_is_newest() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::bounded(dir.path(), 1000).unwrap();
    for i in 0..95 {
        journal.put(format!("line {i:14}\n").as_bytes()).unwrap();
    }
    journal.put(&[b'x'; 5000]).unwrap();
    let [now, before] = paths(dir.path());
    assert_eq!(now.metadata().unwrap().len(), 1000);
    let before = lines(&before);
    assert_eq!(
        (before.len(), before[0].as_str(), before[44].as_str()),
        (45, "line             50", "line             94")
    );
}

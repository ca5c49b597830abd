//! What an image says of its sandbox. It may be anybody's: nothing of it is believed that could not be an option.

use crate::config::{Limits, OverlayConfig, ProcessConfig, SandboxConfig};
use crate::parse;
use std::path::{Component, Path};
use stockade_confine::Clocks;
use stockade_control::types::state::SavedSandbox;
use stockade_image::{Error, Image};

/// Most volumes of a sandbox.
const VOLUMES: usize = 1024;
/// Longest time that a clock shows: what the host can be told.
const LONGEST: u64 = i64::MAX as u64 / 4;

/// The configuration, and what the clocks showed.
pub(super) fn config(image: &Image) -> Result<(SandboxConfig, Clocks), Error> {
    let wrong = |what: String| Error::Damaged(format!("what it says of its sandbox: {what}"));
    let saved = serde_json::from_value::<SavedSandbox>(image.summary().sandbox.clone())
        .map_err(|e| wrong(e.to_string()))?;
    let config: SandboxConfig = serde_json::from_value(saved.config).map_err(|e| wrong(e.to_string()))?;
    check(&config).map_err(wrong)?;
    if saved.monotonic > LONGEST || saved.boottime > LONGEST {
        return Err(wrong("its clocks show what no clock does".to_owned()));
    }
    Ok((config, Clocks { monotonic: saved.monotonic, boottime: saved.boottime }))
}

/// Whether options could have said so.
fn check(config: &SandboxConfig) -> Result<(), String> {
    let SandboxConfig { id, hostname, root, volumes, process, limits, .. } = config;
    parse::sandbox_id(id)?;
    parse::hostname(hostname)?;
    is_plain("its root", &root.path)?;
    if let OverlayConfig::Dir(path) = &root.overlay {
        is_plain("the directory of its overlay", path)?;
    }
    if volumes.len() > VOLUMES {
        return Err(format!("it has {} volumes", volumes.len()));
    }
    for volume in volumes {
        is_plain("a volume", &volume.source)?;
        is_plain("the place of a volume", &volume.destination)?;
    }
    check_limits(limits)?;
    let ProcessConfig { umask, nice, .. } = process;
    if *umask > 0o777 || !(-20..=19).contains(nice) {
        return Err("its first process has a umask or a priority that do not exist".to_owned());
    }
    Ok(())
}

fn check_limits(limits: &Limits) -> Result<(), String> {
    let Limits { memory, tasks, descriptors, disk: _, cpus } = limits;
    let is_possible = *memory >= Limits::LEAST_MEMORY
        && (1..=4_194_304).contains(tasks)
        && (16..=1_048_576).contains(descriptors)
        && cpus.is_none_or(|cpus| cpus.thousandths > 0);
    if is_possible { Ok(()) } else { Err("it has limits that no sandbox can have".to_owned()) }
}

/// Absolute, and without `..`.
fn is_plain(what: &str, path: &Path) -> Result<(), String> {
    let parts_are = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && parts_are && !path.as_os_str().as_encoded_bytes().contains(&0) {
        Ok(())
    } else {
        Err(format!("{what} is no absolute path: {}", path.to_string_lossy().escape_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn description() -> Value {
        json!({
            "id": "box", "hostname": "host", "root": {"path": "/", "overlay": "memory"},
            "volumes": [{"source": "/srv/a", "destination": "/a", "read_only": true}],
            "process": {
                "argv": ["sh"], "env": [], "cwd": "/", "uid": 0, "gid": 0, "groups": [], "umask": 18, "nice": 0,
                "rlimits": [], "blocked_signals": 0, "ignored_signals": 0
            },
            "limits": {"memory": 1 << 30, "tasks": 10, "descriptors": 100, "disk": 5, "cpus": null},
            "strace": "off", "log": {"file": null, "format": "text", "level": "warn"}, "annotations": {}
        })
    }

    /// With something else in one place.
    fn checked(place: &str, value: Value) -> Result<(), String> {
        let mut description = description();
        *description.pointer_mut(place).unwrap() = value;
        check(&serde_json::from_value(description).map_err(|e| e.to_string())?)
    }

    #[test]
    fn what_options_cannot_say_is_refused() {
        assert_eq!(checked("/hostname", json!("other")), Ok(()));
        for (place, value) in [
            ("/id", json!("../box")),
            ("/id", json!("")),
            ("/hostname", json!("a b\n")),
            ("/root/path", json!("srv")),
            ("/root/path", json!("/srv/../etc")),
            ("/root/overlay", json!({"dir": "up"})),
            ("/volumes/0/source", json!("/a\u{0}")),
            ("/volumes/0/destination", json!("b")),
            ("/volumes", json!(7)),
            ("/process/umask", json!(0o1000)),
            ("/process/nice", json!(20)),
            ("/limits/memory", json!(1)),
            ("/limits/memory", json!(-1)),
            ("/limits/tasks", json!(0)),
            ("/limits/descriptors", json!(2_000_000)),
            ("/limits/cpus", json!({"thousandths": 0})),
        ] {
            assert!(checked(place, value.clone()).is_err(), "{place} {value}");
        }
        let many: Vec<Value> = vec![description()["volumes"][0].clone(); VOLUMES + 1];
        assert!(checked("/volumes", json!(many)).unwrap_err().contains("1025 volumes"));
    }
}

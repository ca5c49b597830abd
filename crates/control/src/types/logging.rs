//! Of `Logging`: what the sentry's log tells.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The least severe lines that are logged. On the wire a word or gVisor's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Warnings and errors; 0.
    #[default]
    Warning,
    /// What happens seldom, too; 1.
    Info,
    /// All that helps to find faults; 2.
    Debug,
}

const LEVELS: [(Level, &str); 3] =
    [(Level::Warning, "warning"), (Level::Info, "info"), (Level::Debug, "debug")];

impl Level {
    /// As on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        LEVELS[self as usize].1
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Level;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a level: \"warning\", \"info\", \"debug\" or their numbers, 0 to 2")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Level, E> {
                let found = LEVELS.iter().find(|(_, known)| *known == word);
                found.map(|&(level, _)| level).ok_or_else(|| E::custom(format!("unknown level {word:?}")))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Level, E> {
                let found = usize::try_from(number).ok().and_then(|n| LEVELS.get(n));
                found.map(|&(level, _)| level).ok_or_else(|| E::custom(format!("unknown level \"{number}\"")))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Level, E> {
                match LEVELS.iter().find(|(level, _)| f64::from(*level as u8) == number) {
                    Some(&(level, _)) => Ok(level),
                    None => Err(E::custom(format!("unknown level \"{number}\""))),
                }
            }

            fn visit_unit<E: de::Error>(self) -> Result<Level, E> {
                Ok(Level::default())
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Arguments of `Logging.Change`: what is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire")]
pub struct LoggingArgs {
    /// Whether `level` counts.
    #[serde(rename = "SetLevel")]
    pub set_level: bool,
    /// The new level. Standard error of a sandbox in the foreground keeps the level it began with.
    #[serde(rename = "Level")]
    pub level: Level,
    /// Whether `log_packets` counts.
    #[serde(rename = "SetLogPackets")]
    pub set_log_packets: bool,
    /// Whether the log tells what sockets send and receive.
    #[serde(rename = "LogPackets")]
    pub log_packets: bool,
    /// Whether `enable_strace` and `strace_allowlist` count.
    #[serde(rename = "SetStrace")]
    pub set_strace: bool,
    /// Whether the log tells of system calls, whatever its level.
    #[serde(rename = "EnableStrace")]
    pub enable_strace: bool,
    /// The names of those that it tells of; empty for all. `StraceWhitelist` once.
    #[serde(rename = "StraceAllowlist")]
    pub strace_allowlist: Vec<String>,
    /// Whether `strace_event_allowlist` counts.
    #[serde(rename = "SetEventStrace")]
    pub set_event_strace: bool,
    /// The names of the calls that events tell of; empty for none. `StraceEventWhitelist` once.
    #[serde(rename = "StraceEventAllowlist")]
    pub strace_event_allowlist: Vec<String>,
}

/// With the names that fields had once, both of which may be there.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Wire {
    set_level: bool,
    level: Level,
    set_log_packets: bool,
    log_packets: bool,
    set_strace: bool,
    enable_strace: bool,
    strace_allowlist: Vec<String>,
    strace_whitelist: Vec<String>,
    set_event_strace: bool,
    strace_event_allowlist: Vec<String>,
    strace_event_whitelist: Vec<String>,
}

impl From<Wire> for LoggingArgs {
    fn from(wire: Wire) -> Self {
        Self {
            set_level: wire.set_level,
            level: wire.level,
            set_log_packets: wire.set_log_packets,
            log_packets: wire.log_packets,
            set_strace: wire.set_strace,
            enable_strace: wire.enable_strace,
            strace_allowlist: [wire.strace_allowlist, wire.strace_whitelist].concat(),
            set_event_strace: wire.set_event_strace,
            strace_event_allowlist: [wire.strace_event_allowlist, wire.strace_event_whitelist].concat(),
        }
    }
}

/// Result of `Logging.Settings`: what the log and readers of events are told of now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoggingSettings {
    /// The log's level.
    pub level: Level,
    /// Whether the log tells what sockets send and receive.
    pub log_packets: bool,
    /// The calls that the log tells of.
    pub strace: Traced,
    /// The calls that events tell of.
    pub event_strace: Traced,
    /// Whether somebody reads events.
    pub has_event_reader: bool,
}

/// Which calls are traced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traced {
    /// All of them.
    pub all: bool,
    /// If not all, the names of those that are; empty for none.
    pub calls: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::zero;

    #[test]
    fn levels_come_in_several_forms() {
        let level = |text: &str| {
            zero::from_str::<LoggingArgs>(&format!("{{\"Level\":{text}}}")).map(|args| args.level)
        };
        for (text, wanted) in [
            ("\"warning\"", Level::Warning),
            ("\"info\"", Level::Info),
            ("\"debug\"", Level::Debug),
            ("0", Level::Warning),
            ("1", Level::Info),
            ("2", Level::Debug),
            ("2.0", Level::Debug),
            ("null", Level::Warning),
        ] {
            assert_eq!(level(text).unwrap(), wanted, "{text}");
        }
        for bad in ["3", "-1", "\"loud\"", "\"1\"", "0.5", "true", "[]"] {
            assert!(level(bad).is_err(), "{bad}");
        }
        assert!(level("\"loud\"").unwrap_err().to_string().contains("unknown level \"loud\""));
    }

    #[test]
    fn fields_are_taken_under_both_names() {
        for (old, new) in
            [("StraceWhitelist", "StraceAllowlist"), ("StraceEventWhitelist", "StraceEventAllowlist")]
        {
            let of = |text: &str| zero::from_str::<LoggingArgs>(text).unwrap();
            let by_old = of(&format!("{{\"{old}\":[\"read\"],\"{new}\":null}}"));
            assert_eq!(by_old, of(&format!("{{\"{new}\":[\"read\"]}}")));
            assert_ne!(by_old, LoggingArgs::default());
            let both = of(&format!("{{\"{old}\":[\"read\"],\"{new}\":[\"write\"]}}"));
            assert_eq!([both.strace_allowlist, both.strace_event_allowlist].concat(), ["write", "read"]);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let args = LoggingArgs {
            set_level: true,
            level: Level::Debug,
            strace_allowlist: vec!["read".into()],
            strace_event_allowlist: vec!["write".into()],
            ..LoggingArgs::default()
        };
        let text = serde_json::to_string(&args).unwrap();
        assert!(text.contains("\"Level\":\"debug\""), "{text}");
        assert_eq!(zero::from_str::<LoggingArgs>(&text).unwrap(), args);
    }
}

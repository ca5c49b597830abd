//! Entry points for fuzzers: what a client sends, and what a sentry answers to one that does not trust it. `fuzz/` calls
//! them with libFuzzer's inputs, the tests below with their own.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::events::Reader;
use crate::types::container::{SignalArgs, WaitPidArgs};
use crate::types::logging::LoggingArgs;
use crate::types::proc::ExecArgs;
use crate::types::process::PsArgs;
use crate::types::usage::{MemoryUsageOpts, MetricsExportOpts};
use crate::wire::{Answer, Call, Scanner, zero};

/// A parser by name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] =
    &[("control_call", call), ("control_answer", answer), ("control_events", events)];

/// A call: where it ends, however it was cut, and what it says as an argument of any method.
pub fn call(data: &[u8]) {
    let end = Scanner::default().scan(data).ok().flatten();
    let (first, second) = data.split_at(data.len() / 2);
    let mut scanner = Scanner::default();
    let in_two = match scanner.scan(first) {
        Ok(None) => scanner.scan(second).ok().flatten().map(|end| first.len() + end),
        Ok(end) => end,
        Err(_) => None,
    };
    assert_eq!(end, in_two, "it matters where a message is cut");
    let Some(text) = end.and_then(|end| data.get(..end)) else { return };
    let Ok(Call::<String, &RawValue> { arg: Some(arg), .. }) = serde_json::from_slice(text) else { return };
    let arg = arg.get();
    as_argument::<ExecArgs>(arg);
    as_argument::<PsArgs>(arg);
    as_argument::<SignalArgs>(arg);
    as_argument::<WaitPidArgs>(arg);
    as_argument::<LoggingArgs>(arg);
    as_argument::<MemoryUsageOpts>(arg);
    as_argument::<MetricsExportOpts>(arg);
    as_argument::<String>(arg);
}

/// What is understood is understood again when it is written down.
fn as_argument<A: DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(argument) = zero::from_str::<A>(text) else { return };
    let again = serde_json::to_string(&argument).map(|text| zero::from_str::<A>(&text));
    assert_eq!(again.ok().and_then(Result::ok), Some(argument));
}

/// An answer.
pub fn answer(data: &[u8]) {
    let _ = serde_json::from_slice::<Answer>(data);
}

/// A stream of events.
pub fn events(data: &[u8]) {
    let _ = Reader::new(data).take_while(Result::is_ok).count();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the parsers look for.
    const WORDS: [&str; 24] = [
        "{\"method\":\"Proc.Exec\",\"arg\":{",
        "}}",
        "\"argv\":[\"a\",null]",
        "\"KUID\":4294967295",
        "\"Mode\":",
        "\"Level\":\"debug\"",
        "\"StraceWhitelist\":[\"read\"]",
        "\"Limits\":{\"NOFILE\":{\"Cur\":18446744073709551615}}",
        "\"Capabilities\":{\"PermittedCaps\":1e3}",
        "\"MountNamespace\":{\"pid\":-1}",
        "\"GuestFDs\":[3,",
        ",",
        ":",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\\",
        "null",
        "0.5",
        "-1",
        "\\u0000",
        "\n",
    ];

    #[test]
    fn no_target_panics() {
        let mut state = 0x9e37_79b9_u64;
        let mut below = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
        };
        for (name, target) in TARGETS {
            let mut data = Vec::new();
            for _ in 0..50_000 {
                match below(8) {
                    0 => data.clear(),
                    1 => data.truncate(below(500)),
                    2 if !data.is_empty() => {
                        let at = below(data.len());
                        data[at] = below(256) as u8;
                    }
                    _ => data.extend_from_slice(WORDS[below(WORDS.len())].as_bytes()),
                }
                data.truncate(2000);
                target(&data);
            }
            println!("{name}");
        }
    }

    #[test]
    fn nor_with_calls_that_are_right() {
        let right =
            br#"{"method":"x","arg":{"argv":["a"],"KUID":1,"Level":1,"StraceAllowlist":["read"],"Mode":2,
            "Capabilities":{"PermittedCaps":7},"Limits":{"CORE":{"Cur":1,"Max":2}},"GuestFDs":[0,1]}}"#;
        call(right);
        for at in 0..right.len() {
            for byte in [0, b'"', b'\\', b'{', b'9', b'e', 0xff] {
                let mut changed = right.to_vec();
                changed[at] = byte;
                call(&changed);
            }
        }
    }
}

//! Samples that say the same, added up.

use std::collections::HashMap;

use stockade_confine::profile::{Label, Sample};

use super::pprof::{Builder, Innermost, Value};

/// Different ones that are kept. What comes beyond is counted only.
const MAX_DIFFERENT: usize = 32 << 10;

#[derive(PartialEq, Eq, Hash)]
struct Key {
    stack: Box<[usize]>,
    label: Label,
    thread: [u8; 16],
    call: Option<&'static str>,
}

/// How many samples stand for a key, and for how much time.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) nanos: u64,
}

/// Samples by stack and labels.
#[derive(Default)]
pub(super) struct Samples {
    sums: HashMap<Key, Sum>,
    /// All of them.
    pub(super) total: u64,
    /// Those that did not find room here.
    pub(super) lost: u64,
}

impl Samples {
    pub(super) fn add(&mut self, sample: &Sample) {
        self.total += 1;
        let key = Key {
            stack: sample.stack().into(),
            label: sample.label,
            thread: sample.thread,
            call: sample.call.copied(),
        };
        if self.sums.len() >= MAX_DIFFERENT && !self.sums.contains_key(&key) {
            self.lost += 1;
            return;
        }
        let sum = self.sums.entry(key).or_default();
        sum.count += 1;
        sum.nanos += sample.nanos;
    }

    /// Adds them all to a profile, each with what `values` makes of it.
    pub(super) fn tell(
        &self,
        builder: &mut Builder<'_, '_>,
        innermost: Innermost,
        values: impl Fn(Sum) -> Vec<i64>,
    ) {
        for (key, sum) in &self.sums {
            let (thread, command) = (text(&key.thread), text(&key.label.command));
            let mut labels = vec![("thread", Value::Text(&thread))];
            if key.label.pid != 0 {
                labels.push(("pid", Value::Number(key.label.pid.into())));
                labels.push(("tid", Value::Number(key.label.tid.into())));
                labels.push(("command", Value::Text(&command)));
            }
            if let Some(call) = key.call {
                labels.push(("call", Value::Text(call)));
            }
            builder.sample(&key.stack, innermost, values(*sum), &labels);
        }
    }
}

/// A name that is filled up with zero bytes.
pub(super) fn text(name: &[u8; 16]) -> String {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
}

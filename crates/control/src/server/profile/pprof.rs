//! Makes profiles of samples: pprof's profile.proto, compressed, with names for all addresses.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;
use stockade_confine::profile::{Frame, Symbols};

use super::proto::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};

/// What a sample's values say: a name and a unit each.
pub(super) type Types = [(&'static str, &'static str)];

/// A label of a sample.
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

/// Where a stack was walked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Innermost {
    /// Where the thread was interrupted: the first address is that of an instruction.
    Interrupted,
    /// By a function that was called to walk it: all are return addresses, and the first frames are the profiler's.
    Called,
}

/// A profile under construction.
pub(super) struct Builder<'a, 's> {
    symbols: &'a Symbols<'s>,
    profile: Profile,
    strings: HashMap<String, i64>,
    functions: HashMap<Frame, u64>,
    locations: HashMap<usize, (u64, bool)>,
}

/// What the profiler itself is, and what it stands on.
const OWN: [&str; 3] = ["stockade_confine::profile::", "<stockade_confine::profile::", "backtrace::"];

impl<'a, 's> Builder<'a, 's> {
    /// A profile without samples.
    pub(super) fn new(symbols: &'a Symbols<'s>, types: &Types, period: (&str, &str, i64)) -> Self {
        let mut builder = Self {
            symbols,
            profile: Profile::default(),
            strings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
        };
        builder.string("");
        for &(name, unit) in types {
            let value = builder.value_type(name, unit);
            builder.profile.sample_type.push(value);
        }
        builder.profile.period_type = Some(builder.value_type(period.0, period.1));
        builder.profile.period = period.2;
        builder.mappings();
        builder
    }

    /// Says how long it took up to now.
    pub(super) fn set_duration(&mut self, duration: Duration) {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(duration);
        self.profile.time_nanos = i64::try_from(began.as_nanos()).unwrap_or(0);
        self.profile.duration_nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    }

    /// Adds a remark for who reads it.
    pub(super) fn comment(&mut self, text: &str) {
        let text = self.string(text);
        self.profile.comment.push(text);
    }

    /// Adds a sample.
    pub(super) fn sample(
        &mut self,
        stack: &[usize],
        innermost: Innermost,
        value: Vec<i64>,
        labels: &[(&str, Value<'_>)],
    ) {
        let mut location_id = Vec::with_capacity(stack.len());
        for (depth, &address) in stack.iter().enumerate() {
            let is_exact = depth == 0 && innermost == Innermost::Interrupted;
            // A return address belongs to the call before it.
            let (id, is_own) = self.location(if is_exact { address } else { address.saturating_sub(1) });
            if !(is_own && location_id.is_empty() && innermost == Innermost::Called) {
                location_id.push(id);
            }
        }
        let label = labels.iter().map(|(key, value)| {
            let key = self.string(key);
            match value {
                Value::Text(text) => Label { key, str: self.string(text), num: 0 },
                Value::Number(num) => Label { key, str: 0, num: *num },
            }
        });
        let label = label.collect();
        self.profile.sample.push(Sample { location_id, value, label });
    }

    /// The file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mut table = vec![String::new(); self.strings.len()];
        for (text, at) in self.strings {
            if let Some(place) = usize::try_from(at).ok().and_then(|at| table.get_mut(at)) {
                *place = text;
            }
        }
        self.profile.string_table = table;
        let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail.
        let _ = zipped.write_all(&self.profile.encode_to_vec());
        zipped.finish().unwrap_or_default()
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&at) = self.strings.get(text) {
            return at;
        }
        let at = self.strings.len() as i64;
        self.strings.insert(text.to_owned(), at);
        at
    }

    fn value_type(&mut self, name: &str, unit: &str) -> ValueType {
        ValueType { r#type: self.string(name), unit: self.string(unit) }
    }

    fn mappings(&mut self) {
        for (module, id) in self.symbols.modules().iter().zip(1..) {
            let name = if module.path.is_empty() { "stockade" } else { &module.path };
            let filename = self.string(name);
            let mapping = Mapping {
                id,
                memory_start: module.range.start as u64,
                memory_limit: module.range.end as u64,
                filename,
                // Nobody who reads it needs the program to find names in.
                has_functions: true,
                has_filenames: true,
                has_line_numbers: true,
                has_inline_frames: true,
            };
            self.profile.mapping.push(mapping);
        }
    }

    /// A location's id, and whether it is within the profiler.
    fn location(&mut self, address: usize) -> (u64, bool) {
        if let Some(&known) = self.locations.get(&address) {
            return known;
        }
        let frames = self.symbols.resolve(address);
        let is_own = frames.last().is_some_and(|f| OWN.iter().any(|own| f.function.starts_with(own)));
        let line = frames.into_iter().map(|frame| {
            let line = frame.line.into();
            Line { function_id: self.function(frame), line }
        });
        let line = line.collect();
        let id = self.locations.len() as u64 + 1;
        let mapping = self.symbols.modules().iter().position(|module| module.range.contains(&address));
        let mapping_id = mapping.map_or(0, |at| at as u64 + 1);
        self.profile.location.push(Location { id, mapping_id, address: address as u64, line });
        self.locations.insert(address, (id, is_own));
        (id, is_own)
    }

    fn function(&mut self, mut frame: Frame) -> u64 {
        // The line is the location's.
        frame.line = 0;
        if let Some(&id) = self.functions.get(&frame) {
            return id;
        }
        let id = self.functions.len() as u64 + 1;
        let (name, filename) = (self.string(&frame.function), self.string(&frame.file));
        self.profile.function.push(Function { id, name, system_name: name, filename });
        self.functions.insert(frame, id);
        id
    }
}

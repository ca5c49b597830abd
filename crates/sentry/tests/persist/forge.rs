//! Changing a saved state by name, as nobody who saves would.

use cbor4ii::core::Value;
use cbor4ii::core::dec::Decode;
use cbor4ii::core::enc::Encode;
use cbor4ii::core::utils::{BufWriter, SliceReader};

/// A state taken apart.
#[derive(Clone)]
pub(crate) struct Forged(Value);

/// The field of a map, or the place in an array.
fn step<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match value {
        Value::Map(fields) => {
            fields.iter_mut().find(|(key, _)| *key == Value::Text(name.into())).map(|(_, value)| value)
        }
        Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    }
}

fn numbers<'a>(value: &'a mut Value, found: &mut Vec<&'a mut i128>) {
    match value {
        Value::Integer(number) => found.push(number),
        Value::Array(items) => items.iter_mut().for_each(|item| numbers(item, found)),
        Value::Map(fields) => fields.iter_mut().for_each(|(_, value)| numbers(value, found)),
        _ => {}
    }
}

impl Forged {
    pub(crate) fn of(state: &[u8]) -> Self {
        Self(Value::decode(&mut SliceReader::new(state)).unwrap())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut writer = BufWriter::new(Vec::new());
        self.0.encode(&mut writer).unwrap();
        writer.into_inner()
    }

    /// What is at a path, with slashes.
    pub(crate) fn at(&mut self, path: &str) -> &mut Value {
        let mut value = &mut self.0;
        for name in path.split('/') {
            value = step(value, name).unwrap_or_else(|| panic!("there is no {name} of {path}"));
        }
        value
    }

    /// The places in a table at which there is something at a path.
    pub(crate) fn with(&mut self, table: &str, path: &str) -> Vec<usize> {
        let Value::Array(items) = self.at(table) else { panic!("{table} is no table") };
        let has =
            |item: &mut Value| path.split('/').try_fold(item, |value, name| step(value, name)).is_some();
        items.iter_mut().enumerate().filter_map(|(index, item)| has(item).then_some(index)).collect()
    }

    /// All numbers of a table.
    pub(crate) fn numbers(&mut self, table: &str) -> Vec<&mut i128> {
        let mut found = Vec::new();
        numbers(self.at(table), &mut found);
        found
    }
}

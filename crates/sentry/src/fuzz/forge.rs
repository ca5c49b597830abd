//! Saved kernels with values replaced by others: further than changed bytes get, which have no shape.

use cbor4ii::core::Value;
use cbor4ii::core::dec::Decode;
use cbor4ii::core::enc::Encode;
use cbor4ii::core::utils::{BufWriter, SliceReader};

/// Longest list or string that is made of a shorter one.
const MANY: usize = 600;

/// Numbers at which something changes its meaning.
const NUMBERS: [i128; 12] = [
    -1,
    0,
    1,
    2,
    4096,
    i32::MIN as i128,
    i32::MAX as i128,
    u32::MAX as i128,
    1 << 40,
    1 << 47,
    i64::MAX as i128,
    u64::MAX as i128,
];

/// A state in which one to three values of these tables (all, if none is named) are others; the same for the same seed. `None`
/// if it has no shape or nothing in these tables.
#[must_use]
pub fn forge(state: &[u8], seed: u64, tables: &[&str]) -> Option<Vec<u8>> {
    let Ok(Value::Map(mut fields)) = Value::decode(&mut SliceReader::new(state)) else { return None };
    let mut random = Random(seed);
    let is_meant = |name: &Value| match name {
        Value::Text(name) => tables.is_empty() || tables.contains(&name.as_str()),
        _ => false,
    };
    let has_some = |table: &Value| !matches!(table, Value::Array(entries) if entries.is_empty());
    let meant: Vec<usize> = (0..)
        .zip(&fields)
        .filter_map(|(at, (name, table))| (is_meant(name) && has_some(table)).then_some(at))
        .collect();
    for _ in 0..=random.below(3) {
        let (_, from) = fields.get(*meant.get(random.below(meant.len()))?)?;
        let donor = nth(from, random.below(size(from))).clone();
        let (_, table) = fields.get_mut(*meant.get(random.below(meant.len()))?)?;
        let at = random.below(size(table));
        replace(nth_mut(table, at), donor, &mut random);
    }
    let mut bytes = BufWriter::new(Vec::new());
    Value::Map(fields).encode(&mut bytes).ok()?;
    Some(bytes.into_inner())
}

/// A generator of numbers that are the same for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64: any seed will do.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 1
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.next().checked_rem(n as u64).unwrap_or(0) as usize
    }
}

/// How many values there are in one, itself among them.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Map(fields) => fields.iter().map(|(_, value)| size(value)).sum(),
        _ => 0,
    }
}

fn nth(value: &Value, mut n: usize) -> &Value {
    let mut children: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) if n > 0 => Box::new(items.iter()),
        Value::Map(fields) if n > 0 => Box::new(fields.iter().map(|(_, value)| value)),
        _ => return value,
    };
    n -= 1;
    let found = children.find(|child| {
        let size = size(child);
        let is_here = n < size;
        n -= if is_here { 0 } else { size };
        is_here
    });
    found.map_or(value, |child| nth(child, n))
}

fn nth_mut(value: &mut Value, mut n: usize) -> &mut Value {
    let children: Vec<usize> = match value {
        Value::Array(items) if n > 0 => items.iter().map(size).collect(),
        Value::Map(fields) if n > 0 => fields.iter().map(|(_, value)| size(value)).collect(),
        _ => return value,
    };
    n -= 1;
    let mut index = 0;
    for size in children {
        if n < size {
            break;
        }
        n -= size;
        index += 1;
    }
    match value {
        Value::Array(items) => nth_mut(&mut items[index], n),
        Value::Map(fields) => nth_mut(&mut fields[index].1, n),
        other => other,
    }
}

/// Another value in the place of one; `donor` is one from elsewhere.
fn replace(value: &mut Value, donor: Value, random: &mut Random) {
    if random.below(4) == 0 {
        *value = donor;
        return;
    }
    match value {
        Value::Integer(number) => {
            *number = match random.below(NUMBERS.len() + 4) {
                0 => *number + 1,
                1 => *number - 1,
                2 => *number ^ 1 << random.below(64),
                3 => random.below(40) as i128,
                at => NUMBERS.get(at - 4).copied().unwrap_or_default(),
            }
        }
        Value::Bool(is) => *is = !*is,
        Value::Bytes(bytes) => match random.below(4) {
            0 => bytes.clear(),
            1 => bytes.resize(1 << 17, 0x7f),
            2 => bytes.truncate(random.below(bytes.len())),
            _ => {
                let at = random.below(bytes.len());
                bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte ^= random.next() as u8);
            }
        },
        Value::Array(items) => {
            let (one, other) = (random.below(items.len()), random.below(items.len()));
            match (random.below(5), items.get(one).cloned()) {
                (0, _) => items.clear(),
                (1, Some(item)) => items.resize(items.len().max(MANY), item),
                (2, Some(item)) => items.push(item),
                (3, Some(_)) => drop(items.remove(one)),
                (_, Some(_)) => items.swap(one, other),
                (_, None) => items.push(donor),
            }
        }
        Value::Map(fields) => {
            let (one, other) = (random.below(fields.len()), random.below(fields.len()));
            match (random.below(2), fields.get(other).map(|(_, value)| value.clone())) {
                (0, Some(_)) => drop(fields.remove(one)),
                (_, Some(value)) => {
                    if let Some((_, field)) = fields.get_mut(one) {
                        *field = value;
                    }
                }
                (_, None) => *value = donor,
            }
        }
        Value::Null => *value = Value::Integer(random.below(40) as i128),
        Value::Text(text) if random.below(2) == 0 => text.clear(),
        other => *other = Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut bytes = BufWriter::new(Vec::new());
        value.encode(&mut bytes).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_seed_says_what_is_changed() {
        let number = |n| Value::Integer(n);
        let table = |name: &str| {
            let entries =
                (0..20).map(|n| Value::Array(vec![number(n), Value::Bytes(vec![7; 9]), Value::Null]));
            (Value::Text(name.into()), Value::Array(entries.collect()))
        };
        let whole = Value::Map(vec![table("one"), table("other")]);
        let state = bytes(&whole);
        let kept = bytes(&table("other").1);
        let (mut same, mut found) = (0, std::collections::HashSet::new());
        for seed in 0..500 {
            let forged = forge(&state, seed, &["one"]).unwrap();
            assert_eq!(forged, forge(&state, seed, &["one"]).unwrap());
            assert!(forged.ends_with(&kept));
            same += u32::from(forged == state);
            found.insert(forged);
        }
        assert!(same < 50 && found.len() > 400, "{same} {}", found.len());
        assert_eq!((forge(&state, 1, &["none"]), forge(b"\xff", 1, &[])), (None, None));
    }

    #[test]
    fn values_are_counted_through() {
        let value = Value::Array(vec![
            Value::Null,
            Value::Map(vec![(Value::Null, Value::Bool(true)), (Value::Null, Value::Bool(false))]),
            Value::Integer(5),
        ]);
        assert_eq!(size(&value), 6);
        for n in 0..6 {
            assert_eq!(nth(&value, n), nth_mut(&mut value.clone(), n));
        }
        assert_eq!(nth(&value, 4), &Value::Bool(false));
        assert_eq!(nth(&value, 5), &Value::Integer(5));
    }
}

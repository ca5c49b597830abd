//! Which calls are traced.

use stockade_abi::nr;

/// Numbers below this can be told apart; x86-64 has none beyond.
const NUMBERS: usize = 512;

/// Which calls are traced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// None.
    #[default]
    None,
    /// All, those included that nobody knows.
    All,
    /// Those whose bit is set, by number.
    Only(Box<[u64; NUMBERS / 64]>),
}

/// A name that is no call's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct UnknownCall {
    /// What was asked for.
    pub name: String,
    /// What may have been meant, the nearest first.
    pub near: Vec<&'static str>,
}

impl std::fmt::Display for UnknownCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "syscall {:?} not found", self.name)?;
        match self.near.split_first() {
            Some((nearest, [])) => write!(f, "; did you mean {nearest}?"),
            Some((nearest, others)) => write!(f, "; did you mean {nearest}, or {}?", others.join(", ")),
            None => write!(f, "; `stockade syscalls` lists them"),
        }
    }
}

impl Filter {
    /// The calls with these names.
    ///
    /// # Errors
    /// The first name that is no call's.
    pub fn only(names: &[String]) -> Result<Self, UnknownCall> {
        let mut bits = Box::new([0; NUMBERS / 64]);
        for name in names {
            let number = nr::number(name)
                .map(|n| n as usize)
                .filter(|&n| n < NUMBERS)
                .ok_or_else(|| UnknownCall { name: name.clone(), near: near(name) })?;
            bits[number / 64] |= 1 << (number % 64);
        }
        let filter = Self::Only(bits);
        // Who names them all means those without a name, too.
        let is_all = nr::ALL.iter().all(|&(number, _)| filter.wants(u64::from(number)));
        Ok(if is_all { Self::All } else { filter })
    }

    /// Whether this call is traced.
    #[must_use]
    pub fn wants(&self, number: u64) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(bits) => {
                usize::try_from(number / 64).ok().and_then(|word| bits.get(word)).copied().unwrap_or(0)
                    >> (number % 64)
                    & 1
                    == 1
            }
        }
    }

    /// The names of those that are traced, if not all are.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::All => None,
            _ => Some(
                nr::ALL.iter().filter(|(nr, _)| self.wants(u64::from(*nr))).map(|&(_, name)| name).collect(),
            ),
        }
    }
}

/// Names of calls that differ from this one in two letters at most, the nearest first.
#[must_use]
pub fn near(name: &str) -> Vec<&'static str> {
    const SHOWN: usize = 3;
    // What is longer has no near one, and takes long to compare.
    if name.len() > 64 {
        return Vec::new();
    }
    let apart = nr::ALL.iter().map(|&(_, known)| (distance(name, known), known));
    let mut near: Vec<_> = apart.filter(|&(d, _)| d <= 2 && d < name.len()).collect();
    near.sort_unstable();
    near.into_iter().take(SHOWN).map(|(_, known)| known).collect()
}

/// Edit distance (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Result<Filter, UnknownCall> {
        Filter::only(&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn wants_what_it_says() {
        let some = only(&["read", "clone3"]).unwrap();
        for (number, wanted) in [(0, true), (435, true), (1, false), (512, false), (u64::MAX, false)] {
            assert_eq!(some.wants(number), wanted, "{number}");
            assert!(Filter::All.wants(number) && !Filter::None.wants(number));
        }
        assert_eq!(some.names().unwrap(), ["read", "clone3"]);
        assert_eq!(only(&[]).unwrap().names().unwrap(), Vec::<&str>::new());
        assert!(Filter::All.names().is_none());
    }

    #[test]
    fn unknown_names_come_with_near_ones() {
        let e = only(&["read", "opneat"]).unwrap_err();
        assert_eq!(e.near[0], "openat");
        let e = only(&["opena"]).unwrap_err();
        assert_eq!(e.to_string(), "syscall \"opena\" not found; did you mean open, or openat, openat2?");
        assert!(only(&["teleport"]).unwrap_err().to_string().contains("stockade syscalls"));
        assert!(only(&[&"x".repeat(1 << 20)]).unwrap_err().near.is_empty());
    }

    #[test]
    fn every_call_has_a_bit() {
        let mut names: Vec<String> = nr::ALL.iter().map(|&(_, name)| name.to_owned()).collect();
        assert_eq!(Filter::only(&names), Ok(Filter::All));
        names.pop();
        assert_eq!(Filter::only(&names).unwrap().names().unwrap().len(), names.len());
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("read", "read"), 0);
    }
}

//! Which ids of the caller's user namespace a sandbox's namespace gets (user_namespaces(7)).

use std::ops::Range;

/// How ids are mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdMap {
    /// Every id that the caller's own namespace has, onto itself.
    Identity(Vec<Range<u64>>),
    /// One id onto itself.
    Single(u32),
}

impl IdMap {
    /// The identity over what a `uid_map` or `gid_map` of the caller says.
    pub(crate) fn identity(own: &str) -> Self {
        let mut ranges = Vec::new();
        for line in own.lines() {
            let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
            if let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) =
                (fields.next(), fields.next(), fields.next())
            {
                ranges.push(first..first.saturating_add(count));
            }
        }
        Self::Identity(ranges)
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Single(id) => format!("{id} {id} 1"),
            Self::Identity(ranges) => {
                let lines = ranges.iter().map(|r| format!("{0} {0} {1}\n", r.start, r.end - r.start));
                lines.collect()
            }
        }
    }

    /// An id for stubs, other than the caller's own: one that nothing on the host is likely to have, and another for
    /// each `salt`; else the last one there is.
    pub(crate) fn spare(&self, own: u32, salt: u32) -> Option<u32> {
        let Self::Identity(ranges) = self else { return None };
        let wanted = 0xf000_0000 + u64::from(salt & 0x3f_ffff);
        let last = ranges.iter().map(|r| r.end).max()?.checked_sub(1)?;
        let id = if ranges.iter().any(|r| r.contains(&wanted)) { wanted } else { last };
        u32::try_from(id).ok().filter(|&id| id != own && id != u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_range() {
        let map = IdMap::identity("         0          0 4294967295\n");
        assert_eq!(map.text(), "0 0 4294967295\n");
        assert_eq!(map.spare(0, 77), Some(0xf000_004d));
    }

    #[test]
    fn inside_another_namespace() {
        let map = IdMap::identity("0 100000 65536\n70000 1000 1\n");
        assert_eq!(map.text(), "0 0 65536\n70000 70000 1\n");
        assert_eq!(map.spare(0, 1), Some(70000));
        assert_eq!(map.spare(70000, 1), None);
    }

    #[test]
    fn single() {
        assert_eq!(IdMap::Single(1000).text(), "1000 1000 1");
        assert_eq!(IdMap::Single(1000).spare(1000, 1), None);
    }
}

//! `known.txt`: differences that are accepted, each with its reason. An entry that
//! no longer differs is an error in a strict run; one whose reason begins with `hangs: ` is not run.

use std::collections::BTreeMap;

use crate::run::Side;

/// How a reason begins whose case would only cost time: it is not run.
pub const HANGS: &str = "hangs: ";

/// How a reason begins that holds only if the sandbox is saved and restored meanwhile.
pub const INTERRUPTED: &str = "interrupted: ";

/// Accepted differences: `area/program/case` and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Known(BTreeMap<String, String>);

impl Known {
    /// The list of this repository, as far as it is about this side.
    pub fn load(side: Side<'_>) -> Result<Self, String> {
        let path = crate::repository().join("tests/oracle/known.txt");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut known = Self::parse(&text)?;
        if !matches!(side, Side::Interrupted(_)) {
            known.0.retain(|_, why| !why.starts_with(INTERRUPTED));
        }
        Ok(known)
    }

    /// Lines `area/program/case: reason`; empty lines and lines with `#` are skipped.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            match line.split_once(": ") {
                Some((case, reason)) if case.split('/').count() >= 2 && !reason.trim().is_empty() => {
                    if known.insert(case.to_owned(), reason.to_owned()).is_some() {
                        return Err(format!("known.txt has {case} twice"));
                    }
                }
                _ => return Err(format!("known.txt: not `area/program/case: reason`: {line}")),
            }
        }
        Ok(Self(known))
    }

    /// Why this case may differ.
    #[must_use]
    pub fn reason(&self, case: &str) -> Option<&str> {
        self.0.get(case).map(String::as_str)
    }

    /// The cases of the list that begin with `prefix`.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str).filter(move |k| k.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cases_with_reasons_only() {
        let known = Known::parse("# why\n\na/b/c: the host's figure\n").unwrap();
        assert_eq!(known.reason("a/b/c"), Some("the host's figure"));
        assert_eq!(known.under("a/b/").collect::<Vec<_>>(), ["a/b/c"]);
        assert!(Known::parse("a/b/c:").is_err());
        assert!(Known::parse("a/b/c: x\na/b/c: y").is_err());
    }
}

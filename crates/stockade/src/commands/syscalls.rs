//! `stockade syscalls`: which system calls are implemented, from the table that the sentry works by.

use crate::cli::SyscallsArgs;
use crate::failure::Failure;
use std::fmt::Write as _;
use std::process::ExitCode;
use stockade_abi::nr;
use stockade_sentry::syscalls::table::{Support, TABLE};

/// A system call of x86-64, and how well it is supported.
struct Row {
    nr: u32,
    name: &'static str,
    support: Option<Support>,
}

impl Row {
    fn words(&self) -> (&'static str, &'static str) {
        match self.support {
            Some(Support::Full) => ("full", ""),
            Some(Support::Partial(missing)) => ("partial", missing),
            None => ("none", ""),
        }
    }
}

/// Prints all calls of x86-64.
pub(super) fn run(args: &SyscallsArgs) -> Result<ExitCode, Failure> {
    let rows = rows();
    super::print(&match (args.json, args.markdown) {
        (true, _) => json(&rows),
        (_, true) => markdown(&rows),
        _ => text(&rows),
    })
}

fn rows() -> Vec<Row> {
    let support = |nr| TABLE.iter().find(|call| call.nr == nr).map(|call| call.support);
    nr::ALL.iter().map(|&(nr, name)| Row { nr, name, support: support(nr) }).collect()
}

fn text(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let line = match row.words() {
            (word, "") => format!("{:4}  {:24}{word}", row.nr, row.name),
            (word, missing) => format!("{:4}  {:24}{word}: {missing}", row.nr, row.name),
        };
        let _ = writeln!(out, "{line}");
    }
    out
}

fn json(rows: &[Row]) -> String {
    let list: Vec<_> = rows
        .iter()
        .map(|row| {
            let (support, missing) = row.words();
            serde_json::json!({ "nr": row.nr, "name": row.name, "support": support, "missing": missing })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(list))
}

fn markdown(rows: &[Row]) -> String {
    let count = |word| rows.iter().filter(|row| row.words().0 == word).count();
    let mut out = format!(
        "# System calls\n\n\
         Made by `stockade syscalls --markdown > docs/syscalls.md` from the table that the sentry works by.\n\n\
         Of the {} system calls of Linux 6.18 on x86-64, {} are implemented in full and {} in part. The others answer\n\
         ENOSYS, as a Linux built without them does, and are logged once with their names.\n\n\
         | number | call | support | limits |\n|---:|---|---|---|\n",
        rows.len(),
        count("full"),
        count("partial"),
    );
    for row in rows {
        let (support, missing) = row.words();
        let missing = missing.replace('|', "\\|");
        let _ = writeln!(out, "| {} | `{}` | {support} | {missing} |", row.nr, row.name);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_list_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/syscalls.md");
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            checked_in == markdown(&rows()),
            "docs/syscalls.md is old: cargo run -- syscalls --markdown > docs/syscalls.md"
        );
    }

    #[test]
    fn the_table_agrees_with_the_abi() {
        for call in TABLE {
            assert_eq!(nr::name(call.nr.into()), Some(call.name), "number {}", call.nr);
        }
        assert!(TABLE.windows(2).all(|pair| pair[0].nr < pair[1].nr), "by number, no call twice");
    }

    #[test]
    fn json_and_text_have_a_row_each() {
        let rows = rows();
        let value: serde_json::Value = serde_json::from_str(&json(&rows)).unwrap();
        assert_eq!(value.as_array().unwrap().len(), nr::ALL.len());
        assert_eq!((&value[0]["name"], &value[0]["support"]), (&"read".into(), &"full".into()));
        assert_eq!(text(&rows).lines().count(), nr::ALL.len());
    }
}

//! Comparing what the two sides of a program said, case by case.

use std::fmt::Write as _;
use std::path::Path;

use crate::known::{HANGS, Known};
use crate::run::{self, Said, Side};
use crate::{build, flag};

/// Differing lines shown of one case.
const SHOWN: usize = 12;

/// Runs one program of `tests/guest` on both sides; a report of every difference, or nothing.
pub fn program(out: &Path, area: &str, name: &str) -> Result<(), String> {
    let inside = build::stockade().map_or(Side::Native, Side::Inside);
    on(inside, out, area, name)
}

/// The same, with the sandbox saved and restored at random moments.
pub fn interrupted(out: &Path, area: &str, name: &str) -> Result<(), String> {
    let inside = build::stockade().map_or(Side::Native, Side::Interrupted);
    on(inside, out, area, name)
}

fn on(inside: Side<'_>, out: &Path, area: &str, name: &str) -> Result<(), String> {
    let exe = build::guest(out, area, name)?;
    let mut names = run::list(&exe)?;
    if names.is_empty() {
        return Err(format!("{area}/{name} has no cases"));
    }
    let known = Known::load(inside)?;
    let prefix = format!("{area}/{name}/");
    check_names(&known, &prefix, &names)?;
    names.retain(|case| match known.reason(&format!("{prefix}{case}")) {
        Some(why) if why.starts_with(HANGS) => {
            println!("known, not run: {prefix}{case}: {why}");
            false
        }
        _ => true,
    });
    if names.is_empty() {
        return Ok(());
    }
    let expected = run::cases(Side::Native, &exe, &names)?;
    if flag("ORACLE_PRINT") {
        print(&expected, &names);
    }
    let actual = run::cases(inside, &exe, &names)?;
    let mut differing: Vec<String> =
        names.iter().filter(|n| expected.get(*n) != actual.get(*n)).cloned().collect();
    let mut said = (expected, actual);
    let is_known = |case: &String| known.reason(&format!("{prefix}{case}")).is_some();
    for _ in 0..REPEATS {
        let (listed, new): (Vec<String>, Vec<String>) = differing.into_iter().partition(is_known);
        differing = listed;
        if new.is_empty() || flag("ORACLE_STRICT") {
            differing.extend(new);
            break;
        }
        differing.extend(repeat(inside, &exe, &new, &mut said)?);
    }
    verdict(&known, &prefix, &names, &differing, &said)
}

/// How often a case that differs is run again before it counts.
const REPEATS: usize = 4;

/// Entries of the list that name no case.
fn check_names(known: &Known, prefix: &str, names: &[String]) -> Result<(), String> {
    match known.under(prefix).find(|case| !names.iter().any(|n| n == &case[prefix.len()..])) {
        Some(case) => Err(format!("{case} is in known.txt and does not exist")),
        None => Ok(()),
    }
}

/// Runs differing cases once more on both sides: timing on a busy machine must not fail a build.
fn repeat(
    side: Side<'_>,
    exe: &Path,
    names: &[String],
    said: &mut (Said, Said),
) -> Result<Vec<String>, String> {
    let mut still = Vec::new();
    let native = run::cases(Side::Native, exe, names)?;
    let other = run::cases(side, exe, names)?;
    for name in names {
        if native.get(name) == other.get(name) {
            println!("unsteady: {name}\n{}", difference(said.0.get(name), said.1.get(name)));
        } else {
            still.push(name.clone());
        }
    }
    said.0.extend(native);
    said.1.extend(other);
    Ok(still)
}

fn verdict(
    known: &Known,
    prefix: &str,
    names: &[String],
    differing: &[String],
    said: &(Said, Said),
) -> Result<(), String> {
    let mut report = String::new();
    let mut count = 0;
    for name in differing {
        let case = format!("{prefix}{name}");
        if let Some(why) = known.reason(&case) {
            println!("known: {case}: {why}");
            continue;
        }
        count += 1;
        let _ = writeln!(report, "{case}:\n{}", difference(said.0.get(name), said.1.get(name)));
    }
    for case in known.under(prefix) {
        let name = &case[prefix.len()..];
        let ran = names.iter().any(|n| n == name);
        if ran && !differing.iter().any(|n| n == name) && build::stockade().is_some() {
            // On a busy machine a case may agree once by chance: only a strict run insists.
            if flag("ORACLE_STRICT") {
                let _ = writeln!(report, "{case} is in known.txt and agrees: take it out");
            } else {
                println!("stale: {case} is in known.txt and agrees");
            }
        }
    }
    if report.is_empty() { Ok(()) } else { Err(format!("{count} of {} cases differ\n{report}", names.len())) }
}

/// The lines in which two accounts of a case differ.
fn difference(native: Option<&Vec<String>>, inside: Option<&Vec<String>>) -> String {
    let none = Vec::new();
    let (native, inside) = (native.unwrap_or(&none), inside.unwrap_or(&none));
    let mut text = String::new();
    let mut shown = 0;
    for i in 0..native.len().max(inside.len()) {
        let (a, b) = (native.get(i).map_or("", String::as_str), inside.get(i).map_or("", String::as_str));
        if a != b {
            shown += 1;
            if shown > SHOWN {
                text.push_str("    …\n");
                break;
            }
            let _ = writeln!(text, "    native {a:?}\n    inside {b:?}");
        }
    }
    text
}

fn print(said: &Said, names: &[String]) {
    for name in names {
        for line in said.get(name).into_iter().flatten() {
            println!("{name}: {line}");
        }
    }
}

//! Comparing what the two sides of a program said, case by case.

use std::fmt::Write as _;
use std::path::Path;

use crate::known::Known;
use crate::run::{self, Said, Side};
use crate::{build, flag};

/// Differing lines shown of one case.
const SHOWN: usize = 12;

/// Runs one program of `tests/guest` on both sides; a report of every difference, or nothing.
pub fn program(out: &Path, area: &str, name: &str) -> Result<(), String> {
    let exe = build::guest(out, area, name)?;
    let names = run::list(&exe)?;
    if names.is_empty() {
        return Err(format!("{area}/{name} has no cases"));
    }
    let inside = build::stockade().map_or(Side::Native, Side::Inside);
    let expected = run::cases(Side::Native, &exe, &names)?;
    if flag("ORACLE_PRINT") {
        print(&expected, &names);
    }
    let actual = run::cases(inside, &exe, &names)?;
    let mut differing: Vec<String> =
        names.iter().filter(|n| expected.get(*n) != actual.get(*n)).cloned().collect();
    let mut said = (expected, actual);
    if !differing.is_empty() && !flag("ORACLE_STRICT") {
        differing = repeat(inside, &exe, &differing, &mut said)?;
    }
    verdict(&format!("{area}/{name}/"), &names, &differing, &said)
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

fn verdict(prefix: &str, names: &[String], differing: &[String], said: &(Said, Said)) -> Result<(), String> {
    let known = Known::load()?;
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
        if !names.iter().any(|n| n == name) {
            let _ = writeln!(report, "{case} is in known.txt and does not exist");
        } else if !differing.iter().any(|n| n == name) && build::stockade().is_some() {
            let _ = writeln!(report, "{case} is in known.txt and agrees: take it out");
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

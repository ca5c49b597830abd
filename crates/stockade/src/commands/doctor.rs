//! `stockade doctor`: whether this host can run sandboxes.

use crate::cli::FormatArgs;
use crate::failure::Failure;
use std::fmt::Write as _;
use std::process::ExitCode;
use stockade_confine::probe::{Probe, State, probe_all};

/// Prints each feature; fails when one that is needed is missing.
pub(super) fn run(args: &FormatArgs) -> Result<ExitCode, Failure> {
    let probes = probe_all();
    let text = if args.json { json(&probes) } else { text(&probes) };
    super::print(&text)?;
    Ok(if able(&probes) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn able(probes: &[Probe]) -> bool {
    probes.iter().all(|probe| probe.state != State::Missing)
}

fn word(state: State) -> &'static str {
    match state {
        State::Present => "present",
        State::Degraded => "limited",
        State::Missing => "missing",
    }
}

fn json(probes: &[Probe]) -> String {
    let features: Vec<_> = probes
        .iter()
        .map(|probe| {
            serde_json::json!({
                "name": probe.name,
                "why": probe.why,
                "state": word(probe.state),
                "detail": probe.detail,
                "fix": probe.fix,
            })
        })
        .collect();
    let report = serde_json::json!({ "able": able(probes), "features": features });
    format!("{report:#}\n")
}

/// A line per feature, with what to do below those that are not whole, and the verdict at the end.
fn text(probes: &[Probe]) -> String {
    let mut out = String::new();
    let width = probes.iter().map(|probe| probe.name.len()).max().unwrap_or(0);
    for probe in probes {
        let Probe { name, why, state, detail, fix } = probe;
        let _ = writeln!(out, "{}  {name:width$}  {detail}", word(*state));
        if *state != State::Present {
            let _ = writeln!(out, "{:9}needed because {why}", "");
            if !fix.is_empty() {
                let _ = writeln!(out, "{:9}to do: {fix}", "");
            }
        }
    }
    let count = |state| probes.iter().filter(|probe| probe.state == state).count();
    let _ = match (count(State::Missing), count(State::Degraded)) {
        (0, 0) => writeln!(out, "\nThis host can run sandboxes."),
        (0, n) => writeln!(out, "\nThis host can run sandboxes, {n} feature(s) with limits as said above."),
        (n, _) => writeln!(out, "\nThis host cannot run sandboxes: {n} feature(s) missing."),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(name: &'static str, state: State, fix: &str) -> Probe {
        Probe { name, why: "of that", state, detail: "found".to_owned(), fix: fix.to_owned() }
    }

    #[test]
    fn says_what_to_do() {
        let probes = [probe("a", State::Present, ""), probe("longer", State::Missing, "do this")];
        let want = "\
present  a       found
missing  longer  found
         needed because of that
         to do: do this

This host cannot run sandboxes: 1 feature(s) missing.
";
        assert_eq!(text(&probes), want);
        assert!(!able(&probes));
    }

    #[test]
    fn limits_are_no_hindrance() {
        let probes = [probe("a", State::Degraded, "")];
        assert!(able(&probes));
        assert!(
            text(&probes)
                .ends_with("\nThis host can run sandboxes, 1 feature(s) with limits as said above.\n")
        );
    }

    #[test]
    fn json_has_the_same() {
        let value: serde_json::Value =
            serde_json::from_str(&json(&[probe("a", State::Missing, "f")])).unwrap();
        assert_eq!(value["able"], false);
        assert_eq!(value["features"][0]["state"], "missing");
        assert_eq!(value["features"][0]["fix"], "f");
    }
}

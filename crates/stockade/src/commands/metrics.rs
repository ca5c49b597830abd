//! `stockade metrics`: the figures of a sandbox, as Prometheus reads them.

use crate::cli::IdArgs;
use crate::connect;
use crate::failure::Failure;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use stockade_control::types::usage::{Data, MetricsExportOpts};

/// In Prometheus' kinds (`Metric::kind`).
const COUNTER: u8 = 2;

/// Prints them all.
pub(super) fn run(args: &IdArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut client = connect::connect(state_dir, &args.id)?;
    let exported =
        client.metrics(&MetricsExportOpts::default()).map_err(|e| connect::failed(&args.id, &e))?;
    super::print(&exposition(&args.id, &exported.snapshot.data))
}

/// Prometheus' text format 0.0.4. Written here, since the usual library writes values of labels as they are, and a sentry's
/// words are not trusted.
fn exposition(id: &str, data: &[Data]) -> String {
    let mut page = String::new();
    // Figures of one metric follow each other.
    for family in data.chunk_by(|a, b| a.metric.name == b.metric.name) {
        let Some(Data { metric, .. }) = family.first().filter(|d| is_name(&d.metric.name)) else { continue };
        let name = &metric.name;
        let kind = if metric.kind == COUNTER { "counter" } else { "gauge" };
        let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = write!(page, "# HELP stockade_{name} {help}\n# TYPE stockade_{name} {kind}\n");
        for figure in family {
            let _ = write!(page, "stockade_{name}{{sandbox=\"{}\"", escaped(id));
            for (label, value) in figure.labels.iter().filter(|(label, _)| is_name(label)) {
                let _ = write!(page, ",{label}=\"{}\"", escaped(value));
            }
            let _ = writeln!(page, "}} {}", figure.val.int);
        }
    }
    page
}

fn is_name(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.bytes().all(is_part) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockade_control::types::usage::{Metric, Number};

    #[test]
    fn figures_are_prometheus_text() {
        let data = |name: &str, kind, label: Option<&str>, int| Data {
            metric: Metric { name: name.into(), kind, help: "All\nof them".into() },
            labels: label.map(|l| ("call".to_owned(), l.to_owned())).into_iter().collect(),
            val: Number { int },
        };
        let figures = [
            data("calls_total", 2, Some("re\"a\\d\n"), 3),
            data("calls_total", 2, Some("write"), 0),
            data("tasks", 1, None, 7),
            data("bad name 1\n", 1, None, 7),
        ];
        assert_eq!(
            exposition("a", &figures),
            "# HELP stockade_calls_total All\\nof them\n# TYPE stockade_calls_total counter\n\
             stockade_calls_total{sandbox=\"a\",call=\"re\\\"a\\\\d\\n\"} 3\n\
             stockade_calls_total{sandbox=\"a\",call=\"write\"} 0\n\
             # HELP stockade_tasks All\\nof them\n# TYPE stockade_tasks gauge\n\
             stockade_tasks{sandbox=\"a\"} 7\n"
        );
    }
}

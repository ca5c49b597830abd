//! `stockade inspect`: what an image is of. Nothing of it runs, and its kernel state is not even looked at.

use crate::cli::InspectArgs;
use crate::failure::{Failure, reason};
use crate::front::one_line;
use crate::image;
use crate::parse::format_size;
use crate::state::{ImageId, StateDir};
use crate::table::Table;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use stockade_image::{Authenticity, Compression, Image};

/// Prints it; fails where the image is damaged, or the key another one.
pub(super) fn run(args: &InspectArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let key = args.key_file.as_deref().map(image::key).transpose()?;
    let image = image::look(&args.file, key.as_ref())?;
    let id = ImageId::of(image.file()).map_err(|e| Failure::new(reason(&e), ""))?;
    // Whoever has no state directory can look at an image all the same.
    let is_known = StateDir::open(state_dir).is_ok_and(|state| state.knows_image(&id).is_some());
    super::print(&if args.json { json(&image, is_known) } else { text(&image, is_known) })
}

fn json(image: &Image, is_known: bool) -> String {
    let (header, summary) = (image.header(), image.summary());
    let report = serde_json::json!({
        "format": image.format(),
        "version": image.version(),
        "arch": header.arch,
        "page_size": header.page_size,
        "compression": header.compression,
        "cpu_features": header.cpu_features,
        "missing_cpu_features": header.missing_features(),
        "metadata": image.metadata(),
        "has_key": image.has_key(),
        "key_fits": (image.authenticity() == Authenticity::Authenticated).then_some(true),
        "pages_checked": is_known,
        "size": image.size(),
        "memory_size": image.data(),
        "state_size": image.state().len(),
        "container_id": summary.container_id,
        "created": summary.created,
        "saved": summary.saved,
        "processes": summary.processes,
        "memory": summary.memory,
    });
    format!("{report:#}\n")
}

fn text(image: &Image, is_known: bool) -> String {
    let (header, summary) = (image.header(), image.summary());
    let mut facts = Facts(String::new());
    facts.add("Sandbox", &summary.container_id);
    facts.add("Made", &summary.created);
    facts.add("Saved", &summary.saved);
    facts.add("Format", &format!("{}, written by Stockade {}", image.format(), image.version()));
    let key = match (image.has_key(), image.authenticity()) {
        (true, Authenticity::Authenticated) => "the given one fits: authenticated",
        (true, Authenticity::Unknown) => "has one; --key-file tells whether yours is it",
        (false, _) => "none: not authenticated, anybody may have written it",
    };
    facts.add("Key", key);
    let is_packed = header.compression != Compression::None;
    let packed = if is_packed { ", compressed: not restored lazily" } else { "" };
    let sizes = [image.size(), image.data(), image.state().len() as u64].map(format_size);
    facts.add("Size", &format!("{}; memory {}{packed}; kernel state {}", sizes[0], sizes[1], sizes[2]));
    let pages = if is_known { "written or checked on this host" } else { "not checked on this host yet" };
    facts.add("Pages", pages);
    facts.add("Host", &format!("{}, pages of {} bytes", header.arch, header.page_size));
    facts.add("CPU", &header.cpu_features.join(" "));
    let missing = header.missing_features();
    if !missing.is_empty() {
        facts.add("Lacking", &format!("{}: this host cannot restore it", missing.join(" ")));
    }
    for (key, value) in image.metadata() {
        facts.add("Metadata", &format!("{key}={value}"));
    }
    for (kind, &bytes) in &summary.memory {
        facts.add("Memory", &format!("{kind} {}", format_size(bytes)));
    }
    let mut text = facts.0;
    if !summary.processes.is_empty() {
        let mut table = Table::new(&["PID", "PPID", "THREADS", "NAME"]);
        for process in &summary.processes {
            let numbers = [process.pid, process.ppid, process.threads].map(|n| n.to_string());
            table.row(&[&numbers[0], &numbers[1], &numbers[2], &one_line(&process.name)]);
        }
        let _ = write!(text, "\n{}", table.text());
    }
    text
}

/// Lines of a word and what there is to say.
struct Facts(String);

impl Facts {
    /// Whatever the image says cannot steer the terminal. Nothing is said of what is empty.
    fn add(&mut self, word: &str, fact: &str) {
        if !fact.is_empty() {
            let _ = writeln!(self.0, "{:10}{}", format!("{word}:"), one_line(fact));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockade_image::{Header, Options, Process, Summary, Writer};

    /// An image from elsewhere that would like to steer the terminal.
    fn image() -> Image {
        let mut options = Options::new(Compression::Zstd);
        options.header = Header { cpu_features: vec!["avx4096".into(), "\x1b[31m".into()], ..options.header };
        options.metadata.insert("a\n".into(), "\x1b[2J".into());
        let name = "x\ny".to_owned();
        let processes = vec![Process { pid: 7, ppid: 1, name, threads: 3 }];
        let summary = Summary { container_id: "\x07".into(), processes, ..Summary::default() };
        let written =
            Writer::new(tempfile::tempfile().unwrap(), options).unwrap().finish(&[], &summary).unwrap();
        Image::look(written.file, None).unwrap()
    }

    #[test]
    fn what_an_image_says_cannot_steer_the_terminal() {
        let text = text(&image(), true);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        for line in [
            "Sandbox:  \\u{7}\n",
            "Metadata: a\\n=\\u{1b}[2J\n",
            "Lacking:  avx4096 \\u{1b}[31m: this host cannot restore it\n",
            "Pages:    written or checked on this host\n",
            "compressed: not restored lazily",
            "7    1     3        x\\ny\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }

    #[test]
    fn json_names_what_is_missing() {
        let value: serde_json::Value = serde_json::from_str(&json(&image(), false)).unwrap();
        assert_eq!(value["missing_cpu_features"][0], "avx4096");
        assert_eq!((&value["has_key"], &value["pages_checked"]), (&false.into(), &false.into()));
        assert_eq!(value["processes"][0]["threads"], 3);
    }
}

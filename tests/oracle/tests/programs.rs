//! Real programs: each script of `tests/programs` has the same output and exit status inside and outside, also in a sandbox
//! that is saved and restored again and again.

use std::path::Path;

use stockade_oracle::{repository, script};

macro_rules! scripts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            if let Err(report) = script::compare(Path::new(env!("CARGO_TARGET_TMPDIR")), stringify!($name)) {
                panic!("{}: {report}", stringify!($name));
            }
        })*

        mod interrupted {
            $(#[test]
            fn $name() {
                let out = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
                if let Err(report) = stockade_oracle::script::interrupted(out, stringify!($name)) {
                    panic!("{}, saved and restored: {report}", stringify!($name));
                }
            })*
        }

        const ALL: &[&str] = &[$(stringify!($name)),*];
    };
}

scripts! {
    archive bash busybox compile coreutils dash find_grep git make node perl processes python_files python_processes
    python_subprocess python_threads sed_awk sqlite static_go static_rust
}

#[test]
fn every_script_is_listed() {
    let mut found: Vec<String> = repository()
        .join("tests/programs")
        .read_dir()
        .unwrap()
        .filter_map(|e| Some(e.unwrap().file_name().to_str()?.strip_suffix(".sh")?.to_owned()))
        .collect();
    found.sort();
    assert_eq!(found, ALL);
}

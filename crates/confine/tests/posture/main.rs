//! What a launched sentry can and cannot do, seen from inside and outside.
//!
//! A sandbox has to be started before the first thread, so each case runs in a process of its own, without libtest:
//! the program runs itself with `--case NAME`. As root, each case runs as an ordinary user too.

mod cases;
mod filters;
mod lifetime;
mod limits;
mod platform;
mod tools;
mod trees;
mod violations;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use tools::Case;

/// An ordinary user; no account is needed to be one.
const USER: u32 = 64_001;

fn all() -> Vec<Case> {
    [
        cases::CASES,
        trees::CASES,
        lifetime::CASES,
        limits::CASES,
        violations::CASES,
        platform::CASES,
        filters::CASES,
    ]
    .concat()
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = &args[..]
        && flag == "--case"
    {
        let case = all().into_iter().find(|c| c.name == name).expect("a case of this name");
        (case.run)();
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let mut failed = 0;
    let other = Command::new("/bin/true").uid(USER).gid(USER).status().is_ok();
    if !other {
        println!("posture: cases of an ordinary user are skipped, for this one cannot become one");
    }
    for case in all() {
        let identities: &[Option<u32>] = if other { &[None, Some(USER)] } else { &[None] };
        for &user in identities {
            let name = format!("{}{}", case.name, if user.is_some() { " (ordinary user)" } else { "" });
            if case.root_only && (user.is_some() || !tools::is_root()) {
                if user.is_none() {
                    println!("posture {name} ... skipped: needs root");
                }
                continue;
            }
            if !filters.is_empty() && !filters.iter().any(|f| name.contains(*f)) {
                continue;
            }
            failed += u32::from(!run(&case, user, &name));
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(case: &Case, user: Option<u32>, name: &str) -> bool {
    let scratch = tools::Scratch::new(user);
    let mut command = Command::new(scratch.program());
    command.args(["--case", case.name]).current_dir(scratch.path());
    if let Some(id) = user {
        command.uid(id).gid(id);
    }
    let output = command.output().expect("the case starts");
    let ok = output.status.success();
    println!("posture {name} ... {}", if ok { "ok" } else { "FAILED" });
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(stream);
        text.lines().filter(|_| !ok || case.talks).for_each(|l| println!("    {l}"));
    }
    if !ok {
        println!("    {}", output.status);
    }
    ok
}

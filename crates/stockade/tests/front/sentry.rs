//! A front over a real sentry that runs no guest.

use crate::ROLE;
use clap::Parser as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use stockade::caller::Caller;
use stockade::cli::{Cli, Command as Wanted};
use stockade::front::{Event, Forwarded, FrontLine as _, Outcome, Request};
use stockade::plan::plan;
use stockade::run::{Boot, run};
use stockade_confine::SentryHost;

/// More signals than the line to a sentry holds.
pub(crate) const FLOOD: usize = 2000;

/// Runs a sandbox whose sentry does `what`; the exit status is the front's.
pub(crate) fn front(what: &str, state: &str) -> ExitCode {
    let timeout = if what == "wedge" { "500ms" } else { "20s" };
    let arguments = [
        "stockade",
        "do",
        "--id",
        "x",
        "--root",
        "/usr",
        "--volume",
        "/etc:/e:ro",
        "--timeout",
        timeout,
        what,
    ];
    let Wanted::Do(args) = Cli::try_parse_from(arguments).unwrap().command else { return ExitCode::FAILURE };
    let plan = plan(*args, &Caller::current().unwrap()).unwrap();
    ExitCode::from(run(&plan, Some(state.as_ref()), |boot: Boot<'_>| sentry(what, &boot.host)).unwrap())
}

fn sentry(what: &str, host: &SentryHost) -> u8 {
    let tell = |event| host.link.tell(&event).unwrap();
    tell(Event::Started);
    match what {
        "end" => {
            tell(Event::Notice("noted".into()));
            tell(Event::Ended(Outcome::Exited(7)));
        }
        "echo" => {
            println!("ready");
            let Ok(Some(Request::Signal(signal))) = host.link.asked() else { return 1 };
            tell(Event::Ended(Outcome::Signaled(signal.signal)));
        }
        "trees" => {
            let has =
                |tree: usize, name| rustix::fs::statat(&host.trees[tree], name, rustix::fs::AtFlags::empty());
            assert_eq!(host.trees.len(), 2);
            has(0, "bin").unwrap();
            has(1, "passwd").unwrap();
            tell(Event::Ended(Outcome::Exited(0)));
        }
        "fail" => tell(Event::Failed("no\ngood".into())),
        "crash" => panic!("on purpose"),
        "slow" => {
            println!("ready");
            std::thread::sleep(Duration::from_secs(1));
            for _ in 0..FLOOD {
                let Ok(Some(Request::Signal(Forwarded { signal: 40, .. }))) = host.link.asked() else {
                    return 1;
                };
            }
            tell(Event::Ended(Outcome::Exited(7)));
        }
        "wedge" => {
            println!("ready");
            std::thread::sleep(Duration::from_secs(600));
        }
        "hang-up" => {
            rustix::net::shutdown(&host.link, rustix::net::Shutdown::Both).unwrap();
            std::thread::sleep(Duration::from_secs(600));
        }
        _ => return 3,
    }
    0
}

/// Status and standard error of a front whose sentry does `what`.
pub(crate) fn outcome(what: &str) -> (i32, String) {
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([ROLE, "sentry", what])
        .arg(state.path().join("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

//! A front over a real sentry that runs no guest.

use crate::ROLE;
use std::process::{Command, ExitCode, Stdio};
use stockade::front::{Event, FrontLine as _, Outcome, Signals, lost, watch};
use stockade::state::StateDir;
use stockade_confine::{Options, SentryHost, launch};

/// Starts a sentry that does `what`; the exit status is the front's.
pub(crate) fn front(what: &str, state: &str) -> ExitCode {
    let state = StateDir::open(Some(state.as_ref())).unwrap();
    let signals = Signals::block().unwrap();
    let mut handle = launch(&Options::default(), |host| sentry(what, &host)).unwrap();
    let ending = watch(&mut handle, &signals, None, |notice| println!("{notice}")).unwrap();
    if ending == stockade::front::Ending::Lost {
        println!("{}", lost("x", &mut handle, &state));
    }
    ExitCode::from(ending.status())
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
            let Ok(Some(stockade::front::Request::Signal(signal))) = host.link.asked() else { return 1 };
            tell(Event::Ended(Outcome::Signaled(signal.signal)));
        }
        "crash" => panic!("on purpose"),
        _ => return 3,
    }
    0
}

/// Status and output of a front whose sentry does `what`.
pub(crate) fn run(what: &str) -> (i32, String) {
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([ROLE, "sentry", what])
        .arg(state.path().join("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

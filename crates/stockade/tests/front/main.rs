//! The front over an ordinary child process instead of a sentry. A front takes over all signals of a process with one
//! thread, so each test starts this program again as a front and looks at it from outside.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod child;
mod scripted;
mod sentry;
mod tests;
mod tty;

use std::process::ExitCode;

/// What the started front is to do: `child TIMEOUT_MS COMMAND…`, `script EVENT…`, `sentry WHAT STATE_DIR`, or become a child: `exec COMMAND…`.
const ROLE: &str = "--as-front";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, role, "child", timeout, command @ ..] if *role == ROLE => child::front(timeout, command),
        [_, role, "exec", command @ ..] if *role == ROLE => child::exec(command),
        [_, role, "sentry", what, state] if *role == ROLE => sentry::front(what, state),
        [_, role, "script", events @ ..] if *role == ROLE => scripted::front(events),
        _ => libtest_mimic::run(&libtest_mimic::Arguments::from_args(), tests::all()).exit_code(),
    }
}

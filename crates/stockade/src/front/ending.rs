//! From the end of a sandbox to an exit status and a message.

use super::protocol::Outcome;
use crate::failure::{Failure, OWN_ERROR};
use crate::plan::Plan;
use rustix::io::Errno;

/// Exit status when `--timeout` ended the program, as timeout(1) has it; whatever the program made of SIGTERM.
pub const TIMED_OUT: u8 = 124;

/// How a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Ended(Outcome),
    /// Because its time was up.
    TimedOut(Outcome),
    /// Before it began: the sentry could not set it up, for this reason.
    Failed(String),
    /// The sentry is gone and has not said how the program ended.
    Lost,
}

impl Ending {
    /// The exit status of the command, with the message that belongs to it unless the program spoke for itself.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Ended(Outcome::Exited(status)) => *status,
            Self::Ended(Outcome::Saved) => 0,
            Self::Ended(Outcome::Signaled(signal)) => 128_u8.saturating_add(*signal),
            Self::Ended(Outcome::NotStarted(errno)) if *errno == Errno::NOENT.raw_os_error() => 127,
            Self::Ended(Outcome::NotStarted(_)) => 126,
            Self::TimedOut(_) => TIMED_OUT,
            Self::Failed(_) | Self::Lost => OWN_ERROR,
        }
    }

    /// What there is to say beyond the exit status. `lost` tells how the sentry ended, and where its report is.
    #[must_use]
    pub fn message(&self, plan: &Plan, lost: impl FnOnce() -> Failure) -> Option<Failure> {
        match self {
            Self::Ended(Outcome::Exited(_) | Outcome::Signaled(_)) => None,
            Self::Ended(Outcome::Saved) if plan.quiet => None,
            Self::Ended(Outcome::Saved) => {
                let cause = format!("sandbox {}: saved, and ended here", plan.sandbox.id);
                Some(Failure::new(cause, "`stockade restore` goes on with it"))
            }
            Self::Ended(Outcome::NotStarted(errno)) => Some(not_started(*errno, plan)),
            Self::TimedOut(_) if plan.quiet => None,
            Self::TimedOut(_) => {
                let time = plan.timeout.unwrap_or_default();
                Some(Failure::new(format!("{}: ended by --timeout after {time:?}", plan.sandbox.id), ""))
            }
            Self::Failed(reason) => Some(Failure::new(format!("sandbox {}: {reason}", plan.sandbox.id), "")),
            Self::Lost => Some(lost()),
        }
    }
}

fn not_started(errno: i32, plan: &Plan) -> Failure {
    let process = &plan.sandbox.process;
    let name = process.argv.first().map(|a| a.to_string_lossy()).unwrap_or_default();
    let path = process.env.iter().find_map(|v| v.to_str()?.strip_prefix("PATH="));
    let errno = Errno::from_raw_os_error(errno);
    let reason = crate::failure::reason(&errno.into());
    let (cause, hint) = match errno {
        Errno::NOENT if name.contains('/') => {
            (reason, "give a program that exists inside the sandbox, its interpreter included".to_owned())
        }
        Errno::NOENT => {
            let path = path.map_or_else(|| "PATH is not set".to_owned(), |path| format!("PATH is {path}"));
            (
                "not found along PATH inside the sandbox".to_owned(),
                format!("{path}; give the program's path, or set PATH with --env"),
            )
        }
        Errno::ACCESS => (
            reason,
            "make it executable for the user inside (chmod +x), in a file system without noexec".to_owned(),
        ),
        Errno::NOEXEC => (reason, "it is no x86-64 ELF file and does not begin with #!".to_owned()),
        Errno::TOOBIG => (reason, "pass fewer or shorter arguments and variables".to_owned()),
        _ => (reason, String::new()),
    };
    Failure::new(format!("{name}: {cause}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        assert_eq!(Ending::Ended(Outcome::Exited(3)).status(), 3);
        assert_eq!(Ending::Ended(Outcome::Signaled(15)).status(), 143);
        assert_eq!(Ending::Ended(Outcome::Signaled(64)).status(), 192);
        assert_eq!(Ending::Ended(Outcome::NotStarted(2)).status(), 127);
        assert_eq!(Ending::Ended(Outcome::NotStarted(13)).status(), 126);
        assert_eq!(Ending::Ended(Outcome::NotStarted(8)).status(), 126);
        assert_eq!(Ending::Ended(Outcome::Saved).status(), 0);
        assert_eq!(Ending::TimedOut(Outcome::Exited(0)).status(), 124);
        assert_eq!(Ending::Lost.status(), 125);
        assert_eq!(Ending::Failed(String::new()).status(), 125);
    }
}

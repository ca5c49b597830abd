//! What front and sentry tell each other: one JSON object per message, over a socket that keeps messages whole.

use serde::{Deserialize, Serialize};

/// From the front to the sentry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// A signal for the program.
    Signal(Forwarded),
    /// End all tasks of the sandbox, as SIGKILL does.
    Kill,
    /// After [`Event::Successor`]: another sentry goes on; this one has to end.
    TakenOver,
    /// After [`Event::Successor`]: none does, for this reason; this one goes on.
    NotTakenOver(String),
}

/// A signal that the front received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Linux's number, 1 to 64.
    pub signal: u8,
    /// Whether the terminal sent it (Ctrl-C, a new window size): then it is for the foreground process group, else for
    /// the first program alone.
    pub from_terminal: bool,
}

/// From the sentry to the front.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The first program runs.
    Started,
    /// Job control stopped the first program by this signal; the front stops too, for its shell to see.
    Stopped(u8),
    /// Something that the owner should know, one line: a limit that was hit, a working directory that is not there.
    Notice(String),
    /// All page data of the image that the sandbox was restored from is right.
    Checked,
    /// Another sentry is to go on from an image, in the place of this empty sandbox. With it come descriptors: the image, a
    /// file with its key, the control socket, and the standard streams.
    Successor,
    /// The first program, and with it the sandbox, ended.
    Ended(Outcome),
    /// The sandbox could not be set up, for this reason; the sentry ends.
    Failed(String),
}

/// How the first program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Signaled(u8),
    /// It was never started: execve(2) failed with this error number.
    NotStarted(i32),
    /// It did not: the sandbox was saved, and can go on elsewhere.
    Saved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive() {
        let event = Event::Ended(Outcome::Signaled(9));
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"ended":{"signaled":9}}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        let request = Request::Signal(Forwarded { signal: 2, from_terminal: true });
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }
}

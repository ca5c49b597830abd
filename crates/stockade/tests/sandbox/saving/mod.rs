//! Sandboxes that are saved, and go on from their images.

mod confirmed;
mod corpus;
mod images;
mod live;
mod load;
mod pause;
mod programs;
mod restore;
mod save;
mod terminal;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::control::until;
use crate::detached::State;

/// `stockade` with a state directory.
fn stockade(state_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.arg("--state-dir").arg(state_dir).args(arguments);
    command
}

/// A state directory, and one for images and the like.
struct Place {
    state: State,
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { state: State::new(), directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Starts `do` with these options and a program.
    fn start(&self, id: &str, options: &[&str], program: &[&str]) -> Front {
        let arguments = [&["do", "--id", id], options, &["--"], program].concat();
        Front::start(self.state.stockade(&arguments))
    }

    /// Saves, silently.
    fn save(&self, id: &str, image: &str, options: &[&str]) {
        let image = self.at(image);
        let arguments = [&["save", id, &image], options].concat();
        assert_eq!(self.state.run(&arguments), (String::new(), String::new(), Some(0)));
    }

    /// Restores in the foreground.
    fn restore(&self, image: &str, options: &[&str]) -> Front {
        let image = self.at(image);
        Front::start(self.state.stockade(&[&["restore", &image], options].concat()))
    }

    /// Saves a sandbox away, and restores it.
    fn cycle(&self, id: &str, front: Front, image: &str) -> Front {
        self.save(id, image, &[]);
        assert_eq!(front.end().2, Some(0));
        self.restore(image, &[])
    }
}

/// A command in the foreground, with which one can talk.
struct Front {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Front {
    fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    /// The next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    fn expect(&mut self, line: &str) {
        let found = self.line();
        if found != line {
            drop(self.input.take());
            let _ = self.child.kill();
            let mut said = String::new();
            let _ = std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said);
            panic!("{found:?} instead of {line:?}; {said}");
        }
    }

    fn say(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The rest of its output, its standard error, and how it ended; its input ends first.
    fn end(mut self) -> (String, String, Option<i32>) {
        drop(self.input.take());
        let (mut rest, mut said) = (String::new(), String::new());
        std::io::Read::read_to_string(&mut self.output, &mut rest).unwrap();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        let status = self.child.wait().unwrap();
        (rest, said, status.code())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

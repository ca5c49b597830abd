//! `stockade top`: a sandbox, live in the terminal.

mod model;
mod screen;
mod trace;
mod view;

use crate::failure::{Failure, reason};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use model::{Calls, Model, Processes};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use screen::Screen;
use std::io;
use std::time::{Duration, Instant};
use stockade_control::client::{Client, Error};
use stockade_control::types::container::{SignalArgs, SignalDeliveryMode};
use trace::Trace;

/// How often keys and signals are looked for.
const STEP: Duration = Duration::from_millis(100);

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The user left.
    Left,
    /// The sandbox is no more.
    SandboxEnded,
    /// A signal came.
    Signal(i32),
}

/// What the screen is about just now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Looking.
    #[default]
    Look,
    /// Asks whether to send this signal to this process.
    Confirm(i32, i32),
    /// Shows the keys.
    Help,
}

/// Prints one table of each kind, as text, after a moment in which rates are measured.
///
/// # Errors
/// What the sandbox says.
pub(crate) fn once(client: &mut Client, interval: Duration) -> Result<String, Error> {
    let mut model = Model::default();
    model.take(client.top()?);
    std::thread::sleep(interval);
    model.take(client.top()?);
    Ok(view::text(&model))
}

/// Shows it until the user leaves or the sandbox ends. The terminal is as it was when this returns, or panics.
///
/// # Errors
/// If the terminal cannot be used, or what the sandbox says.
pub(crate) fn watch(id: &str, client: &mut Client, interval: Duration) -> Result<Exit, Failure> {
    let mut screen = Screen::enter().map_err(|e| on_terminal(&e))?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout())).map_err(|e| on_terminal(&e))?;
    let mut session = Session {
        id,
        client,
        model: Model::default(),
        mode: Mode::Look,
        message: String::new(),
        trace: None,
    };
    let mut due = Instant::now();
    loop {
        if let Some(signal) = screen.signal() {
            return Ok(Exit::Signal(signal));
        }
        if due <= Instant::now() {
            due = Instant::now() + interval;
            if !session.refresh()? {
                return Ok(Exit::SandboxEnded);
            }
        }
        terminal.draw(|frame| view::draw(frame, &session)).map_err(|e| on_terminal(&e))?;
        let wait = due.saturating_duration_since(Instant::now()).min(STEP);
        match event::poll(wait).and_then(|ready| if ready { event::read().map(Some) } else { Ok(None) }) {
            Ok(Some(Event::Key(key))) if key.kind != KeyEventKind::Release => match session.key(key)? {
                Do::Nothing => {}
                Do::Leave => return Ok(Exit::Left),
                Do::Redraw => terminal.clear().map_err(|e| on_terminal(&e))?,
                Do::Suspend => {
                    screen.suspend().map_err(|e| on_terminal(&e))?;
                    terminal.clear().map_err(|e| on_terminal(&e))?;
                }
                Do::End => return Ok(Exit::SandboxEnded),
            },
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // A terminal that is gone.
            Err(_) => return Ok(Exit::Left),
        }
    }
}

fn on_terminal(e: &io::Error) -> Failure {
    Failure::new(format!("the terminal: {}", reason(e)), "")
}

/// What a key asks for beyond what it does to the session.
enum Do {
    Nothing,
    Leave,
    Suspend,
    Redraw,
    End,
}

struct Session<'a> {
    id: &'a str,
    client: &'a mut Client,
    model: Model,
    mode: Mode,
    /// The outcome of the last deed.
    message: String,
    /// What one process does, in the place of the calls of all.
    trace: Option<Trace>,
}

impl Session<'_> {
    /// False if the sandbox has ended.
    fn refresh(&mut self) -> Result<bool, Failure> {
        match self.client.top() {
            Ok(top) => {
                self.model.take(top);
                Ok(self.follow())
            }
            Err(Error::Ended | Error::Wire(_)) => Ok(false),
            Err(e) => Err(Failure::new(format!("sandbox {}: {e}", self.id), "")),
        }
    }

    /// Asks what the process that is traced has done meanwhile. False if the sandbox has ended.
    fn follow(&mut self) -> bool {
        let Some(trace) = &mut self.trace else { return true };
        match self.client.strace(trace.pid, trace.next) {
            Ok(lines) => trace.take(lines),
            Err(Error::Ended | Error::Wire(_)) => return false,
            Err(e) => self.message = e.to_string(),
        }
        true
    }

    fn key(&mut self, key: KeyEvent) -> Result<Do, Failure> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return Ok(match key.code {
                KeyCode::Char('c') => Do::Leave,
                KeyCode::Char('z') => Do::Suspend,
                KeyCode::Char('l') => Do::Redraw,
                _ => Do::Nothing,
            });
        }
        match std::mem::take(&mut self.mode) {
            Mode::Look => {}
            Mode::Help => return Ok(Do::Nothing),
            Mode::Confirm(signal, pid) => {
                self.message.clear();
                if matches!(key.code, KeyCode::Char('y') | KeyCode::Enter) {
                    return self.kill(signal, pid);
                }
                return Ok(Do::Nothing);
            }
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(Do::Leave),
            KeyCode::Char('h' | '?') => self.mode = Mode::Help,
            KeyCode::Up => self.model.select(-1),
            KeyCode::Down => self.model.select(1),
            KeyCode::PageUp => self.model.select(-10),
            KeyCode::PageDown => self.model.select(10),
            KeyCode::Char('c') => self.model.processes = Processes::Cpu,
            KeyCode::Char('m') => self.model.processes = Processes::Memory,
            KeyCode::Char('p') => self.model.processes = Processes::Pid,
            KeyCode::Char('r') => self.model.calls = Calls::Rate,
            KeyCode::Char('s') => self.model.calls = Calls::Slowest,
            KeyCode::Char('f') => self.model.calls = Calls::Failing,
            KeyCode::Char('u') => self.model.calls = Calls::Unsupported,
            KeyCode::Char('t') => {
                self.trace = match (self.trace.take(), self.model.selected()) {
                    (None, Some(process)) => Some(Trace::of(process.pid, process.command)),
                    _ => None,
                };
                if !self.follow() {
                    return Ok(Do::End);
                }
            }
            KeyCode::Char('k') => self.ask(15),
            KeyCode::Char('K') => self.ask(9),
            _ => {}
        }
        Ok(Do::Nothing)
    }

    fn ask(&mut self, signal: i32) {
        if let Some(process) = self.model.selected() {
            self.mode = Mode::Confirm(signal, process.pid);
        }
    }

    fn kill(&mut self, signal: i32, pid: i32) -> Result<Do, Failure> {
        let args = SignalArgs { cid: String::new(), signo: signal, pid, mode: SignalDeliveryMode::Process };
        self.message = match self.client.signal(&args) {
            Ok(()) => format!("signal {signal} sent to process {pid}"),
            Err(Error::Ended | Error::Wire(_)) => return Ok(Do::End),
            Err(e) => e.to_string(),
        };
        Ok(Do::Nothing)
    }
}

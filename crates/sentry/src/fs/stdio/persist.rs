//! The saved forms of inherited descriptors: which they were. What takes their place is asked for by number; what has no
//! successor is at its end, or hung up.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::termios::{self, OptionalActions};
use serde::{Deserialize, Serialize};
use stockade_abi::general as c;
use stockade_abi::signal::SIGWINCH;

use super::descriptor::{Descriptor, HungUp};
use super::reopened::{Reopened, mappable};
use super::socket::SocketInfo;
use super::terminal::HostTerminal;
use super::watch::Watched;
use super::{Bridge, Inherited, attrs_of, modes};
use crate::mm::Mappable;
use crate::net::Kind;
use crate::net::options::OptionsState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::task::ThreadGroup;
use crate::tty::Terminal;
use crate::tty::persist::{TerminalState, TtyState};
use crate::tty::pty::Pty;
use crate::tty::termios::Termios;
use crate::vfs::anon::Reopen;
use crate::vfs::{Attrs, FileOps, FileType};

/// A [`Descriptor`].
#[derive(Debug, Serialize, Deserialize)]
pub struct DescriptorState {
    number: i32,
    attrs: Attrs,
    access: u32,
    #[serde(default)]
    socket: Option<SocketState>,
}

/// What is known of a socket; buffers are the host's.
#[derive(Debug, Serialize, Deserialize)]
struct SocketState {
    kind: Kind,
    options: OptionsState,
}

/// What has a number outside.
fn given(number: i32, restorer: &mut Restorer<'_>) -> Option<OwnedFd> {
    if number < 0 { None } else { restorer.host.stream(number) }
}

impl Component for DescriptorState {
    type Object = Arc<Descriptor>;

    fn save(of: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        let state = |info: &Arc<SocketInfo>| SocketState {
            kind: info.kind,
            options: OptionsState::save(&info.options),
        };
        Ok(Self {
            number: of.number,
            attrs: of.attrs,
            access: of.access,
            socket: of.socket.as_ref().map(state),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let Self { number, attrs, access, socket } = self;
        let options = |state: SocketState| state.options.restore().map(|options| (state.kind, options));
        let saved = socket.map(options).transpose()?;
        Ok(Arc::new(match given(number, restorer) {
            None => {
                let socket = saved.map(|(kind, options)| Arc::new(SocketInfo { kind, options }));
                Descriptor { socket, ..Descriptor::plain(number, None, attrs, access) }
            }
            Some(fd) => {
                let found = attrs_of(&fd).map_err(|e| RestoreError::refused("a standard stream", e))?;
                let attrs = Attrs { dev: attrs.dev, ino: attrs.ino, ..found };
                let info = |mut info: SocketInfo| {
                    info.options = saved.map(|(_, options)| options).unwrap_or_default();
                    Arc::new(info)
                };
                let socket = SocketInfo::of(&fd).map(info);
                Descriptor { socket, ..Descriptor::plain(number, Some(Watched::new(fd)), attrs, access) }
            }
        }))
    }
}

/// What is open of a descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostStreamState {
    pub(super) of: Id<DescriptorState>,
    pub(super) kind: StreamKind,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum StreamKind {
    Stream,
    /// A regular file that was opened anew.
    Reopened,
    Terminal(Id<TerminalState>),
    HungUpTerminal(Id<TtyState>),
}

impl HostStreamState {
    /// In the place of something that is closed: at its end for whoever reads, and gone for whoever writes.
    pub(crate) fn closed(saver: &mut Saver) -> Self {
        let attrs = Attrs { mode: c::S_IFIFO | 0o600, ..Attrs::default() };
        let of = Arc::new(Descriptor::plain(-1, None, attrs, c::O_RDWR));
        Self { of: saver.id(&of), kind: StreamKind::Stream }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let of = restorer.get(self.of)?;
        match self.kind {
            StreamKind::Stream => Ok(of.stream(None)),
            StreamKind::HungUpTerminal(tty) => Ok(HungUp::new(&of, Some(restorer.get(tty)?))),
            StreamKind::Reopened => match &of.fd {
                Some(fd) if of.attrs.file_type() == FileType::Regular => {
                    Ok(Arc::new(Reopened { fd: Arc::clone(fd), of }))
                }
                _ => Ok(of.stream(None)),
            },
            StreamKind::Terminal(terminal) => {
                let terminal = restorer.get(terminal)?;
                let tty = Arc::clone(terminal.tty());
                Ok(match terminal.downcast::<HostTerminal>() {
                    Some(terminal) => Arc::clone(terminal.of()).stream(Some(terminal)),
                    // What took its place is none.
                    None if of.fd.is_some() => of.stream(None),
                    None => HungUp::new(&of, Some(tty)),
                })
            }
        }
    }
}

/// What is mapped of a regular file, which has to be what it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct MappedStreamState {
    pub(super) of: Id<DescriptorState>,
    pub(super) size: u64,
}

impl MappedStreamState {
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Mappable>, RestoreError> {
        let of = restorer.get(self.of)?;
        let Some(fd) = of.fd.as_ref().filter(|_| is_same(&of, self.size)) else {
            let number = of.number;
            return Err(RestoreError::new(format!(
                "descriptor {number} was mapped, and what takes its place is not the same file"
            )));
        };
        mappable(&of, fd).map_err(|e| RestoreError::refused("a mapped standard stream", e))
    }
}

fn is_same(of: &Descriptor, size: u64) -> bool {
    of.attrs.file_type() == FileType::Regular && of.attrs.size == size
}

/// [`Inherited`]
#[derive(Debug, Serialize, Deserialize)]
pub struct InheritedState {
    pub(super) of: Id<DescriptorState>,
}

impl InheritedState {
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Box<dyn Reopen>, RestoreError> {
        Ok(Box::new(Inherited(restorer.get(self.of)?)))
    }
}

/// A [`HostTerminal`].
#[derive(Debug, Serialize, Deserialize)]
pub struct HostTerminalState {
    pub(super) tty: Id<TtyState>,
    pub(super) of: Id<DescriptorState>,
    /// It is found by its number.
    pub(super) listed: bool,
    pub(super) modes: Option<Termios>,
}

impl HostTerminalState {
    /// On what the restorer has in its place; one that has none is hung up.
    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Terminal>, RestoreError> {
        let tty = restorer.get(self.tty)?;
        let of = restorer.get(self.of)?;
        let kernel = Arc::clone(restorer.kernel());
        let Some(fd) = of.fd.clone().filter(|fd| termios::isatty(&**fd)) else {
            let gone = Arc::clone(&tty);
            restorer.last(move |_| {
                gone.hang_up(&mut kernel.tree.lock());
                Ok(())
            });
            return Ok(Arc::new(crate::tty::Gone(tty)));
        };
        if let (Some(modes), Ok(mut now)) = (&self.modes, termios::tcgetattr(&*fd)) {
            modes::put(&mut now, modes);
            // As those of the program are, which may be drawing on it.
            let _ = termios::tcsetattr(&*fd, OptionalActions::Now, &now);
        }
        let terminal: Arc<dyn Terminal> = Arc::new(HostTerminal::new(Arc::clone(&tty), of, fd));
        if self.listed {
            kernel.ttys.put(&terminal)?;
        }
        restorer.last(move |_| {
            tty.signal_foreground(&kernel.tree.lock(), SIGWINCH);
            Ok(())
        });
        Ok(terminal)
    }
}

/// Puts a terminal of the host behind one of the sandbox's own again, on which a process was started, if there is one in
/// the place of what was.
///
/// # Errors
/// What the host says of it.
pub fn attach(
    terminal: &Arc<dyn Terminal>,
    leader: &Arc<ThreadGroup>,
    restorer: &mut Restorer<'_>,
) -> Result<(), RestoreError> {
    let Some(pty) = Arc::clone(terminal).downcast::<Pty>() else { return Ok(()) };
    let Some(fd) = pty.number_outside().and_then(|number| given(number, restorer)) else { return Ok(()) };
    if termios::isatty(&fd) && leader.exit_status().is_none() {
        let refused = |e| RestoreError::refused("the terminal outside", e);
        let attrs = attrs_of(&fd).map_err(refused)?;
        restorer.bridges.push((Arc::clone(leader), Bridge::over(pty, fd, attrs).map_err(refused)?));
    }
    Ok(())
}

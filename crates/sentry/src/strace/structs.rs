//! Structures in guest memory.

use std::fmt::Write as _;

use stockade_abi::file::{EpollEvent, Iovec, OpenHow, Pollfd, Stat};
use stockade_abi::general as c;
use stockade_abi::sched::Rlimit;
use stockade_abi::signal::{self, SigAction, SigSet};
use stockade_abi::time::{Itimerspec, Itimerval, Timespec, Timeval};

use super::format::{buffer, quoted};
use super::names::{self, flags};
use crate::mm::{MemoryManager, UserMemory};

/// Elements of arrays shown at most.
const SHOWN: usize = 16;

/// What lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Struct {
    /// `struct stat`
    Stat,
    /// `struct timespec`
    Timespec,
    /// `struct timeval`
    Timeval,
    /// `struct itimerspec`
    Itimerspec,
    /// `struct itimerval`
    Itimerval,
    /// The kernel's `struct sigaction`
    Sigaction,
    /// A set of signals.
    Sigset,
    /// An `int`.
    Int,
    /// Two of them: ends of a pipe.
    Pair,
    /// `struct rlimit`
    Rlimit,
    /// `struct pollfd` as often as the next argument says.
    Pollfds,
    /// `struct iovec` as often as the next argument says.
    Iovecs,
    /// A socket's address, as long as the next argument says.
    Sockaddr,
    /// `struct epoll_event`
    EpollEvent,
    /// As many as the call gave.
    EpollEvents,
    /// What wait4(2) says of an end.
    WaitStatus,
    /// `struct open_how`
    OpenHow,
    /// Text without an end, as long as the call gave.
    Text,
}

fn mode(mode: u32) -> String {
    let kind = match mode & c::S_IFMT {
        c::S_IFREG => "S_IFREG|",
        c::S_IFDIR => "S_IFDIR|",
        c::S_IFLNK => "S_IFLNK|",
        c::S_IFCHR => "S_IFCHR|",
        c::S_IFBLK => "S_IFBLK|",
        c::S_IFIFO => "S_IFIFO|",
        c::S_IFSOCK => "S_IFSOCK|",
        _ => "",
    };
    format!("{kind}0{:o}", mode & !c::S_IFMT)
}

fn timespec(t: Timespec) -> String {
    format!("{{tv_sec={}, tv_nsec={}}}", t.sec, t.nsec)
}

fn timeval(t: Timeval) -> String {
    format!("{{tv_sec={}, tv_usec={}}}", t.sec, t.usec)
}

fn sigset(set: SigSet) -> String {
    let name = |signo| signal::name(signo).map_or_else(|| signo.to_string(), |name| name.replace("SIG", ""));
    let listed = |set: u64| {
        let names: Vec<String> = (1..=64).filter(|n| set >> (n - 1) & 1 == 1).map(name).collect();
        names.join(" ")
    };
    // The complement, where that is shorter.
    if set.0.count_ones() > 40 { format!("~[{}]", listed(!set.0)) } else { format!("[{}]", listed(set.0)) }
}

fn sigaction(action: &SigAction) -> String {
    let handler = match action.handler {
        0 => "SIG_DFL".to_owned(),
        1 => "SIG_IGN".to_owned(),
        at => format!("{at:#x}"),
    };
    let mask = sigset(action.mask);
    format!("{{sa_handler={handler}, sa_mask={mask}, sa_flags={}}}", flags(action.flags, names::SA, "0"))
}

fn rlimit(limit: &Rlimit) -> String {
    let one = |n: u64| if n == u64::MAX { "RLIM64_INFINITY".to_owned() } else { n.to_string() };
    format!("{{rlim_cur={}, rlim_max={}}}", one(limit.cur), one(limit.max))
}

fn wait_status(status: i32) -> String {
    let name = |signo| signal::name(signo).map_or_else(|| signo.to_string(), |name| name.to_string());
    match (status & 0xff, status & 0x7f) {
        (0x7f, _) => format!("[{{WIFSTOPPED(s) && WSTOPSIG(s) == {}}}]", name(status >> 8 & 0xff)),
        (_, 0) => format!("[{{WIFEXITED(s) && WEXITSTATUS(s) == {}}}]", status >> 8 & 0xff),
        (_, signo) => format!("[{{WIFSIGNALED(s) && WTERMSIG(s) == {}}}]", name(signo)),
    }
}

fn pollfd(poll: &Pollfd, answered: bool) -> String {
    let mut text = format!("{{fd={}, events={}", poll.fd, flags(poll.events as u16 as u64, names::POLL, "0"));
    if answered {
        let _ = write!(text, ", revents={}", flags(poll.revents as u16 as u64, names::POLL, "0"));
    }
    text + "}"
}

fn epoll_event(event: EpollEvent) -> String {
    let (events, data) = (event.events, event.data);
    format!("{{events={}, data={data:#x}}}", flags(u64::from(events), names::EPOLL, "0"))
}

fn sockaddr(bytes: &[u8]) -> String {
    let Some((family, rest)) = bytes.split_first_chunk::<2>() else { return "{}".to_owned() };
    let family = u32::from(u16::from_ne_bytes(*family));
    let shown = names::choice(family, names::FAMILY);
    if family != 1 || rest.is_empty() {
        return format!("{{sa_family={shown}}}");
    }
    // An abstract name begins with a zero and has no end.
    let (mark, path) = match rest.split_first() {
        Some((0, name)) => ("@", name),
        _ => ("", rest.split(|&b| b == 0).next().unwrap_or_default()),
    };
    format!("{{sa_family={shown}, sun_path={mark}{}}}", quoted(path, path.len()))
}

fn array<T>(count: usize, one: impl Fn(usize) -> Option<T>, show: impl Fn(T) -> String) -> Option<String> {
    let mut shown = Vec::new();
    for i in 0..count.min(SHOWN) {
        shown.push(show(one(i)?));
    }
    if count > SHOWN {
        shown.push("...".to_owned());
    }
    Some(format!("[{}]", shown.join(", ")))
}

/// The structure at `at`; `next` is the argument after it, `result` what the call gave. None if it cannot be read.
pub(super) fn show(
    mm: &MemoryManager,
    kind: Struct,
    at: u64,
    next: u64,
    result: Option<u64>,
) -> Option<String> {
    let count = usize::try_from(next as u32).unwrap_or(0);
    let element = |i: usize, size: usize| at.checked_add((i * size) as u64);
    Some(match kind {
        Struct::Stat => {
            let s: Stat = mm.copy_in(at).ok()?;
            let what = match s.mode & c::S_IFMT {
                c::S_IFCHR | c::S_IFBLK => {
                    let (major, minor) =
                        (crate::vfs::attrs::dev_major(s.rdev), crate::vfs::attrs::dev_minor(s.rdev));
                    format!("st_rdev=makedev({major:#x}, {minor:#x})")
                }
                _ => format!("st_size={}", s.size),
            };
            format!("{{st_mode={}, {what}, ...}}", mode(s.mode))
        }
        Struct::Timespec => timespec(mm.copy_in(at).ok()?),
        Struct::Timeval => timeval(mm.copy_in(at).ok()?),
        Struct::Itimerspec => {
            let t: Itimerspec = mm.copy_in(at).ok()?;
            format!("{{it_interval={}, it_value={}}}", timespec(t.interval), timespec(t.value))
        }
        Struct::Itimerval => {
            let t: Itimerval = mm.copy_in(at).ok()?;
            format!("{{it_interval={}, it_value={}}}", timeval(t.interval), timeval(t.value))
        }
        Struct::Sigaction => sigaction(&mm.copy_in(at).ok()?),
        Struct::Sigset => sigset(mm.copy_in(at).ok()?),
        Struct::Int => format!("[{}]", mm.copy_in::<i32>(at).ok()?),
        Struct::Pair => {
            let [a, b]: [i32; 2] = mm.copy_in(at).ok()?;
            format!("[{a}, {b}]")
        }
        Struct::Rlimit => rlimit(&mm.copy_in(at).ok()?),
        Struct::Pollfds => {
            let one = |i| mm.copy_in::<Pollfd>(element(i, size_of::<Pollfd>())?).ok();
            array(count, one, |p| pollfd(&p, result.is_some()))?
        }
        Struct::Iovecs => {
            let one = |i| mm.copy_in::<Iovec>(element(i, size_of::<Iovec>())?).ok();
            array(count, one, |v| {
                let mut text = String::from("{iov_base=");
                let start = text.len();
                buffer(&mut text, mm, v.base, v.len);
                if text.len() == start {
                    let _ = write!(text, "{:#x}", v.base);
                }
                let _ = write!(text, ", iov_len={}}}", v.len);
                text
            })?
        }
        Struct::Sockaddr => {
            // An address that is given back has its length at an address.
            let len = if next > 4096 { mm.copy_in::<u32>(next).ok()? } else { next as u32 };
            let mut bytes = vec![0; (len as usize).min(110)];
            mm.read_exact(at, &mut bytes).ok()?;
            sockaddr(&bytes)
        }
        Struct::EpollEvent => epoll_event(mm.copy_in(at).ok()?),
        Struct::EpollEvents => {
            let one = |i| mm.copy_in::<EpollEvent>(element(i, size_of::<EpollEvent>())?).ok();
            array(usize::try_from(result?).ok()?, one, epoll_event)?
        }
        Struct::WaitStatus if result == Some(0) => format!("{at:#x}"),
        Struct::WaitStatus => wait_status(mm.copy_in(at).ok()?),
        Struct::OpenHow => {
            let how: OpenHow = mm.copy_in(at).ok()?;
            let flags = names::open_flags(how.flags as u32);
            format!("{{flags={flags}, mode=0{:o}, resolve={:#x}}}", how.mode, how.resolve)
        }
        Struct::Text => {
            let len = usize::try_from(result?).ok()?;
            let mut bytes = vec![0; len.min(4096)];
            mm.read_exact(at, &mut bytes).ok()?;
            // getcwd(2) counts the zero at the end, readlink(2) has none.
            let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
            quoted(text, text.len())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_as_strace_writes_them() {
        assert_eq!(mode(c::S_IFREG | 0o644), "S_IFREG|0644");
        assert_eq!(sigset(SigSet(1 << 1 | 1 << 16)), "[INT CHLD]");
        assert_eq!(sigset(SigSet(!(1 << 8))), "~[KILL]");
        assert_eq!(wait_status(0x300), "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]");
        assert_eq!(wait_status(9), "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}]");
        assert_eq!(sockaddr(b"\x01\0/tmp/s\0xx"), "{sa_family=AF_UNIX, sun_path=\"/tmp/s\"}");
        assert_eq!(sockaddr(b"\x01\0\0abs"), "{sa_family=AF_UNIX, sun_path=@\"abs\"}");
    }
}

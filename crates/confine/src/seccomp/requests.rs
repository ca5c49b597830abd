//! The lists that rules refer to: requests of calls that are many calls in one.

/// `SECCOMP_IOCTL_NOTIF_*`, which libc lacks.
const NOTIF_RECV: u32 = 0xc050_2100;
const NOTIF_SEND: u32 = 0xc018_2101;
const NOTIF_ID_VALID: u32 = 0x4008_2102;
const NOTIF_ADDFD: u32 = 0x4018_2103;
const NOTIF_SET_FLAGS: u32 = 0x4008_2104;
/// `PAGEMAP_SCAN`.
const PAGEMAP_SCAN: u32 = 0xc060_6610;

/// ioctl(2).
pub(super) const CONTROLS: &[u32] = &[
    // Two for each system call of a guest.
    NOTIF_RECV,
    NOTIF_SEND,
    NOTIF_ID_VALID,
    NOTIF_ADDFD,
    NOTIF_SET_FLAGS,
    // The caller's terminal as the guest's: attributes and size, nothing that types or takes it over.
    libc::TCGETS as u32,
    libc::TCSETS as u32,
    libc::TCSETSW as u32,
    libc::TCSETSF as u32,
    libc::TCGETS2 as u32,
    libc::TCSETS2 as u32,
    libc::TCSETSW2 as u32,
    libc::TCSETSF2 as u32,
    libc::TCSBRK as u32,
    libc::TCXONC as u32,
    libc::TCFLSH as u32,
    libc::TIOCGWINSZ as u32,
    libc::TIOCSWINSZ as u32,
    libc::TIOCGPGRP as u32,
    libc::TIOCGSID as u32,
    libc::TIOCOUTQ as u32,
    // How much there is to read (also TIOCINQ), and not to wait for it.
    libc::FIONREAD as u32,
    libc::FIONBIO as u32,
    // Reflinks between host files.
    libc::FICLONE as u32,
    libc::FICLONERANGE as u32,
    // Which pages of a stub were written.
    PAGEMAP_SCAN,
];

/// fcntl(2).
pub(super) const FCNTLS: &[u32] = &[
    libc::F_DUPFD_CLOEXEC as u32,
    libc::F_GETFD as u32,
    libc::F_SETFD as u32,
    libc::F_GETFL as u32,
    libc::F_SETFL as u32,
    libc::F_GETLK as u32,
    libc::F_SETLK as u32,
    libc::F_SETLKW as u32,
    libc::F_OFD_GETLK as u32,
    libc::F_OFD_SETLK as u32,
    libc::F_OFD_SETLKW as u32,
    libc::F_ADD_SEALS as u32,
    libc::F_GET_SEALS as u32,
    libc::F_SETPIPE_SZ as u32,
    libc::F_GETPIPE_SZ as u32,
];

/// prctl(2).
pub(super) const PRCTLS: &[u32] = &[
    libc::PR_SET_NAME as u32,
    libc::PR_GET_NAME as u32,
    libc::PR_SET_TIMERSLACK as u32,
    libc::PR_GET_TIMERSLACK as u32,
    // Names of anonymous memory.
    libc::PR_SET_VMA as u32,
    // What it may check of its own posture.
    libc::PR_GET_DUMPABLE as u32,
    libc::PR_GET_NO_NEW_PRIVS as u32,
    libc::PR_GET_PDEATHSIG as u32,
    libc::PR_GET_SECCOMP as u32,
    libc::PR_GET_SECUREBITS as u32,
];

/// setsockopt(2) at SOL_SOCKET.
pub(super) const SOCKET_OPTIONS: &[u32] = &[
    libc::SO_PASSCRED as u32,
    libc::SO_PASSPIDFD as u32,
    libc::SO_SNDBUF as u32,
    libc::SO_RCVBUF as u32,
    libc::SO_RCVTIMEO as u32,
    // A guest's wish for a socket that was passed in.
    libc::SO_KEEPALIVE as u32,
    libc::SO_SNDTIMEO as u32,
];

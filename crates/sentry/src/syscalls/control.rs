//! Ancillary data (cmsg(3), unix(7)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::net as n;
use stockade_abi::socket::{Cmsghdr, Ucred};
use zerocopy::{FromBytes, IntoBytes};

use super::Ctx;
use super::socket::ucred;
use crate::mm::UserMemory;
use crate::net::Credential;
use crate::net::unix::address::MAX_RIGHTS;
use crate::net::unix::in_flight::Rights;
use crate::vfs::File;

/// Bytes of a header.
const HEADER: usize = size_of::<Cmsghdr>();
/// Most bytes that are looked at (`net.core.optmem_max`).
const MAX: u64 = 131_072;

fn align(n: usize) -> usize {
    n.next_multiple_of(8)
}

/// What a message brings along: descriptors, and who its sender says it is.
///
/// # Errors
/// EINVAL, EBADF, ENOBUFS, EPERM, ESRCH, ETOOMANYREFS, EFAULT.
pub(super) fn parse(ctx: &Ctx, at: u64, len: u64) -> Result<(Option<Rights>, Option<Credential>), Errno> {
    if len == 0 {
        return Ok((None, None));
    }
    if len > MAX {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = vec![0; len as usize];
    ctx.mm.read_exact(at, &mut bytes)?;
    let (mut files, mut creds) = (Vec::new(), None);
    for (header, data) in messages(&bytes)? {
        if header.level as u32 != n::SOL_SOCKET {
            continue;
        }
        match header.kind as u32 {
            n::SCM_RIGHTS => {
                let fds =
                    data.chunks_exact(4).filter_map(|b| b.first_chunk()).map(|b| i32::from_ne_bytes(*b));
                for fd in fds {
                    if files.len() >= MAX_RIGHTS {
                        return Err(Errno::EINVAL);
                    }
                    files.push(ctx.files.get(fd)?);
                }
            }
            n::SCM_CREDENTIALS => creds = Some(checked_creds(ctx, data)?),
            _ => return Err(Errno::EINVAL),
        }
    }
    if files.is_empty() {
        return Ok((None, creds));
    }
    let caller = ctx.task.creds();
    let unlimited = caller.has_cap(c::CAP_SYS_RESOURCE) || caller.has_cap(c::CAP_SYS_ADMIN);
    let limit = if unlimited { u64::MAX } else { ctx.task.fd_limit() };
    let rights = Rights::send(&ctx.task.kernel.unix.in_flight, files, caller.uid.0, limit)?;
    Ok((Some(rights), creds))
}

/// Splits ancillary data into its messages.
///
/// # Errors
/// EINVAL for lengths that do not fit.
pub(crate) fn messages(bytes: &[u8]) -> Result<Vec<(Cmsghdr, &[u8])>, Errno> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Ok((header, _)) = Cmsghdr::read_from_prefix(rest) {
        let len = usize::try_from(header.len).map_err(|_| Errno::EINVAL)?;
        let data = rest.get(HEADER..len).ok_or(Errno::EINVAL)?;
        out.push((header, data));
        rest = rest.get(align(len)..).unwrap_or_default();
    }
    Ok(out)
}

/// Who a sender says it is, if it may say so (unix(7), SCM_CREDENTIALS).
fn checked_creds(ctx: &Ctx, data: &[u8]) -> Result<Credential, Errno> {
    let said = Ucred::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    let (task, caller) = (&ctx.task, ctx.task.creds());
    let own_pid = task.tg.pidns.local(task.tg.tgid);
    let uid_ok = [caller.uid.0, caller.euid.0, caller.suid.0].contains(&said.uid);
    let gid_ok = [caller.gid.0, caller.egid.0, caller.sgid.0].contains(&said.gid);
    if (said.pid != own_pid && !caller.has_cap(c::CAP_SYS_ADMIN))
        || (!uid_ok && !caller.has_cap(c::CAP_SETUID))
        || (!gid_ok && !caller.has_cap(c::CAP_SETGID))
    {
        return Err(Errno::EPERM);
    }
    let pid = task.tg.pidns.root_of(said.pid).ok_or(Errno::ESRCH)?;
    task.kernel.tree.lock().task(pid)?;
    Ok(Credential { pid, uid: said.uid, gid: said.gid })
}

/// Ancillary data on its way to a guest.
pub(super) struct ControlOut<'a> {
    ctx: &'a Ctx,
    at: u64,
    room: usize,
    used: usize,
    truncated: bool,
}

impl<'a> ControlOut<'a> {
    /// To a buffer of a guest; 0 for none.
    pub(super) fn new(ctx: &'a Ctx, at: u64, len: u64) -> Self {
        let room = if at == 0 { 0 } else { usize::try_from(len).unwrap_or(usize::MAX) };
        Self { ctx, at, room, used: 0, truncated: false }
    }

    /// Bytes stored.
    pub(super) fn used(&self) -> u64 {
        self.used as u64
    }

    /// Whether something did not fit (MSG_CTRUNC).
    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn put(&mut self, kind: u32, data: &[u8]) -> Result<(), Errno> {
        if self.room < HEADER {
            self.truncated = true;
            return Ok(());
        }
        let len = HEADER + data.len();
        let fits = len.min(self.room);
        self.truncated |= fits < len;
        let header = Cmsghdr { len: fits as u64, level: n::SOL_SOCKET as i32, kind: kind as i32 };
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(&data[..fits - HEADER]);
        self.ctx.mm.write_exact(self.at, &bytes)?;
        let step = align(len).min(self.room);
        self.at += step as u64;
        self.room -= step;
        self.used += step;
        Ok(())
    }

    /// SCM_CREDENTIALS
    pub(super) fn put_creds(&mut self, creds: &Credential) -> Result<(), Errno> {
        let creds = ucred(self.ctx, creds);
        self.put(n::SCM_CREDENTIALS, creds.as_bytes())
    }

    /// SCM_RIGHTS: as many descriptors as there is room for, and as the receiver may have.
    pub(super) fn put_rights(
        &mut self,
        files: Vec<std::sync::Arc<File>>,
        cloexec: bool,
    ) -> Result<(), Errno> {
        let total = files.len();
        let fits = self.room.saturating_sub(HEADER) / 4;
        let limit = self.ctx.task.fd_limit();
        let mut data = Vec::new();
        for file in files.into_iter().take(fits) {
            match self.ctx.files.add(file, cloexec, limit) {
                Ok(fd) => data.extend_from_slice(&fd.to_ne_bytes()),
                Err(_) => break,
            }
        }
        self.truncated |= data.len() / 4 < total;
        if data.is_empty() { Ok(()) } else { self.put(n::SCM_RIGHTS, &data) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u64, data: &[u8]) -> Vec<u8> {
        let mut bytes = Cmsghdr { len, level: 1, kind: 1 }.as_bytes().to_vec();
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn messages_are_split_or_refused() {
        let one = message(20, &[1, 2, 3, 4, 0, 0, 0, 0]);
        let two = [one.clone(), message(16, &[])].concat();
        let split = messages(&two).unwrap();
        assert_eq!(split.len(), 2);
        assert_eq!(split[0].1, [1, 2, 3, 4]);
        assert_eq!(split[1].1, []);
        assert_eq!(messages(&one[..15]).unwrap().len(), 0);
        for len in [0, 15, 25, u64::MAX, u64::MAX - 7] {
            assert_eq!(messages(&message(len, &[0; 8])).err(), Some(Errno::EINVAL));
        }
    }
}

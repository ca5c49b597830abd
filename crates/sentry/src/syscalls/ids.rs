//! Credentials (setuid(2), setresuid(2), setgroups(2), capset(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::prctl as p;
use stockade_abi::sched::{CapData, CapHeader};

use super::{Args, Ctx, SysResult};
use crate::creds::securebits::{KEEP_CAPS, NO_CAP_AMBIENT_RAISE, NO_SETUID_FIXUP};
use crate::creds::{Credentials, Kgid, Kuid};
use crate::mm::UserMemory;

/// Capabilities that follow the file system uid (capabilities(7)): CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID,
/// LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE.
const FS_CAPS: u64 = 0b1_1111 | 1 << 9 | 1 << 27 | 1 << 32;

pub(super) fn getuid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(u64::from(ctx.task.creds().uid.0))
}

pub(super) fn geteuid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(u64::from(ctx.task.creds().euid.0))
}

pub(super) fn getgid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(u64::from(ctx.task.creds().gid.0))
}

pub(super) fn getegid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(u64::from(ctx.task.creds().egid.0))
}

pub(super) fn getresuid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let creds = ctx.task.creds();
    for (i, id) in [creds.uid, creds.euid, creds.suid].into_iter().enumerate() {
        ctx.mm.copy_out(a.u64(i), &id.0)?;
    }
    Ok(0)
}

pub(super) fn getresgid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let creds = ctx.task.creds();
    for (i, id) in [creds.gid, creds.egid, creds.sgid].into_iter().enumerate() {
        ctx.mm.copy_out(a.u64(i), &id.0)?;
    }
    Ok(0)
}

/// Changes uids, then capabilities as capabilities(7), "Effect of user ID changes on capabilities", has it.
fn change_uids(ctx: &Ctx, change: impl FnOnce(&mut Credentials) -> Result<(), Errno>) -> SysResult {
    let before = ctx.task.creds().uid;
    ctx.task.change_creds(|creds| {
        let old = creds.clone();
        change(creds)?;
        creds.fsuid = creds.euid;
        if creds.securebits & NO_SETUID_FIXUP != 0 {
            return Ok(());
        }
        let root = |c: &Credentials| c.uid.0 == 0 || c.euid.0 == 0 || c.suid.0 == 0;
        if root(&old) && !root(creds) {
            if creds.securebits & KEEP_CAPS == 0 {
                creds.permitted = 0;
                creds.effective = 0;
            }
            creds.ambient = 0;
        }
        if old.euid.0 == 0 && creds.euid.0 != 0 {
            creds.effective = 0;
        } else if old.euid.0 != 0 && creds.euid.0 == 0 {
            creds.effective = creds.permitted;
        }
        Ok(())
    })?;
    let creds = ctx.task.creds();
    if creds.uid != before {
        let exceeded = creds.uid.0 != 0 && ctx.task.has_too_many_processes(0);
        ctx.task.exceeded_nproc.store(exceeded, std::sync::atomic::Ordering::Relaxed);
    }
    Ok(0)
}

fn change_gids(ctx: &Ctx, change: impl FnOnce(&mut Credentials) -> Result<(), Errno>) -> SysResult {
    ctx.task.change_creds(|creds| {
        change(creds)?;
        creds.fsgid = creds.egid;
        Ok(())
    })?;
    Ok(0)
}

/// An id argument; -1 is none.
fn id(value: u32) -> Option<u32> {
    (value != u32::MAX).then_some(value)
}

pub(super) fn setuid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let uid = Kuid(id(a.u32(0)).ok_or(Errno::EINVAL)?);
    change_uids(ctx, |creds| {
        if creds.has_cap(c::CAP_SETUID) {
            (creds.uid, creds.suid) = (uid, uid);
        } else if uid != creds.uid && uid != creds.suid {
            return Err(Errno::EPERM);
        }
        creds.euid = uid;
        Ok(())
    })
}

pub(super) fn setgid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let gid = Kgid(id(a.u32(0)).ok_or(Errno::EINVAL)?);
    change_gids(ctx, |creds| {
        if creds.has_cap(c::CAP_SETGID) {
            (creds.gid, creds.sgid) = (gid, gid);
        } else if gid != creds.gid && gid != creds.sgid {
            return Err(Errno::EPERM);
        }
        creds.egid = gid;
        Ok(())
    })
}

pub(super) fn setreuid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (ruid, euid) = (id(a.u32(0)).map(Kuid), id(a.u32(1)).map(Kuid));
    change_uids(ctx, |creds| {
        let old = creds.clone();
        let able = creds.has_cap(c::CAP_SETUID);
        if let Some(ruid) = ruid {
            if !able && ruid != old.uid && ruid != old.euid {
                return Err(Errno::EPERM);
            }
            creds.uid = ruid;
        }
        if let Some(euid) = euid {
            if !able && euid != old.uid && euid != old.euid && euid != old.suid {
                return Err(Errno::EPERM);
            }
            creds.euid = euid;
        }
        if ruid.is_some() || euid.is_some_and(|e| e != old.uid) {
            creds.suid = creds.euid;
        }
        Ok(())
    })
}

pub(super) fn setregid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (rgid, egid) = (id(a.u32(0)).map(Kgid), id(a.u32(1)).map(Kgid));
    change_gids(ctx, |creds| {
        let old = creds.clone();
        let able = creds.has_cap(c::CAP_SETGID);
        if let Some(rgid) = rgid {
            if !able && rgid != old.gid && rgid != old.egid {
                return Err(Errno::EPERM);
            }
            creds.gid = rgid;
        }
        if let Some(egid) = egid {
            if !able && egid != old.gid && egid != old.egid && egid != old.sgid {
                return Err(Errno::EPERM);
            }
            creds.egid = egid;
        }
        if rgid.is_some() || egid.is_some_and(|e| e != old.gid) {
            creds.sgid = creds.egid;
        }
        Ok(())
    })
}

pub(super) fn setresuid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let ids = [0, 1, 2].map(|i| id(a.u32(i)).map(Kuid));
    change_uids(ctx, |creds| {
        let current = [creds.uid, creds.euid, creds.suid];
        if !creds.has_cap(c::CAP_SETUID) && ids.iter().flatten().any(|i| !current.contains(i)) {
            return Err(Errno::EPERM);
        }
        creds.uid = ids[0].unwrap_or(creds.uid);
        creds.euid = ids[1].unwrap_or(creds.euid);
        creds.suid = ids[2].unwrap_or(creds.suid);
        Ok(())
    })
}

pub(super) fn setresgid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let ids = [0, 1, 2].map(|i| id(a.u32(i)).map(Kgid));
    change_gids(ctx, |creds| {
        let current = [creds.gid, creds.egid, creds.sgid];
        if !creds.has_cap(c::CAP_SETGID) && ids.iter().flatten().any(|i| !current.contains(i)) {
            return Err(Errno::EPERM);
        }
        creds.gid = ids[0].unwrap_or(creds.gid);
        creds.egid = ids[1].unwrap_or(creds.egid);
        creds.sgid = ids[2].unwrap_or(creds.sgid);
        Ok(())
    })
}

pub(super) fn setfsuid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let uid = Kuid(a.u32(0));
    ctx.task.change_creds(|creds| {
        let old = creds.fsuid;
        let may =
            [creds.uid, creds.euid, creds.suid, creds.fsuid].contains(&uid) || creds.has_cap(c::CAP_SETUID);
        if may && a.u32(0) != u32::MAX {
            creds.fsuid = uid;
            if creds.securebits & NO_SETUID_FIXUP == 0 {
                if old.0 == 0 && uid.0 != 0 {
                    creds.effective &= !FS_CAPS;
                } else if old.0 != 0 && uid.0 == 0 {
                    creds.effective |= creds.permitted & FS_CAPS;
                }
            }
        }
        Ok(u64::from(old.0))
    })
}

pub(super) fn setfsgid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let gid = Kgid(a.u32(0));
    ctx.task.change_creds(|creds| {
        let old = creds.fsgid;
        let may =
            [creds.gid, creds.egid, creds.sgid, creds.fsgid].contains(&gid) || creds.has_cap(c::CAP_SETGID);
        if may && a.u32(0) != u32::MAX {
            creds.fsgid = gid;
        }
        Ok(u64::from(old.0))
    })
}

/// NGROUPS_MAX
const NGROUPS_MAX: i32 = 65536;

pub(super) fn getgroups(ctx: &mut Ctx, a: &Args) -> SysResult {
    let size = a.i32(0);
    let creds = ctx.task.creds();
    let count = creds.groups.len();
    if size < 0 || (size != 0 && (size as usize) < count) {
        return Err(Errno::EINVAL);
    }
    if size != 0 {
        let ids: Vec<u32> = creds.groups.iter().map(|g| g.0).collect();
        ctx.mm.copy_out(a.u64(1), &ids[..])?;
    }
    Ok(count as u64)
}

pub(super) fn setgroups(ctx: &mut Ctx, a: &Args) -> SysResult {
    if !ctx.task.creds().has_cap(c::CAP_SETGID) {
        return Err(Errno::EPERM);
    }
    let size = a.i32(0);
    if !(0..=NGROUPS_MAX).contains(&size) {
        return Err(Errno::EINVAL);
    }
    let mut ids: Vec<u32> = ctx.mm.copy_in_vec(a.u64(1), size as usize)?;
    if ids.contains(&u32::MAX) {
        return Err(Errno::EINVAL);
    }
    ids.sort_unstable();
    ctx.task.change_creds(|creds| {
        creds.groups = ids.into_iter().map(Kgid).collect();
        Ok(0)
    })
}

const CAP_VERSION_1: u32 = 0x1998_0330;
const CAP_VERSION_2: u32 = 0x2007_1026;
const CAP_VERSION_3: u32 = 0x2008_0522;

/// How many words a version has; an unknown one is answered with the newest.
fn cap_words(ctx: &Ctx, header: &CapHeader, addr: u64) -> Result<usize, Errno> {
    match header.version {
        CAP_VERSION_1 => Ok(1),
        CAP_VERSION_2 | CAP_VERSION_3 => Ok(2),
        _ => {
            ctx.mm.copy_out(addr, &CapHeader { version: CAP_VERSION_3, ..*header })?;
            Err(Errno::EINVAL)
        }
    }
}

pub(super) fn capget(ctx: &mut Ctx, a: &Args) -> SysResult {
    let header: CapHeader = ctx.mm.copy_in(a.u64(0))?;
    let words = match cap_words(ctx, &header, a.u64(0)) {
        // Asking with an unknown version and no buffer is how to learn the version.
        Err(Errno::EINVAL) if a.u64(1) == 0 => return Ok(0),
        other => other?,
    };
    if header.pid < 0 {
        return Err(Errno::EINVAL);
    }
    let tid = super::process::process_by_number(ctx, header.pid)?;
    let creds =
        if header.pid == 0 { ctx.task.creds() } else { ctx.task.kernel.tree.lock().task(tid)?.creds() };
    let half = |mask: u64, i: usize| (mask >> (32 * i)) as u32;
    let data: Vec<CapData> = (0..words)
        .map(|i| CapData {
            effective: half(creds.effective, i),
            permitted: half(creds.permitted, i),
            inheritable: half(creds.inheritable, i),
        })
        .collect();
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &data[..])?;
    }
    Ok(0)
}

pub(super) fn capset(ctx: &mut Ctx, a: &Args) -> SysResult {
    let header: CapHeader = ctx.mm.copy_in(a.u64(0))?;
    let words = cap_words(ctx, &header, a.u64(0))?;
    if header.pid != 0 && header.pid != ctx.task.local_tid() {
        return Err(Errno::EPERM);
    }
    let data: Vec<CapData> = ctx.mm.copy_in_vec(a.u64(1), words)?;
    let join = |part: fn(&CapData) -> u32| {
        data.iter().enumerate().fold(0, |mask, (i, d)| mask | u64::from(part(d)) << (32 * i))
            & stockade_abi::sched::CAP_FULL
    };
    let (effective, permitted, inheritable) =
        (join(|d| d.effective), join(|d| d.permitted), join(|d| d.inheritable));
    ctx.task.change_creds(|creds| {
        let may_inherit = creds.inheritable | creds.permitted;
        let more = inheritable & !may_inherit != 0 && !creds.has_cap(c::CAP_SETPCAP);
        if more
            || inheritable & !(creds.inheritable | creds.bounding) != 0
            || permitted & !creds.permitted != 0
            || effective & !permitted != 0
        {
            return Err(Errno::EPERM);
        }
        (creds.effective, creds.permitted, creds.inheritable) = (effective, permitted, inheritable);
        creds.ambient &= permitted & inheritable;
        Ok(0)
    })
}

/// PR_CAP_AMBIENT
pub(super) fn cap_ambient(ctx: &Ctx, a: &Args) -> SysResult {
    let cap = a.u64(2);
    if a.u32(1) == p::PR_CAP_AMBIENT_CLEAR_ALL {
        if cap != 0 || a.u64(3) != 0 || a.u64(4) != 0 {
            return Err(Errno::EINVAL);
        }
        return ctx.task.change_creds(|creds| {
            creds.ambient = 0;
            Ok(0)
        });
    }
    if cap > u64::from(stockade_abi::sched::CAP_LAST_CAP) || a.u64(3) != 0 || a.u64(4) != 0 {
        return Err(Errno::EINVAL);
    }
    let bit = 1 << cap;
    match a.u32(1) {
        p::PR_CAP_AMBIENT_IS_SET => Ok(u64::from(ctx.task.creds().ambient & bit != 0)),
        p::PR_CAP_AMBIENT_RAISE => ctx.task.change_creds(|creds| {
            if creds.permitted & creds.inheritable & bit == 0 || creds.securebits & NO_CAP_AMBIENT_RAISE != 0
            {
                return Err(Errno::EPERM);
            }
            creds.ambient |= bit;
            Ok(0)
        }),
        p::PR_CAP_AMBIENT_LOWER => ctx.task.change_creds(|creds| {
            creds.ambient &= !bit;
            Ok(0)
        }),
        _ => Err(Errno::EINVAL),
    }
}

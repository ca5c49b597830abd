//! The system (uname(2), sysinfo(2), getrandom(2), pipe(2)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::{Sysinfo, UNAME26, Utsname};
use stockade_platform::host::errno;

use super::{Args, Ctx, SysResult};
use crate::io::Sink;
use crate::mm::{UserMemory, UserSink};

/// The kernel that the sandbox claims to be: a long-term release.
pub(crate) const RELEASE: &str = "6.12.0-stockade";
/// Its version line.
pub(crate) const VERSION: &str = "#1 SMP PREEMPT_DYNAMIC Stockade";

fn field(text: &[u8]) -> [u8; 65] {
    let mut field = [0; 65];
    let n = text.len().min(64);
    field[..n].copy_from_slice(&text[..n]);
    field
}

/// The release; for programs that take 2.6 for granted, as Linux counts on from there.
fn release(as_2_6: bool) -> Vec<u8> {
    let number = RELEASE.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    match number.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if as_2_6 => format!("2.6.{}{}", minor + 60, &RELEASE[number.len()..]).into_bytes(),
        _ => RELEASE.as_bytes().to_vec(),
    }
}

pub(super) fn uname(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (host, domain) = ctx.task.ns.read().uts.names.read().clone();
    let name = Utsname {
        sysname: field(b"Linux"),
        nodename: field(&host),
        release: field(&release(ctx.task.has_personality(UNAME26))),
        version: field(VERSION.as_bytes()),
        machine: field(b"x86_64"),
        domainname: field(&domain),
    };
    ctx.mm.copy_out(a.u64(0), &name)?;
    Ok(0)
}

fn new_name(ctx: &Ctx, a: &Args) -> Result<Vec<u8>, Errno> {
    if !ctx.task.creds().has_cap(c::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let len = usize::try_from(a.i32(1)).ok().filter(|&n| n <= 64).ok_or(Errno::EINVAL)?;
    let mut name = vec![0; len];
    ctx.mm.read_exact(a.u64(0), &mut name)?;
    Ok(name)
}

pub(super) fn sethostname(ctx: &mut Ctx, a: &Args) -> SysResult {
    let name = new_name(ctx, a)?;
    ctx.task.ns.read().uts.names.write().0 = name;
    Ok(0)
}

pub(super) fn setdomainname(ctx: &mut Ctx, a: &Args) -> SysResult {
    let name = new_name(ctx, a)?;
    ctx.task.ns.read().uts.names.write().1 = name;
    Ok(0)
}

pub(super) fn sysinfo(ctx: &mut Ctx, a: &Args) -> SysResult {
    let kernel = &ctx.task.kernel;
    let info = Sysinfo {
        uptime: kernel.clock.uptime().as_secs() as i64,
        totalram: kernel.config.memory,
        freeram: kernel.config.memory / 2,
        procs: u16::try_from(kernel.task_count()).unwrap_or(u16::MAX),
        mem_unit: 1,
        ..Sysinfo::default()
    };
    ctx.mm.copy_out(a.u64(0), &info)?;
    Ok(0)
}

pub(super) fn getrandom(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(2);
    const INSECURE: u32 = 4;
    if flags & !(c::GRND_NONBLOCK | c::GRND_RANDOM | INSECURE) != 0
        || flags & (c::GRND_RANDOM | INSECURE) == c::GRND_RANDOM | INSECURE
    {
        return Err(Errno::EINVAL);
    }
    let mut sink = UserSink::new(&ctx.mm, a.u64(0), a.u64(1).min(0x1ff_ffff))?;
    let mut done = 0;
    let mut buf = [0; 4096];
    while sink.remaining() > 0 {
        let want = sink.remaining().min(buf.len());
        let n = rustix::rand::getrandom(&mut buf[..want], rustix::rand::GetRandomFlags::empty())
            .map_err(errno)?;
        match sink.put(&buf[..n]) {
            Ok(put) => done += put as u64,
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

fn new_pipe(ctx: &Ctx, addr: u64, flags: u32) -> SysResult {
    if flags & !(c::O_CLOEXEC | c::O_NONBLOCK | c::O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let creds = ctx.task.creds();
    let (reader, writer) =
        crate::fs::pipe::pair(flags & (c::O_NONBLOCK | c::O_DIRECT), creds.fsuid.0, creds.fsgid.0);
    let (limit, cloexec) = (ctx.task.fd_limit(), flags & c::O_CLOEXEC != 0);
    let first = ctx.files.add(reader, cloexec, limit)?;
    let second = ctx.files.add(writer, cloexec, limit).inspect_err(|_| {
        let _ = ctx.files.remove(first);
    })?;
    ctx.mm.copy_out(addr, &[first, second]).inspect_err(|_| {
        let _ = ctx.files.remove(first);
        let _ = ctx.files.remove(second);
    })?;
    Ok(0)
}

pub(super) fn pipe(ctx: &mut Ctx, a: &Args) -> SysResult {
    new_pipe(ctx, a.u64(0), 0)
}

pub(super) fn pipe2(ctx: &mut Ctx, a: &Args) -> SysResult {
    new_pipe(ctx, a.u64(0), a.u32(1))
}

pub(super) fn getcpu(ctx: &mut Ctx, a: &Args) -> SysResult {
    // The vDSO answers this natively; here it is the processor that the sentry thread runs on, if the guest's may be it.
    let here = rustix::thread::sched_getcpu();
    let cpu = match &*ctx.task.affinity.lock() {
        Some(mask) if mask.get(here / 8).is_none_or(|byte| byte & (1 << (here % 8)) == 0) => {
            mask.iter().position(|&byte| byte != 0).map_or(0, |i| i * 8 + mask[i].trailing_zeros() as usize)
        }
        _ => here,
    } as u32;
    if a.u64(0) != 0 {
        ctx.mm.copy_out(a.u64(0), &cpu)?;
    }
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &0u32)?;
    }
    Ok(0)
}

pub(super) fn personality(ctx: &mut Ctx, a: &Args) -> SysResult {
    use std::sync::atomic::Ordering;
    let old = ctx.task.personality.load(Ordering::Relaxed);
    if a.u32(0) != u32::MAX {
        ctx.task.personality.store(a.u32(0), Ordering::Relaxed);
    }
    Ok(u64::from(old))
}

/// Calls that exist and that nobody in a sandbox may make.
pub(super) fn not_permitted(_ctx: &mut Ctx, _a: &Args) -> SysResult {
    Err(Errno::EPERM)
}

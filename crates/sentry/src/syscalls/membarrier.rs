//! Memory barriers on other processors (membarrier(2)).
//!
//! The host's kernel makes them, asked by a thread that shares the guest's memory. GLOBAL means all processes of the
//! sandbox, which is all that guests can share memory with.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier_query};
use stockade_abi::Errno;
use stockade_abi::general::membarrier_cmd as cmd;

use super::{Args, Ctx, SysResult};
use crate::mm::MemoryManager;

const QUERY: u32 = cmd::MEMBARRIER_CMD_QUERY as u32;
const GLOBAL: u32 = cmd::MEMBARRIER_CMD_GLOBAL as u32;
const GLOBAL_EXPEDITED: u32 = cmd::MEMBARRIER_CMD_GLOBAL_EXPEDITED as u32;
const REGISTER_GLOBAL: u32 = cmd::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED as u32;
const PRIVATE: u32 = cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED as u32;
const REGISTER_PRIVATE: u32 = cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as u32;
const PRIVATE_CODE: u32 = cmd::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE as u32;
const REGISTER_PRIVATE_CODE: u32 = cmd::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE as u32;
const GET_REGISTRATIONS: u32 = cmd::MEMBARRIER_CMD_GET_REGISTRATIONS as u32;

/// What the host lets the sandbox have. Restartable sequences are not there.
fn supported() -> u32 {
    static SUPPORTED: OnceLock<u32> = OnceLock::new();
    *SUPPORTED.get_or_init(|| {
        let host: MembarrierQuery = membarrier_query();
        let mut supported = 0;
        if host.contains_command(MembarrierCommand::PrivateExpedited) {
            supported |=
                GLOBAL | GLOBAL_EXPEDITED | REGISTER_GLOBAL | PRIVATE | REGISTER_PRIVATE | GET_REGISTRATIONS;
        }
        if supported != 0 && host.contains_command(MembarrierCommand::PrivateExpeditedSyncCore) {
            supported |= PRIVATE_CODE | REGISTER_PRIVATE_CODE;
        }
        supported
    })
}

/// A barrier in each address space of the sandbox that is registered for `commands`; 0 for all.
fn everywhere(ctx: &Ctx, commands: u32) -> Result<(), Errno> {
    let spaces: BTreeMap<u64, Arc<MemoryManager>> = {
        let tree = ctx.task.kernel.tree.lock();
        tree.tasks.values().filter_map(|task| task.mm()).map(|mm| (mm.id(), mm)).collect()
    };
    for mm in spaces.values().filter(|mm| mm.registered_barriers() & commands == commands) {
        match mm.barrier(false) {
            // It has ended meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

pub(super) fn membarrier(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (command, flags) = (a.u32(0), a.u32(1));
    if flags != 0 || command.count_ones() > 1 || command & !supported() != 0 {
        return Err(Errno::EINVAL);
    }
    let mm = &ctx.mm;
    let registered =
        |command| if mm.registered_barriers() & command != 0 { Ok(()) } else { Err(Errno::EPERM) };
    match command {
        QUERY => return Ok(supported().into()),
        GET_REGISTRATIONS => return Ok(mm.registered_barriers().into()),
        GLOBAL => everywhere(ctx, 0)?,
        GLOBAL_EXPEDITED => everywhere(ctx, REGISTER_GLOBAL)?,
        PRIVATE => {
            registered(REGISTER_PRIVATE)?;
            mm.barrier(false)?;
        }
        PRIVATE_CODE => {
            registered(REGISTER_PRIVATE_CODE)?;
            mm.barrier(true)?;
        }
        REGISTER_GLOBAL | REGISTER_PRIVATE | REGISTER_PRIVATE_CODE => mm.register_barrier(command),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

//! The memfd that every stub's code is mapped from.

use std::os::fd::OwnedFd;

use libc::sock_filter;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::pwrite;
use stockade_abi::Errno;

use super::error::errno;
use super::layout::constants as c;
use super::layout::{CODE, CODE_SIZE, PAGE};
use super::{filter, stub};

/// The signals that a helper does not block: its own faults.
pub(crate) const HELPER_MASK: u64 = !(1 << (libc::SIGSEGV - 1) | 1 << (libc::SIGBUS - 1));

/// The bytes: code, constants, filters.
fn bytes(also_trapped: &[u32]) -> Result<Vec<u8>, Errno> {
    let mut image = vec![0; CODE_SIZE as usize];
    let mut put = |at: u64, bytes: &[u8], end: u64| {
        let at = at as usize;
        let slot = image.get_mut(at..at + bytes.len()).filter(|_| at + bytes.len() <= end as usize);
        slot.map(|s| s.copy_from_slice(bytes)).ok_or(Errno::E2BIG)
    };
    let program = |filter: &[sock_filter], at: u64| {
        let mut p = [0; 16];
        p[..2].copy_from_slice(&(filter.len() as u16).to_ne_bytes());
        p[8..].copy_from_slice(&(CODE + at).to_ne_bytes());
        p
    };
    let (guest, helper) = (filter::guest(), filter::helper(also_trapped));
    put(0, stub::bytes(), PAGE)?;
    put(c::MASK, &HELPER_MASK.to_ne_bytes(), c::LISTENER_MESSAGE)?;
    let header = [0, 0, CODE + c::LISTENER_IOV, 1, CODE + c::LISTENER_CONTROL, 24, 0];
    put(c::LISTENER_MESSAGE, &words(&header), c::LISTENER_IOV)?;
    put(c::LISTENER_IOV, &words(&[CODE, 1]), c::LISTENER_CONTROL)?;
    // cmsg_len 20, SOL_SOCKET and SCM_RIGHTS (both 1), descriptor 1.
    put(c::LISTENER_CONTROL, &words(&[20, 1 | 1 << 32, 1]), c::GUEST_PROGRAM)?;
    put(c::GUEST_PROGRAM, &program(&guest, c::GUEST_FILTER), c::HELPER_PROGRAM)?;
    put(c::HELPER_PROGRAM, &program(&helper, c::HELPER_FILTER), c::GUEST_FILTER)?;
    put(c::GUEST_FILTER, &encode(&guest), c::HELPER_FILTER)?;
    put(c::HELPER_FILTER, &encode(&helper), CODE_SIZE)?;
    Ok(image)
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_ne_bytes()).collect()
}

fn encode(filter: &[sock_filter]) -> Vec<u8> {
    filter
        .iter()
        .flat_map(|i| {
            let mut b = [0; 8];
            b[..2].copy_from_slice(&i.code.to_ne_bytes());
            b[2] = i.jt;
            b[3] = i.jf;
            b[4..].copy_from_slice(&i.k.to_ne_bytes());
            b
        })
        .collect()
}

/// Makes the memfd, sealed against every change.
///
/// # Errors
/// As memfd_create(2); E2BIG if a filter is too long.
pub(crate) fn create(also_trapped: &[u32]) -> Result<OwnedFd, Errno> {
    let image = bytes(also_trapped)?;
    // MFD_EXEC where it is known (6.3), so that vm.memfd_noexec=1 is no obstacle.
    let exec = MemfdFlags::from_bits_retain(0x10);
    let base = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = memfd_create("stockade-stub", base | exec).or_else(|_| memfd_create("stockade-stub", base));
    let fd = fd.map_err(errno)?;
    ftruncate(&fd, CODE_SIZE).map_err(errno)?;
    let written = pwrite(&fd, &image, 0).map_err(errno)?;
    if written != image.len() {
        return Err(Errno::ENOSPC);
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&fd, seals).map_err(errno)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits() {
        assert_eq!(bytes(&[]).unwrap().len(), CODE_SIZE as usize);
        let all: Vec<u32> = (0..480).collect();
        bytes(&all).unwrap();
    }
}

//! Which pages a stub has of its own (`/proc/PID/pagemap`; admin-guide/mm/pagemap.rst in the kernel's documentation).
#![expect(unsafe_code, reason = "an ioctl that rustix lacks")]

use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use stockade_abi::Errno;

use super::error::{errno, last_errno};
use super::layout::PAGE;
use crate::OwnPages;

/// PAGEMAP_SCAN, of Linux 6.7.
const PAGEMAP_SCAN: u32 = 0xc060_6610;
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// Bits of an entry.
const EXCLUSIVE: u64 = 1 << 56;
const FILE: u64 = 1 << 61;
const SWAPPED: u64 = 1 << 62;
const PRESENT: u64 = 1 << 63;

/// Regions that one request gives at most.
const REGIONS: usize = 512;
/// Entries read at once.
const ENTRIES: u64 = 16 * 1024;

/// `struct pm_scan_arg`
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// Pages in `range` that are in use and neither a file's nor the page of zeros. With `sharing`, those that other processes
/// have too are told from the rest.
pub(crate) fn own_pages(
    proc: &OwnedFd,
    pid: i32,
    range: &Range<u64>,
    sharing: bool,
) -> Result<Vec<OwnPages>, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let pagemap = openat(proc, format!("{pid}/pagemap"), flags, Mode::empty()).map_err(errno)?;
    let mut found = Vec::new();
    match scan(&pagemap, range) {
        Ok(runs) if sharing => runs.iter().try_for_each(|run| entries(&pagemap, run, &mut found))?,
        Ok(runs) => found.extend(runs.into_iter().map(|range| OwnPages { range, is_shared: false })),
        // An older kernel.
        Err(Errno::ENOTTY) => entries(&pagemap, range, &mut found)?,
        Err(e) => return Err(e),
    }
    Ok(found)
}

fn scan(pagemap: &OwnedFd, range: &Range<u64>) -> Result<Vec<Range<u64>>, Errno> {
    let mut found: Vec<Range<u64>> = Vec::new();
    let mut regions = vec![Region::default(); REGIONS];
    let mut start = range.start;
    while start < range.end {
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start,
            end: range.end,
            vec: regions.as_mut_ptr() as u64,
            vec_len: REGIONS as u64,
            category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            ..Scan::default()
        };
        // SAFETY: the request reads and writes the structure, and writes as many regions as `vec_len` says at most, which
        // live as long as this call and are plain numbers.
        let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut scan) };
        if count < 0 {
            return Err(last_errno());
        }
        for region in regions.iter().take(count as usize) {
            match found.last_mut() {
                Some(last) if last.end == region.start => last.end = region.end,
                _ => found.push(region.start..region.end),
            }
        }
        if scan.walk_end <= start {
            break;
        }
        start = scan.walk_end;
    }
    Ok(found)
}

fn entries(pagemap: &OwnedFd, range: &Range<u64>, found: &mut Vec<OwnPages>) -> Result<(), Errno> {
    let mut bytes = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let pages = ((range.end - at) / PAGE).min(ENTRIES);
        bytes.resize((pages * 8) as usize, 0);
        let n = rustix::io::pread(pagemap, &mut *bytes, at / PAGE * 8).map_err(errno)?;
        let (words, _) = bytes[..n].as_chunks::<8>();
        if words.is_empty() {
            break;
        }
        for word in words {
            let entry = u64::from_ne_bytes(*word);
            if entry & (PRESENT | SWAPPED) != 0 && entry & FILE == 0 {
                let is_shared = entry & (PRESENT | EXCLUSIVE) == PRESENT;
                match found.last_mut() {
                    Some(last) if last.range.end == at && last.is_shared == is_shared => {
                        last.range.end += PAGE;
                    }
                    _ => found.push(OwnPages { range: at..at + PAGE, is_shared }),
                }
            }
            at += PAGE;
        }
    }
    Ok(())
}

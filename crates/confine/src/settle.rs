//! Memory that the start needed and the rest of a life does not.
#![expect(unsafe_code, reason = "the program's own segments, and madvise(2) of them; malloc_trim(3)")]

use std::ops::Range;

/// Size of a page.
const PAGE: usize = 4096;

/// Lets go of it: of free memory of the heap, and of the program's code and constants, of which what is needed again comes back
/// from the page cache, where it is all the time. To be called by who is about to wait for long.
pub fn settle() {
    let_go_of_heap();
    let_go_of_code();
}

fn let_go_of_heap() {
    // SAFETY: the allocator gives back what nobody has, which may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

fn let_go_of_code() {
    let mut segments: Vec<Range<usize>> = Vec::new();
    // SAFETY: the callback has the type that the call wants, and gets the vector that it is told of, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(note_segments), (&raw mut segments).cast()) };
    for segment in segments {
        let (start, end) = (segment.start.next_multiple_of(PAGE), segment.end & !(PAGE - 1));
        if start < end {
            // SAFETY: these pages are a private mapping of the program's file that was never writable, so that the host reads
            // the same bytes again. A failure changes nothing.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
}

/// Notes the segments of the first object, which is the program, that cannot be written.
unsafe extern "C" fn note_segments(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    segments: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `info` is what the C library shows to callbacks, and valid during the call; its headers are as many as it says.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr as usize, std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)))
    };
    // SAFETY: the vector that `let_go_of_code` passes, and nobody else uses meanwhile.
    let segments = unsafe { &mut *segments.cast::<Vec<Range<usize>>>() };
    for header in headers {
        if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0 {
            let start = base + header.p_vaddr as usize;
            segments.push(start..start + header.p_filesz as usize);
        }
    }
    // Enough.
    1
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{let_go_of_code, let_go_of_heap};

    /// Bytes of the program's own read-only segments that are in this process's memory.
    fn resident() -> usize {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let text = fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut own, mut kib) = (false, 0);
        for line in text.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [_, rights, .., path] if rights.len() == 4 => {
                    own = !rights.contains('w') && *path == program.to_str().unwrap();
                }
                ["Rss:", n, "kB"] if own => kib += n.parse::<usize>().unwrap(),
                _ => {}
            }
        }
        kib * 1024
    }

    #[test]
    fn code_goes_and_comes_back() {
        let before = resident();
        let_go_of_code();
        let after = resident();
        assert!(after < before, "{before} bytes before, {after} after");
    }

    /// KiB of this process that are no file's.
    fn anonymous() -> usize {
        let text = fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.split_ascii_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn free_memory_inside_the_heap_goes() {
        // Each is below what the allocator maps by itself, and every other one stays.
        let mut blocks: Vec<Option<Vec<u8>>> = (0..256).map(|_| Some(vec![1; 64 << 10])).collect();
        blocks.iter_mut().step_by(2).for_each(|block| *block = None);
        let before = anonymous();
        let_go_of_heap();
        let after = anonymous();
        assert!(after + 4096 < before, "{before} KiB before, {after} KiB after");
        assert!(blocks.iter().flatten().all(|block| block.iter().all(|&byte| byte == 1)));
    }
}

//! The host's vDSO in this process's memory map, which the zygote inherits, and its functions (vdso(7)).

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use object::LittleEndian as LE;
use object::elf::{DT_STRTAB, DT_SYMTAB, FileHeader64, SHN_UNDEF, Sym64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadRef, StringTable};
use rustix::fs::{Mode, OFlags, openat};
use stockade_abi::Errno;

use super::error::errno;
use super::procfs;
use crate::VdsoFunctions;

/// The mappings that belong to the vDSO, in order of address, and where its ELF image begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostVdso {
    pub(crate) pieces: Vec<Range<u64>>,
    pub(crate) image: Option<Range<u64>>,
    /// Where the functions are while the image is where it is.
    pub(crate) functions: VdsoFunctions,
}

/// Finds them in `/proc/self/maps`.
pub(crate) fn host_vdso(proc: &OwnedFd) -> Result<HostVdso, Errno> {
    let mut found = parse(&procfs::read(proc, "self/maps")?);
    if let Some(range) = found.image.clone() {
        // Beneath `self` it belongs to the user that the first thread is, not to this one's.
        let memory = openat(proc, "thread-self/mem", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(errno)?;
        let mut image = vec![0; (range.end - range.start) as usize];
        File::from(memory)
            .read_exact_at(&mut image, range.start)
            .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
        // Without them guests make calls.
        found.functions = functions(&image, range.start).unwrap_or_default();
    }
    Ok(found)
}

/// Reads the dynamic symbols of an image that is mapped at `base`. By segments: not every host leaves the section
/// headers in it.
fn functions(image: &[u8], base: u64) -> object::Result<VdsoFunctions> {
    let header = FileHeader64::<LE>::parse(image)?;
    let (mut strings, mut symbols) = (None, None);
    for segment in header.program_headers(LE, image)? {
        for entry in segment.dynamic(LE, image)?.unwrap_or_default() {
            match entry.tag32(LE) {
                Some(DT_STRTAB) => strings = Some(entry.d_val(LE)),
                Some(DT_SYMTAB) => symbols = Some(entry.d_val(LE)),
                _ => {}
            }
        }
    }
    let mut found = VdsoFunctions::default();
    // The strings follow the symbols, with perhaps other tables between, whose entries name no function.
    let (Some(strings), Some(symbols)) = (strings, symbols) else { return Ok(found) };
    let count = strings.saturating_sub(symbols) as usize / size_of::<Sym64<LE>>();
    let table: &[Sym64<LE>] = image.read_slice_at(symbols, count).unwrap_or_default();
    let strings = StringTable::new(image, strings, image.len() as u64);
    for symbol in table.iter().filter(|s| s.st_shndx.get(LE) != SHN_UNDEF) {
        let at = Some(base + symbol.st_value.get(LE));
        match strings.get(symbol.st_name.get(LE)) {
            Ok(b"__vdso_clock_gettime") => found.clock_gettime = at,
            Ok(b"__vdso_clock_getres") => found.clock_getres = at,
            Ok(b"__vdso_gettimeofday") => found.gettimeofday = at,
            Ok(b"__vdso_time") => found.time = at,
            Ok(b"__vdso_getcpu") => found.getcpu = at,
            _ => {}
        }
    }
    Ok(found)
}

fn parse(maps: &str) -> HostVdso {
    let mut found = HostVdso::default();
    for line in maps.lines() {
        let name = line.rsplit(' ').next().unwrap_or_default();
        if !name.starts_with("[vvar") && name != "[vdso]" {
            continue;
        }
        let Some((begin, end)) = line.split(' ').next().and_then(|r| r.split_once('-')) else { continue };
        let (Ok(begin), Ok(end)) = (u64::from_str_radix(begin, 16), u64::from_str_radix(end, 16)) else {
            continue;
        };
        if name == "[vdso]" {
            found.image = Some(begin..end);
        }
        found.pieces.push(begin..end);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_vdso_and_data() {
        let maps = "7ffd6d0a4000-7ffd6d0c5000 rw-p 00000000 00:00 0                          [stack]\n\
                    7ffd6d1d2000-7ffd6d1d6000 r--p 00000000 00:00 0                          [vvar]\n\
                    7ffd6d1d6000-7ffd6d1d8000 r--p 00000000 00:00 0                          [vvar_vclock]\n\
                    7ffd6d1d8000-7ffd6d1da000 r-xp 00000000 00:00 0                          [vdso]\n\
                    ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
        let found = parse(maps);
        assert_eq!(found.pieces.len(), 3);
        assert_eq!(found.image, Some(0x7ffd_6d1d_8000..0x7ffd_6d1d_a000));
    }

    #[test]
    fn finds_the_functions_of_this_host() {
        let proc = File::open("/proc").unwrap().into();
        let found = host_vdso(&proc).unwrap();
        let (image, f) = (found.image.unwrap(), found.functions);
        for at in [f.clock_gettime, f.clock_getres, f.gettimeofday, f.time, f.getcpu] {
            assert!(at.is_some_and(|at| image.contains(&at)), "{f:x?} in {image:x?}");
        }
    }

    #[test]
    fn what_is_no_image_has_no_functions() {
        let proc = File::open("/proc").unwrap().into();
        let range = host_vdso(&proc).unwrap().image.unwrap();
        let mut image = vec![0; (range.end - range.start) as usize];
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut image, range.start).unwrap();
        for len in (0..image.len()).step_by(7) {
            let _ = functions(&image[..len], 0);
        }
        assert!(functions(&[0x7f; 4096], 0).is_err());
    }
}

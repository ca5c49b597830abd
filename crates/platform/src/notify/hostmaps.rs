//! The host's vDSO in this process's memory map, which the zygote inherits.

use std::ops::Range;
use std::os::fd::OwnedFd;

use stockade_abi::Errno;

use super::procfs;

/// The mappings that belong to the vDSO, in order of address, and where its ELF image begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostVdso {
    pub(crate) pieces: Vec<Range<u64>>,
    pub(crate) image: Option<u64>,
}

/// Finds them in `/proc/self/maps`.
pub(crate) fn host_vdso(proc: &OwnedFd) -> Result<HostVdso, Errno> {
    Ok(parse(&procfs::read(proc, "self/maps")?))
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
            found.image = Some(begin);
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
        assert_eq!(found.image, Some(0x7ffd_6d1d_8000));
    }
}

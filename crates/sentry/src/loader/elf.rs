//! ELF files (elf(5)).

use std::ops::Range;
use std::sync::Arc;

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64};
use stockade_abi::Errno;
use stockade_abi::misc::{PAGE_SIZE, PATH_MAX};
use stockade_platform::Prot;

use super::read_at;
use crate::mm::{FileBacking, MapRequest, MemoryLimits, MemoryManager, UserMemory};
use crate::vfs::File;

const PAGE_MASK: u64 = PAGE_SIZE - 1;
/// Program headers take at most this many bytes (`load_elf_phdrs`).
const MAX_PHDRS_SIZE: usize = 65536;

/// A header that was read and checked.
pub(super) struct Elf {
    kind: u16,
    entry: u64,
    phoff: u64,
    segments: Vec<ProgramHeader64<LE>>,
}

/// What maps a file.
#[derive(Default)]
pub(super) struct Mapping {
    /// Its areas.
    pub(super) areas: Vec<MapRequest>,
    /// What of them has to be zeroed then.
    pub(super) zeros: Vec<Range<u64>>,
}

impl Mapping {
    /// Maps several in one go.
    pub(super) fn map(self, mm: &MemoryManager) -> Result<(), Errno> {
        if !self.areas.is_empty() {
            mm.map_fixed_all(self.areas, &MemoryLimits::default())?;
        }
        for range in self.zeros {
            let zeros = vec![0; (range.end - range.start) as usize];
            mm.write_exact(range.start, &zeros)?;
        }
        Ok(())
    }
}

/// Where a file is mapped.
pub(super) struct Placed {
    pub(super) entry: u64,
    pub(super) phdr: u64,
    pub(super) code: Range<u64>,
    pub(super) data: Range<u64>,
    pub(super) end: u64,
}

impl Elf {
    pub(super) fn read(file: &File) -> Result<Self, Errno> {
        let mut head = [0; 64];
        if read_at(file, 0, &mut head)? < head.len() {
            return Err(Errno::ENOEXEC);
        }
        let (header, _) = object::pod::from_bytes::<FileHeader64<LE>>(&head).map_err(|()| Errno::ENOEXEC)?;
        let kind = header.e_type.get(LE);
        // As Linux, which goes by the machine alone.
        if header.e_ident.magic != elf::ELFMAG
            || header.e_machine.get(LE) != elf::EM_X86_64
            || (kind != elf::ET_EXEC && kind != elf::ET_DYN)
            || usize::from(header.e_phentsize.get(LE)) != size_of::<ProgramHeader64<LE>>()
        {
            return Err(Errno::ENOEXEC);
        }
        let count = usize::from(header.e_phnum.get(LE));
        let size = count * size_of::<ProgramHeader64<LE>>();
        if count == 0 || size > MAX_PHDRS_SIZE {
            return Err(Errno::ENOEXEC);
        }
        let mut bytes = vec![0; size];
        let phoff = header.e_phoff.get(LE);
        if read_at(file, phoff, &mut bytes)? < size {
            return Err(Errno::ENOEXEC);
        }
        let (segments, _) = object::pod::slice_from_bytes::<ProgramHeader64<LE>>(&bytes, count)
            .map_err(|()| Errno::ENOEXEC)?;
        let elf = Self { kind, entry: header.e_entry.get(LE), phoff, segments: segments.to_vec() };
        elf.check()?;
        Ok(elf)
    }

    fn loads(&self) -> impl Iterator<Item = &ProgramHeader64<LE>> {
        self.segments.iter().filter(|s| s.p_type.get(LE) == elf::PT_LOAD)
    }

    fn check(&self) -> Result<(), Errno> {
        let mut last = 0;
        let mut any = false;
        for s in self.loads() {
            let (vaddr, memsz, filesz) = (s.p_vaddr.get(LE), s.p_memsz.get(LE), s.p_filesz.get(LE));
            let end = vaddr.checked_add(memsz).ok_or(Errno::EINVAL)?;
            if filesz > memsz
                || end > 0x7fff_ffff_f000
                || s.p_offset.get(LE).checked_add(filesz).is_none()
                || s.p_offset.get(LE) & PAGE_MASK != vaddr & PAGE_MASK
            {
                return Err(Errno::EINVAL);
            }
            if any && vaddr < last {
                return Err(Errno::EINVAL);
            }
            last = vaddr;
            any = true;
        }
        if any { Ok(()) } else { Err(Errno::ENOEXEC) }
    }

    pub(super) fn is_relocatable(&self) -> bool {
        self.kind == elf::ET_DYN
    }

    pub(super) fn phnum(&self) -> u64 {
        self.segments.len() as u64
    }

    /// First to last address, whole pages.
    pub(super) fn span(&self) -> Range<u64> {
        let start = self.loads().map(|s| s.p_vaddr.get(LE)).min().unwrap_or(0) & !PAGE_MASK;
        let end = self.loads().map(|s| s.p_vaddr.get(LE) + s.p_memsz.get(LE)).max().unwrap_or(0);
        start..(end + PAGE_MASK) & !PAGE_MASK
    }

    /// A bias near `wanted` that respects the segments' alignment.
    pub(super) fn align_bias(&self, wanted: u64) -> u64 {
        let align =
            self.loads().map(|s| s.p_align.get(LE)).filter(|a| a.is_power_of_two()).max().unwrap_or(1);
        wanted & !(align.clamp(PAGE_SIZE, 1 << 30) - 1)
    }

    pub(super) fn wants_executable_stack(&self) -> bool {
        let header = self.segments.iter().find(|s| s.p_type.get(LE) == elf::PT_GNU_STACK);
        header.is_some_and(|s| s.p_flags.get(LE) & elf::PF_X != 0)
    }

    /// The path of the dynamic linker.
    pub(super) fn interpreter(&self, file: &File) -> Result<Option<Vec<u8>>, Errno> {
        let Some(s) = self.segments.iter().find(|s| s.p_type.get(LE) == elf::PT_INTERP) else {
            return Ok(None);
        };
        let size = usize::try_from(s.p_filesz.get(LE)).map_err(|_| Errno::ENOEXEC)?;
        if !(2..=PATH_MAX).contains(&size) {
            return Err(Errno::ENOEXEC);
        }
        let mut path = vec![0; size];
        if read_at(file, s.p_offset.get(LE), &mut path)? < size || path.pop() != Some(0) {
            return Err(Errno::ENOEXEC);
        }
        path.truncate(path.iter().position(|&b| b == 0).unwrap_or(path.len()));
        Ok(Some(path))
    }

    /// Adds to `mapping` what maps all segments, moved by `bias`.
    pub(super) fn place(&self, mapping: &mut Mapping, file: &Arc<File>, bias: u64) -> Result<Placed, Errno> {
        let object = file.ops().mappable()?;
        let mut placed =
            Placed { entry: self.entry.wrapping_add(bias), phdr: 0, code: 0..0, data: 0..0, end: 0 };
        for s in self.loads() {
            let (offset, filesz, memsz) = (s.p_offset.get(LE), s.p_filesz.get(LE), s.p_memsz.get(LE));
            let start = s.p_vaddr.get(LE).checked_add(bias).ok_or(Errno::ENOEXEC)?;
            let flags = s.p_flags.get(LE);
            let mut prot = Prot::empty();
            prot.set(Prot::READ, flags & elf::PF_R != 0);
            prot.set(Prot::WRITE, flags & elf::PF_W != 0);
            prot.set(Prot::EXEC, flags & elf::PF_X != 0);
            let page = start & !PAGE_MASK;
            let file_end = (start + filesz + PAGE_MASK) & !PAGE_MASK;
            let mem_end = (start + memsz + PAGE_MASK) & !PAGE_MASK;
            if filesz > 0 {
                mapping.areas.push(MapRequest {
                    addr: page,
                    fixed: true,
                    file: Some(FileBacking {
                        object: Arc::clone(&object),
                        offset: offset & !PAGE_MASK,
                        path: Some(file.path.clone()),
                    }),
                    ..MapRequest::anonymous(file_end - page, prot)
                });
            }
            let bss = if filesz > 0 { file_end } else { page };
            if mem_end > bss {
                mapping.areas.push(MapRequest {
                    addr: bss,
                    fixed: true,
                    ..MapRequest::anonymous(mem_end - bss, prot)
                });
            }
            if memsz > filesz && filesz > 0 && prot.contains(Prot::WRITE) {
                // To the end of the page: the dynamic linker allocates its first memory there.
                mapping.zeros.push(start + filesz..file_end);
            }
            if (offset..offset + filesz).contains(&self.phoff) {
                placed.phdr = self.phoff - offset + start;
            }
            if prot.contains(Prot::EXEC) {
                placed.code.start = if placed.code.is_empty() { start } else { placed.code.start.min(start) };
                placed.code.end = placed.code.end.max(start + filesz);
            }
            if start > placed.data.start {
                placed.data = start..start + filesz;
            }
            placed.end = placed.end.max(mem_end);
        }
        Ok(placed)
    }
}

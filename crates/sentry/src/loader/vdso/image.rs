//! The ELF image of the vDSO: the functions, and the dynamic symbols by which C libraries find them.

use object::elf;
use object::endian::Endianness;
use object::write::StringId;
use object::write::elf::{FileHeader, ProgramHeader, Sym, Verdef, Writer};
use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_abi::nr;
use stockade_platform::VdsoFunctions;

/// As Linux names it and the version of its symbols.
const SONAME: &[u8] = b"linux-vdso.so.1";
const VERSION: &[u8] = b"LINUX_2.6";
/// Bytes from one function to the next.
const FUNCTION_SIZE: usize = 32;
const BUCKETS: u32 = 3;
/// Indices of versions: the file's own, and that of the symbols.
const BASE: u16 = 1;
const OURS: u16 = 2;

/// Clocks (clock_gettime(2)): the last one with a number of its own that a vDSO knows, and the first of two that none does.
const CLOCK_TAI: u8 = 11;
const CLOCK_PROCESS_CPUTIME_ID: u8 = 2;

/// A function.
pub(super) struct Function {
    /// Its names: the first as the C library's, and weak, so that a program's own comes first.
    names: [&'static str; 2],
    /// The call it makes when the host has no such function.
    call: u32,
    /// The host's.
    pub(super) parameter: fn(&VdsoFunctions) -> Option<u64>,
}

/// All functions, in the order of their code and of their words among the parameters.
pub(super) const FUNCTIONS: [Function; 5] = [
    Function {
        names: ["clock_gettime", "__vdso_clock_gettime"],
        call: nr::clock_gettime,
        parameter: |f| f.clock_gettime,
    },
    Function {
        names: ["gettimeofday", "__vdso_gettimeofday"],
        call: nr::gettimeofday,
        parameter: |f| f.gettimeofday,
    },
    Function { names: ["time", "__vdso_time"], call: nr::time, parameter: |f| f.time },
    Function { names: ["getcpu", "__vdso_getcpu"], call: nr::getcpu, parameter: |f| f.getcpu },
    Function {
        names: ["clock_getres", "__vdso_clock_getres"],
        call: nr::clock_getres,
        parameter: |f| f.clock_getres,
    },
];

/// The code of a function at `at` bytes from the image's beginning: jump to the address in word `index` of the page
/// before the image, or make the call if that is zero. Arguments, stack and return address stay as the caller left
/// them. First it may go `around`, so many bytes from the beginning.
fn code(function: &Function, index: usize, at: usize, around: Option<usize>) -> Vec<u8> {
    let mut code = vec![0xf3, 0x0f, 0x1e, 0xfa]; // endbr64
    if let Some(around) = around {
        code.extend(jump(at + code.len(), around));
    }
    let next = at + code.len() + 7;
    let word = (index * 8) as i32 - PAGE_SIZE as i32 - next as i32;
    code.extend([0x48, 0x8b, 0x05]); // mov rax, [rip + word]
    code.extend(word.to_le_bytes());
    code.extend([0x48, 0x85, 0xc0]); // test rax, rax
    code.extend([0x74, 0x02]); // jz 2 bytes on
    code.extend([0xff, 0xe0]); // jmp rax
    code.extend(call(function));
    // What nobody may execute.
    code.resize(FUNCTION_SIZE, 0xcc);
    code
}

/// Makes the system call.
fn call(function: &Function) -> Vec<u8> {
    let mut code = vec![0xb8]; // mov eax, call
    code.extend(function.call.to_le_bytes());
    code.extend([0x0f, 0x05, 0xc3]); // syscall; ret
    code
}

/// A jump, at `at`.
fn jump(at: usize, to: usize) -> Vec<u8> {
    let mut code = vec![0xe9]; // jmp
    code.extend((to as i32 - at as i32 - 5).to_le_bytes());
    code
}

/// What clock_gettime at `begin` goes around by, at `at`: for clocks that no vDSO knows (CPU time above all) it makes the
/// call here. The host's function would make it, and a thread that is often there can hardly be saved.
fn clocks_of_the_kernel(function: &Function, begin: usize, at: usize) -> Vec<u8> {
    let mut code = vec![
        0x83,
        0xff,
        CLOCK_TAI, // cmp edi, CLOCK_TAI
        0x77,
        0x0d, // ja to the call
        0x8d,
        0x47,
        CLOCK_PROCESS_CPUTIME_ID.wrapping_neg(), // lea eax, [rdi - CLOCK_PROCESS_CPUTIME_ID]
        0x83,
        0xf8,
        0x01, // cmp eax, CLOCK_THREAD_CPUTIME_ID - CLOCK_PROCESS_CPUTIME_ID
        0x76,
        0x05, // jbe to the call
    ];
    code.extend(jump(at + code.len(), begin + 9));
    code.extend(call(function));
    code
}

/// The image's bytes, one page.
///
/// # Errors
/// ENOMEM
pub(super) fn build() -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(PAGE_SIZE as usize, 0);
    Ok(bytes)
}

fn write(bytes: &mut Vec<u8>) -> object::write::Result<()> {
    let mut w = Writer::new(Endianness::Little, true, bytes);
    let names: Vec<(usize, &str)> =
        FUNCTIONS.iter().enumerate().flat_map(|(i, f)| f.names.map(|name| (i, name))).collect();

    // First every place is reserved, then all is written in the same order.
    w.reserve_file_header();
    w.reserve_program_headers(2);
    let chain = names.len() as u32 + 1;
    let hash = w.reserve_hash(BUCKETS, chain);
    w.reserve_null_dynamic_symbol_index();
    let ids: Vec<StringId> = names
        .iter()
        .map(|(_, name)| {
            w.reserve_dynamic_symbol_index();
            w.add_dynamic_string(name.as_bytes())
        })
        .collect();
    let (soname, version) = (w.add_dynamic_string(SONAME), w.add_dynamic_string(VERSION));
    let dynsym = w.reserve_dynsym();
    let dynstr = w.reserve_dynstr();
    let strings_len = w.dynstr_len();
    let versym = w.reserve_gnu_versym();
    let verdef = w.reserve_gnu_verdef(2, 2);
    let dynamic = w.reserve_dynamic(10);
    let dynamic_end = w.reserved_len();
    let text = w.reserve((FUNCTIONS.len() + 1) * FUNCTION_SIZE, FUNCTION_SIZE);
    let end = w.reserved_len();

    w.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_DYN,
        e_machine: elf::EM_X86_64,
        e_entry: 0,
        e_flags: 0,
    })?;
    w.write_align_program_headers();
    w.write_program_header(&segment(elf::PT_LOAD, elf::PF_R | elf::PF_X, 0, end, PAGE_SIZE));
    w.write_program_header(&segment(elf::PT_DYNAMIC, elf::PF_R, dynamic, dynamic_end - dynamic, 8));
    w.write_hash(BUCKETS, chain, |i| Some(elf::hash(names.get(i.checked_sub(1)? as usize)?.1.as_bytes())));
    w.write_null_dynamic_symbol();
    for ((i, name), id) in names.iter().zip(ids) {
        let bind = if name.starts_with("__vdso") { elf::STB_GLOBAL } else { elf::STB_WEAK };
        w.write_dynamic_symbol(&Sym {
            name: Some(id),
            section: None,
            st_info: bind << 4 | elf::STT_FUNC,
            st_other: elf::STV_DEFAULT,
            // There are no sections, but the symbol is defined in the image.
            st_shndx: 1,
            st_value: (text + i * FUNCTION_SIZE) as u64,
            st_size: FUNCTION_SIZE as u64,
        });
    }
    w.write_dynstr();
    w.write_null_gnu_versym();
    names.iter().for_each(|_| w.write_gnu_versym(OURS));
    w.write_align_gnu_verdef();
    for (name, flags, index) in [(soname, elf::VER_FLG_BASE, BASE), (version, 0, OURS)] {
        w.write_gnu_verdef(&Verdef { version: elf::VER_DEF_CURRENT, flags, index, aux_count: 1, name });
    }
    w.write_align_dynamic();
    w.write_dynamic_string(elf::DT_SONAME, soname);
    for (tag, value) in [
        (elf::DT_HASH, hash as u64),
        (elf::DT_STRTAB, dynstr as u64),
        (elf::DT_SYMTAB, dynsym as u64),
        (elf::DT_STRSZ, strings_len as u64),
        (elf::DT_SYMENT, 24),
        (elf::DT_VERSYM, versym as u64),
        (elf::DT_VERDEF, verdef as u64),
        (elf::DT_VERDEFNUM, 2),
        (elf::DT_NULL, 0),
    ] {
        w.write_dynamic(tag, value);
    }
    w.pad_until(text);
    let around = text + FUNCTIONS.len() * FUNCTION_SIZE;
    for (i, function) in FUNCTIONS.iter().enumerate() {
        w.write(&code(function, i, text + i * FUNCTION_SIZE, (i == 0).then_some(around)));
    }
    w.write(&clocks_of_the_kernel(&FUNCTIONS[0], text, around));
    w.pad_until(end);
    Ok(())
}

fn segment(kind: u32, flags: u32, at: usize, size: usize, align: u64) -> ProgramHeader {
    let (at, size) = (at as u64, size as u64);
    ProgramHeader {
        p_type: kind,
        p_flags: flags,
        p_offset: at,
        p_vaddr: at,
        p_paddr: at,
        p_filesz: size,
        p_memsz: size,
        p_align: align,
    }
}

#[cfg(test)]
mod tests {
    use object::LittleEndian as LE;
    use object::elf::FileHeader64;
    use object::read::elf::{FileHeader as _, ProgramHeader as _};

    use super::*;

    #[test]
    fn is_a_page_that_reads_as_elf() {
        let image = build().unwrap();
        assert_eq!(image.len() as u64, PAGE_SIZE);
        let header = FileHeader64::<LE>::parse(&*image).unwrap();
        let headers = header.program_headers(LE, &*image).unwrap();
        let dynamic = headers.iter().find_map(|h| h.dynamic(LE, &*image).unwrap()).unwrap();
        assert_eq!(dynamic.last().map(|d| d.d_tag.get(LE)), Some(u64::from(elf::DT_NULL)));
    }

    /// Programs remember addresses in it across saving and restoring.
    #[test]
    fn its_bytes_do_not_change() {
        // FNV-1a
        let sum = build()
            .unwrap()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        assert_eq!(sum, 0x657e_105f_40f2_6252, "{sum:#x}");
    }
}

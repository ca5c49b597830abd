//! Loading programs (execve(2), elf(5)).

mod elf;
mod script;
mod stack;
pub mod vdso;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::{Context, GpRegs, Prot};

use self::vdso::Vdso;
use crate::creds::Credentials;
use crate::io::BufSink;
use crate::mm::vma::VmFlags;
use crate::mm::{ImageLayout, MapRequest, MemoryManager, UserMemory};
use crate::vfs::File;

/// Bytes of a file that decide what it is (`BINPRM_BUF_SIZE`).
const HEAD_SIZE: usize = 256;
/// Scripts that interpret scripts (`execve(2)`, "Interpreter scripts").
const MAX_SCRIPTS: u32 = 5;
/// Bytes of one argument or variable with its zero (`MAX_ARG_STRLEN`).
const MAX_ARG_STRLEN: usize = 32 * 4096;
/// How many arguments, and how many variables (`MAX_ARG_STRINGS`).
const MAX_ARG_STRINGS: usize = 0x7fff_ffff;

/// A program, its interpreter scripts resolved.
pub struct Program {
    /// The ELF file.
    pub file: Arc<File>,
    /// What the guest finds at AT_EXECFN.
    pub path: Vec<u8>,
    /// Arguments, with those that scripts added.
    pub argv: Vec<Vec<u8>>,
}

/// Opens a file to execute it.
pub type Opener<'a> = dyn Fn(&[u8]) -> Result<Arc<File>, Errno> + 'a;

/// What to load.
pub struct LoadRequest<'a> {
    /// The program.
    pub program: &'a Program,
    /// Environment.
    pub envp: &'a [Vec<u8>],
    /// Who will run it.
    pub creds: &'a Credentials,
    /// AT_SECURE
    pub secure: bool,
    /// RLIMIT_STACK
    pub stack_limit: u64,
    /// Whether addresses are moved randomly; not with ADDR_NO_RANDOMIZE of personality(2).
    pub randomize: bool,
    /// The sandbox's vDSO.
    pub vdso: &'a Vdso,
    /// For the ELF interpreter.
    pub open: &'a Opener<'a>,
}

fn read_at(file: &File, offset: u64, buf: &mut [u8]) -> Result<usize, Errno> {
    let mut done = 0;
    while done < buf.len() {
        let mut sink = BufSink::new(&mut buf[done..]);
        match file.ops().read(file, &mut sink, offset + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

/// Follows `#!` lines to the program that is to run.
///
/// # Errors
/// ENOEXEC, ELOOP for too many scripts, E2BIG, and what opening fails with.
pub fn resolve_program(
    mut file: Arc<File>,
    path: &[u8],
    argv: &[Vec<u8>],
    open: &Opener<'_>,
) -> Result<Program, Errno> {
    let mut argv = argv.to_vec();
    // Linux gives a program without arguments an empty first one.
    if argv.is_empty() {
        argv.push(Vec::new());
    }
    let mut path = path.to_vec();
    let name = path.clone();
    for _ in 0..=MAX_SCRIPTS {
        let mut head = [0; HEAD_SIZE];
        let n = read_at(&file, 0, &mut head)?;
        match script::parse(&head[..n])? {
            None => return Ok(Program { file, path: name, argv }),
            Some(line) => {
                let mut new = vec![line.interpreter.clone()];
                new.extend(line.argument);
                new.push(path);
                new.extend(argv.drain(1..));
                argv = new;
                path = line.interpreter;
                file = open(&path)?;
            }
        }
    }
    Err(Errno::ELOOP)
}

fn check_strings(strings: &[Vec<u8>]) -> Result<u64, Errno> {
    if strings.len() > MAX_ARG_STRINGS {
        return Err(Errno::E2BIG);
    }
    let mut total = 0u64;
    for s in strings {
        if s.len() >= MAX_ARG_STRLEN {
            return Err(Errno::E2BIG);
        }
        total += s.len() as u64 + 1 + 8;
    }
    Ok(total)
}

/// Pages to move something by, as bytes.
fn random(bits: u32) -> u64 {
    let mut bytes = [0; 8];
    // Without randomness from the host addresses are merely predictable.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    (u64::from_ne_bytes(bytes) & ((1 << bits) - 1)) * PAGE_SIZE
}

/// Reads what is in a program's headers, for fuzzers; whether it is one.
pub(crate) fn parse(file: &File) -> bool {
    let Ok(program) = elf::Elf::read(file) else { return false };
    let _ = program.interpreter(file);
    if program.is_relocatable() {
        program.align_bias(PAGE_SIZE);
    }
    assert!(program.span().start <= program.span().end && program.phnum() > 0);
    true
}

/// Reads a first line, for fuzzers.
pub(crate) fn parse_script(head: &[u8]) {
    if let Ok(Some(line)) = script::parse(&head[..head.len().min(HEAD_SIZE)]) {
        assert!(!line.interpreter.is_empty());
    }
}

/// Maps a program and its interpreter into fresh memory, builds the first stack, and says where to begin.
///
/// # Errors
/// ENOEXEC, ENOENT or ELIBBAD for the interpreter, E2BIG, ENOMEM.
pub fn load(mm: &MemoryManager, request: &LoadRequest<'_>) -> Result<Context, Errno> {
    let strings = check_strings(&request.program.argv)? + check_strings(request.envp)?;
    let room = (request.stack_limit / 4).clamp(32 * PAGE_SIZE, 6 << 20);
    if strings > room {
        return Err(Errno::E2BIG);
    }
    let usable = mm.layout().usable.clone();
    let program = elf::Elf::read(&request.program.file)?;
    let interpreter = match program.interpreter(&request.program.file)? {
        Some(path) => {
            let file = (request.open)(&path)?;
            let elf =
                elf::Elf::read(&file).map_err(|e| if e == Errno::ENOEXEC { Errno::ELIBBAD } else { e })?;
            Some((file, elf))
        }
        None => None,
    };

    // As Linux places them: the vDSO at the top, the stack below it, then mappings, the program at two thirds, all moved
    // randomly.
    let random = if request.randomize { random } else { |_| 0 };
    let vdso_at = usable.end - vdso::SIZE - random(22);
    let stack_top = vdso_at - random(6);
    let gap = request.stack_limit.clamp(128 << 20, usable.end / 6 * 5);
    let mmap_base = (stack_top - gap).saturating_sub((1 << 20) + random(24)) & !(PAGE_SIZE - 1);
    let mut image = ImageLayout { mmap_base, ..ImageLayout::default() };
    mm.set_image_layout(image);

    let bias = if program.is_relocatable() { program.align_bias(0x5555_5555_4000 + random(24)) } else { 0 };
    let mut mapping = elf::Mapping::default();
    let at = program.place(&mut mapping, &request.program.file, bias)?;
    image.start_code = at.code.start;
    image.end_code = at.code.end;
    image.start_data = at.data.start;
    image.end_data = at.data.end;
    image.start_brk = at.end + random(13);
    let (entry, interp_base) = match &interpreter {
        Some((file, elf)) => {
            let (own, span) = (program.span(), elf.span());
            let len = span.end - span.start;
            let mut base = mm.find_free(len)?;
            if base < own.end.saturating_add(bias) && own.start.saturating_add(bias) < base + len {
                // Where the program will be: that has to be seen to be there.
                std::mem::take(&mut mapping).map(mm)?;
                base = mm.find_free(len)?;
            }
            let bias = if elf.is_relocatable() { base - span.start } else { 0 };
            let placed = elf.place(&mut mapping, file, bias)?;
            (placed.entry, bias)
        }
        None => (at.entry, 0),
    };

    tracing::debug!(bias, interp_base, entry, stack_top, "program placed");
    let content = stack::Content {
        argv: &request.program.argv,
        envp: request.envp,
        path: &request.program.path,
        creds: request.creds,
        secure: request.secure,
        entry: at.entry,
        phdr: at.phdr,
        phnum: program.phnum(),
        interp_base,
        vdso: Vdso::image_at(vdso_at),
        layout: mm.layout(),
    };
    let built = stack::build(stack_top, &content);
    let size = (stack_top - built.sp + 0x20_000 + PAGE_SIZE) & !(PAGE_SIZE - 1);
    let prot =
        Prot::READ | Prot::WRITE | if program.wants_executable_stack() { Prot::EXEC } else { Prot::empty() };
    let stack_area = MapRequest {
        addr: stack_top - size,
        fixed: true,
        flags: VmFlags::STACK | VmFlags::GROWSDOWN,
        ..MapRequest::anonymous(size, prot)
    };
    // All at once: to ask for it and wait takes longer than what is done then.
    mapping.areas.push(stack_area);
    mapping.areas.extend(request.vdso.requests(vdso_at));
    mapping.map(mm)?;
    mm.write_exact(built.sp, &built.bytes)?;
    image.start_stack = built.sp;
    image.arg_start = built.arg.start;
    image.arg_end = built.arg.end;
    image.env_start = built.env.start;
    image.env_end = built.env.end;
    mm.set_image_layout(image);
    mm.set_auxv(built.auxv);
    mm.note_stack_limit(request.stack_limit);

    let regs = GpRegs { rip: entry, rsp: built.sp, eflags: 0x202, ..GpRegs::default() };
    Ok(Context { regs, fs_base: 0, gs_base: 0, fp: None })
}

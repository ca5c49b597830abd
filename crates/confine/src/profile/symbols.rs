//! Names for addresses of this process, from the program's own file: a confined sentry finds no path to it.

#![expect(unsafe_code, reason = "the dynamic linker's list of what is loaded")]

use std::borrow::Cow;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::os::fd::AsFd;
use std::{io, ptr, slice};

use addr2line::gimli::{self, EndianSlice, NativeEndian};
use object::{Object as _, ObjectSection as _, SymbolMap, SymbolMapName};

type Reader<'a> = EndianSlice<'a, NativeEndian>;

/// A function at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its name, without a hash.
    pub function: String,
    /// Where it is written, and on which line; empty and 0 if that is not known.
    pub file: String,
    /// As above.
    pub line: u32,
}

/// A program or library in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its path as the dynamic linker has it; empty for the program itself.
    pub path: String,
    /// Where it was loaded, less what its own addresses begin with.
    pub bias: usize,
    /// From the first to the last byte of it.
    pub range: Range<usize>,
}

/// Names for addresses.
pub struct Symbols<'a> {
    modules: Vec<Module>,
    debug: Option<addr2line::Context<Reader<'a>>>,
    symbols: Option<SymbolMap<SymbolMapName<'a>>>,
}

/// A file in memory, read-only.
struct Mapped {
    base: *mut c_void,
    len: usize,
}

impl Mapped {
    fn new(file: impl AsFd) -> io::Result<Self> {
        let len =
            usize::try_from(rustix::fs::fstat(&file)?.st_size).map_err(|_| io::ErrorKind::InvalidData)?;
        let (prot, flags) = (rustix::mm::ProtFlags::READ, rustix::mm::MapFlags::PRIVATE);
        // SAFETY: new memory where the kernel likes.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, prot, flags, file, 0) }?;
        Ok(Self { base, len })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped until `drop`. It is the file of a running program, which nobody can write to (ETXTBSY).
        unsafe { slice::from_raw_parts(self.base.cast(), self.len) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the borrows of its bytes have ended.
        let _ = unsafe { rustix::mm::munmap(self.base, self.len) };
    }
}

impl Symbols<'_> {
    /// Reads `program`, the file that this process executes, for as long as `work` takes. Without it, or if it was
    /// stripped, only what libraries export has names. What is read is large: tens of MB for a moment.
    pub fn with<T>(program: Option<impl AsFd>, work: impl FnOnce(&Symbols<'_>) -> T) -> T {
        let mapped = program.and_then(|file| Mapped::new(file).ok());
        let object = mapped.as_ref().and_then(|mapped| object::File::parse(mapped.bytes()).ok());
        let debug = object.as_ref().and_then(|object| {
            let section = |id: gimli::SectionId| -> Result<Reader<'_>, gimli::Error> {
                let data = object.section_by_name(id.name()).and_then(|section| section.data().ok());
                Ok(EndianSlice::new(data.unwrap_or_default(), NativeEndian))
            };
            addr2line::Context::from_dwarf(gimli::Dwarf::load(section).ok()?).ok()
        });
        let symbols = object.as_ref().map(|object| object.symbol_map());
        work(&Symbols { modules: modules(), debug, symbols })
    }

    /// What is loaded; the program first.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The functions at an address of code, the innermost of those that were inlined first. Empty if nothing is known.
    #[must_use]
    pub fn resolve(&self, address: usize) -> Vec<Frame> {
        let is_own = self.modules.first().filter(|program| program.range.contains(&address));
        let Some(program) = is_own else { return exported(address).into_iter().collect() };
        let address = (address - program.bias) as u64;
        let mut frames = self.debug_frames(address);
        let name = self.symbols.as_ref().and_then(|map| map.get(address)).map(|symbol| symbol.name());
        let name = name.map(|name| demangle(name.into()));
        match (frames.last_mut(), name) {
            // Line tables know the last part of a name only; of what was inlined that is all there is.
            (Some(outermost), Some(name)) => outermost.function = name,
            (None, Some(name)) => frames.push(unplaced(name)),
            (_, None) => {}
        }
        frames
    }

    fn debug_frames(&self, address: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Some(debug) = &self.debug else { return frames };
        let Ok(mut found) = debug.find_frames(address).skip_all_loads() else { return frames };
        while let Ok(Some(frame)) = found.next() {
            let Some(name) = frame.function.as_ref().and_then(|f| f.raw_name().ok()) else { continue };
            let (file, line) = frame.location.map_or((None, None), |l| (l.file, l.line));
            frames.push(Frame {
                function: demangle(name),
                file: file.unwrap_or_default().to_owned(),
                line: line.unwrap_or(0),
            });
        }
        frames
    }
}

fn demangle(name: Cow<'_, str>) -> String {
    format!("{:#}", rustc_demangle::demangle(&name))
}

fn unplaced(function: String) -> Frame {
    Frame { function, file: String::new(), line: 0 }
}

/// What a library exports at or before an address, as the dynamic linker knows it.
fn exported(address: usize) -> Option<Frame> {
    let mut info = libc::Dl_info {
        dli_fname: ptr::null(),
        dli_fbase: ptr::null_mut(),
        dli_sname: ptr::null(),
        dli_saddr: ptr::null_mut(),
    };
    // SAFETY: writes a local; any address will do.
    let found = unsafe { libc::dladdr(ptr::without_provenance(address), &raw mut info) } != 0;
    let name = (found && !info.dli_sname.is_null()).then_some(info.dli_sname)?;
    // SAFETY: a C string of a library that stays loaded.
    let name = unsafe { CStr::from_ptr(name) };
    Some(unplaced(demangle(name.to_string_lossy())))
}

fn modules() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    // SAFETY: the callback gets the pointer that is passed here, while it lives.
    unsafe { libc::dl_iterate_phdr(Some(add_module), (&raw mut modules).cast()) };
    modules
}

unsafe extern "C" fn add_module(info: *mut libc::dl_phdr_info, _: usize, modules: *mut c_void) -> c_int {
    // SAFETY: as `modules` passes them; the linker's structures live through the call.
    let (info, modules) = unsafe { (&*info, &mut *modules.cast::<Vec<Module>>()) };
    // SAFETY: so many headers are there.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let bias = info.dlpi_addr as usize;
    let loaded = headers.iter().filter(|h| h.p_type == libc::PT_LOAD);
    let ends = loaded.map(|h| (h.p_vaddr as usize, (h.p_vaddr + h.p_memsz) as usize));
    let (first, last) = ends.fold((usize::MAX, 0), |(first, last), (a, b)| (first.min(a), last.max(b)));
    if first < last {
        // SAFETY: a C string, or null.
        let path = (!info.dlpi_name.is_null()).then(|| unsafe { CStr::from_ptr(info.dlpi_name) });
        let path = path.unwrap_or_default().to_string_lossy().into_owned();
        modules.push(Module { path, bias, range: bias.wrapping_add(first)..bias.wrapping_add(last) });
    }
    0
}

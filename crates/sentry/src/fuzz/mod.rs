//! Entry points for fuzzers: each parser of bytes that a guest, or who made a guest's files, decides. `fuzz/` calls them
//! with libFuzzer's inputs, the test below with its own, so that they cannot rot where that does not run.

mod forge;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general::O_RDWR;
use stockade_abi::signal::SIGKILL;
use stockade_platform::Context;
use stockade_platform::mock::Mock;
use stockade_platform::sync::Mutex;

use crate::creds::FileCaps;
use crate::fs::tmpfs::{Budget, Options, TmpFs};
use crate::io::BufSource;
use crate::loader;
use crate::mm::UserMemory;
use crate::net::unix::address;
use crate::persist::{HostResources, KernelState, PageObject, PageRun, PageSource};
use crate::signal::frame;
use crate::syscalls::control;
use crate::task::{Kernel, KernelConfig};
use crate::vfs::{Dentry, File, Inode, Mount, MountFlags, NewNode, NodeKind, Path};

pub use forge::forge;

/// A parser by name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("elf", elf),
    ("script", script),
    ("sigframe", sigframe),
    ("control", control),
    ("mount_options", mount_options),
    ("capabilities", capabilities),
    ("unix_address", unix_address),
    ("kernel_state", kernel_state),
];

/// A saved kernel's state.
pub fn kernel_state(data: &[u8]) {
    let Ok(mut state) = KernelState::from_bytes(data) else { return };
    // What the mock's processor has.
    state.info.xfeatures &= 3;
    let config = KernelConfig {
        hostname: Vec::new(),
        max_tasks: 16,
        memory: 1 << 28,
        disk: 1 << 24,
        descriptors: 1 << 12,
        host_descriptors: 1 << 12,
        cpus: 1,
        cpu: Vec::new(),
        hides_ids: false,
    };
    let (mut pages, mut host) = (Nothing, Root);
    if let Ok(restored) = Kernel::restore(Arc::new(Mock::new()), config, state, &mut pages, &mut host) {
        restored.go().shut_down(SIGKILL);
    }
}

/// No pages, and no host.
pub(crate) struct Nothing;

impl PageSource for Nothing {
    fn runs(&self, _object: PageObject) -> Vec<PageRun> {
        Vec::new()
    }

    fn file(&self, _data: u64) -> Option<(Arc<fs::File>, u64)> {
        None
    }

    fn read(&mut self, _data: u64, _bytes: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl HostResources for Nothing {
    fn tree(&mut self, _label: &str) -> Result<OwnedFd, Errno> {
        Err(Errno::ENOENT)
    }

    fn stream(&mut self, _number: i32) -> Option<OwnedFd> {
        None
    }
}

/// The host's root as each of its trees: only looked at, since no guest runs.
struct Root;

impl HostResources for Root {
    fn tree(&mut self, _label: &str) -> Result<OwnedFd, Errno> {
        Ok(fs::File::open("/")?.into())
    }

    fn stream(&mut self, _number: i32) -> Option<OwnedFd> {
        None
    }
}

/// A file with these bytes as a program: its headers, and the name of its interpreter.
pub fn elf(data: &[u8]) {
    if let Some(file) = file(data) {
        loader::parse(&file);
    }
}

/// A file's first line.
pub fn script(data: &[u8]) {
    loader::parse_script(data);
}

/// rt_sigreturn(2) with these bytes as memory: the first word says where the frame is.
pub fn sigframe(data: &[u8]) {
    let Some((at, memory)) = data.split_first_chunk::<2>() else { return };
    let mut context = Context::default();
    context.regs.rsp = u64::from(u16::from_le_bytes(*at));
    let xsave_size = 832;
    if frame::pop(&mut context, &Flat(Mutex::new(memory.to_vec())), xsave_size).is_ok() {
        assert!(context.fp.is_some_and(|fp| fp.0.len() <= xsave_size));
    }
}

/// Ancillary data of sendmsg(2).
pub fn control(data: &[u8]) {
    if let Ok(messages) = control::messages(data) {
        assert!(messages.iter().map(|(_, data)| data.len()).sum::<usize>() <= data.len());
    }
}

/// The data of mount(2).
pub fn mount_options(data: &[u8]) {
    let _ = Options::parse(data, 1 << 30);
}

/// The attribute security.capability.
pub fn capabilities(data: &[u8]) {
    let _ = FileCaps::parse(data);
}

/// A `sockaddr_un`.
pub fn unix_address(data: &[u8]) {
    let _ = address::is_unspecified(data);
    if let Ok(Some(name)) = address::parse(data) {
        assert_eq!(address::parse(&name.to_sockaddr()).map(|again| again.is_some()), Ok(true));
    }
}

/// Guest memory from address 0 on.
struct Flat(Mutex<Vec<u8>>);

impl UserMemory for Flat {
    fn read(&self, addr: u64, dst: &mut [u8]) -> Result<usize, Errno> {
        let memory = self.0.lock();
        let at = usize::try_from(addr).map_err(|_| Errno::EFAULT)?;
        let src = memory.get(at..).filter(|rest| !rest.is_empty()).ok_or(Errno::EFAULT)?;
        let n = src.len().min(dst.len());
        dst[..n].copy_from_slice(&src[..n]);
        Ok(n)
    }

    fn write(&self, _addr: u64, _src: &[u8]) -> Result<usize, Errno> {
        Err(Errno::EFAULT)
    }
}

/// An open file in memory.
fn file(data: &[u8]) -> Option<Arc<File>> {
    let (fs, root) = TmpFs::mount(Budget::new(1 << 24), 0o755).ok()?;
    let inode = fs.make(&NewNode { kind: NodeKind::Regular, mode: 0o755, uid: 0, gid: 0 }).ok()?;
    let mount = Mount::new(root, MountFlags::empty());
    let dentry = Dentry::unattached(Arc::clone(&mount.root().sb), inode.clone(), b"x");
    let file = File::new(Path { mount, dentry }, inode.open(O_RDWR).ok()?, O_RDWR);
    file.write_at(&mut BufSource::new(data), 0).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::forge::Random;
    use super::*;

    /// What parsers look for: magic numbers, lengths at borders, separators.
    const WORDS: [&[u8]; 16] = [
        b"\x7fELF\x02\x01\x01\0",
        b"#! ",
        b"/bin/sh\n",
        b"size=10%,mode=777,uid=",
        b"\x01\0\0\x02",
        b"\x01\0\0\x03",
        &[0; 8],
        &[0xff; 8],
        &[0x3e, 0, 1, 0, 0, 0],
        &[0x40, 0, 0x38, 0, 3, 0],
        &[0x18, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0],
        &[1, 0, b'/', b'x', 0],
        &[0, 0x10, 0, 0, 0, 0, 0, 0],
        b"\x46\x50\x58\x53",
        b"\x46\x50\x58\x45",
        &[0, 0, 0, 0, 0, 0, 0, 0x80],
    ];

    /// Something new, or a change of what was there.
    fn change(data: &mut Vec<u8>, random: &mut Random) {
        match random.below(8) {
            0 => data.clear(),
            1 => data.truncate(random.below(2000)),
            2 if !data.is_empty() => {
                let at = random.below(data.len());
                data[at] = random.below(256) as u8;
            }
            3 if !data.is_empty() => {
                let (at, word) = (random.below(data.len()), WORDS[random.below(WORDS.len())]);
                let n = word.len().min(data.len() - at);
                data[at..at + n].copy_from_slice(&word[..n]);
            }
            4 => data.extend((0..random.below(200)).map(|_| 0)),
            5 => data.extend((0..random.below(64)).map(|i| (i * 37) as u8)),
            _ => data.extend_from_slice(WORDS[random.below(WORDS.len())]),
        }
        data.truncate(4000);
    }

    #[test]
    fn no_target_panics() {
        for (index, (name, target)) in TARGETS.iter().enumerate() {
            let mut random = Random(0x9e37_79b9 + index as u64);
            let mut data = Vec::new();
            for _ in 0..100_000 {
                change(&mut data, &mut random);
                target(&data);
            }
            println!("{name}");
        }
    }

    /// Changes of what is right get further than noise.
    #[test]
    fn nor_with_a_real_program() {
        let program = fs::read("/bin/true").unwrap();
        assert!(loader::parse(&file(&program).unwrap()), "it is no program as it is");
        let mut random = Random(7);
        for round in 0..20_000 {
            let mut data = program[..program.len().min(4096)].to_vec();
            for _ in 0..=round % 8 {
                let at = random.below(1024);
                data[at] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
            }
            elf(&data);
        }
    }
}

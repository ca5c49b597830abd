//! The first stack of a program: arguments, environment, auxiliary vector (getauxval(3)).

use std::ops::Range;

use stockade_abi::auxvec as a;
use stockade_platform::Layout;

use crate::creds::Credentials;

/// AT_MINSIGSTKSZ
const AT_MINSIGSTKSZ: u32 = 51;
/// What a signal frame takes beside the XSAVE area: frame, alignment, red zone.
const FRAME_OVERHEAD: u64 = 440 + 64 + 128 + 24;

pub(super) struct Content<'a> {
    pub(super) argv: &'a [Vec<u8>],
    pub(super) envp: &'a [Vec<u8>],
    pub(super) path: &'a [u8],
    pub(super) creds: &'a Credentials,
    pub(super) secure: bool,
    pub(super) entry: u64,
    pub(super) phdr: u64,
    pub(super) phnum: u64,
    pub(super) interp_base: u64,
    /// Where the vDSO's ELF image is.
    pub(super) vdso: u64,
    pub(super) layout: &'a Layout,
}

pub(super) struct Built {
    /// Stack pointer, where the bytes go.
    pub(super) sp: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) auxv: Vec<u8>,
    pub(super) arg: Range<u64>,
    pub(super) env: Range<u64>,
}

fn push(strings: &mut Vec<u8>, s: &[u8]) -> u64 {
    let at = strings.len() as u64;
    strings.extend_from_slice(s);
    strings.push(0);
    at
}

/// Builds the stack whose last byte is below `top`.
pub(super) fn build(top: u64, content: &Content<'_>) -> Built {
    // The strings, from the bottom up: arguments, environment, path, and eight zero bytes at the very top.
    let mut strings = Vec::new();
    let argv: Vec<u64> = content.argv.iter().map(|s| push(&mut strings, s)).collect();
    let env_at = strings.len() as u64;
    let envp: Vec<u64> = content.envp.iter().map(|s| push(&mut strings, s)).collect();
    let path_at = push(&mut strings, content.path);
    strings.extend_from_slice(&[0; 8]);
    let base = top - strings.len() as u64;

    // Below them: platform string and random bytes, then the vectors.
    let mut random = [0; 16];
    // Without randomness from the host the bytes are merely predictable.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    let platform_at = (base - 8) & !15;
    let random_at = platform_at - 16;

    let (hwcap, hwcap2) = rustix::param::linux_hwcap();
    let creds = content.creds;
    let aux: [(u32, u64); 21] = [
        (a::AT_SYSINFO_EHDR, content.vdso),
        (AT_MINSIGSTKSZ, content.layout.xsave_size as u64 + FRAME_OVERHEAD),
        (a::AT_HWCAP, hwcap as u64),
        (a::AT_PAGESZ, 4096),
        (a::AT_CLKTCK, stockade_abi::time::USER_HZ),
        (a::AT_PHDR, content.phdr),
        (a::AT_PHENT, 56),
        (a::AT_PHNUM, content.phnum),
        (a::AT_BASE, content.interp_base),
        (a::AT_FLAGS, 0),
        (a::AT_ENTRY, content.entry),
        (a::AT_UID, u64::from(creds.uid.0)),
        (a::AT_EUID, u64::from(creds.euid.0)),
        (a::AT_GID, u64::from(creds.gid.0)),
        (a::AT_EGID, u64::from(creds.egid.0)),
        (a::AT_SECURE, u64::from(content.secure)),
        (a::AT_RANDOM, random_at),
        (a::AT_HWCAP2, hwcap2 as u64),
        (a::AT_EXECFN, base + path_at),
        (a::AT_PLATFORM, platform_at),
        (a::AT_NULL, 0),
    ];
    let words = 1 + argv.len() + 1 + envp.len() + 1 + aux.len() * 2;
    let sp = (random_at - words as u64 * 8) & !15;

    let mut bytes = Vec::with_capacity((top - sp) as usize);
    let mut word = |w: u64| bytes.extend_from_slice(&w.to_ne_bytes());
    word(argv.len() as u64);
    argv.iter().for_each(|at| word(base + at));
    word(0);
    envp.iter().for_each(|at| word(base + at));
    word(0);
    let mut auxv = Vec::new();
    for (kind, value) in aux {
        auxv.extend_from_slice(&u64::from(kind).to_ne_bytes());
        auxv.extend_from_slice(&value.to_ne_bytes());
    }
    bytes.extend_from_slice(&auxv);
    bytes.resize((random_at - sp) as usize, 0);
    bytes.extend_from_slice(&random);
    bytes.extend_from_slice(b"x86_64\0");
    bytes.resize((base - sp) as usize, 0);
    bytes.extend_from_slice(&strings);
    Built { sp, bytes, auxv, arg: base..base + env_at, env: base + env_at..base + path_at }
}

#[cfg(test)]
mod tests {
    use stockade_platform::VdsoFunctions;

    use super::*;

    #[test]
    fn pointers_lead_to_their_strings() {
        let layout = Layout {
            usable: 0..1 << 40,
            reserved: vec![],
            host_vdso: VdsoFunctions::default(),
            xsave_size: 832,
            xfeatures: 7,
        };
        let creds = Credentials::default();
        let content = Content {
            argv: &[b"prog".to_vec(), b"x y".to_vec()],
            envp: &[b"A=1".to_vec()],
            path: b"/bin/prog",
            creds: &creds,
            secure: false,
            entry: 1,
            phdr: 2,
            phnum: 3,
            interp_base: 4,
            vdso: 5,
            layout: &layout,
        };
        let top = 1 << 30;
        let built = build(top, &content);
        assert_eq!((built.sp % 16, built.sp + built.bytes.len() as u64), (0, top));
        let word = |i: usize| u64::from_ne_bytes(built.bytes[i * 8..i * 8 + 8].try_into().unwrap());
        let text = |addr: u64| {
            let s = &built.bytes[(addr - built.sp) as usize..];
            String::from_utf8(s[..s.iter().position(|&b| b == 0).unwrap()].to_vec()).unwrap()
        };
        assert_eq!(word(0), 2);
        assert_eq!((text(word(1)), text(word(2)), word(3)), ("prog".into(), "x y".into(), 0));
        assert_eq!((text(word(4)), word(5)), ("A=1".into(), 0));
        assert_eq!((built.arg.start, built.arg.end), (word(1), word(4)));
    }
}

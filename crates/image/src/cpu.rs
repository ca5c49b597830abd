//! Features of the processor, under the names that /proc/cpuinfo has for them.
//!
//! Only what a program can use by an instruction that is invalid elsewhere: hints (erms), and what the kernel alone uses,
//! would only keep an image from a host that can go on with it.

/// The features of this host that programs can use, in the order of the table.
#[must_use]
pub fn features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    return x86::features();
    #[cfg(not(target_arch = "x86_64"))]
    return Vec::new();
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::is_x86_feature_detected;
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// A register of cpuid's answer.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Register {
        A,
        B,
        C,
        D,
    }
    use Register::{A, B, C, D};

    /// What the kernel has to have enabled too.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Needs {
        Nothing,
        Avx,
        Avx512,
    }
    use Needs::{Avx, Avx512, Nothing};

    /// Leaf, subleaf, register, what else is needed, and name by bit.
    type Word = (u32, u32, Register, Needs, &'static [(u32, &'static str)]);

    /// Intel's Software Developer's Manual, volume 2A, and AMD's Architecture Programmer's Manual, volume 3, under CPUID.
    #[rustfmt::skip]
    const TABLE: &[Word] = &[
        (1, 0, D, Nothing, &[(0, "fpu"), (4, "tsc"), (8, "cx8"), (15, "cmov"), (23, "mmx"), (24, "fxsr"), (25, "sse"), (26, "sse2")]),
        (1, 0, C, Nothing, &[(0, "pni"), (1, "pclmulqdq"), (9, "ssse3"), (13, "cx16"), (19, "sse4_1"), (20, "sse4_2"), (22, "movbe"),
            (23, "popcnt"), (25, "aes"), (26, "xsave"), (30, "rdrand")]),
        (1, 0, C, Avx, &[(12, "fma"), (28, "avx"), (29, "f16c")]),
        (7, 0, B, Nothing, &[(0, "fsgsbase"), (3, "bmi1"), (8, "bmi2"), (11, "rtm"), (18, "rdseed"), (19, "adx"), (23, "clflushopt"),
            (24, "clwb"), (29, "sha_ni")]),
        (7, 0, B, Avx, &[(5, "avx2")]),
        (7, 0, B, Avx512, &[(16, "avx512f"), (17, "avx512dq"), (21, "avx512ifma"), (26, "avx512pf"), (27, "avx512er"), (28, "avx512cd"),
            (30, "avx512bw"), (31, "avx512vl")]),
        (7, 0, C, Nothing, &[(5, "waitpkg"), (8, "gfni"), (22, "rdpid"), (27, "movdiri"), (28, "movdir64b")]),
        (7, 0, C, Avx, &[(9, "vaes"), (10, "vpclmulqdq")]),
        (7, 0, C, Avx512, &[(1, "avx512vbmi"), (6, "avx512_vbmi2"), (11, "avx512_vnni"), (12, "avx512_bitalg"), (14, "avx512_vpopcntdq")]),
        (7, 0, D, Nothing, &[(14, "serialize"), (16, "tsxldtrk")]),
        (7, 0, D, Avx512, &[(2, "avx512_4vnniw"), (3, "avx512_4fmaps"), (8, "avx512_vp2intersect"), (23, "avx512_fp16")]),
        (7, 1, A, Nothing, &[(7, "cmpccxadd")]),
        (7, 1, A, Avx, &[(0, "sha512"), (1, "sm3"), (2, "sm4"), (4, "avx_vnni"), (23, "avx_ifma")]),
        (7, 1, A, Avx512, &[(5, "avx512_bf16")]),
        (7, 1, D, Avx, &[(4, "avx_vnni_int8"), (5, "avx_ne_convert"), (10, "avx_vnni_int16")]),
        (0xd, 1, A, Nothing, &[(0, "xsaveopt"), (1, "xsavec"), (2, "xgetbv1")]),
        (0x8000_0001, 0, C, Nothing, &[(0, "lahf_lm"), (5, "abm"), (6, "sse4a"), (21, "tbm")]),
        (0x8000_0001, 0, C, Avx, &[(11, "xop"), (16, "fma4")]),
        (0x8000_0001, 0, D, Nothing, &[(11, "syscall"), (22, "mmxext"), (27, "rdtscp"), (29, "lm"), (30, "3dnowext"), (31, "3dnow")]),
        (0x8000_0008, 0, B, Nothing, &[(0, "clzero"), (4, "rdpru")]),
    ];

    pub(super) fn features() -> Vec<&'static str> {
        let (avx, avx512) = (is_x86_feature_detected!("avx"), is_x86_feature_detected!("avx512f"));
        let mut names = Vec::new();
        for &(leaf, subleaf, register, needs, bits) in TABLE {
            let is_enabled = match needs {
                Nothing => true,
                Avx => avx,
                Avx512 => avx512,
            };
            if is_enabled && __cpuid(leaf & 0x8000_0000).eax >= leaf {
                let answer = __cpuid_count(leaf, subleaf);
                let word = match register {
                    A => answer.eax,
                    B => answer.ebx,
                    C => answer.ecx,
                    D => answer.edx,
                };
                names.extend(bits.iter().filter(|(bit, _)| word >> bit & 1 == 1).map(|(_, name)| *name));
            }
        }
        names
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn linux_names_them_so() {
            let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
            let flags = text.lines().find(|line| line.starts_with("flags")).unwrap();
            let flags: Vec<&str> = flags.split_whitespace().collect();
            let missing: Vec<_> = features().into_iter().filter(|name| !flags.contains(name)).collect();
            assert!(missing.is_empty(), "not in /proc/cpuinfo: {missing:?}");
            let (is_known, count) =
                (|name| TABLE.iter().any(|w| w.4.iter().any(|b| b.1 == name)), features().len());
            let here = flags.iter().filter(|&&flag| is_known(flag)).count();
            assert_eq!(here, count, "what /proc/cpuinfo has of the table");
        }
    }
}

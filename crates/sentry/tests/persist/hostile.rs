//! States that nobody saved.

use cbor4ii::core::Value;

use crate::forge::Forged;
use crate::image::Image;
use crate::sandbox::Sandbox;

#[test]
fn damaged_states_are_refused() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            char line[64];
            SAY("ready");
            hear(line, sizeof line);
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    sandbox.say("");
    assert_eq!(sandbox.kernel().wait(), 0);
    // Cut off anywhere, it has no shape.
    for len in (0..image.state.len()).step_by(97) {
        let cut = Image { state: image.state[..len].to_vec(), ..Default::default() };
        assert!(sandbox.try_restore(cut).is_err(), "{len} of {}", image.state.len());
    }
    // Any number for any other either has no consequence or an error: nobody panics.
    let mut refused = 0;
    let mut random = 1u64;
    for _ in 0..300 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (random >> 33) as usize % image.state.len();
        let mut state = image.state.clone();
        state[at] = (random >> 56) as u8;
        let changed = Image { state, ..Default::default() };
        refused += u32::from(sandbox.try_restore(changed).is_err());
    }
    assert!(refused > 100, "{refused}");
}

/// A sandbox with something of every file system, its image, and that taken apart.
fn file_systems() -> (Sandbox, Image, Forged) {
    let mut sandbox = Sandbox::with_volumes(
        r#"
        #include <sys/file.h>
        int main(void) {
            char line[64];
            mkdir("/tmp/a", 0700), mkdir("/tmp/a/b", 0700), symlink("x", "/tmp/a/link"), mkfifo("/tmp/a/fifo", 0600);
            int fd = open("/tmp/a/b/file", O_CREAT | O_RDWR, 0600), lower = open("/etc/passwd", O_RDONLY), upper = open("/etc/group", O_RDWR);
            if (write(fd, "text", 4) != 4 || flock(fd, LOCK_EX) || posix_fallocate(fd, 8192, 4096)) return 1;
            int memfd = memfd_create("m", MFD_ALLOW_SEALING);
            if (ftruncate(memfd, 8192) || mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0) == MAP_FAILED) return 2;
            if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, lower, 0) == MAP_FAILED || upper < 0) return 3;
            const char *open_too[] = {"/proc/self/status", "/proc/self/ns/mnt", "/proc", "/sys/devices", "/dev/null", "/dev/pts", "/etc", "/tmp/a",
                "/tmp/volume", "/tmp/single"};
            for (unsigned i = 0; i < sizeof open_too / sizeof *open_too; i++)
                if (open(open_too[i], O_RDONLY) < 0) return 4;
            int gone = open("/tmp/volume/gone", O_CREAT | O_RDWR, 0600);
            if (write(gone, "gone", 4) != 4 || unlink("/tmp/volume/gone") || chdir("/etc/apt")) return 5;
            SAY("ready");
            hear(line, sizeof line);
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    sandbox.say("");
    let forged = Forged::of(&image.state);
    assert!(forged.bytes() == image.state);
    sandbox.try_restore(image.clone()).unwrap();
    (sandbox, image, forged)
}

#[test]
fn numbers_that_lie_are_refused_or_mean_something_else() {
    let (sandbox, image, forged) = file_systems();
    let tables = [
        "inodes",
        "dentries",
        "mounts",
        "mount_namespaces",
        "super_blocks",
        "host_trees",
        "tmp_file_systems",
        "overlays",
        "proc_file_systems",
        "open_files",
        "file_ops",
        "mappables",
        "fd_tables",
        "fs_contexts",
        "pipes",
        "descriptors",
    ];
    let (mut random, mut refused) = (7u64, 0);
    let mut pick = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for round in 0..400 {
        let mut forged = forged.clone();
        let mut numbers = forged.numbers(tables[round % tables.len()]);
        let at = pick(numbers.len());
        let number = &mut *numbers[at];
        let others = [
            0,
            1,
            2,
            *number + 1,
            *number - 1,
            *number ^ 1,
            1 << 20,
            1 << 31,
            (1 << 32) - 1,
            i64::MAX.into(),
            u64::MAX.into(),
            -1,
        ];
        *number = others[pick(others.len())];
        let changed = Image { state: forged.bytes(), ..image.clone() };
        refused += u32::from(sandbox.try_restore(changed).is_err());
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn circles_and_false_kinds_are_named() {
    let (sandbox, image, forged) = file_systems();
    let error = |change: &dyn Fn(&mut Forged)| {
        let mut forged = forged.clone();
        change(&mut forged);
        let changed = Image { state: forged.bytes(), ..image.clone() };
        sandbox.try_restore(changed).err().map_or_else(String::new, |e| e.to_string())
    };
    let number = |n: usize| Value::Integer(n as i128);
    let mut scratch = forged.clone();
    let dirs = scratch.with("inodes", "Tmp/data/Directory/entries/0");
    let entry = |index: usize, n: usize, field: &str| {
        format!("inodes/{index}/Tmp/data/Directory/entries/{n}/{field}")
    };
    let overlays = scratch.with("inodes", "Overlay/place/0");
    let hosts = scratch.with("inodes", "Host/place/0");
    let mut names = scratch.with("dentries", "Name/parent");
    names.retain(|index| *scratch.at(&format!("dentries/{index}/Name/parent")) != Value::Null);
    let proc = scratch.with("inodes", "Proc/path")[0];
    let regular = scratch.with("inodes", "Tmp/data/Regular/size");
    let locked = scratch.with("open_files", "locks/0")[0];
    assert!(dirs.len() > 2 && overlays.len() > 2 && hosts.len() > 2 && regular.len() > 1);
    let dir = dirs[dirs.len() - 1];
    // One that is in no other.
    let in_itself = |&dir: &usize| error(&|f| *f.at(&entry(dir, 0, "inode")) = number(dir));
    assert!(dirs.iter().map(in_itself).any(|found| found.contains("a directory lies in itself")));
    for (expected, found) in [
        (
            "a directory is in two directories",
            error(&|f| {
                for other in &dirs[..2] {
                    *f.at(&entry(*other, 0, "inode")) = number(dir);
                }
            }),
        ),
        ("is no file of its file system", error(&|f| *f.at(&entry(dir, 0, "inode")) = number(proc))),
        ("there is no such entry", error(&|f| *f.at(&entry(dir, 0, "inode")) = number(1 << 30))),
        (
            "no name that a file can have",
            error(&|f| *f.at(&entry(dir, 0, "name")) = Value::Bytes(b"a/b".to_vec())),
        ),
        ("a position that none can have", error(&|f| *f.at(&entry(dir, 0, "position")) = number(1 << 40))),
        (
            "it refers to itself",
            error(&|f| *f.at(&format!("inodes/{}/Overlay/place/0", overlays[0])) = number(overlays[0])),
        ),
        (
            "it refers to itself",
            error(&|f| {
                *f.at(&format!("inodes/{}/Host/place/0", hosts[0])) = number(hosts[1]);
                *f.at(&format!("inodes/{}/Host/place/0", hosts[1])) = number(hosts[0]);
            }),
        ),
        (
            "no directory of its tree",
            error(&|f| *f.at(&format!("inodes/{}/Host/place/0", hosts[0])) = number(proc)),
        ),
        (
            "no name that a file can have",
            error(&|f| *f.at(&format!("inodes/{}/Host/place/1", hosts[0])) = Value::Bytes(b"..".to_vec())),
        ),
        (
            "no directory of its file system",
            error(&|f| {
                let place = format!("dentries/{}/Name/sb", names[0]);
                let Value::Integer(sb) = *f.at(&place) else { return };
                *f.at(&place) = Value::Integer(sb ^ 1);
            }),
        ),
        (
            "a file that is too large",
            error(&|f| {
                *f.at(&format!("inodes/{}/Tmp/data/Regular/size", regular[0])) =
                    Value::Integer(u64::MAX.into())
            }),
        ),
        (
            "lie beyond its end",
            error(&|f| {
                for inode in &regular {
                    *f.at(&format!("inodes/{inode}/Tmp/data/Regular/size")) = number(0);
                }
            }),
        ),
        (
            "unknown seals",
            error(&|f| *f.at(&format!("inodes/{}/Tmp/data/Regular/seals", regular[0])) = number(1 << 20)),
        ),
        (
            "No space left",
            error(&|f| {
                let pages = Value::Array(vec![number(0), number(1 << 40)]);
                for inode in &regular {
                    *f.at(&format!("inodes/{inode}/Tmp/data/Regular/is_memfd")) = Value::Bool(false);
                    *f.at(&format!("inodes/{inode}/Tmp/data/Regular/reserved")) =
                        Value::Array(vec![pages.clone()]);
                }
            }),
        ),
        (
            "No space left",
            error(&|f| {
                *f.at(&format!("inodes/{}/Tmp/meta/nlink", regular[0])) = Value::Integer(u32::MAX.into())
            }),
        ),
        (
            "a lock on what no file has",
            error(&|f| *f.at(&format!("open_files/{locked}/locks/0/end")) = Value::Integer(u64::MAX.into())),
        ),
        ("a device number", error(&|f| *f.at("tmp_file_systems/0/dev") = number(0x800))),
    ] {
        assert!(found.contains(expected), "{expected:?} is not {found:?}");
    }
}

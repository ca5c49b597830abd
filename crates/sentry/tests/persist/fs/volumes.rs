//! Directories of the host: they are bound anew, and what was open in them has to be as it was.

use std::fs::{self, File};

use super::{CHECKS, check_in};
use crate::sandbox::Sandbox;

#[test]
fn volumes_are_bound_anew() {
    let source = r#"
        int main(void) {
            int kept = make("/tmp/volume/kept", "kept"), deleted = make("/tmp/volume/deleted", "deleted"), bounded = make("/tmp/bounded/file", "");
            int again = open("/tmp/volume/deleted", O_RDWR | O_APPEND), single = open("/tmp/single", O_RDWR);
            CHECK(kept >= 0 && deleted >= 0 && again >= 0 && single >= 0 && !mkfifo("/tmp/volume/fifo", 0600));
            static char block[1 << 20];
            memset(block, 'b', sizeof block);
            CHECK(write(bounded, block, sizeof block) == sizeof block && pwrite(deleted, "far", 3, 1 << 20) == 3);
            char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, deleted, 0);
            CHECK(mapped != MAP_FAILED && !unlink("/tmp/volume/deleted"));
            /* Another of the same name is another. */
            int other = make("/tmp/volume/deleted", "other"), only = open("/tmp/bounded/only", O_CREAT | O_WRONLY | O_APPEND, 0600);
            CHECK(write(only, "one", 3) == 3 && !unlink("/tmp/bounded/only"));
            int reader = open("/tmp/volume/fifo", O_RDONLY | O_NONBLOCK), writer = open("/tmp/volume/fifo", O_WRONLY);
            CHECK(other >= 0 && reader >= 0 && writer >= 0 && write(writer, "queued", 6) == 6);
            mkdir("/tmp/volume/old", 0755);
            int dir = open("/tmp/volume/old", O_RDONLY);
            CHECK(!fchdir(dir) && !rename("/tmp/volume/old", "/tmp/volume/new"));
            for (int round = 0; round < 2; round++) {
                SAVED();
                char text[64];
                CHECK(holds(kept, 0, "kept") && holds(single, 0, round ? "Single" : "single") && holds(other, 0, "other"));
                CHECK(pread(deleted, text, 7, 0) == 7 && !memcmp(text, round ? "Deleted" : "deleted", 7) && holds(again, 1 << 20, round ? "far more" : "far"));
                mapped[0] = 'D';
                CHECK(pread(again, text, 1, 0) == 1 && text[0] == 'D');
                if (!round) CHECK(write(again, " more", 5) == 5);
                struct stat of_only;
                CHECK(write(only, "more", 4) == 4 && read(only, text, 1) < 0 && errno == EBADF && !fstat(only, &of_only) && of_only.st_size == 7 + 4 * round);
                CHECK(lseek(deleted, 0, SEEK_HOLE) == 4096 && lseek(deleted, 4096, SEEK_DATA) == 1 << 20);
                if (!round) CHECK(pwrite(single, "S", 1, 0) == 1);
                int more = open("/tmp/volume/fifo", O_WRONLY);
                CHECK(more >= 0 && write(more, "!", 1) == 1 && !close(more));
                CHECK(getcwd(text, sizeof text) && !strcmp(text, "/tmp/volume/new"));
            }
            char text[64];
            CHECK(read(reader, text, 64) == 8 && !memcmp(text, "queued!!", 8));
            CHECK(!ftruncate(bounded, 0));
            close(bounded);
            CHECK(!unlink("/tmp/bounded/file"));
            SAY("ok");
            return 0;
        }"#;
    check_in(Sandbox::with_volumes(&format!("{CHECKS}{source}")));
}

#[test]
fn what_was_open_must_not_have_changed() {
    let source = r#"
        int main(void) {
            make("/tmp/volume/other", "not open"), close(make("/tmp/volume/closed", "closed"));
            int fd = make("/tmp/volume/open", "open");
            CHECK(fd >= 0);
            SAVED();
            return 0;
        }"#;
    let mut sandbox = Sandbox::with_volumes(&format!("{CHECKS}{source}"));
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    let path = |name: &str| sandbox.directory().join("volume").join(name);
    fs::remove_file(path("closed")).unwrap();
    sandbox.try_restore(image.clone()).unwrap();
    let before = fs::metadata(path("open")).unwrap().modified().unwrap();
    for change in [&b"longer"[..], b"same"] {
        fs::write(path("open"), change).unwrap();
        let error = sandbox.try_restore(image.clone()).unwrap_err().to_string();
        assert!(
            error.ends_with("volume/open was open and has changed since the sandbox was saved"),
            "{error}"
        );
    }
    File::options().write(true).open(path("open")).unwrap().set_modified(before).unwrap();
    sandbox.try_restore(image.clone()).unwrap();
    fs::remove_file(path("open")).unwrap();
    let error = sandbox.try_restore(image).unwrap_err().to_string();
    assert!(error.contains("volume/open: No such file"), "{error}");
    sandbox.say("");
    assert_eq!(sandbox.finish(), 0);
}

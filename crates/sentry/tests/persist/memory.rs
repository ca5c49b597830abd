//! Memory: what was written stays, what was not costs nothing, and calls about it do what they do to any.

use std::time::Duration;

use stockade_sentry::persist::{PageObject, PageRun};

use crate::image::Image;
use crate::sandbox::Sandbox;

/// Pages with contents that tell them apart.
const PAGES: &str = r#"
#define PAGE 4096ul
static inline uint64_t word(uint64_t seed, uint64_t i) { return (seed * 1000003 + i + 1) * 0x9e3779b97f4a7c15ull; }
static inline void fill(void *at, uint64_t pages, uint64_t seed) {
    uint64_t *words = at;
    for (uint64_t i = 0; i < pages * PAGE / 8; i++) words[i] = word(seed, i);
}
/* The first page that is otherwise, or -1. */
static inline long wrong(const void *at, uint64_t pages, uint64_t seed) {
    const uint64_t *words = at;
    for (uint64_t i = 0; i < pages * PAGE / 8; i++)
        if (words[i] != word(seed, i)) return i * 8 / PAGE;
    return -1;
}
static inline long nonzero(const void *at, uint64_t pages) {
    const uint64_t *words = at;
    for (uint64_t i = 0; i < pages * PAGE / 8; i++)
        if (words[i]) return i * 8 / PAGE;
    return -1;
}
static inline char *map(uint64_t pages, uint64_t seed) {
    char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) _exit(98);
    if (seed) fill(at, pages, seed);
    return at;
}
static inline void turn(const char *what) {
    char line[64];
    say(what);
    hear(line, sizeof line);
}
#define CHECK(condition) do { if (!(condition)) { SAY("line %d: %s, errno %d", __LINE__, #condition, errno); _exit(97); } } while (0)
#define IS(at, pages, seed) CHECK(wrong(at, pages, seed) == -1)
#define ZERO(at, pages) CHECK(nonzero(at, pages) == -1)
"#;

fn start(source: &str) -> Sandbox {
    Sandbox::start(&format!("{PAGES}{source}"))
}

/// Saves and restores where the program says so, as often as it does, until it says `end`.
fn through(mut sandbox: Sandbox, turns: &[&str]) {
    for turn in turns {
        sandbox.expect(turn);
        sandbox = sandbox.save_and_restore();
        sandbox.say("go");
    }
    sandbox.expect("end");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn advice_does_to_an_image_what_it_does_to_memory() {
    let sandbox = start(
        r#"
        int main(void) {
            char *early = map(16, 1), *late = map(16, 2), *freed = map(16, 3), *locked = map(8, 4);
            char *wiped = map(8, 5), *unforked = map(8, 6), *other = map(64, 7), *kept = map(8, 8);
            CHECK(!madvise(early + 4 * PAGE, 4 * PAGE, MADV_DONTNEED));
            CHECK(!madvise(unforked, 4 * PAGE, MADV_DONTFORK));
            CHECK(!mlock(locked, 8 * PAGE));
            turn("first");
            ZERO(early + 4 * PAGE, 4);
            IS(early, 4, 1);
            early[4 * PAGE] = 9;
            CHECK(early[4 * PAGE] == 9 && !early[4 * PAGE + 1]);
            /* Without a look at it before. */
            CHECK(!madvise(late + 3 * PAGE, 5 * PAGE, MADV_DONTNEED));
            ZERO(late + 3 * PAGE, 5);
            IS(late, 3, 2);
            /* After one, and after a write. */
            late[12 * PAGE] ^= 1;
            CHECK(!madvise(late + 11 * PAGE, 2 * PAGE, MADV_DONTNEED));
            ZERO(late + 11 * PAGE, 2);
            CHECK(!madvise(freed, 16 * PAGE, MADV_FREE));
            fill(freed, 4, 30);
            IS(freed, 4, 30);
            CHECK(wrong(freed + 4 * PAGE, 12, 3) != -1 || !nonzero(freed + 4 * PAGE, 12));
            CHECK(madvise(locked, PAGE, MADV_DONTNEED) && errno == EINVAL);
            IS(locked, 8, 4);
            CHECK(!munlock(locked, 8 * PAGE));
            CHECK(!madvise(locked, 8 * PAGE, MADV_DONTNEED));
            ZERO(locked, 8);
            CHECK(!madvise(wiped, 8 * PAGE, MADV_WIPEONFORK));
            CHECK(!madvise(kept, 8 * PAGE, MADV_WIPEONFORK));
            CHECK(!madvise(kept, 8 * PAGE, MADV_KEEPONFORK));
            CHECK(!madvise(unforked + 4 * PAGE, 4 * PAGE, MADV_DONTFORK));
            int hints[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT,
                           MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_POPULATE_READ,
                           MADV_POPULATE_WRITE};
            for (unsigned i = 0; i < sizeof hints / sizeof *hints; i++)
                CHECK(!madvise(other, 64 * PAGE, hints[i]));
            IS(other, 64, 7);
            unsigned char in[64];
            CHECK(!mincore(other, 64 * PAGE, in) && in[0] & in[63] & 1);
            int status;
            pid_t child = fork();
            if (!child) {
                IS(kept, 8, 8);
                ZERO(wiped, 8);
                CHECK(mincore(unforked, PAGE, in) && errno == ENOMEM);
                CHECK(mincore(unforked + 7 * PAGE, PAGE, in) && errno == ENOMEM);
                CHECK(madvise(unforked, 8 * PAGE, MADV_NORMAL) && errno == ENOMEM);
                _exit(3);
            }
            CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
            IS(wiped, 8, 5);
            IS(unforked, 8, 6);
            CHECK(!madvise(wiped + 4 * PAGE, 4 * PAGE, MADV_KEEPONFORK));
            turn("second");
            /* A copy of any kind is wiped. */
            ZERO(wiped, 4);
            CHECK(wrong(wiped + 4 * PAGE, 4, 5) != -1 && nonzero(wiped + 4 * PAGE, 4) == 0);
            ZERO(early + 5 * PAGE, 3);
            ZERO(late + 3 * PAGE, 5);
            ZERO(late + 11 * PAGE, 2);
            IS(late, 3, 2);
            IS(other, 64, 7);
            ZERO(locked, 8);
            turn("third");
            IS(other, 64, 7);
            child = fork();
            if (!child) {
                CHECK(mincore(unforked, PAGE, in) && errno == ENOMEM);
                _exit(3);
            }
            CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
            say("end");
            return 0;
        }"#,
    );
    through(sandbox, &["first", "second", "third"]);
}

#[test]
fn maps_are_cut_moved_and_grown() {
    let sandbox = start(
        r#"
        static void areas(char *text, int size) {
            int fd = open("/proc/self/maps", O_RDONLY);
            if (fd < 0) { *text = 0; return; }
            int n = 0, got;
            while ((got = read(fd, text + n, size - n - 1)) > 0) n += got;
            text[n] = 0;
            close(fd);
        }
        int main(void) {
            char *cut = map(32, 1), *grown = map(16, 2), *moved = map(16, 3), *shrunk = map(16, 4);
            char *doubled = map(16, 5), *hidden = map(16, 6), *split = map(16, 7);
            char *heap = sbrk(0);
            CHECK(sbrk(16 * PAGE) == heap);
            fill(heap, 16, 8);
            CHECK(!mprotect(hidden, 16 * PAGE, PROT_NONE));
            CHECK(!mprotect(split + 4 * PAGE, 4 * PAGE, PROT_READ));
            turn("first");
            CHECK(!munmap(cut + 8 * PAGE, 8 * PAGE));
            IS(cut, 8, 1);
            char *again = mmap(cut + 8 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
            CHECK(again == cut + 8 * PAGE);
            ZERO(again, 8);
            CHECK(mmap(cut, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == cut);
            ZERO(cut, 2);
            char *wide = mremap(grown, 16 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
            CHECK(wide != MAP_FAILED);
            IS(wide, 16, 2);
            ZERO(wide + 16 * PAGE, 48);
            wide[20 * PAGE] = 1;
            CHECK(!madvise(moved + 4 * PAGE, 2 * PAGE, MADV_DONTNEED));
            moved[9 * PAGE] ^= 1;
            char *place = map(16, 0);
            CHECK(mremap(moved, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
            IS(place, 4, 3);
            ZERO(place + 4 * PAGE, 2);
            place[9 * PAGE] ^= 1;
            CHECK(!madvise(place + 7 * PAGE, PAGE, MADV_DONTNEED));
            ZERO(place + 7 * PAGE, 1);
            CHECK(mremap(shrunk, 16 * PAGE, 4 * PAGE, 0) == shrunk);
            IS(shrunk, 4, 4);
            CHECK(mremap(shrunk, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED);
            char *twin = mremap(doubled, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
            CHECK(twin != MAP_FAILED && twin != doubled);
            IS(twin, 16, 5);
            ZERO(doubled, 16);
            CHECK(!mprotect(hidden + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE));
            CHECK(wrong(hidden + 4 * PAGE, 4, 6) == 0);
            CHECK(!memcmp(split + 8 * PAGE, (uint64_t[]){word(7, 8 * PAGE / 8)}, 8));
            CHECK(sbrk(8 * PAGE) == heap + 16 * PAGE);
            IS(heap, 16, 8);
            ZERO(heap + 16 * PAGE, 8);
            CHECK(sbrk(-(long)(16 * PAGE)) != (void *)-1);
            CHECK(sbrk(8 * PAGE) == heap + 8 * PAGE);
            ZERO(heap + 8 * PAGE, 8);
            turn("second");
            IS(place, 4, 3);
            ZERO(place + 4 * PAGE, 2);
            IS(twin, 16, 5);
            ZERO(doubled, 16);
            CHECK(!mprotect(hidden, 16 * PAGE, PROT_READ));
            IS(hidden, 16, 6);
            IS(split, 16, 7);
            IS(wide, 16, 2);
            CHECK(wide[20 * PAGE] == 1);
            ZERO(wide + 21 * PAGE, 43);
            IS(heap, 8, 8);
            ZERO(heap + 8 * PAGE, 8);
            struct rlimit limit = {0, 0};
            static char text[1 << 16];
            areas(text, sizeof text);
            CHECK(!strstr(text, "image") && !strstr(text, "memfd"));
            getrlimit(RLIMIT_AS, &limit);
            limit.rlim_cur = 1 << 20;
            CHECK(!setrlimit(RLIMIT_AS, &limit));
            CHECK(mmap(NULL, 4 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
            CHECK(!munmap(cut, 32 * PAGE));
            say("end");
            return 0;
        }"#,
    );
    through(sandbox, &["first", "second"]);
}

#[test]
fn stacks_grow_further() {
    let sandbox = start(
        r#"
        static uint64_t deep(int n) {
            volatile char page[4096];
            page[0] = n;
            uint64_t below = n ? deep(n - 1) : 0;
            if (n == 200) turn("deep");
            return below + page[0];
        }
        int main(void) {
            uint64_t before = deep(100);
            turn("first");
            CHECK(deep(100) == before);
            deep(600);
            CHECK(deep(100) == before);
            say("end");
            return 0;
        }"#,
    );
    through(sandbox, &["first", "deep"]);
}

#[test]
fn files_that_are_mapped_privately() {
    let mut sandbox = start(
        r#"
        int main(void) {
            int fd = open("/data", O_RDWR | O_CREAT | O_EXCL, 0600);
            static char bytes[20 * PAGE];
            memset(bytes, 'f', sizeof bytes);
            CHECK(write(fd, bytes, sizeof bytes) == sizeof bytes);
            char *written = mmap(NULL, 24 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
            char *only_read = mmap(NULL, 20 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
            char *untouched = mmap(NULL, 20 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
            fill(written + 3 * PAGE, 1, 1);
            memset(written + 6 * PAGE, 0, PAGE);
            CHECK(only_read[5 * PAGE] == 'f');
            turn("first");
            IS(written + 3 * PAGE, 1, 1);
            ZERO(written + 6 * PAGE, 1);
            CHECK(written[0] == 'f' && written[4 * PAGE] == 'f' && written[5 * PAGE] == 'f');
            /* The file's own pages are the file's. */
            CHECK(pwrite(fd, "new", 3, 4 * PAGE) == 3);
            CHECK(!memcmp(written + 4 * PAGE, "new", 3) && !memcmp(only_read + 4 * PAGE, "new", 3));
            CHECK(!memcmp(untouched + 4 * PAGE, "new", 3));
            CHECK(pwrite(fd, "new", 3, 3 * PAGE) == 3);
            IS(written + 3 * PAGE, 1, 1);
            CHECK(!madvise(written, 8 * PAGE, MADV_DONTNEED));
            CHECK(!memcmp(written + 3 * PAGE, "newf", 4) && written[6 * PAGE] == 'f');
            char *moved = mremap(written, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map(8, 0));
            fill(moved + 2 * PAGE, 1, 5);
            turn("second");
            IS(moved + 2 * PAGE, 1, 5);
            CHECK(!memcmp(moved + 3 * PAGE, "newf", 4) && moved[6 * PAGE] == 'f');
            CHECK(!madvise(moved, 8 * PAGE, MADV_DONTNEED));
            CHECK(moved[2 * PAGE] == 'f');
            CHECK(!munmap(moved, 8 * PAGE));
            say("end");
            return 0;
        }"#,
    );
    sandbox.expect("first");
    let image = sandbox.save().unwrap();
    // Two pages that were written; nothing of the 64 that are the file's.
    let own: u64 = image.runs.values().flatten().map(|run| run.length).sum();
    assert!(own < 64 * 4096, "{own}");
    sandbox = sandbox.save_and_restore();
    sandbox.say("go");
    through(sandbox, &["second"]);
}

const FAMILY: &str = r#"
    static _Atomic uint32_t *turns;
    static void wait_for(uint32_t value) {
        for (uint32_t now; (now = *turns) != value;) syscall(SYS_futex, turns, 0, now, NULL, NULL, 0);
    }
    static void step(void) { ++*turns; syscall(SYS_futex, turns, 1, INT_MAX, NULL, NULL, 0); }
    int main(void) {
        turns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        char *both = map(256, 1);
        both[255 * PAGE] = 1;
        pid_t child = fork();
        if (!child) {
            fill(both + 20 * PAGE, 1, 2);
            step();
            wait_for(2);
            IS(both, 20, 1);
            IS(both + 20 * PAGE, 1, 2);
            pid_t grandchild = fork();
            if (!grandchild) {
                fill(both + 8 * PAGE, 1, 9);
                CHECK(!madvise(both + 9 * PAGE, PAGE, MADV_DONTNEED));
                ZERO(both + 9 * PAGE, 1);
                fill(both + 30 * PAGE, 1, 3);
                _exit(5);
            }
            int status;
            CHECK(waitpid(grandchild, &status, 0) == grandchild && WEXITSTATUS(status) == 5);
            IS(both, 20, 1);
            step();
            wait_for(4);
            IS(both + 20 * PAGE, 1, 2);
            IS(both, 20, 1);
            _exit(6);
        }
        wait_for(1);
        turn("first");
        step();
        wait_for(3);
        turn("second");
        IS(both, 255, 1);
        step();
        int status;
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6);
        say("end");
        return 0;
    }"#;

#[test]
fn forks_share_and_part() {
    let mut sandbox = start(FAMILY);
    for turn in ["first", "second"] {
        sandbox.expect(turn);
        std::thread::sleep(Duration::from_millis(30));
        let image = sandbox.save().unwrap();
        // What both have is written once.
        assert!(
            image.data < 256 * 4096 + 80 * 4096,
            "{turn}: {} pages, {:x?}",
            image.data / 4096,
            image.runs
        );
        let mapped = |space| image.runs[&PageObject::Space(space)].iter().map(|run| run.length).sum::<u64>();
        assert!(mapped(0) > 250 * 4096 && mapped(1) > 250 * 4096);
        sandbox = sandbox.save_and_restore();
        sandbox.say("go");
    }
    sandbox.expect("end");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn restored_ones_do_not_see_one_another() {
    let mut first = start(
        r#"
        int main(void) {
            char line[64];
            char *memory = map(64, 1);
            say("ready");
            while (hear(line, sizeof line) && *line != 'q') {
                SAY("%ld", wrong(memory, 64, 1));
                fill(memory + 20 * PAGE, 20, atoi(line));
                SAY("%ld", wrong(memory + 20 * PAGE, 20, atoi(line)));
            }
            return 0;
        }"#,
    );
    first.expect("ready");
    let image = first.save().unwrap();
    let mut second = first.beside(image.clone()).unwrap();
    let mut third = first.beside(image).unwrap();
    for (sandbox, seed) in [(&mut first, "5"), (&mut second, "6"), (&mut third, "7")] {
        sandbox.say(seed);
        sandbox.expect("-1");
        sandbox.expect("-1");
        sandbox.say(seed);
        sandbox.expect("20");
        sandbox.expect("-1");
    }
    for sandbox in [first, second, third] {
        assert_eq!(sandbox.finish(), 0);
    }
}

#[test]
fn what_was_never_touched_is_in_the_next_image_too() {
    let mut sandbox = start(
        r#"
        int main(void) {
            char *memory = map(512, 1), *sparse = map(4096, 0);
            for (int i = 0; i < 4096; i += 64) sparse[i * PAGE] = 1;
            memset(map(512, 0), 0, 512 * PAGE);
            char line[64];
            for (;;) {
                say("turn");
                if (!hear(line, sizeof line) || *line == 'q') break;
                memory[511 * PAGE] ^= 1;
            }
            memory[511 * PAGE] ^= memory[511 * PAGE] ^ (char)word(1, 511 * PAGE / 8);
            IS(memory, 512, 1);
            for (int i = 0; i < 4096; i++) CHECK(sparse[i * PAGE] == !(i % 64));
            say("end");
            return 0;
        }"#,
    );
    sandbox.expect("turn");
    let size = |image: &Image| (image.data / 4096, image.runs.values().map(Vec::len).sum::<usize>());
    let (pages, runs) = size(&sandbox.save().unwrap());
    assert!((512 + 64..512 + 64 + 100).contains(&pages) && runs < 250, "{pages} pages, {runs} runs");
    for _ in 0..100 {
        sandbox = sandbox.save_and_restore();
        sandbox.say("go");
        sandbox.expect("turn");
    }
    let (later, later_runs) = size(&sandbox.save().unwrap());
    assert!(later <= pages + 8 && later_runs <= runs + 8, "{pages} {later} {runs} {later_runs}");
    sandbox.say("q");
    sandbox.expect("end");
    assert_eq!(sandbox.finish(), 0);
}

/// More separate pages than an address space may have mappings, in room of which most is never used.
#[test]
fn sparse_memory_comes_back() {
    let mut sandbox = start(
        r#"
        int main(void) {
            const uint64_t step = 8 * PAGE, count = 40000, room = 1ul << 45;
            char *sparse = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            CHECK(sparse != MAP_FAILED);
            CHECK(!mprotect(sparse + room / 2, step * count, PROT_READ | PROT_WRITE));
            for (uint64_t i = 0; i < count; i++) sparse[room / 2 + i * step] = i % 100 + 1;
            turn("ready");
            for (uint64_t i = 0; i < count; i++) CHECK(sparse[room / 2 + i * step] == i % 100 + 1);
            ZERO(sparse + room / 2 + PAGE, 7);
            CHECK(!madvise(sparse + room / 2, step * count, MADV_DONTNEED));
            ZERO(sparse + room / 2, 8);
            CHECK(!munmap(sparse, room));
            say("end");
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    assert!(image.data < 41_000 * 4096, "{} pages", image.data / 4096);
    sandbox = sandbox.save_and_restore();
    sandbox.say("go");
    sandbox.expect("end");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn an_image_that_is_cut_off_ends_the_sandbox() {
    for order in ["touch", "write"] {
        let mut sandbox = start(
            r#"
            int main(void) {
                char line[64];
                signal(SIGBUS, SIG_IGN);
                char *memory = map(512, 1);
                say("ready");
                hear(line, sizeof line);
                int fd = open("/copy", O_RDWR | O_CREAT, 0600);
                if (*line == 't') SAY("%d", memory[300 * PAGE]);
                else SAY("%zd", write(fd, memory, 512 * PAGE));
                pause();
                return 0;
            }"#,
        );
        sandbox.expect("ready");
        let image = sandbox.save().unwrap();
        let file = image.file.clone();
        let mut restored = sandbox.beside(image).unwrap();
        file.set_len(8 * 4096).unwrap();
        // It may have needed some of what is missing already.
        let _ = restored.try_say(order);
        let status = restored.kernel().wait();
        assert_eq!(status, 9);
        let why = restored.kernel().failure().map(str::to_owned);
        assert!(why.is_some_and(|why| why.contains("image")));
        sandbox.say(order);
    }
}

#[test]
fn an_image_that_is_read_is_as_good() {
    let mut sandbox = start(
        r#"
        int main(void) {
            char *memory = map(200, 1), *only_read = map(30, 2);
            CHECK(!mprotect(only_read, 30 * PAGE, PROT_READ));
            turn("ready");
            IS(memory, 200, 1);
            IS(only_read, 30, 2);
            CHECK(!madvise(memory, 100 * PAGE, MADV_DONTNEED));
            ZERO(memory, 100);
            say("end");
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    let mut image = sandbox.save().unwrap();
    image.is_mapped = false;
    let mut restored = sandbox.beside(image).unwrap();
    restored.say("go");
    restored.expect("end");
    assert_eq!(restored.finish(), 0);
}

#[test]
fn pages_that_cannot_be_are_refused() {
    let mut sandbox = start("int main(void) { map(8, 1); turn(\"ready\"); return 0; }");
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    let space = PageObject::Space(0);
    let run = image.runs[&space][0];
    let beyond = PageRun { address: 0x10_0000_0000, ..run };
    let shift = |by: u64| PageRun { address: run.address + by, ..run };
    let half = PageRun { length: 100, ..run };
    let wraps = PageRun { address: u64::MAX - 4095, length: 8192, data: 0 };
    let none = PageRun { length: 0, ..run };
    let far = PageRun { data: u64::MAX - 4095, ..run };
    for runs in [vec![beyond], vec![run, run], vec![shift(1)], vec![half], vec![wraps], vec![none], vec![far]]
    {
        let mut image = image.clone();
        image.runs.insert(space, runs);
        assert!(sandbox.try_restore(image).unwrap_err().to_string().contains("pages at"));
    }
    sandbox.say("go");
    assert_eq!(sandbox.finish(), 0);
}

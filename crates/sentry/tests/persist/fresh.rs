//! What copies of one sandbox must not have in common.

use std::collections::HashSet;

use crate::sandbox::Sandbox;

#[test]
fn copies_get_random_bytes_of_their_own_and_know_that_they_are_copies() {
    let mut sandbox = Sandbox::usual(
        r#"
        #include <sys/auxv.h>
        #include <sys/random.h>
        static void hex(char *text, const unsigned char *bytes) {
            for (int i = 0; i < 16; i++) sprintf(text + 2 * i, "%02x", bytes[i]);
        }
        int main(int argc, char **argv) {
            char line[64], text[64] = "";
            if (argc > 1) {
                hex(text, (void *)getauxval(AT_RANDOM));
                say(text);
                return 0;
            }
            int generation = open("/proc/sys/kernel/random/generation", O_RDONLY);
            if (pread(generation, text, sizeof text, 0) != 2) return 1;
            if (write(1, text, 2) != 2) return 2;
            hear(line, sizeof line);
            if (pread(generation, text, sizeof text, 0) != 2) return 3;
            if (write(1, text, 2) != 2) return 4;
            int boot_id = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
            if (read(boot_id, text, 37) != 37 || write(1, text, 37) != 37) return 5;
            unsigned char bytes[16];
            if (getrandom(bytes, 16, 0) != 16) return 6;
            hex(text, bytes);
            say(text);
            execl("/proc/self/exe", "program", "again", NULL);
            return 7;
        }"#,
    );
    sandbox.expect("0");
    let image = sandbox.save().unwrap();
    let mut copies = [sandbox.beside(image.clone()).unwrap(), sandbox.beside(image).unwrap()];
    let mut generations = Vec::new();
    let mut others = HashSet::new();
    copies[0] = copies[0].beside(copies[0].save().unwrap()).unwrap();
    for copy in copies.iter_mut().chain([&mut sandbox]) {
        copy.say("go");
        generations.push(copy.line());
        others.extend([copy.line(), copy.line(), copy.line()]);
    }
    assert_eq!(generations, ["2\n", "1\n", "0\n"]);
    assert_eq!(others.len(), 9);
    let [first, second] = copies;
    for sandbox in [first, second, sandbox] {
        assert_eq!(sandbox.finish(), 0);
    }
}

#include "case.h"

/* #! files. */

HELPER(args)
{
    for (int i = 0; i < argc; i++)
        say("argv[%d] = %s", i, argv[i]);
    return 0;
}

static void run(const char *path, const char *arg)
{
    pid_t pid;
    CHILD(pid)
    {
        execl(path, "zero", arg, NULL);
        show_errno(path);
        _exit(99);
    }
    tell_wait(path, pid);
}

static void script(const char *name, const char *fmt, const char *what)
{
    char text[PATH_MAX];
    snprintf(text, sizeof text, fmt, what);
    write_file(name, text, 0755);
}

CASE(shell)
{
    script("s", "#!/bin/sh\necho \"$0 $1\"; exit 3\n", "");
    run("./s", "arg");
}

CASE(one_argument)
{
    script("s", "#!/bin/echo first second  third \nbody\n", "");
    run("./s", "arg");
}

CASE(blanks)
{
    script("s", "#!  \t /bin/echo\t x\ty \t\nbody\n", "");
    run("./s", "arg");
}

CASE(no_newline_at_the_end)
{
    script("s", "#!/bin/echo x", "");
    run("./s", "arg");
}

CASE(carriage_return)
{
    script("s", "#!/bin/sh\r\necho no\n", "");
    run("./s", NULL);
}

CASE(nested)
{
    script("a", "#!/bin/echo one\n", "");
    script("b", "#!./a two\n", "");
    script("c", "#!./b three\n", "");
    run("./c", "arg");
}

CASE(too_deep)
{
    char name[8] = "s0", text[32];
    write_file("s0", "#!/bin/echo x\n", 0755);
    for (int i = 1; i <= 6; i++) {
        snprintf(text, sizeof text, "#!./%s\n", name);
        snprintf(name, sizeof name, "s%d", i);
        write_file(name, text, 0755);
    }
    run("./s3", "arg");
    run("./s4", "arg");
    run("./s5", "arg");
    run("./s6", "arg");
}

CASE(of_itself)
{
    script("s", "#!./s\n", "");
    run("./s", NULL);
}

CASE(interpreter_missing)
{
    script("s", "#!/nonexistent/interpreter\n", "");
    run("./s", NULL);
    script("t", "#!\n", "");
    run("./t", NULL);
    script("u", "#!   \n", "");
    run("./u", NULL);
    script("v", "#!", "");
    run("./v", NULL);
    script("w", "#! \t", "");
    run("./w", NULL);
}

CASE(interpreter_not_executable)
{
    write_file("data", "x", 0644);
    script("s", "#!./data\n", "");
    run("./s", NULL);
    mkdir("dir", 0755);
    script("t", "#!./dir\n", "");
    run("./t", NULL);
}

CASE(interpreter_relative_to_cwd)
{
    symlink("/bin/echo", "interp");
    script("s", "#!interp x\n", "");
    run("./s", "arg");
    mkdir("d", 0755);
    chdir("d");
    run("../s", "arg");
}

CASE(long_lines)
{
    char text[600];
    strcpy(text, "#!/bin/echo ");
    memset(text + 12, 'a', 300);
    strcpy(text + 312, " b\nrest\n");
    write_file("s", text, 0755);
    run("./s", "x");
    strcpy(text, "#!/");
    memset(text + 3, 'b', 400);
    strcpy(text + 403, "\n");
    write_file("t", text, 0755);
    run("./t", "x");
    strcpy(text, "#!/bin/echo ");
    memset(text + 12, 'c', 243);
    strcpy(text + 12 + 243, "\n");
    write_file("u", text, 0755);
    run("./u", "x");
}

CASE(neither_elf_nor_script)
{
    write_file("text", "just text\n", 0755);
    write_file("empty", "", 0755);
    write_file("short", "#", 0755);
    write_file("blank_first", " #!/bin/sh\n", 0755);
    run("./text", NULL);
    run("./empty", NULL);
    run("./short", NULL);
    run("./blank_first", NULL);
    /* A shell takes it for a script of its own. */
    tell_status("shell", system("./empty"));
}

CASE(own_helper_as_interpreter)
{
    script("s", "#!%s --as\n", self);
    pid_t pid;
    CHILD(pid) execl("./s", "zero", "a", NULL);
    tell_wait("no such helper", pid);
}

CASE(execute_only_script)
{
    script("s", "#!/bin/sh\nexit 4\n", "");
    chmod("s", 0111);
    run("./s", NULL);
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        execl("./s", "s", NULL);
    }
    say("as a user: %d", reap(pid) != 0);
}

CASE(environment_and_argv_zero)
{
    script("s", "#!/bin/sh\necho \"$V\"; env | grep -c ^V=\n", "");
    setenv("V", "value", 1);
    run("./s", NULL);
}

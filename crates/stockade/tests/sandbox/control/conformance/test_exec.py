"""Proc.Exec and containerManager.ExecuteAsync: each field, each kind of descriptor, each error."""

import array
import fcntl
import os
import pty
import signal
import socket
import tempfile
import termios

from wire import Case, until

ENOENT, ESRCH, EACCES, ENOTDIR = 2, 3, 13, 20


class Exec(Case):
    options = ("--uid", "0", "--gid", "0")

    def test_status_is_that_of_wait(self):
        self.assertEqual(self.execute("sh", "-c", "exit 3"), (3 << 8, ""))
        self.assertEqual(self.execute("sh", "-c", "kill -9 $$"), (9, ""))

    def test_filename(self):
        self.assertEqual(self.output("name", "-c", "echo $0", filename="/bin/sh"), "name\n")
        # Below the working directory, where there is a slash.
        self.assertEqual(self.output("x", "-c", "echo a", filename="bin/sh", wd="/usr"), "a\n")
        self.assertEqual(self.output("x", "-c", "echo b", filename="sh"), "b\n")
        answer = self.refused("x", filename="/no/such")
        self.assertIn("/no/such", answer["err"])
        self.assertEqual(answer["errno"], ENOENT)
        self.assertEqual(self.refused("x", filename="/etc/passwd")["errno"], EACCES)

    def test_path_is_that_of_envv(self):
        answer = self.refused("sh", envv=["PATH=/etc:/nowhere"])
        self.assertEqual((answer["errno"], "sh" in answer["err"]), (ENOENT, True))
        # What is found and cannot be executed is remembered.
        self.assertEqual(self.refused("passwd", envv=["PATH=/etc:/nowhere"])["errno"], EACCES)
        # Relative entries are skipped.
        self.assertEqual(self.refused("sh", envv=["PATH=bin:."], wd="/usr")["errno"], ENOENT)

    def test_argv_and_envv(self):
        self.assertEqual(self.output("sh", "-c", 'echo "$0|$1|$2"', "a b", "", "c"), "a b||c\n")
        self.assertEqual(self.output("/usr/bin/env", envv=["A=1", "B=x y"]), "A=1\nB=x y\n")
        self.assertEqual(self.output("/usr/bin/env", envv=None), "")

    def test_wd(self):
        self.assertEqual(self.output("pwd"), "/\n")
        self.assertEqual(self.output("pwd", wd="/etc"), "/etc\n")
        for wd, errno in [("/nowhere", ENOENT), ("/etc/passwd", ENOTDIR)]:
            answer = self.refused("pwd", wd=wd)
            self.assertEqual((answer["errno"], wd in answer["err"]), (errno, True), answer)
        self.output("sh", "-c", "mkdir -m 700 /tmp/closed")
        self.assertEqual(self.refused("pwd", wd="/tmp/closed", KUID=7)["errno"], EACCES)

    def test_ids(self):
        ids = 'echo $(id -u) $(id -g) $(sed -n "s/^Groups:[[:space:]]*//p" /proc/self/status)'
        self.assertEqual(self.output("sh", "-c", ids, KUID=5), "5 0\n")
        self.assertEqual(self.output("sh", "-c", ids, KGID=6), "0 6\n")
        self.assertEqual(self.output("sh", "-c", ids, KUID=5, KGID=6, ExtraKGIDs=[9, 8]), "5 6 8 9\n")

    def sets(self, **fields):
        text = self.output("sed", "-n", "s/^\\(Cap.*\\):[[:space:]]*/\\1 /p", "/proc/self/status", **fields)
        return {name: int(value, 16) for name, value in (line.split() for line in text.splitlines())}

    def test_capabilities(self):
        root = self.sets()
        self.assertEqual(root["CapEff"], root["CapPrm"])
        self.assertNotEqual(root["CapEff"], 0)
        other = self.sets(KUID=5)
        self.assertEqual((other["CapEff"], other["CapPrm"], other["CapAmb"]), (0, 0, 0))
        # They are the program's, as they are given, whoever the user is; what it executes in turn follows execve(2).
        chosen = {"PermittedCaps": 0b111, "InheritableCaps": 0b101, "EffectiveCaps": 1, "BoundingCaps": 0b1111, "AmbientCaps": 0b100}
        sets = self.sets(KUID=5, Capabilities=chosen)
        self.assertEqual((sets["CapInh"], sets["CapBnd"], sets["CapAmb"]), (0b101, 0b1111, 0b100))
        self.assertEqual((sets["CapPrm"], sets["CapEff"]), (0b111, 1))
        self.assertEqual(self.sets(Capabilities={**chosen, "AmbientCaps": 0})["CapPrm"], 0b111)
        high = self.sets(KUID=5, Capabilities={"PermittedCaps": 1 << 40, "EffectiveCaps": 1 << 40})
        self.assertEqual(high["CapEff"], 1 << 40)
        # Effective ones count for who may enter the working directory (CAP_DAC_READ_SEARCH).
        self.output("sh", "-c", "mkdir -p -m 700 /tmp/mine")
        may = {"PermittedCaps": 4, "EffectiveCaps": 4}
        self.assertEqual(self.output("/bin/echo", "in", wd="/tmp/mine", KUID=5, Capabilities=may), "in\n")
        self.refused("/bin/echo", "in", wd="/tmp/mine", KUID=5, Capabilities={"PermittedCaps": 4})
        self.refused("/bin/echo", "in", wd="/tmp/mine", KUID=5, Capabilities={"EffectiveCaps": 4})

    def test_namespaces(self):
        self.output("mkdir", "/tmp/mnt")
        pid = self.start("unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount -t tmpfs none /tmp/mnt && touch /tmp/mnt/there && exec sleep 1000")
        inner = lambda: [p for p in self.processes().values() if p["ppid"] == pid and p["cmd"] == "sleep"]
        until("the namespaces are there", inner)
        of = {"pid": inner()[0]["pid"]}
        self.assertEqual(self.output("ls", "/tmp/mnt", MountNamespace=of), "there\n")
        self.assertEqual(self.output("ls", "/tmp/mnt"), "")
        namespace = ["readlink", "/proc/self/ns/pid"]
        self.assertNotEqual(self.output(*namespace, PIDNamespace=of), self.output(*namespace))
        self.assertEqual(self.output(*namespace, PIDNamespace={"pid": 1}), self.output(*namespace))
        for field in ["MountNamespace", "PIDNamespace"]:
            self.assertEqual(self.refused("true", **{field: {"pid": 31000}})["errno"], ESRCH)
        self.result("containerManager.Signal", {"Signo": 9, "PID": pid})
        self.result("containerManager.Signal", {"Signo": 9, "PID": of["pid"]})

    def test_terminal(self):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, array.array("H", [33, 44, 0, 0]).tobytes())
        script = "tty >/dev/null && stty size && ps -o tty=,tpgid=,pgid= -p $$ && echo x >/dev/tty"
        arg = {"argv": ["sh", "-c", script], "envv": ["PATH=/usr/bin:/bin"], "StdioIsPty": True}
        answer = self.client.call("Proc.Exec", arg, [theirs] * 3)
        self.assertEqual((answer["success"], answer["result"]), (True, 0), answer)
        os.close(theirs)
        printed = b""
        try:
            while part := os.read(ours, 65536):
                printed += part
        except OSError:
            # Nobody has the other side any more.
            pass
        printed = printed.decode().split()
        self.assertEqual(printed[:2], ["33", "44"])
        # It controls the process, whose group is in the foreground.
        self.assertRegex(printed[2], "^pts/[0-9]+$")
        self.assertEqual(printed[3], printed[4])
        self.assertEqual(printed[5:], ["x"])
        os.close(ours)
        # Without the field, it is a file like any other.
        ours, theirs = pty.openpty()
        arg = {"argv": ["sh", "-c", "! (: >/dev/tty)"], "envv": ["PATH=/usr/bin:/bin"]}
        self.assertEqual(self.result("Proc.Exec", arg, [theirs] * 3), 0)
        os.close(theirs)
        os.close(ours)
        null = os.open("/dev/null", os.O_RDWR)
        self.assertIn("StdioIsPty", self.error("Proc.Exec", {"argv": ["true"], "envv": ["PATH=/bin"], "StdioIsPty": True}, [null] * 3))
        os.close(null)

    def test_kinds_of_descriptors(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"0123456789")
            file.seek(4)
            self.assertEqual(self.output("cat", "/proc/self/fd/3", files=[file.fileno()]), "0123456789")
            self.assertEqual(self.output("sh", "-c", "cat <&3; echo end >&3", files=[file.fileno()]), "456789")
            file.seek(0)
            self.assertEqual(file.read(), b"0123456789end\n")
        ours, theirs = socket.socketpair()
        ours.sendall(b"hello\n")
        self.assertEqual(self.output("sh", "-c", "read x <&3; echo $x >&3", files=[theirs.fileno()]), "")
        self.assertEqual(ours.recv(100), b"hello\n")
        ours.close()
        theirs.close()
        reader, writer = os.pipe()
        os.write(writer, b"piped")
        os.close(writer)
        self.assertEqual(self.output("sh", "-c", "cat <&3", files=[reader]), "piped")
        os.close(reader)
        # Nothing else is open.
        self.assertEqual(self.output("ls", "/proc/self/fd"), "0\n1\n2\n3\n")

    def test_guest_fds(self):
        reader, writer = os.pipe()
        arg = {"argv": ["sh", "-c", "echo seven >&7; ls /proc/self/fd >&7"], "envv": ["PATH=/bin:/usr/bin"]}
        self.assertEqual(self.result("Proc.Exec", {**arg, "GuestFDs": [7]}, [writer]), 0)
        os.close(writer)
        self.assertEqual(os.read(reader, 1000).decode().split(), ["seven", "0", "1", "7"])
        os.close(reader)
        null = os.open("/dev/null", os.O_RDWR)
        self.assertEqual(self.result("Proc.Exec", {**arg, "argv": ["sh", "-c", "test -e /proc/self/fd/2"], "GuestFDs": None}, [null] * 3), 0)
        for numbers, files in [([1, 1], 2), ([-1], 1), ([0, 1, 2], 2), ([0], 3), ([1 << 30], 1)]:
            answer = self.client.call("Proc.Exec", {**arg, "GuestFDs": numbers}, [null] * files)
            self.assertFalse(answer["success"], numbers)
        # One more than the list is the program.
        program = os.open(os.path.realpath("/bin/true"), os.O_RDONLY)
        arg = {"argv": ["whatever"], "GuestFDs": [0]}
        self.assertEqual(self.result("Proc.Exec", arg, [null, program]), 0)
        self.error("Proc.Exec", {**arg, "filename": "/bin/true"}, [null, program])
        os.close(program)
        text = os.open("/etc/passwd", os.O_RDONLY)
        self.assertFalse(self.client.call("Proc.Exec", arg, [null, text])["success"])
        os.close(text)
        os.close(null)

    def test_container(self):
        self.assertEqual(self.output("echo", "x", ContainerID="box"), "x\n")
        self.assertIn('"other"', self.refused("true", ContainerID="other")["err"])

    def test_no_new_privileges(self):
        script = ["sed", "-n", "s/^NoNewPrivs:[[:space:]]*//p", "/proc/self/status"]
        self.assertEqual(self.output(*script), "0\n")
        self.assertEqual(self.output(*script, NoNewPrivileges=True), "1\n")

    def test_limits(self):
        limits = {"NOFILE": {"Cur": 50, "Max": 60}, "RLIMIT_CORE": {"Cur": 0, "Max": 0}}
        self.assertEqual(self.output("sh", "-c", "ulimit -Sn; ulimit -Hn", Limits=limits), "50\n60\n")
        self.assertNotEqual(self.output("sh", "-c", "ulimit -Sn", Limits={}), "50\n")
        self.output("true", Limits=None)
        self.assertIn("NOSUCH", self.refused("true", Limits={"NOSUCH": {}})["err"])
        self.refused("true", Limits={"NOFILE": {"Cur": 9, "Max": 1}})

    def test_nothing_to_execute(self):
        self.assertFalse(self.client.call("Proc.Exec", {})["success"])

    def test_execute_async_sets_home(self):
        reader, writer = os.pipe()
        null = os.open("/dev/null", os.O_RDWR)
        pid = self.start("sh", "-c", "echo $HOME; exit 5", files=[null, writer, writer])
        self.assertEqual(self.result("containerManager.WaitPID", {"PID": pid, "CID": "box"}), 5 << 8)
        self.assertEqual(os.read(reader, 100), b"/root\n")
        pid = self.start("sh", "-c", "echo $HOME", files=[null, writer, writer], envv=["PATH=/bin", "HOME=/x"])
        self.assertEqual(self.result("containerManager.WaitPID", {"PID": pid}), 0)
        self.assertEqual(os.read(reader, 100), b"/x\n")
        self.assertEqual(self.output("sh", "-c", "echo $HOME"), "\n")
        # It was told already.
        self.error("containerManager.WaitPID", {"PID": pid}, errno=ESRCH)
        for fd in (reader, writer, null):
            os.close(fd)

    def test_wait_pid(self):
        pid = self.start("sleep", "1000")
        self.result("containerManager.Signal", {"Signo": int(signal.SIGTERM), "PID": pid})
        self.assertEqual(self.result("containerManager.WaitPID", {"PID": pid}), 15)
        self.error("containerManager.WaitPID", {"PID": 31000}, errno=ESRCH)
        self.assertIn("other", self.error("containerManager.WaitPID", {"PID": 1, "CID": "other"}))

"""Lists of processes, signals, pauses, ends."""

import json
import os
import pty
import re
import signal
import time

from wire import Case, Sandbox, until

ESRCH = 3


class Lists(Case):
    def test_the_table(self):
        self.start("sh", "-c", "sleep 1000; true")
        until("it sleeps", lambda: "sleep" in [p["cmd"] for p in self.processes().values() if p["ppid"] > 1])
        table = self.result("Proc.Ps", {})
        lines = table.split("\n")
        self.assertTrue(lines[-1], "no newline at the end")
        self.assertEqual(lines[0].split(), "UID PID PPID PGID C TTY STIME TIME CMD".split())
        # A column is as wide as its widest cell and three more, and ten at least.
        starts = [m.start() for m in re.finditer(r"\S+", lines[0])]
        for start, end in zip(starts, starts[1:]):
            cells = [line[start:end] for line in lines]
            self.assertTrue(all(cell.endswith(" ") for cell in cells), cells)
            self.assertEqual(end - start, max(10, max(len(cell.rstrip()) for cell in cells) + 3), cells)
        pids = [int(line.split()[1]) for line in lines[1:]]
        self.assertEqual(pids, sorted(pids))
        self.assertEqual(lines[1].split()[-1], "sleep")

    def test_json(self):
        text = self.result("Proc.Ps", {"JSON": True})
        listed = json.loads(text)
        self.assertEqual(text, json.dumps(listed, indent=2, ensure_ascii=False))
        self.assertEqual(
            list(listed[0]), ["uid", "pid", "ppid", "pgid", "threads", "c", "tty", "stime", "time", "cmd"]
        )
        first = listed[0]
        self.assertEqual((first["pid"], first["ppid"], first["pgid"], first["threads"]), (1, 0, 1, [1]))
        self.assertEqual((first["cmd"], first["tty"]), ("sleep", "?"))
        self.assertRegex(first["stime"], r"^\d\d:\d\d$")
        self.assertRegex(first["time"], r"^(\d+(\.\d+)?(ns|µs|ms|s)|0s)$")

    def test_time_is_true(self):
        script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 1000"
        pid = self.start("sh", "-c", script)
        until("it has worked", lambda: self.processes()[pid]["cmd"] == "sleep")
        time_used = self.processes()[pid]["time"]
        self.assertRegex(time_used, r"^\d+(\.\d+)?(ms|s)$")

    def test_processes(self):
        listed = self.result("containerManager.Processes", "box")
        self.assertEqual(listed[0]["pid"], 1)
        self.assertEqual(self.result("containerManager.Processes", None)[0]["pid"], 1)
        # Of no container there are none.
        self.assertEqual(self.result("containerManager.Processes", "other"), [])


class Signals(Case):
    def status(self, pid):
        return self.result("containerManager.WaitPID", {"PID": pid})

    def signal(self, signo, pid=0, mode=0, **more):
        self.result("containerManager.Signal", {"Signo": int(signo), "PID": pid, "Mode": mode, **more})

    def test_one_process(self):
        a, b = self.start("sleep", "1000"), self.start("sleep", "1000")
        self.signal(signal.SIGUSR1, a, CID="box")
        self.assertEqual(self.status(a), 10)
        self.assertIn(b, self.processes())
        self.signal(signal.SIGKILL, b)
        self.assertEqual(self.status(b), 9)

    def test_a_group(self):
        # The shell's own children are in its group, and one that left is not.
        pid = self.start("sh", "-c", "setsid sleep 1001 & sleep 1002 & wait")
        commands = lambda: {p["pid"]: p for p in self.processes().values() if p["cmd"] == "sleep" and p["pid"] > pid}
        until("they sleep", lambda: len(commands()) == 2)
        until("one left", lambda: len({p["pgid"] for p in commands().values()}) == 2)
        self.signal(signal.SIGTERM, pid, 3)
        self.assertEqual(self.status(pid), 15)
        until("one is left", lambda: len(commands()) == 1)
        self.signal(signal.SIGKILL, list(commands())[0])

    def test_a_foreground_group(self):
        pid = self.start("sleep", "1000")
        self.assertIn("no TTY", self.error("containerManager.Signal", {"Signo": 2, "PID": pid, "Mode": 2}))
        self.signal(signal.SIGKILL, pid)
        ours, theirs = pty.openpty()
        pid = self.start("sh", "-c", "set -m; sleep 1000; exit 4", files=[theirs] * 3, StdioIsPty=True)
        os.close(theirs)
        children = lambda: [p for p in self.processes().values() if p["ppid"] == pid and p["cmd"] == "sleep"]
        until("it sleeps in a group of its own", lambda: children() and children()[0]["pgid"] != pid)
        self.signal(signal.SIGTERM, pid, 2)
        # The shell itself was not told.
        self.assertEqual(self.status(pid), 4 << 8)
        os.close(ours)

    def test_errors(self):
        self.error("containerManager.Signal", {"Signo": 9, "PID": 31000}, errno=ESRCH)
        for signo in [0, 65, -1]:
            self.assertIn(str(signo), self.error("containerManager.Signal", {"Signo": signo}))
        self.assertIn("4", self.error("containerManager.Signal", {"Signo": 9, "Mode": 4}))
        self.assertIn("other", self.error("containerManager.Signal", {"Signo": 9, "CID": "other"}))
        self.assertIn("PID", self.error("containerManager.Signal", {"Signo": 18, "PID": 1, "Mode": 1}))


class Pauses(Case):
    def test_nothing_runs_meanwhile(self):
        script = "while :; do i=$((i+1)); echo $i >/tmp/n.new; mv /tmp/n.new /tmp/n; done"
        pid = self.start("sh", "-c", script)
        until("it counts", lambda: self.execute("test", "-s", "/tmp/n")[0] == 0)
        self.assertEqual(self.result("containerManager.Status", "box"), "running")
        self.assertEqual(self.result("containerManager.Pause"), {})
        self.assertEqual(self.result("containerManager.Pause", None), {})
        self.assertEqual(self.result("containerManager.Status", ""), "paused")
        used = lambda: self.processes()[pid]["time"]
        # The last of it is counted when the processor does something else.
        time.sleep(0.2)
        before = used()
        time.sleep(0.5)
        self.assertEqual(used(), before)
        self.assertEqual(self.result("containerManager.Resume"), {})
        until("it goes on", lambda: used() != before)
        self.result("containerManager.Signal", {"Signo": 9, "PID": pid})
        self.assertIn("other", self.error("containerManager.Status", "other"))


class Ends(Case):
    def test_all_and_wait(self):
        box = Sandbox("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
        try:
            waiting = box.connect()
            waiting.send('{"method":"containerManager.Wait","arg":"box"}')
            late = box.connect()
            self.assertIn("other", late.call("containerManager.Wait", "other")["err"])
            until("it traps", lambda: "sleep" in late.call("Proc.Ps")["result"])
            self.assertEqual(late.call("containerManager.Signal", {"Signo": 15, "Mode": 1})["result"], {})
            # The shell's end is told, although the sandbox ends with it.
            self.assertEqual(waiting.receive()["result"], 7 << 8)
            self.assertEqual(box.front.wait(), 7)
        finally:
            box.close()

"""Logging.Change: each of the nine fields, alone, while guests run; and events."""

import os
import re
import select
import socket
import time

from wire import Case, until


class Logging(Case):
    def change(self, **args):
        self.assertEqual(self.result("Logging.Change", args), 0)

    def settings(self):
        return self.result("Logging.Settings")

    def tearDown(self):
        self.change(SetLevel=True, Level="info", SetStrace=True, SetEventStrace=True, SetLogPackets=True)
        super().tearDown()

    def logged_by(self, *argv):
        """What a program adds to the log: all of it is there when the call is answered."""
        before = len(self.box.logged())
        self.execute(*argv)
        return self.box.logged()[before:]

    def test_nothing_is_logged_of_calls_at_first(self):
        self.assertEqual(self.logged_by("true"), "")

    def test_enable_strace(self):
        self.change(SetStrace=True, EnableStrace=True)
        told = self.logged_by("true")
        self.assertIn("openat(", told)
        self.assertIn("+++ exited with 0 +++\n", told)
        self.change(SetStrace=True, EnableStrace=False)
        self.assertEqual(self.logged_by("true"), "")

    def test_set_strace(self):
        self.change(EnableStrace=True, StraceAllowlist=["close"])
        self.assertEqual(self.logged_by("true"), "")
        self.change(SetStrace=True, EnableStrace=True, StraceAllowlist=["close"])
        self.change(EnableStrace=False)
        self.assertIn("close(", self.logged_by("true"))

    def test_the_list_under_both_names(self):
        for name in ["StraceWhitelist", "StraceAllowlist"]:
            self.change(SetStrace=True, EnableStrace=True, **{name: ["chdir", "getcwd"]})
            told = self.logged_by("sh", "-c", "cd /etc; cd /; true")
            self.assertEqual(told.count("chdir("), 2, told)
            self.assertTrue(all("chdir(" in line or "getcwd(" in line for line in told.splitlines()), told)

    def test_strace_does_not_depend_on_the_level(self):
        for level in ["warning", "info", "debug"]:
            self.change(SetLevel=True, Level=level, SetStrace=True, EnableStrace=True, StraceAllowlist=["openat"])
            self.assertIn("openat(", self.logged_by("true"), level)

    def test_it_reaches_what_runs_already(self):
        pid = self.start("sh", "-c", "while :; do sleep 0.02; done")
        before = len(self.box.logged())
        self.change(SetStrace=True, EnableStrace=True, StraceAllowlist=["wait4"])
        until("the loop is seen", lambda: self.box.logged()[before:].count("wait4(") > 2)
        self.change(SetStrace=True)
        # A call under way is told to those whom its beginning was told.
        time.sleep(0.3)
        before = len(self.box.logged())
        time.sleep(0.3)
        self.assertEqual(self.box.logged()[before:], "")
        self.result("containerManager.Signal", {"Signo": 9, "PID": pid})

    def test_levels(self):
        for number, word in enumerate(["warning", "info", "debug"]):
            self.change(SetLevel=True, Level=word)
            self.assertEqual(self.settings()["level"], word)
            self.change(SetLevel=True, Level="info")
            self.change(SetLevel=True, Level=number)
            self.assertEqual(self.settings()["level"], word)
            # Alone, it changes nothing.
            self.change(Level=(number + 1) % 3)
            self.assertEqual(self.settings()["level"], word)
        for bad in ["loud", 3, -1, 0.5, []]:
            self.assertIn("level", self.error("Logging.Change", {"SetLevel": True, "Level": bad}))
        # What the log says of a change is of level info.
        for level, is_there in [("warning", False), ("info", True), ("debug", True)]:
            self.change(SetLevel=True, Level=level)
            before = len(self.box.logged())
            self.change(SetLogPackets=True)
            self.assertEqual("log packets: false" in self.box.logged()[before:], is_there, level)

    def test_log_packets(self):
        script = "import socket; a, b = socket.socketpair(); a.send(b'hello'); b.recv(9)"
        talk = ["python3", "-c", script]
        self.change(LogPackets=True)
        self.assertEqual(self.logged_by(*talk), "")
        self.change(SetLogPackets=True, LogPackets=True)
        self.assertIn("no packet stack", self.box.logged())
        self.assertTrue(self.settings()["log_packets"])
        told = self.logged_by(*talk)
        self.assertIn("sends 5 bytes", told)
        self.assertIn("receives 5 bytes", told)
        self.change(SetLogPackets=True, LogPackets=False)
        self.assertNotIn("5 bytes", self.logged_by(*talk))

    def test_unknown_calls(self):
        self.change(SetStrace=True, EnableStrace=True, StraceAllowlist=["close"], SetLogPackets=True, LogPackets=True)
        before = self.settings()
        for field, what in [("Strace", "strace"), ("StraceEvent", "event strace")]:
            args = {"SetLevel": True, "Level": "debug", "SetLogPackets": True, "SetStrace": True, "SetEventStrace": True}
            why = self.error("Logging.Change", {**args, "EnableStrace": True, field + "Allowlist": ["read", "opneat"]})
            self.assertIn(f'error configuring {what}: syscall "opneat" not found', why)
            self.assertIn("openat", why.replace("opneat", ""))
        self.assertEqual(self.settings(), before)


class Frames:
    """The reader's side: frames of a varint and a protobuf message each."""

    def __init__(self, reader):
        self.reader = reader
        self.data = b""

    def fill(self, seconds):
        if select.select([self.reader], [], [], seconds)[0]:
            part = self.reader.recv(1 << 20)
            self.data += part
            return bool(part)
        return False

    def next(self, seconds=20):
        """The next DebugEvent; none at the end or when nothing comes."""
        while True:
            frame = self.take()
            if frame is not None:
                return frame
            if not self.fill(seconds):
                return None

    def take(self):
        try:
            length, at = varint(self.data, 0)
        except IndexError:
            return None
        if len(self.data) < at + length:
            return None
        any_, self.data = fields(self.data[at : at + length]), self.data[at + length :]
        assert any_[1] == [b"type.googleapis.com/gvisor.DebugEvent"], any_
        event = fields(any_[2][0])
        return event[1][0].decode(), event[2][0].decode()


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """A protobuf message: values by number."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


class Events(Case):
    def setUp(self):
        super().setUp()
        self.ours, theirs = socket.socketpair()
        self.assertEqual(self.result("Events.AttachDebugEmitter", {}, [theirs.fileno()]), {})
        theirs.close()
        self.frames = Frames(self.ours)

    def tearDown(self):
        self.events([])
        self.ours.close()
        super().tearDown()

    def events(self, names, field="StraceEventAllowlist", **more):
        self.assertEqual(self.result("Logging.Change", {"SetEventStrace": True, field: names, **more}), 0)

    def test_calls_are_told_of(self):
        for field in ["StraceEventWhitelist", "StraceEventAllowlist"]:
            self.events(["chdir"], field)
            self.execute("sh", "-c", "cd /etc; cd /nowhere")
            told = [self.frames.next() for _ in range(4)]
            self.assertEqual([name for name, _ in told], ["gvisor.Strace"] * 4)
            texts = [text for _, text in told]
            for text in texts:
                self.assertRegex(text, r'^process:"sh" function:"chdir" args:"\\"/\w+\\"" (enter|exit):\{.*\} tid:\d+$')
            self.assertIn("enter:{}", texts[0])
            self.assertRegex(texts[1], r'exit:\{return:"0x0" elapsed_ns:[1-9]\d*\}')
            self.assertRegex(texts[3], r'exit:\{return:"-1" error:"ENOENT [^"]*" err_no:2 elapsed_ns:[1-9]\d*\}')

    def test_set_event_strace(self):
        self.result("Logging.Change", {"StraceEventAllowlist": ["chdir"]})
        self.execute("sh", "-c", "cd /etc")
        self.assertIsNone(self.frames.next(0.3))
        self.events(["chdir"])
        self.result("Logging.Change", {"StraceEventAllowlist": []})
        self.execute("sh", "-c", "cd /etc")
        self.assertIsNotNone(self.frames.next())
        self.assertIsNotNone(self.frames.next())
        # An empty list ends it.
        self.events([])
        self.execute("sh", "-c", "cd /etc")
        self.assertIsNone(self.frames.next(0.3))

    def test_the_log_has_a_list_of_its_own(self):
        self.events(["chdir"], SetStrace=True, EnableStrace=True, StraceAllowlist=["close"])
        before = len(self.box.logged())
        self.execute("sh", "-c", "cd /etc")
        self.assertNotIn("chdir(", self.box.logged()[before:])
        self.assertIn("close(", self.box.logged()[before:])
        self.assertIn("chdir", self.frames.next()[1])
        self.result("Logging.Change", {"SetStrace": True})

    def test_another_reader_takes_the_place(self):
        self.events(["chdir"])
        ours, theirs = socket.socketpair()
        self.result("Events.AttachDebugEmitter", {}, [theirs.fileno()])
        theirs.close()
        self.execute("sh", "-c", "cd /etc")
        self.assertIn("chdir", Frames(ours).next()[1])
        self.assertEqual(self.ours.recv(1000), b"")
        ours.close()

    def test_what_is_no_socket_is_refused(self):
        self.assertEqual(self.error("Events.AttachDebugEmitter"), "no output writer provided")
        null = os.open("/dev/null", os.O_RDWR)
        self.error("Events.AttachDebugEmitter", {}, [null], errno=88)
        os.close(null)
        for kind in [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_DGRAM)]:
            wrong = socket.socket(*kind)
            self.assertIn("UNIX stream", self.error("Events.AttachDebugEmitter", {}, [wrong.fileno()]))
            wrong.close()
        # The one before is still told.
        self.events(["chdir"])
        self.execute("sh", "-c", "cd /etc")
        self.assertIsNotNone(self.frames.next())

    def test_a_slow_reader_loses_events_and_stalls_nobody(self):
        self.events(["getppid"])
        count = 30000
        script = f"import os, time\nt = time.monotonic()\nfor _ in range({count}): os.getppid()\nprint(time.monotonic() - t)"
        slow = float(self.output("python3", "-c", script))
        seen = lost = 0
        while True:
            event = self.frames.next(2)
            if event is None:
                break
            if event[0] == "stockade.Lost":
                lost += int(re.fullmatch(r"events:(\d+)", event[1])[1])
            else:
                self.assertIn('function:"getppid"', event[1])
                seen += 1
        self.assertEqual(seen + lost, 2 * count)
        self.assertGreater(lost, 0)
        self.assertIn("lost", self.box.logged())
        metrics = self.result("Metrics.Export", {"only_metrics": "^events_lost_total$"})["snapshot"]["data"]
        self.assertGreaterEqual(metrics[0]["val"]["int"], lost)
        self.assertLess(slow, 30)

    def test_who_goes_is_noticed(self):
        self.events(["chdir"])
        self.assertTrue(self.result("Logging.Settings")["has_event_reader"])
        self.ours.close()
        until("it is noticed", lambda: not self.result("Logging.Settings")["has_event_reader"])
        self.ours = socket.socket()

"""Profiles: of 2019, which are started and stopped, and today's, which take a while."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

from wire import Case

READER = os.path.join(os.path.dirname(__file__), "../../profile/pprof.py")
SECOND = 1_000_000_000


class Profile(Case):
    # Something to see: calls, waits, and a lock that threads share.
    command = (
        "python3",
        "-c",
        "import os, threading, time\n"
        "def run():\n"
        "  while True: os.close(os.dup(0)); time.sleep(0.0001)\n"
        "for i in range(4): threading.Thread(target=run).start()",
    )

    def setUp(self):
        super().setUp()
        self.file = tempfile.NamedTemporaryFile()
        self.addCleanup(self.file.close)

    def written(self, method, arg=None):
        """What a method wrote, which has no result."""
        os.ftruncate(self.file.fileno(), 0)
        os.lseek(self.file.fileno(), 0, os.SEEK_SET)
        self.assertEqual(self.result(f"Profile.{method}", arg or {}, [self.file.fileno()]), {})
        with open(self.file.name, "rb") as file:
            return file.read()

    def read(self, data):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return json.loads(subprocess.check_output([sys.executable, READER, file.name]))

    def test_cpu_of_2019(self):
        self.assertEqual(self.result("Profile.StartCPUProfile", {}, [self.file.fileno()]), {})
        self.assertIn("already in use", self.error("Profile.StartCPUProfile", {}, [self.file.fileno()]))
        time.sleep(1)
        self.assertEqual(self.result("Profile.StopCPUProfile"), {})
        self.assertTrue(self.error("Profile.StopCPUProfile"))
        with open(self.file.name, "rb") as file:
            profile = self.read(file.read())
        self.assertGreater(len(profile["samples"]), 0)
        # Nothing is under way any more.
        self.assertTrue(self.written("CPU", {"duration": SECOND // 10}))

    def test_cpu_of_today(self):
        begun = time.monotonic()
        profile = self.read(self.written("CPU", {"duration": SECOND, "rate": 50}))
        self.assertGreaterEqual(time.monotonic() - begun, 1)
        self.assertEqual(profile["period"], SECOND // 50)
        commands = {sample["labels"].get("command") for sample in profile["samples"]}
        self.assertIn("python3", commands)
        self.assertTrue(self.error("Profile.CPU", {"duration": -1}, [self.file.fileno()]))

    def test_heap(self):
        for method, arg in (("HeapProfile", {}), ("Heap", {"delay": SECOND // 10})):
            profile = self.read(self.written(method, arg))
            self.assertEqual([kind for kind, _ in profile["types"]][:2], ["inuse_objects", "inuse_space"])

    def test_waits_and_locks(self):
        for method, arg in (("Block", {"rate": 1}), ("Mutex", {"fraction": 1})):
            profile = self.read(self.written(method, {"duration": SECOND, **arg}))
            self.assertEqual([kind for kind, _ in profile["types"]], ["contentions", "delay"])
            self.assertGreater(len(profile["samples"]), 0, method)

    def test_stacks(self):
        text = self.written("Goroutine")
        # As text or in pprof's form: the threads of the program are in it.
        self.assertIn(b"python3", gzip.decompress(text) if text[:2] == b"\x1f\x8b" else text)
        self.assertIn("python3", self.result("debug.Stacks"))

    def test_traces(self):
        self.assertEqual(self.result("Profile.StartTrace", {}, [self.file.fileno()]), {})
        time.sleep(0.3)
        self.assertEqual(self.result("Profile.StopTrace"), {})
        with open(self.file.name, encoding="utf-8") as file:
            names = {event["name"] for event in json.load(file)["traceEvents"]}
        self.assertIn("clock_nanosleep", names)
        names = {event["name"] for event in json.loads(self.written("Trace", {"duration": SECOND // 4}))["traceEvents"]}
        self.assertIn("close", names)

    def test_without_a_descriptor(self):
        for method in ("StartCPUProfile", "HeapProfile", "Goroutine", "StartTrace"):
            self.assertEqual(self.error(f"Profile.{method}", {}), "no output writer provided")
            self.assertIn("/tmp/p", self.error(f"Profile.{method}", {"path": "/tmp/p"}))
        for method in ("CPU", "Heap", "Block", "Mutex", "Trace"):
            self.assertEqual(self.result(f"Profile.{method}", {"duration": 3600 * SECOND, "delay": 3600 * SECOND}), {})

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            self.assertTrue(self.error("Profile.Heap", {}, [full.fileno()], errno=28))
            self.assertTrue(self.error("Profile.CPU", {"duration": SECOND // 10}, [full.fileno()], errno=28))
        self.assertTrue(self.written("CPU", {"duration": SECOND // 10}))


class Figures(Case):
    command = ("sh", "-c", "while :; do cat /etc/hostname >/dev/null; sleep 0.05; done")

    def test_top(self):
        top = self.result("Stockade.Top")
        self.assertEqual([p["pid"] for p in top["processes"]][0], 1)
        self.assertGreater(next(c for c in top["calls"] if c["name"] == "openat")["count"], 0)
        self.assertFalse(top["paused"])

    def test_strace(self):
        first = self.result("Stockade.Strace", {"pid": 1})
        self.assertFalse(first["ended"])
        time.sleep(0.5)
        more = self.result("Stockade.Strace", {"pid": 1, "since": first["next"]})
        # The latest are kept.
        self.assertEqual(len(more["lines"]), min(more["next"] - first["next"], 256))
        self.assertTrue(any(line["text"].startswith("wait4(-1, ") for line in more["lines"]), more)
        self.assertEqual({line["tid"] for line in more["lines"]}, {1})
        self.error("Stockade.Strace", {"pid": 4242}, errno=3)
        self.error("Stockade.Strace", {}, errno=3)

"""A client of the control protocol, and sandboxes to try it on: from the description of the wire alone, with nothing but
Python's standard library."""

import array
import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

STOCKADE = os.environ["STOCKADE"]
PATIENCE = 60


class Client:
    """A connection: one call at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # An address is short, a path need not be.
        directory = os.open(os.path.dirname(path), os.O_PATH)
        self.socket.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        os.close(directory)
        self.socket.settimeout(PATIENCE)

    def send(self, text, files=()):
        data = text if isinstance(text, bytes) else text.encode()
        ancillary = []
        if files:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        sent = self.socket.sendmsg([data], ancillary)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def receive(self):
        """The next object; it ends with its brace, and nothing follows."""
        data = b""
        while True:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError(data)
            data += part
            try:
                answer = json.loads(data)
            except json.JSONDecodeError:
                continue
            assert data.endswith(b"}"), data
            assert list(answer)[:3] == ["success", "err", "result"], data
            return answer

    def raw(self, text, files=()):
        self.send(text, files)
        return self.receive()

    def call(self, method, arg=None, files=()):
        """The whole answer."""
        return self.raw(json.dumps({"method": method, "arg": arg}), files)

    def close(self):
        self.socket.close()


class Sandbox:
    """A sandbox named `box`, for as long as it is open."""

    def __init__(self, *command, options=()):
        self.directory = tempfile.mkdtemp()
        self.log = os.path.join(self.directory, "log")
        self.state = os.path.join(self.directory, "state")
        command = command or ("sleep", "1000")
        self.front = subprocess.Popen(
            [STOCKADE, "--state-dir", self.state, "do", "--id", "box", "--log", self.log, *options, "--", *command],
            stdin=subprocess.DEVNULL,
        )
        self.socket = os.path.join(self.state, "box", "control.sock")
        until("the sandbox runs", lambda: self.record().get("status") == "running")
        client = self.connect()
        until("its program runs", lambda: client.call("containerManager.Processes", "box")["result"])
        client.close()

    def record(self):
        try:
            with open(os.path.join(self.state, "box", "state.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def connect(self):
        return Client(self.socket)

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self):
        self.front.kill()
        self.front.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def until(what, done):
    """Waits, but not for ever."""
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"not within a minute: {what}")
        time.sleep(0.01)


class Case(unittest.TestCase):
    """Tests that share a sandbox; each has a connection of its own."""

    command = ()
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(*cls.command, options=cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.box.close()

    def setUp(self):
        self.client = self.box.connect()

    def tearDown(self):
        self.client.close()

    def result(self, method, arg=None, files=()):
        answer = self.client.call(method, arg, files)
        self.assertTrue(answer["success"], answer)
        self.assertEqual(answer["err"], "")
        return answer["result"]

    def error(self, method, arg=None, files=(), errno=None):
        answer = self.client.call(method, arg, files)
        self.assertFalse(answer["success"], answer)
        self.assertIsNone(answer["result"])
        self.assertEqual(answer.get("errno"), errno, answer)
        return answer["err"]

    def execute(self, *argv, files=None, **fields):
        """Proc.Exec: wait status and what was printed."""
        reader, writer = os.pipe()
        null = os.open("/dev/null", os.O_RDWR)
        arg = {"argv": list(argv), "envv": ["PATH=/usr/bin:/bin"], **fields}
        given = [null, writer, writer] + list(files or [])
        self.client.send(json.dumps({"method": "Proc.Exec", "arg": arg}), given)
        os.close(writer)
        os.close(null)
        printed = b""
        while True:
            part = os.read(reader, 65536)
            if not part:
                break
            printed += part
        os.close(reader)
        answer = self.client.receive()
        if not answer["success"]:
            raise Refused(answer)
        return answer["result"], printed.decode()

    def output(self, *argv, **fields):
        status, printed = self.execute(*argv, **fields)
        self.assertEqual(status, 0, printed)
        return printed

    def refused(self, *argv, **fields):
        with self.assertRaises(Refused) as caught:
            self.execute(*argv, **fields)
        return caught.exception.args[0]

    def start(self, *argv, files=(), **fields):
        """containerManager.ExecuteAsync: the PID."""
        null = os.open("/dev/null", os.O_RDWR)
        arg = {"argv": list(argv), "envv": ["PATH=/usr/bin:/bin"], **fields}
        pid = self.result("containerManager.ExecuteAsync", arg, list(files) or [null, null, null])
        os.close(null)
        return pid

    def processes(self):
        return {p["pid"]: p for p in self.result("containerManager.Processes", "")}


class Refused(Exception):
    """A call failed."""


def readable(file, seconds):
    return bool(select.select([file], [], [], seconds)[0])

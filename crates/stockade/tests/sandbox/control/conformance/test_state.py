"""Saving: as clients of 2019 call it, with one descriptor, and as today's do, with three."""

import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import tempfile
import threading

from wire import Case, Sandbox

TRAILER = 160


class State(Case):
    def setUp(self):
        super().setUp()
        self.file = tempfile.NamedTemporaryFile()
        self.addCleanup(self.file.close)

    def test_exactly_one_file(self):
        with tempfile.TemporaryFile() as other:
            for files in [[], [self.file.fileno(), other.fileno()]]:
                self.assertEqual(self.error("State.Save", {}, files), "exactly one file must be provided")

    def test_2019(self):
        key = os.urandom(32)
        arg = {"key": base64.b64encode(key).decode(), "metadata": {"a": "b"}, "Resume": True}
        self.assertEqual(self.result("State.Save", arg, [self.file.fileno()]), {})
        with open(self.file.name, "rb") as file:
            data = file.read()
        self.assertEqual(data[:8], b"\x89STKIMG\n")
        header, metadata, authentication = struct.unpack_from("<III", data, 12)
        self.assertEqual(data[64 + header :][:metadata], b'{"a":"b"}')
        self.assertEqual(authentication, 1)
        # The MAC is over all but the pages and the hash tree, which are there by its root.
        pages = struct.unpack_from("<Q", data, 24)[0]
        trailer = data[-TRAILER:]
        stored, _, state, summary, runs, chunks = struct.unpack_from("<6Q", trailer, 16)
        up = lambda offset: (offset + 7) // 8 * 8
        tree = up(up(up(up(pages + stored) + state) + summary) + 32 * runs)
        covered = data[:pages] + data[pages + stored : tree] + data[tree + 40 * chunks : -TRAILER]
        self.assertEqual(hashlib.sha256(covered + trailer[:96]).digest(), trailer[96:128])
        mac = hmac.new(key, covered + trailer[:128], hashlib.sha256).digest()
        self.assertEqual(mac, trailer[128:])

    def test_today(self):
        with tempfile.TemporaryFile() as metadata, tempfile.TemporaryFile() as pages:
            files = [self.file.fileno(), metadata.fileno(), pages.fileno()]
            arg = {"key": None, "metadata": None, "MemoryFileSaveOpts": {}, "have_pages_file": True, "Resume": True}
            self.assertEqual(self.result("containerManager.Checkpoint", arg, files), {})
            self.assertEqual(os.fstat(metadata.fileno()).st_size, 0)
        self.assertGreater(os.fstat(self.file.fileno()).st_size, 1 << 16)

    def test_a_pipe(self):
        read, write = os.pipe()
        data = []

        def drain():
            with open(read, "rb") as pipe:
                data.append(pipe.read())

        thread = threading.Thread(target=drain)
        thread.start()
        result = self.client.call("State.Save", {"Resume": True}, [write])
        os.close(write)
        thread.join()
        self.assertTrue(result["success"], result)
        self.assertEqual(data[0][-TRAILER:][:8], b"\x89STKEND\n")

    def test_paused(self):
        for _ in range(2):
            self.assertEqual(self.result("containerManager.Pause"), {})
        self.assertEqual(self.result("State.Save", {"Resume": True}, [self.file.fileno()]), {})
        self.assertEqual(self.result("containerManager.Status", "box"), "paused")
        for _ in range(2):
            self.assertEqual(self.result("containerManager.Resume"), {})

    def test_confirmed(self):
        box = Sandbox()
        self.addCleanup(box.close)
        client = box.connect()
        for word in [b"", b"y"]:
            ours, theirs = socket.socketpair()
            call = {"method": "State.Save", "arg": {"Confirm": True}}
            with tempfile.TemporaryFile() as file:
                client.send(json.dumps(call), [file.fileno(), theirs.fileno()])
                theirs.close()
                self.assertEqual(len(ours.recv(9)), 1)
                os.lseek(file.fileno(), -TRAILER, os.SEEK_END)
                self.assertEqual(file.read(8), b"\x89STKEND\n")
            self.assertIsNone(box.front.poll())
            ours.sendall(word)
            ours.close()
            answer = client.receive()
            self.assertEqual((answer["success"], answer["err"]), (bool(word), "" if word else "the image was not confirmed"))
        self.assertEqual(box.front.wait(), 0)
        client.close()

    def test_waits(self):
        self.assertIn("was not restored", self.error("containerManager.WaitRestore", {}))
        waiter = self.box.connect()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(waiter.call("containerManager.WaitCheckpoint", {})))
        thread.start()
        while not answers:
            os.ftruncate(self.file.fileno(), 0)
            os.lseek(self.file.fileno(), 0, os.SEEK_SET)
            self.result("State.Save", {"Resume": True}, [self.file.fileno()])
            thread.join(0.05)
        self.assertTrue(answers[0]["success"], answers)
        waiter.close()

"""Restoring: an empty sandbox goes on as one that was saved."""

import base64
import json
import os
import subprocess
import tempfile
import threading
import time

from wire import STOCKADE, Case, Client, Sandbox, until

KEY = os.urandom(20)
COUNT = "i=0; while :; do i=$((i + 1)); echo $i; echo $i >/tmp/count; sleep 0.02; done"


class Empty:
    """A detached sandbox without a program."""

    def __init__(self, state, name, *options):
        self.state = state
        self.name = name
        self.stockade("do", "--detach", "--id", name, *options)

    def stockade(self, *arguments):
        command = [STOCKADE, "--state-dir", self.state, *arguments]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout.decode()

    def connect(self):
        return Client(os.path.join(self.state, self.name, "control.sock"))

    def record(self):
        return json.loads(self.stockade("state", self.name))

    def logged(self):
        return [int(line) for line in self.stockade("logs", self.name).split()]

    def close(self):
        self.stockade("delete", "--force", self.name)


class Restore(Case):
    command = ("sh", "-c", COUNT)

    def setUp(self):
        super().setUp()
        self.names = 0
        until("it counts", lambda: self.execute("test", "-s", "/tmp/count")[0] == 0)

    def empty(self, *options):
        self.names += 1
        empty = Empty(self.box.state, f"empty-{self.names}", *options)
        self.addCleanup(empty.close)
        return empty

    def image(self, **options):
        file = tempfile.TemporaryFile()
        self.addCleanup(file.close)
        self.result("State.Save", {"Resume": True, **options}, [file.fileno()])
        return file

    def restored(self, empty, arg, files):
        client = empty.connect()
        answer = client.call("containerManager.Restore", arg, [file.fileno() for file in files])
        client.close()
        return answer

    def goes_on(self, empty):
        client = empty.connect()
        self.assertEqual(client.call("containerManager.WaitRestore", {})["success"], True)
        names = [p["cmd"] for p in client.call("containerManager.Processes", empty.name)["result"]]
        client.close()
        self.assertIn("sh", names)
        until("it goes on", lambda: len(empty.logged()) > 5)
        numbers = empty.logged()
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertGreater(numbers[0], 1)

    def test_goes_on(self):
        image = self.image()
        empty = self.empty()
        before = empty.record()
        waiter, answers = empty.connect(), []
        wait = lambda: answers.append(waiter.call("containerManager.WaitRestore", {}))
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.1)
        self.assertEqual(answers, [])
        answer = self.restored(empty, {}, [image])
        self.assertEqual(answer, {"success": True, "err": "", "result": {}})
        thread.join()
        waiter.close()
        self.assertTrue(answers[0]["success"], answers)
        self.goes_on(empty)
        after = empty.record()
        self.assertEqual((after["id"], after["status"], after["front"]), (before["id"], "running", before["front"]))
        self.assertNotEqual(after["pid"], before["pid"])
        # It is a sandbox as any other: no other can take its place, it can be saved, and it ends.
        again = self.restored(empty, {}, [image])
        self.assertIn("not empty, or was used", again["err"])
        empty.stockade("save", empty.name, os.path.join(self.box.directory, "again"))
        self.assertEqual(empty.record()["exit_status"], 0)

    def test_as_todays_clients(self):
        image, empty = self.image(), self.empty()
        arg = {"HavePagesFile": True, "HaveDeviceFile": False, "Background": False, "use_checkpoint_gofer": False}
        self.assertIn("exactly one file", self.restored(empty, arg, [image])["err"])
        with tempfile.TemporaryFile() as metadata, tempfile.TemporaryFile() as pages:
            self.assertTrue(self.restored(empty, arg, [image, metadata, pages])["success"])
        self.goes_on(empty)

    def test_refused(self):
        image = self.image(key=base64.b64encode(KEY).decode(), Compression="zstd")
        empty = self.empty("--memory", "100M")
        key = {"Key": base64.b64encode(KEY).decode()}
        with tempfile.TemporaryFile() as nothing, open("/dev/null", "rb") as device:
            for arg, files, what in [
                ({}, [], "exactly one file must be provided"),
                ({}, [image, image], "exactly one file must be provided"),
                ({}, [image], "was saved with a key"),
                ({"Key": base64.b64encode(b"x" * 20).decode()}, [image], "another key"),
                ({"Key": "eA=="}, [image], "needs at least 16"),
                (key, [nothing], "is not an image"),
                ({}, [device], "the image"),
            ]:
                answer = self.restored(empty, arg, files)
                self.assertFalse(answer["success"])
                self.assertIn(what, answer["err"])
        damaged = self.image()
        os.pwrite(damaged.fileno(), b"!", 100)
        self.assertIn("is damaged", self.restored(empty, {}, [damaged])["err"])
        image = self.image(**{"key": key["Key"]})
        self.assertTrue(self.restored(empty, key, [image])["success"])
        self.goes_on(empty)

    def test_used(self):
        image, empty = self.image(), self.empty()
        empty.stockade("exec", empty.name, "true")
        answer = self.restored(empty, {}, [image])
        self.assertIn("not empty, or was used", answer["err"])
        self.assertIn("not empty, or was used", self.error("containerManager.Restore", {}, [image.fileno()]))
        client = empty.connect()
        self.assertIn("was not restored", client.call("containerManager.WaitRestore", {})["err"])
        with tempfile.TemporaryFile() as file:
            saved = client.call("State.Save", {}, [file.fileno()])
        self.assertIn("no process in the sandbox", saved["err"])
        client.close()

    def test_has_what_the_sandbox_has(self):
        with tempfile.TemporaryDirectory() as volume:
            box = Sandbox("sh", "-c", COUNT, options=("--volume", f"{volume}:/tmp/data"))
            self.addCleanup(box.close)
            client = box.connect()
            image = tempfile.TemporaryFile()
            self.addCleanup(image.close)
            self.assertTrue(client.call("State.Save", {"Resume": True}, [image.fileno()])["success"])
            client.close()
            empty = self.empty()
            answer = self.restored(empty, {}, [image])
            self.assertIn("/tmp/data", answer["err"])
            empty = self.empty("--volume", f"{volume}:/tmp/data")
            self.assertTrue(self.restored(empty, {}, [image])["success"])
            empty.stockade("exec", empty.name, "touch", "/tmp/data/there")
            self.assertEqual(os.listdir(volume), ["there"])

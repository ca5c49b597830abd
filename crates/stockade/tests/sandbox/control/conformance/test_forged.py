"""Images whose checksums fit, and which nobody saved: they are refused in words, or mean something else, and nothing crashes."""

import hashlib
import os
import random
import struct
import subprocess
import tempfile

from wire import PATIENCE, STOCKADE, Case

TRAILER = 160
SEED = int(os.environ.get("FORGED_SEED", "5"))
ROUNDS = int(os.environ.get("FORGED_ROUNDS", "40"))


class Image:
    """A file without a key: its bytes, and where its parts are."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.pages = struct.unpack_from("<Q", data, 24)[0]
        self.stored, _, state, summary, runs, chunks = struct.unpack_from("<6Q", data, len(data) - TRAILER + 16)
        up = lambda offset: (offset + 7) // 8 * 8
        self.state = (up(self.pages + self.stored), state)
        self.summary = (up(sum(self.state)), summary)
        self.runs = (up(sum(self.summary)), 32 * runs)
        self.tree = (up(sum(self.runs)), 40 * chunks)

    def bytes(self):
        """With the checksum that fits."""
        covered = self.data[: self.pages] + self.data[self.pages + self.stored : self.tree[0]]
        covered += self.data[sum(self.tree) : -64]
        self.data[-64:-32] = hashlib.sha256(covered).digest()
        return bytes(self.data)


class Forged(Case):
    # It ends once it has been restored.
    command = ("sh", "-c", "g=0; while [ $g = 0 ]; do sleep 0.05; read g </proc/sys/kernel/random/generation; done; exit 7")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.box.connect()
        with tempfile.TemporaryFile() as file:
            answer = client.call("State.Save", {"Resume": True}, [file.fileno()])
            assert answer["success"], answer
            file.seek(0)
            cls.image = file.read()
        client.close()

    def restored(self, image, patience=PATIENCE):
        """Exit status and standard error; None for one that does not end."""
        path = os.path.join(self.box.directory, "forged")
        with open(path, "wb") as file:
            file.write(image.bytes())
        command = [STOCKADE, "--state-dir", self.box.state, "restore", path]
        front = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            said = front.communicate(timeout=patience)[1]
        except subprocess.TimeoutExpired:
            front.kill()
            front.communicate()
            return None, ""
        return front.returncode, said.decode()

    def harmless(self, image, what, patience=PATIENCE):
        status, said = self.restored(image, patience)
        for bad in ["crashed", "panicked", "was killed", "without saying"]:
            self.assertNotIn(bad, said, what)
        if status == 125:
            self.assertRegex(said, r"forged (is|cannot|was)|sandbox .*:", what)
        return status

    def test_checksum(self):
        image = Image(self.image)
        self.assertEqual(image.bytes(), self.image)
        self.assertEqual(self.restored(image)[0], 7)

    def test_kernel_state(self):
        pick, refused = random.Random(SEED), 0
        for n in range(ROUNDS):
            image = Image(self.image)
            at, size = image.state
            place = at + pick.randrange(size)
            image.data[place] = pick.randrange(256)
            refused += self.harmless(image, f"round {n}, seed {SEED}: byte {place - at} of the state", 5) == 125
        self.assertGreater(refused, ROUNDS // 5)

    def test_runs(self):
        pick, refused = random.Random(SEED), 0
        for n in range(ROUNDS // 2):
            image = Image(self.image)
            at, size = image.runs
            place = at + 8 * pick.randrange(size // 8)
            value = pick.choice([0, 1, 4096, 1 << 32, 1 << 47, 1 << 63, (1 << 64) - 4096, (1 << 64) - 1])
            image.data[place : place + 8] = struct.pack("<Q", value)
            refused += self.harmless(image, f"round {n}, seed {SEED}: {value:#x} at {place - at} of the runs", 5) == 125
        self.assertGreater(refused, ROUNDS // 10)

    def test_summary(self):
        for old, new in [
            (b'"boottime":', b'"boottimf":'),
            (b'"hostname":"', b'"hostname":"\\u001b'),
            (b'"memory":', b'"memory":-'),
            (b'"/"', b'".."'),
        ]:
            image = Image(self.image)
            at, size = image.summary
            summary = bytes(image.data[at : at + size])
            self.assertIn(old, summary)
            # As long as it was.
            changed = summary.replace(old, new, 1)[:size].ljust(size)
            image.data[at : at + size] = changed
            self.assertIn(self.harmless(image, changed), [7, 125])

    def test_damaged_without_a_checksum(self):
        pick = random.Random(SEED)
        for n in range(ROUNDS // 4):
            image = Image(self.image)
            place = pick.randrange(len(self.image) - TRAILER)
            image.data[place] ^= 1 << pick.randrange(8)
            image.bytes = lambda data=image.data: bytes(data)
            status, said = self.restored(image)
            self.assertEqual(status, 125, f"round {n}, seed {SEED}: byte {place}: {said}")

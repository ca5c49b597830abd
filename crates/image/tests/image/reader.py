"""A reader written from docs/image-format.md alone: checks checksum and MAC, prints what it finds as JSON."""

import hashlib
import hmac
import json
import struct
import sys

image = open(sys.argv[1], "rb").read()
key = bytes.fromhex(sys.argv[2])


def align(n):
    return (n + 7) // 8 * 8


magic, version, header_length, metadata_length, authentication, pages = struct.unpack("<8sIIIIQ", image[:32])
assert magic == b"\x89STKIMG\n" and version == 1
trailer = image[-160:]
end, size, stored, data, state_length, summary_length, runs, chunks = struct.unpack("<8s7Q", trailer[:64])
assert end == b"\x89STKEND\n" and size == len(image)
header = json.loads(image[64 : 64 + header_length])
metadata = json.loads(image[64 + header_length : 64 + header_length + metadata_length])
state = align(pages + stored)
summary = align(state + state_length)
index = align(summary + summary_length)
tree = align(index + 32 * runs)
tree_end = tree + 40 * chunks
assert align(tree_end) + 160 == size

covered = image[:pages] + image[pages + stored : tree] + image[tree_end : size - 64]
checksum, mac = trailer[96:128], trailer[128:160]
assert hashlib.sha256(covered).digest() == checksum
if authentication == 1:
    assert hmac.digest(key, covered + checksum, "sha256") == mac
else:
    assert mac == bytes(32)

found = {
    "header": header,
    "metadata": metadata,
    "state": image[state : state + state_length].decode(),
    "container_id": json.loads(image[summary : summary + summary_length])["container_id"],
    "runs": [struct.unpack_from("<4Q", image, index + 32 * n) for n in range(runs)],
    "stored": sum(struct.unpack_from("<Q", image, tree + 40 * n + 32)[0] for n in range(chunks)),
    "first": struct.unpack_from("<Q", image, pages)[0],
}
print(json.dumps(found, sort_keys=True))

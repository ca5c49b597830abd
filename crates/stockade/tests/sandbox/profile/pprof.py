"""Reads a profile of pprof (profile.proto, gzip) with nothing but the standard library, and prints it as JSON."""
import gzip
import json
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    at, found = 0, {}
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
            assert len(value) == size, "a message is cut off"
        else:
            raise ValueError(f"wire type {tag & 7}")
        found.setdefault(tag >> 3, []).append(value)
    return found


def numbers(values):
    """Of a repeated number, packed or not."""
    out = []
    for value in values:
        if isinstance(value, int):
            out.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = varint(value, at)
            out.append(one)
    return [n - (1 << 64) if n >> 63 else n for n in out]


def one(message, number):
    return numbers(message.get(number, [0]))[-1]


profile = fields(gzip.open(sys.argv[1]).read())
strings = [s.decode() for s in profile[6]]
assert strings[0] == ""
kind = lambda data: [strings[one(fields(data), n)] for n in (1, 2)]
functions = {}
for data in profile.get(5, []):
    f = fields(data)
    functions[one(f, 1)] = (strings[one(f, 2)], strings[one(f, 4)])
mappings = {one(fields(m), 1): fields(m) for m in profile.get(3, [])}
locations = {}
for data in profile.get(4, []):
    location = fields(data)
    if mapping := one(location, 2):
        start, end = (one(mappings[mapping], n) for n in (2, 3))
        assert start <= one(location, 3) < end, "an address outside its mapping"
    lines = [fields(line) for line in location.get(4, [])]
    locations[one(location, 1)] = [(*functions[one(line, 1)], one(line, 2)) for line in lines]
samples = []
for data in profile.get(2, []):
    sample = fields(data)
    labels = {}
    for label in map(fields, sample.get(3, [])):
        labels[strings[one(label, 1)]] = strings[one(label, 2)] or one(label, 3)
    stack = [frame for id in numbers(sample.get(1, [])) for frame in locations[id]]
    values = numbers(sample[2])
    assert len(values) == len(profile[1])
    samples.append({
        "functions": [frame[0] for frame in stack],
        "lines": [f"{frame[1]}:{frame[2]}" for frame in stack],
        "values": values,
        "labels": labels,
    })
json.dump({
    "types": [kind(data) for data in profile[1]],
    "period": one(profile, 12),
    "period_type": kind(profile[11][0]),
    "time": one(profile, 9),
    "duration": one(profile, 10),
    "comments": [strings[at] for at in numbers(profile.get(13, []))],
    "samples": samples,
}, sys.stdout)

"""Checks a trace against the Trace Event Format (JSON object form) and prints a summary as JSON."""
import collections
import json
import sys

trace = json.load(open(sys.argv[1]))
assert isinstance(trace, dict) and isinstance(trace["traceEvents"], list)
assert trace["displayTimeUnit"] in ("ms", "ns")
other = trace["otherData"]
open_slices = collections.defaultdict(list)
last = collections.defaultdict(float)
names, threads, processes = collections.Counter(), {}, {}
slices = []
results = collections.defaultdict(set)
for event in trace["traceEvents"]:
    phase, name = event["ph"], event["name"]
    assert isinstance(name, str) and name
    assert phase in "BEXiCM", phase
    who = (event["pid"], event["tid"])
    assert all(isinstance(n, int) for n in who)
    assert isinstance(event["ts"], (int, float)) and event["ts"] >= 0
    if phase == "M":
        assert name in ("process_name", "thread_name")
        (processes if name == "process_name" else threads)[str(who[1])] = event["args"]["name"]
        continue
    if phase == "C":
        assert all(isinstance(n, int) for n in event["args"].values())
        continue
    names[event["cat"] + ":" + name] += phase != "E"
    if phase == "i":
        assert event["s"] in "gpt"
    elif phase == "B":
        open_slices[who].append((name, event["ts"]))
        # A thread's own events come in order.
        assert event["ts"] >= last[who]
        last[who] = event["ts"]
    elif phase == "E":
        begun = open_slices[who].pop()
        assert begun[0] == name, (begun, event)
        assert event["ts"] >= last[who]
        last[who] = event["ts"]
        slices.append((*who, begun[1], event["ts"]))
        results[name].add(json.dumps(event.get("args", {})))
    elif phase == "X":
        assert event["dur"] >= 0
        slices.append((*who, event["ts"], event["ts"] + event["dur"]))
assert not any(open_slices.values()), "slices that never end"
# What a thread does nests: two slices lie in each other or apart.
by_thread = collections.defaultdict(list)
for pid, tid, begin, end in slices:
    by_thread[pid, tid].append((begin, end))
for spans in by_thread.values():
    spans.sort(key=lambda span: (span[0], -span[1]))
    stack = []
    for begin, end in spans:
        while stack and stack[-1] <= begin:
            stack.pop()
        assert not stack or end <= stack[-1] + 0.001, "slices overlap"
        stack.append(end)
span = [e["ts"] for e in trace["traceEvents"] if e["ph"] != "M"]
json.dump({
    "names": names,
    "threads": threads,
    "processes": processes,
    "lost": other["lost"],
    "microseconds": max(span) - min(span) if span else 0,
    "results": {name: sorted(args) for name, args in results.items()},
}, sys.stdout)

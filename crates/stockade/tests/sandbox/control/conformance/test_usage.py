"""Figures."""

import re

from wire import Case


class Usage(Case):
    options = ("--memory", "512M", "--pids", "100")

    def test_memory(self):
        total = self.result("Usage.Collect", {})
        names = ["Unknown", "System", "Anonymous", "PageCache", "Mapped", "Tmpfs", "Ramdiskfs", "Total"]
        self.assertEqual(sorted(total), sorted(names))
        self.assertEqual(total["Unknown"], total["Total"])
        self.assertGreater(total["Total"], 0)
        self.execute("sh", "-c", "head -c 20000000 /dev/zero >/tmp/f")
        full = self.result("Usage.Collect", {"Full": True})
        self.assertEqual(full["Unknown"], 0)
        self.assertGreater(full["Tmpfs"], 20_000_000)
        self.assertGreater(full["Anonymous"], 0)
        self.assertGreater(full["System"], 0)
        self.assertEqual(full["Total"], sum(full[name] for name in names[:-1]))

    def metrics(self, only=""):
        return self.result("Metrics.Export", {"only_metrics": only})["snapshot"]

    def value(self, name, **labels):
        found = [
            d["val"].get("int", 0)
            for d in self.metrics(f"^{name}$")["data"]
            if all(d.get("labels", {}).get(k) == v for k, v in labels.items())
        ]
        self.assertEqual(len(found), 1, (name, labels))
        return found[0]

    def test_metrics(self):
        snapshot = self.metrics()
        self.assertRegex(snapshot["when"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        for figure in snapshot["data"]:
            self.assertRegex(figure["metric"]["name"], r"^[a-z_]+$")
            self.assertIn(figure["metric"]["type"], [1, 2])
            self.assertTrue(figure["metric"]["help"])
            self.assertEqual(figure["metric"]["type"] == 2, figure["metric"]["name"].endswith("_total"))
        before = self.value("syscalls_total", call="chdir", number="80") if self.execute("sh", "-c", "cd /") else 0
        self.execute("sh", "-c", "cd /etc; cd /; cd /usr")
        self.assertEqual(self.value("syscalls_total", call="chdir"), before + 3)
        self.assertGreater(self.value("page_faults_total", kind="minor"), 0)
        self.assertEqual(self.value("tasks_limit"), 100)
        self.assertEqual(self.value("memory_limit_bytes"), 512 << 20)
        self.assertGreater(self.value("memory_bytes", kind="sentry"), 0)
        tasks, files = self.value("tasks"), self.value("open_files")
        pid = self.start("sh", "-c", "exec 9</etc/passwd; exec sleep 1000")
        self.assertEqual(self.value("tasks"), tasks + 1)
        self.assertGreater(self.value("open_files"), files)
        self.result("containerManager.Signal", {"Signo": 9, "PID": pid})

    def test_only_some(self):
        names = {d["metric"]["name"] for d in self.metrics("^tasks")["data"]}
        self.assertEqual(names, {"tasks", "tasks_limit", "tasks_refused_total"})
        self.assertIn('cannot compile regexp "("', self.error("Metrics.Export", {"only_metrics": "("}))

    def test_event(self):
        self.execute("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
        out = self.result("containerManager.Event", "box")
        self.assertEqual(sorted(out), ["containerUsage", "event"])
        event = out["event"]
        self.assertEqual((event["type"], event["id"]), ("stats", "box"))
        cpu, memory, pids = event["data"]["cpu"]["usage"], event["data"]["memory"], event["data"]["pids"]
        self.assertEqual(cpu["total"], cpu["user"] + cpu["kernel"])
        self.assertGreater(cpu["user"], 1_000_000)
        self.assertEqual(out["containerUsage"], {"box": cpu["total"]})
        self.assertEqual((memory["usage"]["limit"], memory["usage"]["failcnt"]), (512 << 20, 0))
        self.assertEqual(memory["usage"]["usage"], sum(memory["raw"].values()))
        self.assertEqual(pids["limit"], 100)
        self.assertGreaterEqual(pids["current"], 1)
        self.assertEqual(self.result("containerManager.Event", None)["event"]["id"], "box")
        self.assertIn("other", self.error("containerManager.Event", "other"))

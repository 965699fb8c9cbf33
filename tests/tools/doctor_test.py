# SPDX-License-Identifier: Apache-2.0
"""perfctl doctor and perfctl export, by the real binary."""
import json
import os
import re
import shutil
import subprocess
import unittest

import harness


class DoctorTest(harness.PerfctlCase):
    LEVELS = {"ok": 0, "INFO": 0, "WARNING": 1, "CRITICAL": 2}

    def worst(self, states):
        order = ["ok", "INFO", "WARNING", "CRITICAL"]
        return max(states, key=order.index)

    def test_json_says_what_the_exit_code_says(self):
        done = self.perfctl("doctor", "--json")
        checks = done.json["checks"]
        self.assertGreater(len(checks), 8)
        self.assertEqual(done.json["state"], self.worst([check["state"] for check in checks]))
        self.assert_code(done, self.LEVELS[done.json["state"]])
        self.assertEqual(done.err, "")
        try:
            import jsonschema
        except ImportError:
            return
        with open(f"{harness.SOURCE}/libperf/report/doctor.schema.json", encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(done.json)

    def test_screen_and_plain_name_the_same_checks(self):
        plain = self.perfctl("doctor", "--plain")
        rows = [line.split("\t") for line in plain.out.splitlines()]
        self.assertTrue(all(len(row) == 6 for row in rows), plain.out)
        screen = self.perfctl("doctor", env={"COLUMNS": "80", "LC_ALL": "C.UTF-8"})
        self.assertIn(screen.code, (0, 1, 2))
        for row in rows:
            self.assertIn(f" {row[2]} ", screen.out)
        for line in screen.out.splitlines():
            if "mend:" not in line and "see:" not in line and "/" not in line:
                self.assertLessEqual(len(line), 80, line)
        ascii_only = self.perfctl("doctor", env={"LC_ALL": "C"})
        self.assertTrue(ascii_only.out.isascii(), ascii_only.out)

    def test_worst_first(self):
        screen = self.perfctl("doctor", env={"LC_ALL": "C.UTF-8"})
        found = re.findall(r"^  (ok|INFO|WARNING|CRITICAL) +(?!\d)", screen.out, re.M)[1:]
        order = ["CRITICAL", "WARNING", "INFO", "ok"]
        self.assertEqual(found, sorted(found, key=order.index))

    def test_a_place_that_cannot_be_made_is_critical(self):
        blocked = self.file("blocked", "")
        done = self.perfctl("doctor", "--json", env={"XDG_STATE_HOME": blocked + "/below"})
        self.assert_code(done, 2)
        state = [check for check in done.json["checks"] if check["name"] == "state directory"][0]
        self.assertEqual(state["state"], "CRITICAL")
        self.assertIn("mkdir -p", state["remedy"])

    def test_an_open_file_limit_that_is_too_low_is_named_with_its_remedy(self):
        done = self.perfctl("doctor", "--json", prefix=("prlimit", "--nofile=300:300"))
        files = [check for check in done.json["checks"] if check["name"] == "open files"][0]
        self.assertEqual((files["state"], files["seen"]), ("CRITICAL", "300"))
        self.assertIn("prlimit --pid $$ --nofile=65536", files["remedy"])

    def test_servers_of_path_are_named_with_their_versions(self):
        folder = os.path.join(self.dir, "bin")
        os.mkdir(folder)
        path = os.path.join(folder, "envoy")
        with open(path, "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\necho 'envoy  version: abc/1.31.2/Clean/RELEASE'\nexec sleep 60\n")
        os.chmod(path, 0o755)
        done = self.perfctl("doctor", "--json", env={"PATH": folder + ":" + os.environ["PATH"]})
        envoy = [check for check in done.json["checks"] if check["name"] == "envoy"][0]
        self.assertEqual(envoy["seen"], f"1.31.2 ({path})")

    def test_usage(self):
        self.assert_code(self.perfctl("doctor", "--json", "--plain"), 64)
        self.assert_code(self.perfctl("doctor", "now"), 64)


class ExportTest(harness.PerfctlCase):
    def test_grafana_shows_every_family_once(self):
        done = self.perfctl("export", "grafana")
        self.assert_code(done, 0)
        panels = [panel for panel in done.json["panels"] if panel["type"] != "row"]
        names = [panel["description"].split()[0] for panel in panels]
        self.assertEqual(len(names), len(set(names)))
        for name in ("perfkit_pool_pending_requests", "perfkit_pool_connection_wait_seconds",
                     "perfkit_cache_requests_total", "perfkit_audio_underruns_total"):
            self.assertIn(name, names)
        for panel in panels:
            name = panel["description"].split()[0]
            for target in panel["targets"]:
                self.assertIn(name, target["expr"])
                self.assertEqual(target["expr"].count("("), target["expr"].count(")"))
        # No two panels share a place, and each has a number of its own.
        places = [tuple(panel["gridPos"].values()) for panel in done.json["panels"]]
        self.assertEqual(len(places), len(set(places)))
        self.assertEqual(len({panel["id"] for panel in done.json["panels"]}), len(done.json["panels"]))

    @unittest.skipUnless(shutil.which("promtool"), "promtool (prometheus)")
    def test_promtool_reads_every_expression(self):
        done = self.perfctl("export", "grafana")
        expressions = [target["expr"].replace("$__rate_interval", "5m").replace("$job", ".+")
                       for panel in done.json["panels"] for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 60)
        rules = {"groups": [{"name": "dashboard", "rules": [
            {"record": f"dashboard:{number}", "expr": expression}
            for number, expression in enumerate(expressions)]}]}
        path = self.file("rules.yml", json.dumps(rules))
        checked = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True,
                                 check=False, timeout=60)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    @unittest.skipUnless(shutil.which("promtool"), "promtool (prometheus)")
    def test_promtool_takes_the_rules(self):
        own = self.file("own.yaml", "rules:\n  - {name: PerfkitOwn, expr: perfkit_target_up, critical: '< 1'}\n")
        for args, name in (((), "PerfkitDiskFull"), ((own,), "PerfkitOwn")):
            done = self.perfctl("export", "prometheus-rules", *args)
            self.assert_code(done, 0)
            self.assertIn(f"- alert: {name}\n", done.out)
            path = self.file("exported.yml", done.out)
            checked = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True,
                                     check=False, timeout=60)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertNotIn("PerfkitDiskFull", done.out)
        self.assert_code(self.perfctl("export", "prometheus-rules", self.file("bad.yaml", "rules: [{expr: a}]\n")), 65)

    def test_the_unit_says_what_it_must(self):
        done = self.perfctl("export", "systemd", "--program", "/opt/a b%/perfctl", "--listen", "[::1]:9464")
        self.assert_code(done, 0)
        self.assertIn('ExecStart="/opt/a b%%/perfctl" serve', done.out)
        self.assertIn('--listen "[::1]:9464"', done.out)
        for line in ("Type=notify", "ExecReload=/bin/kill -HUP $MAINPID", "WatchdogSec=60", "NoNewPrivileges=yes"):
            self.assertIn(line + "\n", done.out)
        self.assertIn(f'ExecStart="{os.path.realpath(harness.PERFCTL)}" serve',
                      self.perfctl("export", "systemd").out)
        self.assert_code(self.perfctl("export", "systemd", "--program", "perfctl"), 64)
        self.assert_code(self.perfctl("export", "systemd", "--listen", "x\nUser=root"), 64)
        self.assert_code(self.perfctl("export"), 64)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze (systemd)")
    def test_systemd_takes_the_unit(self):
        done = self.perfctl("export", "systemd")
        path = self.file("perfkit.service", done.out)
        checked = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True,
                                 check=False, timeout=60)
        if "Failed to initialize manager" in checked.stderr:
            self.skipTest(checked.stderr)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        ours = [line for line in checked.stderr.splitlines() if "perfkit.service" in line]
        self.assertEqual(ours, [])


if __name__ == "__main__":
    harness.main()

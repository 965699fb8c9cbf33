# SPDX-License-Identifier: Apache-2.0
"""poolbench as its users call it: exit codes, what goes to which stream, the result's file, every verb that needs no server."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

POOLBENCH = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MICRO = ("micro", "--threads", "2", "--pool", "1", "--hold", "0", "--seconds", "0.1", "--no-speed-checks")


class Poolbench(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="perfkit-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = dict(os.environ, XDG_STATE_HOME=self.dir + "/state", NO_COLOR="1")

    def run_it(self, *args, timeout=120):
        return subprocess.run([POOLBENCH, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env,
                              cwd=self.dir, timeout=timeout, check=False)

    def assert_code(self, done, code):
        self.assertEqual(done.returncode, code, f"\n{done.stdout}\n{done.stderr}")

    def validate(self, result):
        try:
            import jsonschema  # pylint: disable=import-outside-toplevel
        except ImportError:
            return
        with open(f"{SOURCE}/libperf/load/result.schema.json", encoding="utf-8") as file:
            jsonschema.Draft202012Validator(json.load(file)).validate(result)

    def test_closed_and_full_standard_files(self):
        for redirect, code in (("2>&-", 0), ("2>/dev/full", 0), (">&-", 73), (">/dev/full", 73)):
            with self.subTest(redirect=redirect):
                done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirect}', POOLBENCH, "leak", "--out", self.dir + "/out"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                                      cwd=self.dir, timeout=60, check=False)
                self.assertEqual(done.returncode, code, done.stderr)
                # What was measured is kept, wherever the words went, and only it.
                with open(self.dir + "/out/result.json", encoding="utf-8") as file:
                    self.assertEqual(json.load(file)["tool"], "poolbench leak")
                shutil.rmtree(self.dir + "/out")

    def test_json_is_the_result_and_nothing_else(self):
        done = self.run_it(*MICRO, "--json", "--out", self.dir + "/out", "--seed", "7")
        self.assert_code(done, 0)
        with open(self.dir + "/out/result.json", encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())
        result = json.loads(done.stdout)
        self.validate(result)
        self.assertEqual(result["tool"], "poolbench micro")
        self.assertEqual(result["bench"]["verb"], "micro")
        self.assertEqual(result["scenario"]["seed"], 7)
        self.assertEqual([row["impl"] for row in result["bench"]["rows"]], ["perfkit", "perfkit", "mutex", "fifo"])
        for row in result["bench"]["rows"]:
            for field in ("impl", "threads", "pool", "hold_us", "fairness", "ops_per_cpu_s", "ratio", "thread_min_max",
                          "overtaken_max", "wait_p999_ms"):
                self.assertIn(field, row)
        self.assertEqual(result["bench"]["rows"][1]["overtaken_max"], 0)

    def test_the_table_and_the_quiet_line(self):
        done = self.run_it(*MICRO)
        self.assert_code(done, 0)
        for word in ("PASS", "ops_per_cpu_s", "written", self.dir + "/state/perfkit/runs"):
            self.assertIn(word, done.stdout)
        done = self.run_it(*MICRO, "--quiet")
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertEqual(done.stderr, "")

    def test_verbs_without_servers(self):
        for args in (["leak", "--hold", "60ms", "--threshold", "30ms"], ["exhaust", "--cause", "held,closed,queue_full"],
                     ["pause", "--drain", "20s"], ["fork"]):
            with self.subTest(args=args):
                done = self.run_it(*args, "--json")
                self.assert_code(done, 0)
                self.validate(json.loads(done.stdout))

    def test_99_names_the_check(self):
        done = self.run_it("pause", "--hold", "500ms", "--drain", "10ms", "--json", "--quiet")
        self.assert_code(done, 99)
        self.assertIn("poolbench: check failed: pause <= 10ms", done.stderr)
        self.assertEqual(json.loads(done.stdout)["verdict"], "fail")

    def test_64_usage(self):
        for args in ([], ["fly"], ["micro", "--threads", "0"], ["micro", "--impl", "magic"], ["micro", "--hold", "soon"],
                     ["micro", "--seconds", "-1"], ["exhaust", "--cause", "boredom"], ["size"], ["compare-unpooled"],
                     ["spike", "--min", "9", "--max", "3"], ["micro", "--seed", "-1"], ["fork", "--loud"]):
            with self.subTest(args=args):
                done = self.run_it(*args)
                self.assert_code(done, 64)
                self.assertEqual(done.stdout, "")
                self.assertIn("poolbench:", done.stderr)
        self.assertIn("did you mean 'micro'", self.run_it("mirco").stderr)

    def test_65_69_73(self):
        done = self.run_it("run", "nowhere.yaml")
        self.assert_code(done, 65)
        self.assertTrue(done.stderr.startswith("nowhere.yaml: error: "), done.stderr)
        done = self.run_it("compare-unpooled", "--redis", "redis://192.0.2.1:9")  # for documentation (RFC 5737)
        self.assert_code(done, 65)
        self.assertIn("--allow-host", done.stderr)
        self.assert_code(self.run_it("compare-unpooled", "--redis", "redis://127.0.0.1:1"), 69)
        self.assert_code(self.run_it("fork", "--out", "/proc/nowhere"), 73)

    @unittest.skipUnless(glob.glob("/usr/lib/postgresql/*/bin/initdb"), "PostgreSQL is not installed")
    def test_size_recommends_nothing_where_a_size_differs_from_itself(self):
        # Each statement reads all rows of a table that grows with it: whatever the machine, the second sweep is less than
        # half as fast as the first one.
        grow = "with more as (insert into growing select 1 from generate_series(1, 1000)) select count(*) from growing"
        path = self.dir + "/size.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write("targets:\n  db: {kind: postgres, url: private}\nsetup:\n  - sql: {target: db, script: create table growing "
                       f"(n int)}}\nflows:\n  f:\n    - sql: {{target: db, query: \"{grow}\"}}\nload:\n"
                       "  - {flow: f, users: 1, for: 2s}\n")
        done = self.run_it("size", path, "--sizes", "1,2", "--rounds", "1", "--json")
        self.assert_code(done, 75)
        result = json.loads(done.stdout)
        self.validate(result)
        self.assertEqual(result["verdict"], "invalid")
        reasons = {reason["code"]: reason["text"] for reason in result["validity"]["reasons"]}
        self.assertIn("differs from itself by too much to recommend anything", reasons["unsteady"])
        for row in result["bench"]["rows"]:
            self.assertFalse(row["recommended_max"])
            self.assertIsNone(row["recommended_min"])
            self.assertNotIn("set", row)
        self.assertNotIn("DB_POOL", done.stdout + done.stderr)

    def test_130_writes_what_it_has(self):
        process = subprocess.Popen([POOLBENCH, "micro", "--seconds", "60", "--out", self.dir + "/out"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.env, cwd=self.dir, text=True)
        self.assertIn("threads, pool", process.stderr.readline())  # its handlers stand
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("INTERRUPTED", out)
        with open(self.dir + "/out/result.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["verdict"], "interrupted")

    def test_help_and_version(self):
        for args in (["--help"], ["micro", "--help"], ["--version"]):
            done = self.run_it(*args)
            self.assert_code(done, 0)
            self.assertIn("poolbench", done.stdout)


if __name__ == "__main__":
    unittest.main()

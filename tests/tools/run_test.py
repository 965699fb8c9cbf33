# SPDX-License-Identifier: Apache-2.0
"""What a run does and says, seen from outside: counts at the server, clocks, output, clean-up."""
import json
import os
import subprocess
import threading
import time
import unittest

import harness
from harness import HttpServer, PerfctlCase, SOURCE


def scenario(url, load, extra=""):
    return (f"scenario: test\ntargets:\n  web: {{kind: http, url: '{url}', pool: {{max: 10}}}}\n"
            f"flows:\n  f:\n    - {{name: get, http: {{target: web, path: /}}}}\nload:\n  - {{flow: f, {load}}}\n{extra}")


class Arrivals(PerfctlCase):
    def run_load(self, load, *args):
        server = HttpServer(self)
        path = self.file("load.yaml", scenario(server.url, load))
        done = self.perfctl("run", path, "--json", *args)
        self.assertIn(done.code, (0, 75), done.err)
        return server.count(), done.json

    def test_even_rate_is_exact(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                count, result = self.run_load("rate: 500/s, for: 2s, spacing: even", "--threads", threads)
                self.assertEqual(count, 1000)
                self.assertEqual(result["requests"]["total"], 1000)

    def test_ramp_is_the_integral(self):
        count, _ = self.run_load("ramp: [0/s, 401/s], for: 3s, spacing: even")
        self.assertLessEqual(abs(count - round(401 * 3 / 2)), 1)

    def test_poisson_is_seeded_and_near_its_mean(self):
        first, _ = self.run_load("rate: 500/s, for: 2s, spacing: poisson", "--seed", "7")
        again, _ = self.run_load("rate: 500/s, for: 2s, spacing: poisson", "--seed", "7", "--threads", "2")
        self.assertEqual(first, again)
        self.assertLessEqual(abs(first - 1000), 4 * 1000 ** 0.5)

    def test_warmup_is_sent_but_not_judged(self):
        count, result = self.run_load("rate: 200/s, for: 2s, warmup: 1s")
        self.assertEqual(count, 400)
        self.assertEqual(result["requests"]["total"], 200)
        self.assertEqual(result["requests"]["warmup"], 200)
        self.assertAlmostEqual(result["rate"]["target"], 200, delta=0.5)

    def test_iterations_are_exact(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                count, result = self.run_load("users: 7, iterations: 1003", "--threads", threads)
                self.assertEqual(count, 1003)
                self.assertEqual(result["requests"]["total"], 1003)


class Truth(PerfctlCase):
    def run_frozen(self, server, path, after):
        """Runs the scenario; once the server has counted `after` requests, it stands still for a second."""
        process = self.start("run", path, "--json")
        while server.count() < after:
            pass
        freezer = threading.Thread(target=server.freeze, args=(1.0,))
        freezer.start()
        printed, complaint = process.communicate(timeout=60)
        freezer.join()
        return process, json.loads(printed), complaint

    def test_freeze_shows_in_latency_and_not_in_service_time(self):
        server = HttpServer(self)
        path = self.file("freeze.yaml", scenario(server.url, "rate: 200/s, for: 5s, spacing: even, warmup: 0s"))
        _, result, complaint = self.run_frozen(server, path, after=200)
        # A closed-loop view would show ten slow requests of a thousand; the truth is two hundred.
        self.assertEqual(result["requests"]["total"], 1000, complaint)
        self.assertGreater(result["latency"]["p95_ms"], 500)
        self.assertGreater(result["wait"]["p95_ms"], 500)
        self.assertLess(result["service_time"]["p50_ms"], 100)
        self.assertLess(result["service_time"]["p95_ms"], 500)

    def test_the_clocks_add_up(self):
        server = HttpServer(self)
        path = self.file("sum.yaml", scenario(server.url, "rate: 300/s, for: 2s"))
        result = self.perfctl("run", path, "--json").json
        total = sum(result[clock]["mean_ms"] for clock in ("schedule_lag", "wait", "service_time"))
        # Each request's parts are rounded to microseconds.
        self.assertAlmostEqual(result["latency"]["mean_ms"], total, delta=0.003)

    def test_dropped_arrivals_fail_the_run(self):
        server = HttpServer(self)
        path = self.file("drop.yaml", scenario(server.url, "rate: 200/s, for: 3s, max_waiting: 20, drain: 5s"))
        process, result, complaint = self.run_frozen(server, path, after=50)
        self.assertIn(process.returncode, (99, 75), complaint)
        dropped = result["requests"]["dropped"]
        self.assertGreater(dropped, 50)
        self.assertEqual(dropped + result["requests"]["total"], 600)
        judged = [t for t in result["thresholds"] if t["implicit"]]
        self.assertEqual([t["ok"] for t in judged], [False])

    def test_a_target_that_dies_and_returns(self):
        redis = harness.shutil.which("redis-server")
        if not redis:
            self.skipTest("redis-server is not installed")
        sock = os.path.join(self.dir, "redis.sock")

        def start():
            server = subprocess.Popen([redis, "--port", "0", "--unixsocket", sock, "--save", "", "--dir", self.dir],
                                      stdout=subprocess.DEVNULL)
            self.addCleanup(lambda: (server.kill(), server.wait()))
            while not os.path.exists(sock):
                time.sleep(0.01)
            return server

        first = start()
        path = self.file("die.yaml", f"scenario: die\ntargets:\n  kv: {{kind: redis, url: 'unix://{sock}', pool: {{max: 5}}}}\n"
                                     "flows:\n  f:\n    - {name: ping, redis: {target: kv, command: [PING]}}\n"
                                     "load:\n  - {flow: f, rate: 100/s, for: 6s}\n")
        process = self.start("run", path, "--json")
        time.sleep(2)  # well within the load
        first.kill()
        first.wait()
        if os.path.exists(sock):
            os.unlink(sock)
        time.sleep(1)
        start()
        printed, complaint = process.communicate(timeout=60)
        result = json.loads(printed)
        self.assertIn(process.returncode, (0, 75), complaint)
        self.assertEqual(result["requests"]["total"], 600)
        self.assertGreater(result["requests"]["errors"]["connect"], 20)
        # It worked again for the rest of the load.
        self.assertGreater(result["requests"]["total"] - result["requests"]["failed"], 300)
        self.assertLess(result["series"][-1]["failed"], 50)
        self.assertTrue(any(f["kind"] == "connect" for f in result["failures"]))


class Output(PerfctlCase):
    def test_json_is_the_file_and_nothing_else(self):
        server = HttpServer(self)
        out = os.path.join(self.dir, "out")
        done = self.perfctl("http", server.url, "-n", "50", "--json", "--out", out)
        with open(out + "/result.json", encoding="utf-8") as file:
            self.assertEqual(done.out, file.read())
        result = done.json
        self.assertEqual(result["schema"], "perfkit.result/1")
        self.assertEqual(result["tool"], "perfctl http")

    def test_result_follows_its_schema(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        server = HttpServer(self)
        with open(SOURCE + "/libperf/load/result.schema.json", encoding="utf-8") as file:
            schema = json.load(file)
        for path in ("/", "/bad"):
            done = self.perfctl("http", server.url + path, "-n", "50", "-c", "2", "--json")
            jsonschema.validate(done.json, schema)
            self.assertEqual(done.json["requests"]["errors"]["status"], 50 if path == "/bad" else 0)

    def test_print_scenario_is_what_runs(self):
        server = HttpServer(self)
        args = ["http", server.url + "/a?b=c", "-m", "POST", "-H", "X-A: b: c", "-b", 'q"\n$', "-r", "100/s", "-n", "30",
                "--threshold", "latency: p(99) < 10s"]
        printed = self.perfctl(*args, "--print-scenario")
        self.assert_code(printed, 0)
        self.assertEqual(server.count(), 0)
        path = self.file("printed.yaml", printed.out)
        done = self.perfctl("run", path, "--json")
        self.assertIn(done.code, (0, 75), done.err)
        self.assertEqual(server.count(), 30)

    def test_a_failed_request_shows_what_came_back(self):
        server = HttpServer(self)
        for client in ("native", "curl"):
            result = self.perfctl("http", server.url + "/bad", "--client", client, "-n", "20", "--json").json
            self.assertEqual(result["requests"]["errors"]["status"], 20)
            self.assertEqual([f["text"] for f in result["failures"]], ['HTTP status 500: "ok"'])

    def test_quiet_prints_one_line(self):
        server = HttpServer(self)
        done = self.perfctl("http", server.url, "-n", "50", "-q")
        self.assertEqual(done.out.count("\n"), 1)
        self.assertEqual(done.err, "")

    def test_no_colour_unless_asked(self):
        server = HttpServer(self)
        self.assertNotIn("\x1b", self.perfctl("http", server.url, "-n", "50").out)
        self.assertIn("\x1b", self.perfctl("http", server.url, "-n", "50", "--color", "always").out)

    def test_secrets_are_nowhere(self):
        holder, port = harness.closed_port()
        with holder:
            done = self.perfctl("sql", f"postgres://postgres:s3cr3t-word@127.0.0.1:{port}/postgres", "-n", "5")
        self.assert_code(done, 69)
        self.assertNotIn("s3cr3t-word", done.out + done.err)

    def test_same_seed_same_requests(self):
        if not harness.has_redis():
            self.skipTest("redis-server is not installed")
        text = ("scenario: seeded\ntargets:\n  kv: {kind: redis, url: private}\nflows:\n  f:\n"
                "    - {name: set, redis: {target: kv, command: [APPEND, all, '${rand.int(1,1000000)} ']}}\n"
                "    - {name: get, redis: {target: kv, command: [GET, all]}, expect: {value: 'WANTED'}}\n"
                "load:\n  - {flow: f, users: 1, iterations: 1}\n")
        seen = []
        for seed in ("5", "5", "6"):
            path = self.file("seed.yaml", text)
            result = self.perfctl("run", path, "--json", "--seed", seed).json
            seen.append([f["text"] for f in result["failures"]])
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0], seen[2])


class Flows(PerfctlCase):
    def test_a_capture_ends_with_its_iteration(self):
        if not harness.has_redis():
            self.skipTest("redis-server is not installed")
        # The flow `show` reads the list back; its only request fails and so shows it.
        path = self.file("stale.yaml", """
scenario: stale
targets:
  kv: {kind: redis, url: private}
flows:
  f:
    - choose:
        - weight: 1
          steps:
            - name: take
              redis: {target: kv, command: [ECHO, "[${iteration}]"]}
              capture: {mine: {regex: "(.*)"}}
        - weight: 1
          steps:
            - {name: none, redis: {target: kv, command: [PING]}}
    - {name: save, redis: {target: kv, command: [RPUSH, all, "${iteration}=${mine}"]}}
  show:
    - name: show
      redis: {target: kv, command: [EVAL, "return table.concat(redis.call('LRANGE', 'all', 0, -1), ',')", 0]}
      expect: {value: never}
load:
  - {flow: f, users: 1, iterations: 60}
  - {name: last, flow: show, users: 1, iterations: 1, after: f}
""")
        done = self.perfctl("run", path, "--json")
        shown = [f["text"] for f in done.json["failures"] if f["step"] == "show"]
        self.assertEqual(len(shown), 1, done.err)
        pairs = harness.re.findall(r"(\d+)=(?:\[(\d+)\])?", shown[0])
        self.assertGreater(len(pairs), 10)
        self.assertTrue(any(mine == "" for _, mine in pairs))
        self.assertTrue(any(mine != "" for _, mine in pairs))
        for iteration, mine in pairs:
            self.assertIn(mine, ("", iteration))


class Files(PerfctlCase):
    def test_init_gives_a_valid_scenario(self):
        self.assert_code(self.perfctl("init", "first.yaml"), 0)
        self.assert_code(self.perfctl("validate", "first.yaml"), 0)
        again = self.perfctl("init", "first.yaml")
        self.assert_code(again, 73)
        self.assertIn("--force", again.err)

    def test_validate_in_github_form(self):
        path = self.file("bad.yaml", "scenario: x\nload: 5\nflwos: {}\n")
        done = self.perfctl("validate", path, env={"GITHUB_ACTIONS": "true"})
        self.assert_code(done, 65)
        self.assertRegex(done.out, r"::error file=.*bad\.yaml,line=3,col=1::")
        self.assertIn("flows", done.err)

    def test_all_shipped_scenarios_are_valid(self):
        names = sorted(n for n in os.listdir(SOURCE + "/scenarios") if n.endswith(".yaml"))
        self.assertIn("quickstart.yaml", names)
        for name in names:
            with self.subTest(name=name):
                self.assert_code(self.perfctl("validate", SOURCE + "/scenarios/" + name), 0)


class Private(PerfctlCase):
    def test_nothing_is_left_behind(self):
        if not (harness.has_postgres() and harness.has_redis()):
            self.skipTest("PostgreSQL or Redis is not installed")
        place = os.path.join(self.dir, "tmp")
        os.mkdir(place)
        os.chmod(self.dir, 0o755)
        os.chmod(place, 0o777)
        done = self.perfctl("run", SOURCE + "/scenarios/quickstart.yaml", "--profile", "fast", "--json",
                            env={"TMPDIR": place})
        self.assertIn(done.code, (0, 75, 99), done.err)
        self.assertGreater(done.json["requests"]["total"], 100)
        self.assertEqual(done.json["requests"]["failed"], 0, done.json["failures"])
        self.assertEqual(os.listdir(place), [])

    @unittest.skipIf(harness.SANITIZED, "a sanitizer keeps freed memory")
    def test_memory_does_not_grow_with_the_requests(self):
        if not harness.has_redis():
            self.skipTest("redis-server is not installed")
        peaks = []
        for count in ("100000", "1000000"):
            result = self.perfctl("redis", "private", "-P", "16", "-c", "8", "-n", count, "--json").json
            self.assertEqual(result["requests"]["total"], int(count))
            peaks.append(result["generator"]["rss_max_bytes"])
        self.assertLess(peaks[1] - peaks[0], 16 << 20)


if __name__ == "__main__":
    harness.main(at_once=2)

# SPDX-License-Identifier: Apache-2.0
"""Every exit code of the contract that `perfctl run` and its one-liners can give, from the real binary."""
import os
import signal
import socket
import unittest

import harness
from harness import HttpServer, PerfctlCase, closed_port

QUICK = ("-n", "200", "-c", "4")


class ExitCodes(PerfctlCase):
    def test_0_pass(self):
        server = HttpServer(self)
        done = self.perfctl("http", server.url, *QUICK, "--threshold", "errors: rate == 0")
        # A machine that stands still makes a run not valid: then it says so, with 75.
        if done.code == 75:
            self.assertIn("not valid", done.out)
            self.skipTest("this machine stood still during the run")
        self.assert_code(done, 0)
        self.assertIn("PASS", done.out)

    def test_64_usage(self):
        for args in ([], ["fly"], ["run"], ["run", "x.yaml", "--speed", "9"], ["run", "x.yaml", "--threads", "0"],
                     ["run", "x.yaml", "--set", "novalue"], ["http"], ["http", "http://127.0.0.1:1", "-H", "none"],
                     ["run", "x.yaml", "--seed", "-1"], ["--log-level", "loud", "init"]):
            with self.subTest(args=args):
                done = self.perfctl(*args)
                self.assert_code(done, 64)
                self.assertEqual(done.out, "")
                self.assertIn("perfctl:", done.err)

    def test_65_invalid_scenario(self):
        path = self.file("bad.yaml", "scenario: x\ntargets:\n  web: {kind: http, url: private, timeot: 2s}\n"
                                     "flows:\n  f:\n    - http: {target: wbe, path: /}\n"
                                     "load:\n  - {flow: f, rate: -5/s, for: 1s}\n")
        done = self.perfctl("run", path)
        self.assert_code(done, 65)
        for word in ("bad.yaml:3:", "timeot", "timeout", "wbe", "bad.yaml:8:", "^"):
            self.assertIn(word, done.err)
        self.assertEqual(done.out, "")

    def test_65_host_that_is_not_allowed(self):
        # 192.0.2.0/24 is for documentation (RFC 5737); it is refused before anything is sent.
        done = self.perfctl("http", "http://192.0.2.1:9/", *QUICK)
        self.assert_code(done, 65)
        self.assertIn("192.0.2.1", done.err)
        self.assertIn("--allow-host", done.err)
        self.assertLess(done.took, 3 * harness.SLOW)

    def test_65_setup_that_the_database_refuses(self):
        if not harness.has_postgres():
            self.skipTest("PostgreSQL is not installed")
        path = self.file("setup.yaml", "scenario: x\ntargets:\n  db: {kind: postgres, url: private}\n"
                                       "setup:\n  - sql: {target: db, script: selekt 1}\n"
                                       "flows:\n  f:\n    - sql: {target: db, query: select 1}\n"
                                       "load:\n  - {flow: f, users: 1, iterations: 1}\n")
        done = self.perfctl("run", path)
        self.assert_code(done, 65)
        self.assertIn("selekt", done.err)

    def test_69_unreachable(self):
        holder, port = closed_port()
        with holder:
            for args in (["http", f"http://127.0.0.1:{port}/"], ["http", f"http://127.0.0.1:{port}/", "--client", "curl"],
                         ["redis", f"redis://127.0.0.1:{port}"],
                         ["sql", f"postgres://postgres@127.0.0.1:{port}/postgres"]):
                with self.subTest(args=args):
                    done = self.perfctl(*args, *QUICK)
                    self.assert_code(done, 69)
                    self.assertLess(done.took, 3 * harness.SLOW)
                    self.assertIn("target", done.err)
                    self.assertIn("refused", done.err.lower())

    def test_69_a_port_that_accepts_and_says_nothing(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(16)
            port = silent.getsockname()[1]
            for args in (["redis", f"redis://127.0.0.1:{port}"], ["sql", f"postgres://postgres@127.0.0.1:{port}/postgres"]):
                with self.subTest(args=args):
                    done = self.perfctl(*args, *QUICK)
                    self.assert_code(done, 69)
                    self.assertLess(done.took, 3.5 * harness.SLOW)  # the contract's 3 s, and the start of the program

    def test_70_internal(self):
        # No file descriptor is left for the event loop: nothing that the user's input could mend.
        server = HttpServer(self)
        done = self.perfctl("http", server.url, *QUICK, "-q", prefix=["prlimit", "--nofile=5"])
        self.assert_code(done, 70)
        self.assertIn("perfctl:", done.err)

    def test_73_before_the_load(self):
        server = HttpServer(self)
        blocker = self.file("file", "")
        done = self.perfctl("http", server.url, *QUICK, "--out", blocker + "/results")
        self.assert_code(done, 73)
        self.assertIn("--out", done.err)
        self.assertEqual(server.count(), 0)

    def test_73_after_the_load_keeps_the_summary(self):
        server = HttpServer(self)
        out = os.path.join(self.dir, "gone")
        process = self.start("http", server.url, "-c", "1", "-d", "30s", "--out", out)
        while server.count() < 10:
            pass
        # The directory becomes a file during the run: even root cannot write into that.
        os.rmdir(out)
        self.file("gone", "")
        process.send_signal(signal.SIGINT)
        printed, complaint = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, complaint)
        self.assertIn("requests", printed)
        self.assertIn("cannot write", complaint)

    def test_73_standard_output(self):
        server = HttpServer(self)
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = self.perfctl("http", server.url, *QUICK, "--json", stdout=full)
        self.assert_code(done, 73)

    def test_75_more_than_the_generator_can_do(self):
        server = HttpServer(self)
        # Four times the highest rate that one load may ask for: some machines do reach that.
        loads = "".join(f"  - {{name: l{n}, flow: f, rate: 10000000/s, for: 1s, spacing: poisson, warmup: 0s}}\n"
                        for n in range(4))
        much = self.file("much.yaml", f"scenario: much\ntargets:\n  web: {{kind: http, url: '{server.url}'}}\n"
                                      f"flows:\n  f:\n    - {{name: a, http: {{target: web, path: /}}}}\nload:\n{loads}")
        done = self.perfctl("run", much, "--json")
        self.assert_code(done, 75)
        result = done.json
        self.assertEqual(result["verdict"], "invalid")
        self.assertFalse(result["validity"]["ok"])
        self.assertTrue(result["validity"]["reasons"])

    def test_99_threshold(self):
        server = HttpServer(self)
        done = self.perfctl("http", server.url, *QUICK, "--threshold", "latency: p(99) < 1ns", "--json")
        if done.code == 75:
            self.skipTest("this machine stood still during the run")
        self.assert_code(done, 99)
        self.assertEqual(done.json["verdict"], "fail")

    def test_99_when_every_request_failed(self):
        server = HttpServer(self)
        path = self.file("all.yaml", f"scenario: all\ntargets:\n  web: {{kind: http, url: '{server.url}'}}\n"
                                     "flows:\n  f:\n    - {name: a, http: {target: web, path: /bad}}\n"
                                     "load:\n  - {flow: f, users: 1, iterations: 20}\n")
        done = self.perfctl("run", path, "--json")
        self.assertIn(done.code, (99, 75), done.err)
        self.assertEqual([(t["expr"], t["ok"]) for t in done.json["thresholds"]], [("errors: rate < 100%", False)])

    def test_99_no_samples_is_not_passed(self):
        server = HttpServer(self)
        path = self.file("none.yaml", f"scenario: none\ntargets:\n  web: {{kind: http, url: '{server.url}'}}\n"
                                      "flows:\n  f:\n    - {name: a, http: {target: web, path: /}}\n"
                                      "  g:\n    - {name: b, http: {target: web, path: /}}\n"
                                      "load:\n  - {flow: f, users: 1, iterations: 20}\n"
                                      "  - {name: never, flow: g, rate: 1/s, for: 400ms, warmup: 300ms}\n"
                                      "thresholds: ['g.b.latency: p(99) < 10s']\n")
        done = self.perfctl("run", path, "--json")
        if done.code == 75:
            self.skipTest("this machine stood still during the run")
        self.assert_code(done, 99)
        self.assertIsNone(done.json["thresholds"][0]["observed"])

    def test_130_interrupted(self):
        server = HttpServer(self)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                before = server.count()
                process = self.start("http", server.url, "-c", "2", "-d", "60s", "--json",
                                     "--threshold", "latency: p(99) < 1ns")
                while server.count() < before + 20:
                    pass
                process.send_signal(number)
                printed, complaint = process.communicate(timeout=20)
                self.assertEqual(process.returncode, 130, complaint)
                result = harness.json.loads(printed)
                self.assertEqual(result["verdict"], "interrupted")
                self.assertGreaterEqual(result["requests"]["total"], 20)
                self.assertLess(result["duration_s"], 50)


if __name__ == "__main__":
    harness.main()

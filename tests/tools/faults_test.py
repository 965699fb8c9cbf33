# SPDX-License-Identifier: Apache-2.0
"""Faults of the network and of servers, seen from outside: what they do to a run, and that they end."""
import http.server
import os
import shutil
import ssl
import subprocess
import threading
import unittest

import harness
from harness import HttpServer, PerfctlCase

POOL = "pool: {max: 5, acquire_timeout: 500ms}, timeout: 400ms, connect_timeout: 400ms"
STEPS = {
    "redis": "redis: {target: it, command: PING}",
    "postgres": "sql: {target: it, query: select 1}",
    "http": "http: {target: it, path: /voices}",
}


def scenario(kind, url, fault, length=6, extra=""):
    return (f"scenario: faults\ntargets:\n  it: {{kind: {kind}, url: '{url}', {POOL}{extra}}}\n"
            f"flows:\n  f:\n    - {{name: ask, {STEPS[kind]}}}\n"
            f"load:\n  - {{flow: f, rate: 100/s, for: {length}s}}\n"
            f"faults:\n  - {{target: it, {fault}}}\n"
            "thresholds: ['errors: rate <= 100%']\n")


class Faults(PerfctlCase):
    def run_with(self, kind, fault, url="private", extra=""):
        if url == "private" and kind == "postgres" and not harness.has_postgres():
            self.skipTest("no PostgreSQL is installed")
        if url == "private" and kind == "redis" and not harness.has_redis():
            self.skipTest("no Redis is installed")
        path = self.file("faults.yaml", scenario(kind, url, fault, extra=extra))
        done = self.perfctl("run", path, "--json")
        # A slow machine may make the run invalid; never the fault, and what is checked here holds nevertheless.
        self.assertIn(done.code, (0, 75), done.err)
        result = done.json
        self.assertEqual(len(result["faults"]), 1)
        self.assertIsNone(result["faults"][0]["error"])
        self.assertGreaterEqual(result["faults"][0]["begun_s"], result["faults"][0]["at_s"])
        return result

    def assert_well_again(self, result, after):
        later = [point for point in result["series"] if point["t"] >= after]
        self.assertTrue(later)
        self.assertEqual([point["failed"] for point in later], [0] * len(later), result["failures"])

    def test_latency_in_the_middle_third(self):
        for kind in ("redis", "postgres", "http"):
            with self.subTest(kind=kind):
                if kind == "http":
                    server = HttpServer(self)
                    result = self.run_with(kind, "at: 2s, for: 2s, latency: 50ms, jitter: 5ms", url=server.url)
                else:
                    result = self.run_with(kind, "at: 2s, for: 2s, latency: 50ms, jitter: 5ms")
                points = {int(point["t"]): point for point in result["series"]}
                self.assertGreaterEqual(points[2]["p99_ms"], 49.9)
                self.assertGreaterEqual(points[3]["p50_ms"], 49.9)
                self.assertLess(points[1]["p50_ms"], 50)
                self.assertLess(points[5]["p50_ms"], 50)
                self.assertEqual(result["requests"]["failed"], 0, result["failures"])
                fault = result["faults"][0]
                self.assertEqual((fault["kind"], fault["target"], fault["for_s"]), ("latency", "it", 2))
                self.assertGreaterEqual(fault["ended_s"], 4)

    def test_a_black_hole_holds_nobody_past_the_deadline(self):
        for kind in ("redis", "postgres"):
            with self.subTest(kind=kind):
                result = self.run_with(kind, "at: 1s, for: 1s, blackhole: true")
                self.assertGreater(result["requests"]["errors"]["timeout"], 0)
                self.assertEqual(result["requests"]["total"] + result["requests"]["dropped"], 600)
                # 0.4 s for a connection, 0.5 s to wait for one, 0.4 s for a reply; a hang would last for the drain's 10 s.
                self.assertLess(result["latency"]["max_ms"], 5000)
                self.assert_well_again(result, after=4)

    def test_resets_are_errors_and_the_pool_recovers(self):
        for kind in ("redis", "postgres"):
            with self.subTest(kind=kind):
                result = self.run_with(kind, "at: 1s, for: 1s, reset: true")
                errors = result["requests"]["errors"]
                self.assertGreater(errors["connect"] + errors["protocol"], 0)
                self.assertEqual(errors["status"] + errors["check"], 0)
                self.assertGreater(result["pools"]["it"]["dialled"], 1)
                self.assert_well_again(result, after=4)

    def test_garbage_is_no_reply(self):
        result = self.run_with("redis", "at: 1s, for: 1s, garbage: true")
        self.assertGreater(result["requests"]["failed"], 0)
        self.assert_well_again(result, after=4)

    def test_refused_connections_come_back(self):
        class Handler(http.server.SimpleHTTPRequestHandler):
            """HTTP/1.0: each reply ends its connection, so that each request needs a new one."""

            def do_GET(self):
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        result = self.run_with("http", "at: 1s, for: 1s, refuse: true", url=f"http://127.0.0.1:{server.server_port}")
        self.assertGreater(result["requests"]["errors"]["connect"], 0)
        self.assert_well_again(result, after=4)

    def test_a_killed_server_is_started_again(self):
        result = self.run_with("redis", "at: 1s, for: 1s, action: kill")
        self.assertGreater(result["requests"]["failed"], 0)
        self.assertGreaterEqual(result["faults"][0]["ended_s"], 2)
        self.assert_well_again(result, after=5)

    def test_the_server_sees_its_own_name(self):
        """Host header and TLS: the proxy's address shows nowhere."""
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not installed")
        cert, key = os.path.join(self.dir, "cert.pem"), os.path.join(self.dir, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        seen = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                seen.add(self.headers["Host"])
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        for secure in (False, True):
            with self.subTest(secure=secure):
                seen.clear()
                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
                if secure:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(cert, key)
                    server.socket = context.wrap_socket(server.socket, server_side=True)
                threading.Thread(target=server.serve_forever, daemon=True).start()
                self.addCleanup(server.server_close)
                self.addCleanup(server.shutdown)
                name = f"localhost:{server.server_port}"
                url = ("https://" if secure else "http://") + name
                extra = f", tls: {{ca: '{cert}'}}" if secure else ""
                result = self.run_with("http", "at: 2s, for: 2s, latency: 50ms", url=url, extra=extra)
                self.assertEqual(result["requests"]["failed"], 0, result["failures"])
                self.assertEqual(seen, {name})
                self.assertGreaterEqual(result["series"][3]["p50_ms"], 49.9)

    def test_a_target_that_is_not_there_is_named_itself(self):
        holder, port = harness.closed_port()
        self.addCleanup(holder.close)
        path = self.file("f.yaml", scenario("redis", f"redis://127.0.0.1:{port}", "at: 1s, reset: true"))
        done = self.perfctl("run", path)
        self.assert_code(done, 69)
        self.assertIn(f"127.0.0.1:{port}", done.err)
        self.assertIn("refused", done.err)

    def test_the_summary_names_them(self):
        server = HttpServer(self)
        path = self.file("f.yaml", scenario("http", server.url, "at: 1s, for: 1s, slow: 1ms", length=3))
        done = self.perfctl("run", path)
        self.assertIn(done.code, (0, 75), done.err)
        self.assertIn("it at 1 s for 1 s: slow 1ms", done.out + done.err)


if __name__ == "__main__":
    harness.main(at_once=4)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""perfctl serve with a real Redis, asked over its unix socket and TCP; perfctl status and config."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import harness
from harness import SOURCE, PerfctlCase

try:
    import jsonschema
except ImportError:
    jsonschema = None

TOKEN = "correct-horse-battery-staple"
OPENAPI = os.path.join(SOURCE, "libperf", "service", "openapi.json")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def ask(connection, method, path, body=None, headers=None):
    headers = dict(headers or {})
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=headers)
        got = connection.getresponse()
        return Reply(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())


class Described:
    """Holds a reply against the description of its path."""

    def __init__(self):
        with open(OPENAPI, encoding="utf-8") as file:
            self.document = json.load(file)

    def check(self, case, method, path, reply):
        route = self.document["paths"][path.split("?")[0]][method.lower()]
        wanted = route["responses"].get(str(reply.status), route["responses"]["default"])
        if reply.status == 304:
            return
        kind = reply.headers["content-type"].split(";")[0]
        case.assertIn(kind, wanted["content"])
        if jsonschema is None or not kind.endswith("json"):
            return
        schema = dict(wanted["content"][kind]["schema"], components=self.document["components"])
        jsonschema.Draft202012Validator(schema).validate(reply.json)


class ServeTest(PerfctlCase):
    def setUp(self):
        super().setUp()
        self.env.update(XDG_RUNTIME_DIR=self.dir + "/runtime", XDG_CONFIG_HOME=self.dir + "/config")
        os.mkdir(self.dir + "/runtime", 0o700)
        self.tokens = self.file("tokens", f"ops {TOKEN}\n")
        os.chmod(self.tokens, 0o600)
        self.audit = self.dir + "/audit.jsonl"
        self.described = Described()

    def redis(self):
        """A Redis of the test's own."""
        path = self.dir + "/redis.sock"
        server = shutil.which("redis-server") or shutil.which("valkey-server")
        process = subprocess.Popen([server, "--port", "0", "--unixsocket", path, "--save", ""],
                                   stdout=subprocess.DEVNULL, cwd=self.dir)
        self.addCleanup(self._end, process)
        self.until(lambda: os.path.exists(path), "redis")
        return process, f"unix://{path}"

    def until(self, condition, what, seconds=20 * harness.SLOW):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, f"waited in vain for {what}")
            time.sleep(0.02)

    def serve(self, *args):
        process = self.start("serve", "--listen", "127.0.0.1:0", "--token-file", self.tokens, "--audit", self.audit,
                             "--name", "test-agent", *args)
        line = process.stderr.readline()
        while line and "serving at " not in line:
            line = process.stderr.readline()
        self.assertIn("serving at ", line)
        self.socket, address = line.split("serving at ")[1].strip().split(" and ")
        self.port = int(address.rsplit(":", 1)[1])
        return process

    def unix(self, method, path, body=None, headers=None):
        return ask(UnixConnection(self.socket), method, path, body, headers)

    def tcp(self, method, path, body=None, headers=None):
        return ask(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30), method, path, body, headers)

    def audited(self):
        with open(self.audit, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_every_path_answers_as_described(self):
        if not harness.has_redis():
            self.skipTest("no redis-server")
        _, self.env["REDIS_URL"] = self.redis()
        self.env["DATABASE_URL"] = "postgres://u:geheim@127.0.0.1:1/none"
        self.serve()
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o600)
        for path in self.described.document["paths"]:
            if path == "/performance/optimize":
                continue
            target = path + "?metric=perfkit_pool_pending_requests" if path.endswith("history") else path
            for ask_it in (self.unix, self.tcp):
                reply = ask_it("GET", target)
                self.described.check(self, "GET", path, reply)
                self.assertNotIn(b"geheim", reply.body)
                head = ask_it("HEAD", target)
                self.assertEqual((head.status, head.body), (reply.status, b""))
        pools = self.unix("GET", "/performance/connection-pools").json["pools"]
        self.assertEqual(pools["redis"]["health"]["status"], "up")
        self.assertEqual(pools["database"]["health"]["status"], "down")
        self.assertIn("default", self.unix("GET", "/performance/caches").json["caches"])
        self.assertEqual(self.unix("GET", "/health/ready").status, 200)  # a target that is down is not our illness
        metrics = self.tcp("GET", "/metrics")
        self.assertEqual(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn(b'perfkit_pool_connections_max{pool="redis",backend="redis"} 25', metrics.body)
        more = self.tcp("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        self.assertTrue(more.body.endswith(b"# EOF\n"))
        tag = self.unix("GET", "/openapi.json").headers["etag"]
        self.assertEqual(self.unix("GET", "/openapi.json", headers={"If-None-Match": tag}).status, 304)

    def test_every_action_tells_before_and_after(self):
        if not harness.has_redis():
            self.skipTest("no redis-server")
        _, self.env["REDIS_URL"] = self.redis()
        self.serve()

        def optimize(body, status=200):
            reply = self.unix("POST", "/performance/optimize", body)
            self.assertEqual(reply.status, status, reply.body)
            self.described.check(self, "POST", "/performance/optimize", reply)
            return reply.json

        dry = optimize({"action": "resize_pool", "target": "redis", "min": 2, "max": 7, "dry_run": True})
        self.assertEqual(dry["results"][0]["before"]["max"], 25)
        self.assertIsNone(dry["results"][0]["after"])
        real = optimize({"action": "resize_pool", "target": "redis", "min": 2, "max": 7})["results"][0]
        self.assertEqual((real["before"]["max"], real["after"]["max"], real["after"]["min"]), (25, 7, 2))
        self.until(lambda: self.unix("GET", "/performance/connection-pools").json["pools"]["redis"]["idle"] >= 1, "idle")
        dropped = optimize({"action": "drop_idle_connections", "target": "redis"})["results"][0]
        self.assertEqual(dropped["target"], "redis")
        self.assertEqual(optimize({"action": "reset_breakers"})["results"][0]["after"]["breaker"], "closed")
        self.assertIn("note", optimize({"action": "trim_audio"})["results"][0])
        self.assertEqual(optimize({"action": "evict_expired"})["results"][0]["note"], "0 entries evicted")
        warmed = optimize({"action": "warm_caches", "target": "default", "keys": ["a", "b"]})["results"][0]
        self.assertTrue(warmed["note"].startswith("0 loaded, 0 were fresh, 2 without a loader"), warmed)
        for bad, said in (({"action": "resize_pol"}, "did you mean 'resize_pool'?"), ({}, "unknown action"),
                          ({"action": "resize_pool", "target": "rediss", "max": 1}, "did you mean 'redis'?"),
                          ({"action": "resize_pool", "target": "redis", "min": 9, "max": 1}, "min not above it"),
                          ({"action": "trim_audio", "dryrun": True}, "did you mean 'dry_run'?"),
                          ("[1]", "expected an object"), ("nonsense", "")):
            self.assertIn(said, optimize(bad, 422)["detail"])
        lines = [line for line in self.audited() if line["event"] == "change"]
        self.assertEqual([line["action"] for line in lines[:4]],
                         ["resize_pool redis 2 7 (dry run)"] * 2 + ["resize_pool redis 2 7"] * 2)
        self.assertEqual([line["result"] for line in lines[:4]], ["begun", "done"] * 2)
        self.assertEqual({line["who"] for line in lines}, {f"uid:{os.geteuid()}"})

    def test_changes_over_tcp_need_a_token_and_refusals_add_up(self):
        process = self.serve()
        body = {"action": "trim_audio"}
        refused = 0
        for headers, status in (({}, 401), ({"Authorization": "Bearer wrong-wrong-wrong-wrong"}, 401),
                                ({"Authorization": f"Basic {TOKEN}"}, 401)):
            self.assertEqual(self.tcp("POST", "/performance/optimize", body, headers).status, status)
            refused += 1
        good = {"Authorization": f"Bearer {TOKEN}"}
        self.assertEqual(self.tcp("POST", "/performance/optimize", body, good).status, 200)
        self.assertEqual(self.tcp("POST", "/performance/optimize", "action=trim_audio",
                                  {**good, "Content-Type": "text/plain"}).status, 415)
        self.assertEqual(self.tcp("PUT", "/performance/optimize", body, good).status, 405)
        self.assertEqual(self.tcp("GET", "/nothing").status, 404)
        self.assertEqual(self.tcp("GET", "/metrics", headers={"Host": "evil.example"}).status, 421)
        refused += 1
        limited = [self.tcp("POST", "/performance/optimize", body, {"Authorization": "Bearer x"}) for _ in range(40)]
        refused += len(limited)
        self.assertEqual({reply.status for reply in limited}, {401, 429})
        self.assertIn("retry-after", limited[-1].headers)
        for _ in range(500):  # reading has no such limit
            self.assertEqual(self.tcp("GET", "/health/live").status, 200)
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 10)) as link:
            link.sendall(b"GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 400 ", link.recv(4096))
        refused += 1
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)
        counts = sum(line["count"] for line in self.audited() if line["event"] == "refused")
        self.assertEqual(counts, refused)
        self.assertNotIn(TOKEN, json.dumps(self.audited()))

    def test_reload_takes_tokens_and_a_bad_file_changes_nothing(self):
        speech = "targets: {speech: 'http://u:geheim%d@127.0.0.1:1'}\n"
        config = self.file("perfkit.yaml", "pools: {redis_max: 3}\n" + speech % 1)
        process = self.serve("--config", config)
        good = {"Authorization": f"Bearer {TOKEN}"}
        other = {"Authorization": "Bearer other-other-other-other"}

        def status(headers):
            return self.tcp("GET", "/performance/health", headers=headers).status

        self.assertEqual((status(good), status(other)), (200, 401))
        self.file("perfkit.yaml", "pools: {redis_max: none}\n")
        self.file("tokens", "ops other-other-other-other\n")
        process.send_signal(signal.SIGHUP)
        self.await_line(process.stderr, "the configuration stays as it was")
        self.assertEqual(status(good), 200)
        # Another password alone waits for the restart, too.
        self.file("perfkit.yaml", "pools: {redis_max: 4}\n" + speech % 2)
        process.send_signal(signal.SIGHUP)
        self.await_line(process.stderr, "change with a restart: targets.speech, pools.redis_max")
        self.assertEqual((status(good), status(other)), (401, 200))
        self.assertEqual([line["result"] for line in self.audited() if line["event"] == "config"],
                         ["begun", "done; after a restart: targets.speech, pools.redis_max"])

    def test_a_change_that_cannot_be_audited_is_refused(self):
        os.mkfifo(self.dir + "/pipe")
        self.audit = self.dir + "/pipe"
        done = self.perfctl("serve", "--audit", self.audit)
        self.assert_code(done, 73)

    def test_a_run_directory_that_lets_strangers_in_is_bad_configuration(self):
        os.mkdir(self.dir + "/open")
        os.chmod(self.dir + "/open", 0o777)
        done = self.perfctl("serve", "--audit", self.audit, "--run-directory", self.dir + "/open")
        self.assert_code(done, 65)
        self.assertIn("lets strangers in", done.err)

    def test_the_service_manager_hears_of_it(self):
        path = self.dir + "/notify"
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(path)
            manager.settimeout(30)
            self.env.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="2000000")
            process = self.serve()
            said = [manager.recv(4096).decode()]
            while "WATCHDOG=1\n" not in said:
                said.append(manager.recv(4096).decode())
            self.assertTrue(said[0].startswith("READY=1\nSTATUS="), said)
            process.send_signal(signal.SIGHUP)
            while not said[-1].startswith("RELOADING=1\nMONOTONIC_USEC="):
                said.append(manager.recv(4096).decode())
            while not said[-1].startswith("READY=1"):
                said.append(manager.recv(4096).decode())
            process.send_signal(signal.SIGTERM)
            while said[-1] != "STOPPING=1\n":
                said.append(manager.recv(4096).decode())
            self.assertEqual(process.wait(30), 0)

    def test_status_finds_the_agent(self):
        self.assert_code(self.perfctl("status"), 3)  # nobody is there
        self.env["DATABASE_URL"] = "postgres://u:geheim@127.0.0.1:1/none"
        process = self.serve()
        done = self.perfctl("status", "--json")
        self.assert_code(done, 2)
        self.assertEqual(done.json["schema"], "perfkit.status/1")
        self.assertEqual(done.json["agents"][0]["name"], "test-agent")
        self.assertNotIn("geheim", done.out)
        for args in ((), ("--plain",), ("--url", f"http://127.0.0.1:{self.port}"), ("--url", f"unix://{self.socket}")):
            done = self.perfctl("status", *args)
            self.assert_code(done, 2)
            self.assertIn("database", done.out)
            self.assertIn("CRITICAL", done.out)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)
        self.assertFalse(os.path.exists(self.socket))
        self.assert_code(self.perfctl("status", "--url", f"http://127.0.0.1:{self.port}"), 3)
        for url in ("nonsense", "ftp://host", "redis://127.0.0.1"):
            self.assert_code(self.perfctl("status", "--url", url), 64)

    def test_status_is_watched_until_it_is_told_to_stop(self):
        agent = self.serve()
        watch = self.start("status", "--watch=100ms")
        for _ in range(2):
            self.await_line(watch.stdout, "test-agent", 30 * harness.SLOW)
        agent.send_signal(signal.SIGTERM)
        self.assertEqual(agent.wait(30), 0)
        self.await_line(watch.stdout, "no agent and no run was found", 30 * harness.SLOW)
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(30), 3)
        for args in (("--watch=0s",), ("--watch=soon",), ("--watch", "--json"), ("--watch", "--plain")):
            self.assert_code(self.perfctl("status", *args), 64)

    def status(self):
        done = self.perfctl("status", "--json")
        return {(row["area"], row["name"]): row["state"] for row in done.json["rows"]}

    def test_a_target_that_dies_is_named_and_forgotten_when_it_is_back(self):
        if not harness.has_redis():
            self.skipTest("no redis-server")
        redis, self.env["REDIS_URL"] = self.redis()
        self.serve()
        self.until(lambda: self.status()[("targets", "redis")] == "ok", "the first look")
        redis.kill()
        redis.wait()
        os.unlink(self.dir + "/redis.sock")
        self.until(lambda: self.status()[("targets", "redis")] == "CRITICAL", "the target's row", 15 * harness.SLOW)
        self.until(lambda: self.status()[("pools", "redis")] == "CRITICAL", "the pool's row", 15 * harness.SLOW)
        health = self.unix("GET", "/performance/health")
        self.described.check(self, "GET", "/performance/health", health)
        self.assertEqual(health.status, 200)  # ours, not the target's
        checks = {check["name"]: check["status"] for check in health.json["checks"]}
        self.assertEqual(checks["target redis"], "DOWN")
        self.redis()
        self.until(lambda: self.status()[("targets", "redis")] == "ok", "its return")
        self.until(lambda: self.status()[("pools", "redis")] != "CRITICAL", "the pool's return")

    def test_metrics_pass_the_tools_that_read_them(self):
        self.serve()
        text = self.tcp("GET", "/metrics").body
        promtool = shutil.which("promtool")
        if promtool is None:
            self.skipTest("no promtool")
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_tls(self):
        openssl = shutil.which("openssl")
        if openssl is None:
            self.skipTest("no openssl")
        subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", self.dir + "/key.pem", "-out", self.dir + "/cert.pem", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        self.serve("--tls-certificate", self.dir + "/cert.pem", "--tls-key", self.dir + "/key.pem")
        trusted = ssl.create_default_context(cafile=self.dir + "/cert.pem")
        reply = ask(http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=trusted), "GET", "/health/live")
        self.assertEqual(reply.status, 200)
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.tcp("GET", "/health/live")  # in the clear
        self.assertEqual(self.unix("GET", "/health/live").status, 200)
        bad = self.perfctl("serve", "--listen", "127.0.0.1:0", "--audit", self.dir + "/a", "--tls-certificate",
                           self.tokens, "--tls-key", self.dir + "/key.pem")
        self.assertIn(self.tokens, bad.err)
        self.assertNotIn(TOKEN, bad.err)
        self.assert_code(bad, 65)

    def test_history_is_kept_and_asked_for(self):
        self.env.update(PERF_SYSTEM_INTERVAL="1", PERF_APP_INTERVAL="1")
        process = self.serve()
        path = "/performance/metrics/history?metric=perfkit_http_requests_total&agg=rate&labels=route%3D/metrics&from=5m"

        def points():
            self.tcp("GET", "/metrics")
            reply = self.unix("GET", path)
            self.assertEqual(reply.status, 200, reply.body)
            self.described.check(self, "GET", path, reply)
            return sum(len(line["points"]) for line in reply.json["series"])

        self.until(lambda: points() > 0, "a point", 60 * harness.SLOW)
        for wrong in ("metric=", "metric=x&from=soon", "metric=x&agg=median"):
            reply = self.unix("GET", "/performance/metrics/history?" + wrong)
            self.assertEqual(reply.status, 422)
            self.described.check(self, "GET", path, reply)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)
        self.assertTrue(os.path.exists(self.env["XDG_STATE_HOME"] + "/perfkit/history.db"))

    def test_an_alert_fires_and_outlives_a_restart(self):
        rules = self.file("rules.yaml", "rules:\n  - name: PerfkitTestDown\n    expr: perfkit_target_up\n"
                                        "    critical: \"< 1\"\n    annotations: {summary: it is down}\n")
        config = self.file("perfkit.yaml", f"monitor: {{rules: [{rules}]}}\n")
        self.env["DATABASE_URL"] = "postgres://u:geheim@127.0.0.1:1/none"
        process = self.serve("--config", config)

        def firing():
            reply = self.unix("GET", "/performance/alerts")
            self.described.check(self, "GET", "/performance/alerts", reply)
            return [one for one in reply.json["alerts"] if one["state"] == "firing"]

        self.until(lambda: firing(), "the alert", 40 * harness.SLOW)
        first = firing()[0]
        self.assertEqual(first["name"], "PerfkitTestDown")
        shown = self.perfctl("status", "--json").json["alerts"]
        self.assertEqual([(one["name"], one["subject"], one["level"]) for one in shown],
                         [("PerfkitTestDown", "database", "CRITICAL")])
        self.assertIn(b'perfkit_alerts{alertname="PerfkitTestDown"', self.unix("GET", "/metrics").body)
        self.file("rules.yaml", "rules: [{name: PerfkitTestDown, expr: ')('}]\n")
        process.send_signal(signal.SIGHUP)
        self.await_line(process.stderr, "the configuration stays as it was")
        self.assertTrue(firing())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)
        self.assert_code(self.perfctl("serve", "--config", config), 65)
        self.file("rules.yaml", "rules:\n  - name: PerfkitTestDown\n    expr: perfkit_target_up\n    critical: \"< 1\"\n")
        self.serve("--config", config)
        self.assertEqual(firing()[0]["fired_at"], first["fired_at"])

    def test_clients_that_are_slow_or_wrong_keep_nobody_else_waiting(self):
        process = self.serve()
        slow = []
        self.addCleanup(lambda: [link.close() for link in slow])
        for _ in range(800):
            link = socket.create_connection(("127.0.0.1", self.port), 10)
            link.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            slow.append(link)
        self.assertEqual(self.tcp("GET", "/health/live").status, 200)
        wrong = 0
        for line in (b"\0\0\0\0\r\n\r\n", b"GET / HTTP/1.1\r\nA" + b"a" * 20000, b"GET /../x HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n") * 250:
            with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 10)) as link:
                link.settimeout(30)
                link.sendall(line)
                if link.recv(64).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 431")):
                    wrong += 1
        self.assertEqual(wrong, 1000)
        self.assertEqual(self.tcp("GET", "/metrics").status, 200)
        self.assertEqual(self.unix("GET", "/performance/overview").status, 200)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(sum(line["count"] for line in self.audited() if line["event"] == "refused"), wrong)

    def test_config_shows_where_values_come_from(self):
        config = self.file("perfkit.yaml", "pools: {database_max: 33}\n")
        self.env.update(REDIS_URL="redis://:geheim@127.0.0.1/0", PERF_CPU_THRESHOLD="50")
        done = self.perfctl("config", "show", "--config", config, "--json")
        self.assert_code(done, 0)
        settings = {one["key"]: one for one in done.json["settings"]}
        self.assertEqual(settings["pools.database_max"]["value"], "33")
        self.assertTrue(settings["pools.database_max"]["origin"].startswith(config + ":1:"))
        self.assertEqual(settings["monitor.cpu_threshold_percent"]["origin"], "environment")
        self.assertEqual(settings["targets.redis"]["value"], "redis://:***@127.0.0.1/0")
        self.assertNotIn("geheim", self.perfctl("config", "show", "--config", config).out)
        self.assert_code(self.perfctl("config", "check", "--config", config), 0)
        bad = self.perfctl("config", "check", "--config", config, env={"DB_POOL_MIN_SIZE": "none"})
        self.assert_code(bad, 65)
        self.assertIn("environment variable DB_POOL_MIN_SIZE: expected a whole number between 0 and 10000", bad.err)


harness.main()

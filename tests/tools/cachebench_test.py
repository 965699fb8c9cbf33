# SPDX-License-Identifier: Apache-2.0
"""cachebench as its users call it: every verb in small, exit codes, what goes to which stream, bad input."""
import csv
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

CACHEBENCH = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRACES = os.path.join(os.path.dirname(SOURCE), "shared", "traces")
REDIS = shutil.which("redis-server") or shutil.which("valkey-server")


class Cachebench(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="perfkit-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = dict(os.environ, XDG_STATE_HOME=self.dir + "/state", NO_COLOR="1")
        self.env.pop("REDIS_URL", None)
        self.keys = self.dir + "/small.keys"
        draw = random.Random(7)
        with open(self.keys, "w", encoding="utf-8") as file:
            file.writelines(f"{int(draw.paretovariate(0.7)) % 2000}\n" for _ in range(20000))

    def run_it(self, *args, stdin="", timeout=200):
        return subprocess.run([CACHEBENCH, *args], input=stdin, capture_output=True, text=True, env=self.env, cwd=self.dir,
                              timeout=timeout, check=False)

    def assert_code(self, done, code):
        self.assertEqual(done.returncode, code, f"\n{done.stdout}\n{done.stderr}")

    def rows(self, *args, stdin="", code=0):
        """Of a verb with --json, whose result must be the file's and keep to the schema."""
        out = self.dir + "/out"
        done = self.run_it(*args, "--json", "--out", out, stdin=stdin)
        self.assert_code(done, code)
        with open(out + "/result.json", encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())
        result = json.loads(done.stdout)
        self.assertEqual(result["schema"], "perfkit.result/1")
        self.assertEqual(result["tool"], "cachebench " + args[0])
        self.assertEqual(result["bench"]["verb"], args[0])
        try:
            import jsonschema  # pylint: disable=import-outside-toplevel
            with open(f"{SOURCE}/libperf/load/result.schema.json", encoding="utf-8") as file:
                jsonschema.Draft202012Validator(json.load(file)).validate(result)
        except ImportError:
            pass
        return result["bench"]["rows"]

    def test_sim(self):
        rows = self.rows("sim", "--trace", self.keys, "--policy", "lru,s3fifo,opt", "--size", "100,1e3", "--format", "keys")
        self.assertEqual([(row["policy"], row["size"]) for row in rows],
                         [(policy, size) for size in (100, 1000) for policy in ("lru", "s3fifo", "opt")])
        for row in rows:
            for field in ("trace", "policy", "size", "requests", "hits", "hit_ratio", "byte_hit_ratio"):
                self.assertIn(field, row)
            self.assertEqual((row["trace"], row["requests"]), ("small.keys", 20000))
            self.assertAlmostEqual(row["hit_ratio"], row["hits"] / 20000)
        self.assertGreaterEqual(rows[2]["hits"], rows[0]["hits"])
        self.assertGreater(rows[3]["hits"], rows[0]["hits"])

    def test_sim_reads_standard_input_and_says_what_it_guessed(self):
        with open(self.keys, encoding="utf-8") as file:
            text = file.read()
        done = self.run_it("sim", "--trace", "-", "--policy", "lru,opt", "--size", "100", stdin=text)
        self.assert_code(done, 0)
        self.assertIn("guessed", done.stderr)
        with open(self.keys, "rb") as file, gzip.open(self.dir + "/small.gz", "wb") as packed:
            packed.write(file.read())
        plain = self.rows("sim", "--trace", self.keys, "--policy", "lru", "--size", "100")
        unpacked = self.rows("sim", "--trace", self.dir + "/small.gz", "--policy", "lru", "--size", "100")
        self.assertEqual(plain[0]["hits"], unpacked[0]["hits"])

    def test_sim_requirements(self):
        args = ("sim", "--trace", self.keys, "--policy", "lru,opt", "--size", "100")
        self.assert_code(self.run_it(*args, "--require", "opt>=lru", "--require", "1%"), 0)
        done = self.run_it(*args, "--require", "lru>=99%")
        self.assert_code(done, 99)
        self.assertIn("cachebench: check failed: small.keys@100 lru hit_ratio", done.stderr)

    @unittest.skipUnless(os.path.exists(TRACES + "/reference_hit_ratios.csv"), "no shared traces")
    def test_sim_equals_the_reference(self):
        names = {"LRU": "lru", "FIFO": "fifo", "LFU": "lfu", "SIEVE": "sieve", "S3FIFO": "s3fifo", "ARC": "arc", "OPT": "opt"}
        with open(TRACES + "/reference_hit_ratios.csv", encoding="utf-8") as file:
            wanted = {(int(row["cache_size"]), names[row["policy"]]): int(row["hits"])
                      for row in csv.DictReader(file) if row["trace"] == "multi2" and row["policy"] in names}
        sizes = sorted({size for size, _ in wanted})
        rows = self.rows("sim", "--trace", TRACES + "/multi2.trace.gz", "--policy", ",".join(names.values()), "--size",
                         ",".join(map(str, sizes)))
        self.assertEqual({(row["size"], row["policy"]): row["hits"] for row in rows}, wanted)

    def test_mrc(self):
        svg = self.dir + "/curve.svg"
        rows = self.rows("mrc", "--trace", self.keys, "--policy", "lru,fifo", "--points", "5", "--method", "exact,sampled",
                         "--svg", svg)
        self.assertEqual(len(rows), 20)
        with open(svg, encoding="utf-8") as file:
            self.assertEqual(file.read().count("<polyline"), 4 if any(row["sampled"] < 1 for row in rows) else 2)
        done = self.run_it("mrc", "--trace", self.keys, "--policy", "lru")
        self.assert_code(done, 0)
        self.assertIn("* lru", done.stdout)
        self.assert_code(self.run_it("mrc", "--trace", self.keys, "--svg", "/proc/nowhere/x.svg"), 73)

    def test_advise(self):
        with open(self.keys, encoding="utf-8") as file:
            text = file.read()
        done = self.run_it("advise", "--hit-ratio", "60%", "--policy", "lru,s3fifo", "--entry-bytes", "100", stdin=text)
        self.assert_code(done, 0)
        lines = dict(line.split("=") for line in done.stdout.splitlines() if line.startswith("CACHE_"))
        self.assertIn(lines["CACHE_POLICY"], ("lru", "s3fifo"))
        size = lines["CACHE_MEMORY_MAX_SIZE"]
        self.assertEqual(int(lines["CACHE_MEMORY_MAX_BYTES"]), int(size) * 164)
        self.assert_code(self.run_it("sim", "--trace", self.keys, "--policy", lines["CACHE_POLICY"], "--size", size,
                                     "--require", "60%"), 0)
        self.assert_code(self.run_it("advise", "--hit-ratio", "99.9%", "--policy", "lru", stdin=text), 99)
        self.assert_code(self.run_it("advise", stdin=""), 65)

    def test_run(self):
        rows = self.rows("run", "--threads", "2", "--policy", "lru,mutex-lru", "--keys", "1e4", "--capacity", "1000", "--warmup",
                         "10ms", "--duration", "50ms", "--repeat", "1", "--mix", "90/8/2", "--value", "50-200")
        self.assertEqual([row["subject"] for row in rows], ["lru", "mutex-lru"])
        for row in rows:
            self.assertGreater(row["ops_per_cpu_s"], 0)
            self.assertGreater(row["hit_ratio"], 0)

    def test_snapshot(self):
        file = self.dir + "/s.bin"
        args = ("--replay", self.keys, "--size", "500")
        saved = self.rows("snapshot", "save", file, *args)
        self.assertEqual(saved[0]["entries"], 500)
        loaded = self.rows("snapshot", "load", file, *args)
        self.assertEqual(loaded[0]["entries"], 500)
        self.assertGreater(loaded[0]["warm_hit_ratio"], loaded[0]["cold_hit_ratio"])
        with open(file, "r+b") as damaged:
            damaged.seek(os.path.getsize(file) // 2)
            byte = damaged.read(1)
            damaged.seek(-1, os.SEEK_CUR)
            damaged.write(bytes([byte[0] ^ 1]))
        done = self.run_it("snapshot", "load", file, *args)
        self.assert_code(done, 65)
        self.assert_code(self.run_it("snapshot", "load", self.dir + "/none", *args), 65)
        self.assert_code(self.run_it("snapshot", "load", self.dir, *args), 65)
        self.assert_code(self.run_it("snapshot", "save", "/proc/nowhere/s", *args), 73)

    @unittest.skipUnless(REDIS, "no Redis")
    def test_stampede(self):
        rows = self.rows("stampede", "--threads", "4", "--processes", "2", "--load", "50ms")
        self.assertEqual([(row["lock"], row["found"]) for row in rows], [("distributed", 8), ("local", 8)])
        self.assertEqual(rows[0]["loader_calls"], 1)
        self.assertLessEqual(rows[1]["loader_calls"], 2)

    @unittest.skipUnless(REDIS, "no Redis")
    def test_chaos(self):
        rows = self.rows("chaos", "--case", "tag-vs-load,remove-vs-load,tracking-lost,clock-back", "--iterations", "40",
                         "--caches", "10")
        self.assertEqual([row["case"] for row in rows], ["tag-vs-load", "remove-vs-load", "tracking-lost", "clock-back"])
        for row in rows:
            self.assertEqual((row["stale_reads"], row["failed"]), (0, 0))
            self.assertEqual(row["iterations"], 40)

    @unittest.skipUnless(REDIS, "no Redis")
    def test_fuzz_l2(self):
        rows = self.rows("fuzz-l2", "--cases", "520", "--threads", "2")
        self.assertEqual(sum(row["cases"] for row in rows), 520)
        self.assertEqual(sum(row["wrong_values"] + row["thrown"] for row in rows), 0)

    @unittest.skipUnless(REDIS, "no Redis")
    def test_tiers(self):
        rows = self.rows("tiers", "--concurrency", "8", "--lookups", "20000", "--guests", "200", "--source", "200us", "--memory",
                         "20")
        self.assertEqual([row["tiers"] for row in rows], ["both", "memory", "tier", "none"])
        self.assertLess(rows[0]["source_calls"], rows[1]["source_calls"])
        self.assertEqual(rows[3]["source_calls"], rows[3]["lookups"])

    def test_closed_and_full_standard_files(self):
        for redirect, code in (("2>&-", 0), ("2>/dev/full", 0), (">&-", 73), (">/dev/full", 73)):
            with self.subTest(redirect=redirect):
                done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirect}', CACHEBENCH, "sim", "--trace", self.keys,
                                       "--policy", "lru", "--size", "10", "--out", self.dir + "/kept"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                                      cwd=self.dir, timeout=60, check=False)
                self.assertEqual(done.returncode, code, done.stderr)
                with open(self.dir + "/kept/result.json", encoding="utf-8") as file:
                    self.assertEqual(json.load(file)["tool"], "cachebench sim")
                shutil.rmtree(self.dir + "/kept")

    def test_64_usage(self):
        sim = ["sim", "--trace", self.keys, "--size", "10"]
        for args in ([], ["fly"], ["sim"], ["sim", "--trace", self.keys], ["sim", "--size", "10"], [*sim, "--policy", "lrv"],
                     [*sim, "--size", "0"], [*sim, "--format", "morse"], [*sim, "--require", "maybe"],
                     [*sim, "--policy", "lru", "--require", "arc>=1%"], ["mrc", "--method", "magic"],
                     ["advise", "--hit-ratio", "2"], ["advise", "--policy", "opt"], ["run", "--mix", "50/40/20"],
                     ["run", "--policy", "opt"], ["run", "--value", "big"], ["snapshot", "keep", "x"], ["snapshot", "save"],
                     ["stampede", "--lock", "none"], ["chaos", "--case", "boredom"], ["chaos", "--way", "boredom"],
                     ["fuzz-l2", "--cases", "0"], ["tiers", "--tiers", "three"], ["tiers", "--zipf", "-1"], [*sim, "--seed", "-1"]):
            with self.subTest(args=args):
                done = self.run_it(*args)
                self.assert_code(done, 64)
                self.assertEqual(done.stdout, "")
                self.assertIn("cachebench:", done.stderr)
        self.assertIn("did you mean 'lru'", self.run_it(*sim, "--policy", "lrv").stderr)
        self.assertIn("did you mean 'advise'", self.run_it("advice").stderr)

    def test_65_69_73(self):
        self.assert_code(self.run_it("sim", "--trace", "/nonexistent", "--size", "10"), 65)
        with open(self.dir + "/bad.gz", "wb") as file:
            file.write(gzip.compress(b"1\n2\n3\n" * 1000)[:-20])
        self.assert_code(self.run_it("sim", "--trace", self.dir + "/bad.gz", "--size", "10"), 65)
        self.assert_code(self.run_it("sim", "--trace", self.keys, "--size", "10", "--format", "oracleGeneral"), 65)
        self.assert_code(self.run_it("tiers", "--redis", "redis://192.0.2.1:9"), 65)  # for documentation (RFC 5737)
        self.assert_code(self.run_it("tiers", "--redis", "redis://127.0.0.1:1"), 69)
        self.assert_code(self.run_it("sim", "--trace", self.keys, "--size", "10", "--out", "/proc/nowhere"), 73)

    def test_130_writes_what_it_has(self):
        process = subprocess.Popen([CACHEBENCH, "run", "--threads", "1", "--keys", "1e4", "--capacity", "1000", "--duration",
                                    "100s", "--out", self.dir + "/out"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.env, cwd=self.dir, text=True)
        process.stderr.readline()  # its handlers stand
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("INTERRUPTED", out)
        with open(self.dir + "/out/result.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["verdict"], "interrupted")

    def test_help_and_version(self):
        for args in (["--help"], ["sim", "--help"], ["--version"]):
            done = self.run_it(*args)
            self.assert_code(done, 0)
            self.assertIn("cachebench", done.stdout)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""audiostress as its users call it: every verb in small, exit codes, what goes to which stream, bad input. Counts only: how
late a busy machine makes a stream passes and fails nothing."""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import wave

AUDIOSTRESS = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHORT = ("--streams", "200", "--duration", "600ms")


class Audiostress(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="perfkit-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = dict(os.environ, XDG_STATE_HOME=self.dir + "/state", NO_COLOR="1")

    def run_it(self, *args, timeout=200):
        return subprocess.run([AUDIOSTRESS, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env,
                              cwd=self.dir, timeout=timeout, check=False)

    def assert_code(self, done, *codes):
        self.assertIn(done.returncode, codes, f"\n{done.stdout}\n{done.stderr}")

    def result(self, *args, codes=(0,)):
        """Of a verb with --json, whose result must be the file's and keep to the schema."""
        out = self.dir + "/out"
        done = self.run_it(*args, "--json", "--out", out)
        self.assert_code(done, *codes)
        with open(out + "/result.json", encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())
        result = json.loads(done.stdout)
        self.assertEqual(result["tool"], "audiostress " + args[0])
        self.assertEqual(result["bench"]["verb"], args[0])
        try:
            import jsonschema  # pylint: disable=import-outside-toplevel
            with open(f"{SOURCE}/libperf/load/result.schema.json", encoding="utf-8") as file:
                jsonschema.Draft202012Validator(json.load(file)).validate(result)
        except ImportError:
            pass
        return result

    def speech(self, rate=24000):
        path = f"{self.dir}/speech{rate}.wav"
        with wave.open(path, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(b"".join(struct.pack("<h", (i * i) % 3000) for i in range(rate)))
        return path

    def assert_clean(self, audio, late=True):
        for field in ("lost", "torn", "leaked", "repeated"):
            self.assertEqual(audio[field], 0, field)
        self.assertEqual(audio["overruns"], {"events": 0, "frames": 0})
        self.assertIn(audio["hot_allocs"], (0, None))
        if not late:
            self.assertEqual((audio["late"]["max_ms"], audio["late"]["over_period"]), (0, 0))
            self.assertEqual(audio["underruns"], {"events": 0, "frames": 0})

    def test_run(self):
        # Late by more than a period, or starved, is what a busy machine may be: 99 and 75.
        for producer in ("thread", "inline", "burst", "file"):
            with self.subTest(producer=producer):
                more = ("--input", self.speech()) if producer == "file" else ()
                # Deep buffers: a machine that stands still for a while must not make underruns.
                result = self.result("run", *SHORT, "--buffer", "4s", "--producer", producer, *more, codes=(0, 75, 99))
                audio = result["audio"]
                self.assertEqual(audio["streams"], 200)
                self.assertGreater(audio["frames"], 200 * 25)
                self.assertEqual(audio["late"]["count"], audio["frames"])
                self.assert_clean(audio)
                self.assertEqual([row["lane"] for row in result["bench"]["rows"]], ["null", "streams"])
                if result["validity"]["ok"] and audio["late"]["over_period"] == 0:
                    self.assertEqual(result["verdict"], "pass")

    def test_run_formats_and_periods(self):
        for args in (("--format", "ulaw:8000:1"), ("--format", "f32:48000:2", "--period", "10ms"),
                     ("--format", "s24:16000:1", "--period", "30ms", "--buffer", "90ms")):
            with self.subTest(args=args):
                audio = self.result("run", "--virtual", "--hours", "0.02", *args)["audio"]
                self.assert_clean(audio, late=False)

    def test_run_virtual_crosses_32_bits(self):
        result = self.result("run", "--virtual", "--hours", "30", "--streams", "1")
        self.assert_clean(result["audio"], late=False)
        self.assertGreater(result["bench"]["rows"][0]["bytes_a_stream"], 2**32)
        self.assertEqual(result["audio"]["frames"], 30 * 3600 * 50)

    def test_run_says_why_streams_are_refused(self):
        result = self.result("run", "--virtual", "--hours", "0.01", "--streams", "1000", "--budget", "1MiB", codes=(99,))
        self.assertLess(result["audio"]["streams"], 150)
        self.assertIn("budget", result["bench"]["rows"][0]["text"])

    def test_a_budget_without_room_for_one_stream(self):
        result = self.result("run", "--virtual", "--hours", "0.01", "--streams", "2", "--budget", "1KiB", codes=(99,))
        self.assertEqual((result["audio"]["streams"], result["audio"]["frames"], result["verdict"]), (0, 0, "fail"))
        self.assertIn("may have 1 KiB", result["bench"]["rows"][0]["text"])

    def test_run_closes_and_gives_memory_back(self):
        result = self.result("run", "--streams", "3000", "--duration", "500ms", "--close", "0.9", codes=(0, 75, 99))
        self.assertGreater(result["audio"]["rss_returned_ratio"], 0.5)
        self.assert_clean(result["audio"])

    def test_a_stop_is_counted_against_the_deadlines_as_they_were(self):
        process = subprocess.Popen([AUDIOSTRESS, "run", "--streams", "100", "--duration", "2s", "--buffer", "1s", "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, cwd=self.dir, text=True)
        while process.stderr.readline() not in ("running\n", ""):
            pass
        time.sleep(1)  # behind the warm-up of 300 ms
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        process.send_signal(signal.SIGCONT)
        out, error = process.communicate(timeout=60)
        self.assertIn(process.returncode, (75, 99), error)
        result = json.loads(out)
        self.assertNotEqual(result["verdict"], "pass")
        # Nine periods of a stop of 200 ms are late by more than one; a machine that is slow has more.
        self.assertGreaterEqual(result["audio"]["late"]["over_period"], 9 * 100)
        self.assertGreaterEqual(result["audio"]["late"]["max_ms"], 180)

    def test_capacity(self):
        result = self.result("capacity", "--from", "100", "--most", "300", "--duration", "300ms", "--confirm", "300ms",
                             "--late-p99", "500ms", "--buffer", "4s", codes=(0, 75, 99))
        rows = result["bench"]["rows"]
        self.assertEqual(rows[0]["streams"], 100)
        if result["verdict"] == "invalid":  # this machine was too busy to confirm anything
            self.assertEqual([reason["code"] for reason in result["validity"]["reasons"]], ["starved"])
        else:
            self.assertEqual(rows[-1]["phase"], "confirm")
        if result["verdict"] == "pass":
            self.assertEqual(result["audio"]["capacity"]["streams"], rows[-1]["streams"])
        refused = self.result("capacity", "--from", "100", "--most", "100", "--budget", "200KiB", "--duration", "200ms",
                              "--confirm", "200ms", "--late-p99", "1s", codes=(0, 75, 99))
        self.assertEqual(refused["bench"]["rows"][0]["why"], "refused")
        self.assertLess(refused["audio"]["capacity"]["streams"], 25)

    def test_capacity_of_a_machine_that_is_busy_is_not_a_finding(self):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * (os.cpu_count() or 1))]
        try:
            done = subprocess.run(["nice", "-n", "19", AUDIOSTRESS, "capacity", "--from", "50", "--most", "50", "--duration", "300ms",
                                   "--json", "--out", self.dir + "/out"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  env=self.env, cwd=self.dir, timeout=200, check=False)
        finally:
            for process in busy:
                process.kill()
                process.wait()
        self.assert_code(done, 75)
        result = json.loads(done.stdout)
        self.assertEqual([reason["code"] for reason in result["validity"]["reasons"]], ["starved"])
        self.assertEqual(result["audio"]["capacity"]["streams"], 0)

    def test_memory(self):
        rows = self.result("memory", "--from", "100", "--to", "1000", "--input", self.speech())["bench"]["rows"]
        self.assertEqual([row["impl"] for row in rows], ["perfkit", "naive", "perfkit, flac", "naive"])
        self.assertEqual(rows[0]["audio_bytes"], 9600)
        self.assertLess(rows[0]["bytes_per_stream"], 9600 * 1.05)
        self.assertEqual(rows[1]["bytes_per_stream"], 15360 + 16)
        self.assertGreater(rows[0]["saved"], 0.3)
        self.assertLess(rows[2]["bytes_per_stream"], rows[3]["bytes_per_stream"])
        for args, most in (([], 9.75), (["--fill", "60ms"], 3.2), (["--format", "ulaw:8000:1"], 1.85)):
            with self.subTest(args=args):
                audio = self.result("memory", "--burst", "0", *args)["audio"]
                self.assertLess(audio["bytes_per_stream"], most * 1024)
        self.assert_code(self.run_it("memory", "--from", "100", "--to", "1000", "--burst", "0", "--require", "90%"), 99)

    def test_compare(self):
        rows = self.result("compare", "--streams", "200", "--rounds", "1", "--duration", "1s")["bench"]["rows"]
        self.assertEqual([row["impl"] for row in rows], ["mutex", "spsc", "slots", "mirror"])
        for row in rows:
            self.assertEqual((row["frames"], row["wrong"], row["underrun_frames"]), (200 * 50, 0, 0))
        allocs = {row["impl"]: row["hot_allocs"] for row in rows}
        if allocs["slots"] is not None:
            self.assertEqual((allocs["slots"], allocs["spsc"], allocs["mirror"]), (0, 0, 0))
            self.assertGreaterEqual(allocs["mutex"], 200 * 50)
        self.assertEqual(rows[3]["mirrored"], 200)

    def test_faults(self):
        rows = self.result("faults", "--rounds", "100")["bench"]["rows"]
        self.assertEqual(sorted(row["bug"] for row in rows), list(range(1, 11)))
        self.assertEqual({row["result"] for row in rows}, {"PASS"})
        few = self.result("faults", "--case", "odd-bytes,rate")["bench"]["rows"]
        self.assertEqual([row["case"] for row in few], ["odd-bytes", "rate"])

    def test_64_usage(self):
        for args in ([], ["fly"], ["run", "--streams", "none"], ["run", "--format", "s17:8000:1"], ["run", "--period", "2500us"],
                     ["run", "--format", "s16:11025:1"], ["run", "--buffer", "20ms"], ["run", "--fill", "1s"],
                     ["run", "--producer", "magic"], ["run", "--producer", "file"], ["run", "--input", "x.wav"],
                     ["run", "--virtual", "--hours", "0"], ["run", "--close", "2"], ["run", "--format", "ulaw:1000:1"],
                     ["capacity", "--late-p99", "soon"], ["memory", "--from", "9", "--to", "9"],
                     ["run", "--duration", "0s"], ["run", "--virtual", "--close", "0.5"], ["capacity", "--duration", "0s"],
                     ["capacity", "--confirm", "0s"], ["compare", "--duration", "0s"], ["memory", "--cold", "magic"],
                     ["memory", "--format", "s16:8000:1"], ["compare", "--impl", "best"], ["faults", "--case", "boredom"]):
            with self.subTest(args=args):
                done = self.run_it(*args)
                self.assert_code(done, 64)
                self.assertEqual(done.stdout, "")
                self.assertIn("audiostress:", done.stderr)

    def test_65_73(self):
        self.assert_code(self.run_it("run", "--producer", "file", "--input", "/nonexistent"), 65)
        done = self.run_it("run", "--producer", "file", "--input", self.speech(8000))
        self.assert_code(done, 65)
        self.assertIn("8000", done.stderr)
        self.assert_code(self.run_it("faults", "--case", "odd-bytes", "--out", "/proc/nowhere"), 73)

    def test_130_writes_what_it_has(self):
        process = subprocess.Popen([AUDIOSTRESS, "run", "--streams", "10", "--duration", "100s", "--out", self.dir + "/out"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, cwd=self.dir, text=True)
        process.stderr.readline()  # its handlers stand
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("INTERRUPTED", out)
        with open(self.dir + "/out/result.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["verdict"], "interrupted")

    def test_few_file_descriptors(self):
        done = subprocess.run(["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', AUDIOSTRESS, "run", *SHORT, "--buffer", "4s", "--json",
                               "-q"], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env, cwd=self.dir,
                              timeout=60, check=False)
        self.assert_code(done, 0, 75, 99)
        self.assert_clean(json.loads(done.stdout)["audio"])


if __name__ == "__main__":
    unittest.main()

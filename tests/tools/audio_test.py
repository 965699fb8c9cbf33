# SPDX-License-Identifier: Apache-2.0
"""Audio in scenarios, run by the real perfctl with the private speech server."""
import math
import os
import signal
import struct
import time
import unittest
import wave

import harness
from harness import SLOW, SOURCE, HttpServer, PerfctlCase

HEAD = """
scenario: audio
targets: {web: {kind: http, url: private}}
"""
# The speech server says 60 ms a character, and at least 200 ms.
PACKETS_OF_HELLO = 15


class Audio(PerfctlCase):
    def sound(self, name, seconds=0.3, rate=8000):
        path = os.path.join(self.dir, name)
        with wave.open(path, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(i / 3))) for i in range(int(seconds * rate))))
        return path

    def run_flow(self, steps, load="iterations: 1", codes=(0, 75), more="", args=()):
        text = f"{HEAD}{more}flows:\n  f:\n{steps}load: [{{flow: f, {load}}}]\n"
        done = self.perfctl("run", self.file("audio.yaml", text), "--json", *args)
        self.assertIn(done.code, codes, done.err + done.out[:3000])
        return done.json

    def assert_all_well(self, result):
        self.assertEqual(result["requests"]["failed"], 0, result["failures"])

    def test_every_kind_of_source_plays_for_as_long_as_it_lasts(self):
        self.sound("tone.wav")
        with open(os.path.join(self.dir, "tone.ulaw"), "wb") as out:
            out.write(bytes(range(256)) * 10)  # 320 ms at 8 kHz
        result = self.run_flow("""
    - {name: greeting, http: {target: web, method: POST, path: /tts, json: {text: hello}}}
    - {name: fetched, play: {from: greeting}}
    - {name: spoken, play: {text: "hello"}}
    - {name: file, play: {file: tone.wav}}
    - {name: raw, play: {file: tone.ulaw, format: ulaw:8000:1, period: 10ms, via: slots}}
    - {name: sentence, cache: {cache: c, get_or_set: k, from: {http: {target: web, path: "/tts?text=hello"}}}}
    - {name: cached, play: {from: sentence, via: mirror}}
""", more="caches: {c: {entries: 10}}\n")
        self.assert_all_well(result)
        audio = result["audio"]
        self.assertEqual((audio["streams"], audio["refused"]), (5, 0))
        # What was not there in time was played later: a beat more.
        self.assertEqual(audio["frames"] - audio["underruns"]["frames"], 4 * PACKETS_OF_HELLO + 32)
        self.assertEqual(audio["late"]["count"], audio["frames"])
        self.assertEqual(audio["overruns"], {"events": 0, "frames": 0})
        self.assertIsNone(audio["lost"])
        self.assertGreaterEqual(audio["starved_ms"], 0)
        steps = result["flows"]["f"]["steps"]
        for name in ("fetched", "spoken", "file", "raw", "cached"):
            self.assertEqual(steps[name]["requests"]["total"], 1)
            self.assertGreaterEqual(steps[name]["service_time"]["min_ms"], 299, name)
            self.assertLess(steps[name]["service_time"]["min_ms"], 5000, name)
        self.assertIn("audio.late", result["histograms"])

    def test_hundreds_at_a_time_on_one_loop_which_stays_free_for_others(self):
        result = self.run_flow("""
    - {name: say, play: {text: "a sentence of some length"}}
  other:
    - {name: quick, http: {target: web, path: /health}}
""", load="users: 300, for: 3s}, {flow: other, users: 1, for: 3s, pacing: 10ms", codes=(0, 75, 99),
                               more='thresholds: ["audio.underruns: rate < 1%", "audio.late: p(99) < 1s", "audio.f.say.refused: count == 0"]\n')
        self.assert_all_well(result)
        audio = result["audio"]
        self.assertGreaterEqual(audio["streams"], 600)
        self.assertEqual(audio["refused"], 0)
        self.assertGreaterEqual(audio["frames"], 600 * 75)
        self.assertGreater(result["flows"]["other"]["requests"]["total"], 50)
        by_expr = {t["expr"]: t for t in result["thresholds"]}
        self.assertAlmostEqual(by_expr["audio.underruns: rate < 1%"]["observed"], audio["underrun_ratio"])
        self.assertTrue(by_expr["audio.f.say.refused: count == 0"]["ok"])

    def test_two_loops_share_the_budget(self):
        result = self.run_flow("    - {name: say, play: {text: hello}, on_failure: continue}\n",
                               load="users: 20, iterations: 60", codes=(99, 75), args=("--threads", "2"),
                               more="audio: {budget: 40KiB}\nthresholds: ['audio.refused: count == 0', 'errors: rate < 100%']\n")
        audio = result["audio"]
        self.assertGreater(audio["refused"], 0)
        self.assertGreater(audio["streams"], 0)
        self.assertEqual(audio["refused"] + audio["streams"], 60)
        self.assertEqual(result["requests"]["errors"]["check"], audio["refused"])
        self.assertIn("of the budget of 40 KiB", result["failures"][0]["text"])
        refused = result["thresholds"][0]
        self.assertEqual((refused["ok"], refused["observed"], refused["samples"]), (False, audio["refused"], 60))

    def test_what_cannot_be_played_is_a_failed_request(self):
        result = self.run_flow("""
    - set: {empty: ""}
    - {name: odd, http: {target: web, method: POST, path: /echo, body: abc}}
    - {name: half, play: {from: odd}, on_failure: continue}
    - {name: none, http: {target: web, method: POST, path: /echo, body: "${empty}"}}
    - {name: silent, play: {from: none}, on_failure: continue}
    - {name: mute, play: {text: "${empty}"}, on_failure: continue}
    - {name: long, http: {target: web, method: POST, path: /tts, json: {text: "a text that is too long for what is kept of it, as it lasts more than a second"}}}
    - {name: much, play: {from: long}, on_failure: continue}
    - {name: missing, http: {target: web, path: /status/500}, on_failure: continue}
    - {name: nothing, play: {from: missing}, on_failure: continue}
    - {name: quick, play: {text: hello}, expect: {time: 10ms}, on_failure: continue}
""", more="audio: {max_buffer: 100KiB, buffer: 40ms}\nthresholds: ['errors: rate < 90%']\n")
        failures = {sample["step"]: (sample["kind"], sample["text"]) for sample in result["failures"]}
        self.assertEqual(failures.pop("missing")[0], "status")
        self.assertEqual({kind for kind, _ in failures.values()}, {"check"})
        texts = {step: text for step, (_, text) in failures.items()}
        self.assertEqual(texts["half"], "the reply of odd has 3 bytes, which are no whole frames of s16:24000:1")
        self.assertEqual(texts["silent"], "the reply of none is empty: there is nothing to play")
        self.assertEqual(texts["mute"], "the text is empty: there is nothing to play")
        self.assertIn("; audio.max_buffer is 100 KiB", texts["much"])
        self.assertEqual(texts["nothing"], "step missing has no reply in this iteration")
        self.assertIn("expected within 10ms", texts["quick"])
        self.assertEqual(set(texts), {"half", "silent", "mute", "much", "nothing", "quick"})

    def test_a_reply_of_an_earlier_iteration_is_not_played(self):
        result = self.run_flow("""
    - choose:
        - {weight: 1, steps: [{name: greeting, http: {target: web, path: "/tts?text=a"}}]}
        - {weight: 1, steps: [{sleep: 0}]}
    - {name: say, play: {from: greeting}, on_failure: continue}
""", load="iterations: 20", more="thresholds: ['errors: rate < 100%']\n")
        steps = result["flows"]["f"]["steps"]
        self.assertEqual(steps["say"]["requests"]["failed"], 20 - steps["greeting"]["requests"]["total"])
        self.assertGreater(steps["say"]["requests"]["failed"], 0)

    def test_sigint_in_mid_play(self):
        server = HttpServer(self)
        path = self.file("audio.yaml", f"targets: {{web: {{kind: http, url: '{server.url}'}}}}\n"
                         "flows: {f: [{http: {target: web, path: /}}, {name: say, play: {text: '" + "la " * 2000 +
                         "'}}]}\nload: [{flow: f, users: 50, for: 5m}]\n")
        process = self.start("run", path, "--json")
        while server.count() < 50:  # and then they play, for six minutes
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - began, 5 * SLOW)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn('"verdict": "interrupted"', out.replace('"verdict":"', '"verdict": "'))

    def test_what_was_warmed_up_does_not_count(self):
        result = self.run_flow("    - {name: say, play: {text: hello}}\n", load="users: 1, for: 3s, warmup: 1500ms")
        audio = result["audio"]
        self.assertEqual(audio["frames"] - audio["underruns"]["frames"], audio["streams"] * PACKETS_OF_HELLO)
        self.assertLess(audio["streams"], 8)

    def test_bad_files_are_told_with_their_place(self):
        self.file("noise.wav", "no sound at all")
        self.sound("tone.wav")
        for play, at, word in (("{file: nothing.wav}", "5:18", "nothing.wav"),
                               ("{file: noise.wav}", "5:18", "noise.wav"),
                               ("{file: tone.wav, format: s16:16000:1}", "5:18", "s16:8000:1"),
                               ("{from: greting}", "5:18", "greting"),
                               ("{text: a, period: 1us}", "5:29", "between 1ms and 1m"),
                               ("{text: a, via: mirrors}", "5:26", "did you mean 'mirror'?")):
            with self.subTest(play=play):
                text = f"targets: {{web: {{kind: http, url: private}}}}\naudio: {{budget: 1MiB}}\nflows:\n  f:\n  - play: {play}\nload: [{{flow: f, iterations: 1}}]\n"
                path = self.file("bad.yaml", text)
                for verb in ("validate", "run"):
                    done = self.perfctl(verb, path)
                    self.assert_code(done, 65)
                    self.assertIn(f"bad.yaml:{at}", done.err + done.out)
                    self.assertIn(word, done.err + done.out)

    def test_the_terminal_says_what_was_heard(self):
        text = HEAD + "flows: {f: [{play: {text: hello}}]}\nload: [{flow: f, iterations: 2}]\n"
        done = self.perfctl("run", self.file("audio.yaml", text))
        self.assertIn(done.code, (0, 75), done.err)
        self.assertRegex(done.out, r"audio +2 streams, 3\d frames; late p50 ")
        self.assertIn("0 streams refused", done.out)
        self.assertNotIn("torn", done.out)


class Shipped(PerfctlCase):
    def test_the_shipped_scenarios(self):
        for name, streams in (("audio-calls", 20), ("audio-cached", 100)):
            with self.subTest(name):
                done = self.perfctl("run", f"{SOURCE}/scenarios/{name}.yaml", "--profile", "fast", "--json")
                # How late the pacer is depends on the machine.
                self.assertIn(done.code, (0, 75, 99), done.err + done.out[:2000])
                self.assertEqual(done.json["requests"]["failed"], 0, done.json["failures"])
                self.assertGreater(done.json["audio"]["streams"], streams)
                self.assertEqual(done.json["audio"]["refused"], 0)


if __name__ == "__main__":
    harness.main()

# SPDX-License-Identifier: Apache-2.0
"""audiostress convert as its users call it: every ending, pipes, exit codes, and what ffmpeg makes of the files."""
import json
import math
import os
import shutil
import struct
import subprocess
import unittest
import wave

from harness import PERFCTL as AUDIOSTRESS
from harness import SOURCE, PerfctlCase, main

SHARED = os.path.join(os.path.dirname(SOURCE), "shared", "audio")


def tone(frames, rate=24000, channels=1):
    """1 kHz in s16."""
    values = (int(12000 * math.sin(2 * math.pi * 1000 * i / rate)) for i in range(frames))
    return b"".join(struct.pack("<h", value) * channels for value in values)


class Convert(PerfctlCase):
    def setUp(self):
        super().setUp()
        self.pcm = tone(24000)
        self.wav = self.path("tone.wav")
        with wave.open(self.wav, "wb") as out:
            out.setparams((1, 2, 24000, 0, "NONE", ""))
            out.writeframes(self.pcm)

    def path(self, name):
        return os.path.join(self.dir, name)

    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def row(self, *args):
        done = self.perfctl("convert", *args, "--json", "--out", self.path("results"))
        self.assert_code(done, 0)
        self.assertEqual(done.json["tool"], "audiostress convert")
        return done.json["bench"]["rows"][0]

    def refused(self, code, *args, says="", **kwargs):
        done = self.perfctl("convert", *args, "--out", self.path("results"), **kwargs)
        self.assert_code(done, code)
        self.assertIn(says, done.err)
        self.assertNotIn("internal", done.err)

    def test_there_and_back_through_every_lossless_ending(self):
        for name in ("x.flac", "x.s16le", "x.s24le", "x.s32le", "x.f32le", "x.wav"):
            with self.subTest(name):
                row = self.row(self.wav, self.path(name))
                self.assertEqual((row["input_frames"], row["output_frames"], row["seconds"]), (24000, 24000, 1.0))
                self.assertEqual(row["output_bytes"], os.path.getsize(self.path(name)))
                self.assertAlmostEqual(row["ratio"], row["output_bytes"] / row["input_bytes"])
                kind = name[2:5]
                source = ["--from", f"{kind}:24000:1"] if name.endswith("le") else []
                self.row(self.path(name), self.path("back.raw"), *source, "--to", "s16:24000:1")
                self.assertEqual(self.bytes_of("back.raw"), self.pcm)

    def test_fields_of_a_row(self):
        row = self.row(self.wav, self.path("x.flac"))
        self.assertEqual((row["input_codec"], row["input_format"]), ("wav", "s16:24000:1"))
        self.assertEqual((row["output_codec"], row["output_format"]), ("flac", "s16:24000:1"))
        self.assertLess(row["ratio"], 0.9)

    def test_telephony_is_8_khz(self):
        row = self.row(self.wav, self.path("x.ulaw"))
        self.assertEqual((row["output_format"], row["output_frames"]), ("ulaw:8000:1", 8000))
        self.assertEqual(self.row(self.path("x.ulaw"), self.path("y.wav"))["output_format"], "ulaw:8000:1")
        with open(self.path("y.wav"), "rb") as file:
            self.assertIn(self.bytes_of("x.ulaw"), file.read())

    def test_ogg_and_opus(self):
        for name, codec in (("x.ogg", "vorbis"), ("x.opus", "opus")):
            row = self.row(self.wav, self.path(name))
            self.assertEqual((row["output_codec"], row["output_frames"]), (codec, 24000))
            self.assertEqual(self.row(self.path(name), self.path("y.s16le"))["output_frames"], 24000)
        row = self.row(self.wav, self.path("44.wav"), "--to", "s16:44100:2")
        self.assertEqual(row["output_frames"], 44100)
        self.assertEqual(self.row(self.path("44.wav"), self.path("x.opus"))["output_format"], "s16:48000:2")

    def test_pipes_cut_anywhere(self):
        self.row(self.wav, self.path("file.alaw"))
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [AUDIOSTRESS, "convert", "-", "-", "--from", "s16:24000:1", "--to", "alaw:8000:1", "--out", self.path("r")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        for at in range(0, len(self.pcm), 4063):
            process.stdin.write(self.pcm[at:at + 4063])
            process.stdin.flush()
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(out, self.bytes_of("file.alaw"))
        self.assertIn(b"PASS", err)

    def test_usage(self):
        x = self.path("x.wav")
        self.refused(64, self.wav, self.path("x.mp3"), says="the ending is none of")
        self.refused(64, self.path("x.raw"), x, says="--from")
        self.refused(64, "-", x, says="--from")
        self.refused(64, self.wav, self.path("x.flac"), "--to", "f32:24000:1", says="flac cannot hold")
        self.refused(64, self.wav, self.path("x.ulaw"), "--to", "alaw:8000:1", says="says ulaw")
        self.refused(64, self.wav, x, "--to", "s17:24000:1", says="did you mean s16")
        self.refused(64, self.wav, x, "--quality", "11")
        self.refused(64, self.wav, "-", "--json", says="standard output")
        self.refused(64, self.wav, says="out")

    def test_bad_input(self):
        x = self.path("x.wav")
        self.refused(65, self.wav, x, "--from", "s16:48000:1", says="the header says s16:24000:1, declared is s16:48000:1")
        self.refused(65, self.path("absent.wav"), x, says="No such file")
        self.refused(65, self.dir + "/.wav", x, says="No such file")
        with open(self.path("bad.wav"), "wb") as file:
            file.write(b"RIFF" + os.urandom(1000))
        self.refused(65, self.path("bad.wav"), x, says="bad.wav")
        with open(self.path("half.s16le"), "wb") as file:
            file.write(self.pcm[:-1])
        self.refused(65, self.path("half.s16le"), x, "--from", "s16:24000:1", says="in the middle of a frame")
        self.row(self.wav, self.path("cut.flac"))
        os.truncate(self.path("cut.flac"), os.path.getsize(self.path("cut.flac")) // 2)
        self.refused(65, self.path("cut.flac"), x, says="cut.flac")
        self.row(self.wav, self.path("two.wav"), "--to", "s16:24000:2")
        self.refused(65, self.path("two.wav"), x, "--to", "s16:24000:3", says="channels")
        self.assertFalse(os.path.exists(x))
        self.assertEqual([name for name in os.listdir(self.dir) if name.endswith(".part")], [])

    def test_output_that_cannot_be_written(self):
        self.refused(73, self.wav, self.path("absent/x.wav"), says="No such file")
        os.symlink("/dev/full", self.path("full.flac"))
        os.symlink("/dev/full", self.path("full.wav"))
        self.refused(73, self.wav, self.path("full.flac"), says="No space left")
        self.refused(73, self.wav, self.path("full.wav"), says="No space left")
        with open("/dev/full", "wb") as full:
            self.refused(73, self.wav, "-", stdout=full, says="No space left")

    def test_golden_g711(self):
        if not os.path.isdir(SHARED):
            self.skipTest(f"no folder {SHARED}")
        for law in ("ulaw", "alaw"):
            self.row(f"{SHARED}/sweep.s16le", self.path(f"x.{law}"), "--from", "s16:8000:1")
            self.row(self.path(f"x.{law}"), self.path("x.s16le"), "--to", "s16:8000:1")
            for ours, golden in ((f"x.{law}", f"sweep.{law}"), ("x.s16le", f"sweep.{law}.s16le")):
                with open(f"{SHARED}/{golden}", "rb") as file:
                    self.assertEqual(self.bytes_of(ours), file.read(), golden)

    @unittest.skipUnless(shutil.which("ffmpeg"), "ffmpeg is not installed")
    def test_ffmpeg_reads_what_is_written(self):
        for name, to in (("x.wav", "s16"), ("x.wav", "s24"), ("x.flac", "s16"), ("x.flac", "s24")):
            self.row(self.wav, self.path(name), "--to", f"{to}:24000:1")
            done = subprocess.run(["ffmpeg", "-v", "error", "-i", self.path(name), "-f", "s16le", "-"], capture_output=True,
                                  timeout=60, check=True)
            self.assertEqual(done.stdout, self.pcm, f"{name} {to}")
        for name in ("x.ogg", "x.opus"):
            self.row(self.wav, self.path(name))
            done = subprocess.run(["ffmpeg", "-v", "error", "-i", self.path(name), "-ar", "24000", "-f", "s16le", "-"],
                                  capture_output=True, timeout=60, check=True)
            self.assertLess(abs(len(done.stdout) - len(self.pcm)), 2000)

    def test_the_result_keeps_to_its_schema(self):
        try:
            import jsonschema  # pylint: disable=import-outside-toplevel
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        done = self.perfctl("convert", self.wav, self.path("x.flac"), "--json", "--out", self.path("results"))
        with open(f"{SOURCE}/libperf/load/result.schema.json", encoding="utf-8") as file:
            jsonschema.Draft202012Validator(json.load(file)).validate(done.json)


if __name__ == "__main__":
    main()

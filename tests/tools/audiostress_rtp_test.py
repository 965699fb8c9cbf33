# SPDX-License-Identifier: Apache-2.0
"""audiostress replay and rtp as their users call them: real dumps to the packet, made ones of every kind, what ffmpeg and
GStreamer send and play, exit codes."""
import json
import math
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest
import wave

from harness import PERFCTL, SOURCE, PerfctlCase, main

SHARED = os.path.join(os.path.dirname(SOURCE), "shared", "audio")


def rtp(sequence, timestamp, payload=b"\xff" * 160, kind=0, ssrc=1):
    return struct.pack(">BBHII", 0x80, kind, sequence & 0xffff, timestamp & 0xffffffff, ssrc) + payload


def rtpdump(packets):
    """Of (milliseconds, packet); None as a packet's wire length says RTCP."""
    out = b"#!rtpplay1.0 127.0.0.1/5004\n" + bytes(16)
    for at, packet in packets:
        out += struct.pack(">HHI", len(packet) + 8, len(packet), at) + packet
    return out


def pcap(packets):
    """Of (seconds, source port, destination port, UDP payload)."""
    out = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    for at, source, destination, payload in packets:
        udp = struct.pack(">HHHH", source, destination, len(payload) + 8, 0) + payload
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 0x7f000001, 0x7f000001) + udp
        frame = bytes(12) + b"\x08\x00" + ip
        out += struct.pack("<IIII", int(at), round(at % 1 * 1e6), len(frame), len(frame)) + frame
    return out


class Replay(PerfctlCase):
    def write(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def rows(self, *args):
        done = self.perfctl("replay", *args, "--json", "--out", os.path.join(self.dir, "results"))
        self.assert_code(done, 0)
        self.assertEqual(done.json["tool"], "audiostress replay")
        return done.json["bench"]["rows"]

    def refused(self, code, *args, says=""):
        done = self.perfctl("replay", *args, "--out", os.path.join(self.dir, "results"))
        self.assert_code(done, code)
        self.assertIn(says, done.err)

    @unittest.skipUnless(os.path.isdir(SHARED), f"no folder {SHARED}")
    def test_real_dumps(self):
        row = self.rows(SHARED + "/stereo_pcmu_jitter.rtp", "--pt", "125=PCMU/8000/2")[0]
        self.assertEqual([row[name] for name in ("packets", "lost", "reordered", "duplicates")], [2009, 53, 468, 0])
        self.assertAlmostEqual(row["jitter_max_ms"], 33.85, delta=0.15)
        self.assertGreater(row["concealed_samples"], 0)
        self.assertEqual(row["payload"], "PCMU/8000/2")
        again = self.rows(SHARED + "/stereo_pcmu_jitter.rtp", "--pt", "125=PCMU/8000/2")[0]
        self.assertEqual(row, again)
        # A depth above all delays leaves what was really lost.
        deep = self.rows(SHARED + "/stereo_pcmu_jitter.rtp", "--pt", "125=PCMU/8000/2", "--buffer", "400ms")[0]
        self.assertLess(deep["concealed_samples"], row["concealed_samples"])
        for buffer in ([], ["--buffer", "60"], ["--buffer", "20ms"]):
            clean = self.rows(SHARED + "/stereo_pcmu.rtp", "--pt", "125=PCMU/8000/2", *buffer)[0]
            self.assertEqual([clean[name] for name in ("packets", "lost", "concealed_samples", "jitter_max_ms")],
                             [2062, 0, 0, 0])
        call = self.rows(SHARED + "/g711a.pcap")[0]
        self.assertEqual([call[name] for name in ("packets", "lost", "payload", "format")], [236, 0, "PCMA/8000", "pcap"])
        speech = self.rows(SHARED + "/audio_long8mulaw.wav")[0]
        self.assertEqual((speech["lost"], speech["concealed_samples"], speech["payload"]), (0, 0, "PCMU/8000"))

    def test_unknown_types_are_counted(self):
        path = self.write("x.rtp", rtpdump([(20 * i, rtp(i, 160 * i, kind=96)) for i in range(50)]))
        done = self.perfctl("replay", path, "--json", "--out", os.path.join(self.dir, "results"))
        row = done.json["bench"]["rows"][0]
        self.assertEqual((row["packets"], row["lost"], row["undecodable"], row["concealed_samples"]), (50, 0, 50, None))
        self.assertIsNone(row["jitter_max_ms"])
        self.assertIn("payload type 96", done.err)
        row = self.rows(path, "--pt", "96=opus/48000/2")[0]
        self.assertIsNotNone(row["jitter_max_ms"])

    def test_streams_apart(self):
        packets = []
        for i in range(100):
            packets.append((i * 0.02, 4000, 5004, rtp(i, 160 * i, ssrc=1)))
            if i != 50:
                packets.append((i * 0.02, 4000, 5004, rtp(i, 160 * i, ssrc=2)))
            packets.append((i * 0.02, 4002, 5006, rtp(i, 160 * i, ssrc=1, kind=8)))
            packets.append((i * 0.02, 4001, 5005, b"\x80\xc8\x00\x01" + bytes(4)))
            packets.append((i * 0.02, 53, 53, bytes([i, 0x81]) + bytes(30)))
            packets.append((i * 0.02, 9, 9, rtp(7919 * i, i, ssrc=i)))  # looks like it, but is none
        rows = self.rows(self.write("x.pcap", pcap(packets)))
        self.assertEqual([row["stream"] for row in rows], ["all", "00000001", "00000002", "00000001"])
        self.assertEqual([row["packets"] for row in rows], [299, 100, 99, 100])
        self.assertEqual([row["lost"] for row in rows], [1, 0, 1, 0])
        self.assertEqual([row["concealed_samples"] for row in rows], [160, 0, 160, 0])
        self.assertEqual((rows[0]["rtcp_packets"], rows[0]["other_packets"], rows[0]["streams"]), (100, 200, 3))
        self.assertEqual((rows[3]["source"], rows[3]["payload"]), ("127.0.0.1:4002", "PCMA/8000"))

    def test_backward_jump(self):
        packets = [(20 * i, rtp(21000 + i, 160 * i)) for i in range(295)]
        packets += [(20 * i, rtp(12676 - 295 + i, 160 * i)) for i in range(295, 800)]
        row = self.rows(self.write("x.rtp", rtpdump(packets)))[0]
        self.assertEqual((row["packets"], row["lost"], row["restarts"]), (800, 0, 1))
        self.assertLess(row["jitter_max_ms"], 100)
        self.assertLess(row["concealed_samples"], 8000)

    def test_sound_through_a_network(self):
        path = os.path.join(self.dir, "tone.wav")
        with wave.open(path, "wb") as out:
            out.setparams((2, 2, 16000, 0, "NONE", ""))
            out.writeframes(b"".join(struct.pack("<hh", int(9000 * math.sin(i / 5)), 0) for i in range(16000 * 10)))
        row = self.rows(path)[0]
        self.assertEqual((row["packets"], row["lost"], row["concealed_samples"], row["format"]), (500, 0, 0, "wav"))
        bad = self.rows(path, "--loss", "10%", "--jitter", "20ms", "--seed", "3")[0]
        self.assertEqual(bad, self.rows(path, "--loss", "10%", "--jitter", "20ms", "--seed", "3")[0])
        self.assertNotEqual(bad, self.rows(path, "--loss", "10%", "--jitter", "20ms", "--seed", "4")[0])
        self.assertGreater(bad["lost"], 20)
        self.assertGreater(bad["reordered"], 20)
        self.assertGreaterEqual(bad["concealed_samples"], bad["lost"] * 320)

    def test_what_cannot_be_replayed(self):
        self.refused(65, self.write("empty", b""), says="neither an rtpdump nor a pcap nor a sound file")
        self.refused(65, self.write("text", b"hello, this is nothing of that kind"), says="neither")
        self.refused(65, self.write("none.rtp", rtpdump([])), says="without an RTP stream")
        self.refused(65, self.write("dns.pcap", pcap([(0, 53, 53, bytes(40))])), says="without an RTP stream")
        self.refused(65, self.write("bad.rtp", rtpdump([(0, rtp(1, 1))]) + bytes(8)), says="at byte")
        self.refused(65, os.path.join(self.dir, "absent"), says="No such file")
        done = self.perfctl("replay", "-", "--out", os.path.join(self.dir, "results"), stdin="RIFF and so on")
        self.assert_code(done, 65)
        self.assertIn("standard input: neither", done.err)
        self.refused(64, self.write("x.rtp", rtpdump([(0, rtp(1, 1))])), "--pt", "300=PCMU/8000", says="--pt")
        self.refused(64, "x", "--buffer", "soon", says="--buffer")
        self.refused(64, "x", "--period", "0", says="--period")
        whole = rtpdump([(20 * i, rtp(i, 160 * i)) for i in range(10)])
        row = self.rows(self.write("cut.rtp", whole[:-100]))[0]
        self.assertEqual((row["packets"], row["ends_early"]), (9, True))


def free_port():
    """An even one, whose neighbour for RTCP is free as well."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1] & ~1
            try:
                one.close()
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
                    again.bind(("127.0.0.1", port))
                    two.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def has(*programs):
    return all(shutil.which(program) for program in programs)


class Rtp(PerfctlCase):
    def rtp(self, *args):
        return ["rtp", *args, "--json", "--out", os.path.join(self.dir, "results")]

    def receive(self, sender, *args):
        """The first row of what `sender`, given a port, brings."""
        port = free_port()
        ear = self.start(*self.rtp("--receive", "--listen", f"127.0.0.1:{port}", "--duration", "60s", "--idle", "1s", *args))
        line = ""
        while "listening" not in line:
            line = ear.stderr.readline()
            self.assertTrue(line, "it ended before it listened")
        sent = subprocess.run(sender(port), capture_output=True, text=True, timeout=60, check=False, cwd=self.dir)
        self.assertIn(sent.returncode, (0, 75), sent.stderr)  # 75: ours, on a busy machine
        out, err = ear.communicate(timeout=90)
        self.assertEqual(ear.returncode, 0, err)
        return json.loads(out)["bench"]["rows"][0]

    def check(self, row, payload, packets):
        self.assertEqual((row["payload"], row["lost"], row["duplicates"], row["undecodable"], row["rcvbuf_errors"]),
                         (payload, 0, 0, 0, 0))
        self.assertGreaterEqual(row["packets"], packets)

    @unittest.skipUnless(has("ffmpeg"), "ffmpeg is not installed")
    def test_what_ffmpeg_sends(self):
        for codec, rate, channels, payload, more in (("pcm_mulaw", 8000, 1, "PCMU/8000", []),
                                                     ("pcm_alaw", 8000, 1, "PCMA/8000", []),
                                                     ("pcm_s16be", 44100, 2, "L16/44100/2", []),
                                                     ("pcm_s16be", 16000, 1, "L16/16000", ["--pt", "97=L16/16000"])):
            with self.subTest(payload):
                row = self.receive(lambda port, codec=codec, rate=rate, channels=channels: [
                    "ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}:duration=2",
                    "-ac", str(channels), "-c:a", codec, "-f", "rtp", f"rtp://127.0.0.1:{port}"], *more)
                self.check(row, payload, 10)  # of up to a KiB
                self.assertGreater(row["played_ms"], 1500)

    @unittest.skipUnless(has("gst-launch-1.0"), "GStreamer is not installed (gst-launch-1.0)")
    def test_what_gstreamer_sends(self):
        for caps, pay, payload, more in (("audio/x-raw,rate=8000,channels=1 ! mulawenc", "rtppcmupay", "PCMU/8000", []),
                                         ("audio/x-raw,rate=8000,channels=1 ! alawenc", "rtppcmapay", "PCMA/8000", []),
                                         ("audioconvert ! audio/x-raw,format=S16BE,rate=48000,channels=2", "rtpL16pay", "L16/48000/2",
                                          ["--pt", "96=L16/48000/2"])):
            with self.subTest(payload):
                row = self.receive(lambda port, caps=caps, pay=pay: (
                    f"gst-launch-1.0 -q audiotestsrc is-live=true num-buffers=100 samplesperbuffer=160 ! {caps} ! {pay} ! "
                    f"udpsink host=127.0.0.1 port={port}").split(), *more)
                self.check(row, payload, 20)

    @unittest.skipUnless(has("ffmpeg"), "ffmpeg is not installed")
    def test_ffmpeg_plays_what_is_sent(self):
        for codec, more in (("PCMU/8000", []), ("PCMA/8000", []), ("L16/48000/2", ["--send-pt", "111"])):
            with self.subTest(codec):
                port, sdp = free_port(), os.path.join(self.dir, "stream.sdp")
                mouth = self.start(*self.rtp("--send", "--to", f"127.0.0.1:{port}", "--codec", codec, "--sdp", sdp,
                                             "--duration", "60s", *more))
                end = time.monotonic() + 20
                while not os.path.exists(sdp) and time.monotonic() < end:
                    time.sleep(0.02)
                done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,rtp,udp", "-i", sdp, "-t", "1.5",
                                       "-ac", "1", "-ar", "8000", "-f", "s16le", "-"], capture_output=True, timeout=60, check=False)
                mouth.send_signal(signal.SIGINT)
                mouth.communicate(timeout=30)
                os.unlink(sdp)
                self.assertEqual(done.returncode, 0, done.stderr)
                samples = struct.unpack(f"<{len(done.stdout) // 2}h", done.stdout)
                self.assertGreaterEqual(len(samples), 8000)
                # A tone of 440 Hz crosses zero upwards so often; any gap or noise would be seen.
                ups = sum(a < 0 <= b for a, b in zip(samples, samples[1:]))
                self.assertAlmostEqual(ups / len(samples) * 8000, 440, delta=5)
                self.assertGreater(max(samples), 7000)

    def test_to_itself(self):
        for sockets in ("per-thread", "per-stream"):
            with self.subTest(sockets):
                done = self.perfctl(*self.rtp("--send", "--receive", "--streams", "50", "--duration", "1s", "--sockets", sockets))
                self.assertIn(done.code, (0, 75))  # 75: the machine was busy; no count is excused by it
                row = done.json["bench"]["rows"][0]
                self.assertEqual([row[name] for name in ("lost", "duplicates", "reordered", "unsent", "rcvbuf_errors", "socket_drops",
                                                         "other_packets")], [0] * 7)
                self.assertEqual(row["packets"], row["sent"])
                self.assertGreaterEqual(row["sent"], 2 * 50 * 40)
                self.assertGreater(row["cpu_us_per_packet"], 0)
                self.assertEqual(row["sockets"], 100 if sockets == "per-stream" else 2 * (os.cpu_count() or 1))
                audio = done.json["audio"]
                self.assertEqual((audio["streams"], audio["lost"], audio["torn"], audio["leaked"]), (50, 0, 0, 0))

    def test_one_sends_another_receives(self):
        for sockets in ("per-thread", "per-stream"):
            with self.subTest(sockets):
                row = self.receive(lambda port, sockets=sockets: [
                    PERFCTL, *self.rtp("--send", "--to", f"127.0.0.1:{port}", "--streams", "20", "--duration", "1s", "--sockets", sockets,
                                       "--quiet")],
                                   "--sockets", sockets, "--streams", "20")
                self.check(row, "", 20 * 40)

    def test_streams_that_are_fed_over_udp(self):
        done = self.perfctl("run", "--producer", "rtp", "--streams", "60", "--duration", "1s", "--buffer", "400ms", "--json",
                            "--out", os.path.join(self.dir, "results"))
        self.assertIn(done.code, (0, 75, 99))  # 99: the sender was kept from running for 200 ms
        audio = done.json["audio"]
        self.assertEqual((audio["streams"], audio["lost"], audio["torn"], audio["leaked"], audio["repeated"]), (60, 0, 0, 0, 0))
        self.assertEqual(audio["hot_allocs"], 0)
        self.assertGreater(audio["frames"], 60 * 40)
        self.assertLess(audio["underruns"]["frames"], audio["frames"] / 2)
        self.assert_code(self.perfctl("run", "--producer", "rtp", "--close", "0.5"), 64)
        self.assert_code(self.perfctl("run", "--producer", "rtp", "--virtual"), 64)

    def test_what_is_refused(self):
        for code, args, says in ((64, [], "--send, --receive or both"), (64, ["--send", "--to", "192.0.2.1:5004"], "--allow-host 192.0.2.1"),
                                 (64, ["--receive", "--listen", "0.0.0.0:5004"], "--allow-host"), (64, ["--send", "--to", "nowhere"], "nowhere"),
                                 (64, ["--send", "--codec", "G729/8000"], "--codec"), (64, ["--send", "--period", "0.5ms"], "milliseconds"),
                                 (64, ["--send", "--to", "127.0.0.1:0"], "port 0"), (64, ["--send", "--sdp", "-"], "--json"),
                                 (64, ["--send", "--duration", "0s"], "--duration"),
                                 (64, ["--send", "--streams", "0"], "--streams"), (64, ["--send", "--sockets", "many"], "--sockets"),
                                 (65, ["--send", "--file", "absent.wav"], "absent.wav")):
            with self.subTest(args):
                done = self.perfctl(*self.rtp(*args))
                self.assert_code(done, code)
                self.assertIn(says, done.err)


if __name__ == "__main__":
    main()

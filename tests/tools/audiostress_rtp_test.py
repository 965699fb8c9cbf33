# SPDX-License-Identifier: Apache-2.0
"""audiostress replay as its users call it: real dumps to the packet, made ones of every kind, exit codes."""
import math
import os
import struct
import unittest
import wave

from harness import SOURCE, PerfctlCase, main

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
        self.refused(64, self.write("x.rtp", rtpdump([(0, rtp(1, 1))])), "--pt", "300=PCMU/8000", says="--pt")
        self.refused(64, "x", "--buffer", "soon", says="--buffer")
        self.refused(64, "x", "--period", "0", says="--period")
        whole = rtpdump([(20 * i, rtp(i, 160 * i)) for i in range(10)])
        row = self.rows(self.write("cut.rtp", whole[:-100]))[0]
        self.assertEqual((row["packets"], row["ends_early"]), (9, True))


if __name__ == "__main__":
    main()

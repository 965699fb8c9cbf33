// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/cold_backlog.hpp"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libperf/audio/streams.hpp"

using namespace perf::audio;

namespace {

/// The samples of seven seconds of real speech, without the header of the file; or, where the
/// shared data is absent, of a tone with noise.
std::vector<std::byte> Speech() {
  std::ifstream file(PERF_AUDIO "/espeak_tts24k_s16_mono.wav", std::ios::binary);
  std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::byte> audio;
  if (text.size() > 100'000) {
    std::transform(text.begin() + 78, text.end(), std::back_inserter(audio),
                   [](char c) { return std::byte(static_cast<unsigned char>(c)); });
    audio.resize(audio.size() / 2 * 2);
    return audio;
  }
  MESSAGE("../shared/audio is absent: a tone stands in for speech");
  for (int i = 0; i < 7 * 24'000; ++i) {
    const auto sample = static_cast<std::int16_t>(8000 * std::sin(i * 0.05) + std::rand() % 64);
    audio.push_back(std::byte(sample & 0xff));
    audio.push_back(std::byte(sample >> 8 & 0xff));
  }
  return audio;
}

StreamRef OpenOne(Streams& streams) {
  Opened opened = streams.Open({});
  REQUIRE(opened);
  return opened.stream;
}

/// Plays all; Feed comes every second packet.
std::vector<std::byte> Play(Stream& stream, ColdBacklog& backlog) {
  std::vector<std::byte> out, packet(stream.PacketBytes());
  for (int i = 0; stream.Look(WaitKind::kPacket) != Readiness::kEnded; ++i) {
    REQUIRE(i < 2000);
    if (i % 2 == 0) backlog.Feed();
    if (stream.Read(packet)) out.insert(out.end(), packet.begin(), packet.end());
  }
  return out;
}

bool SameUpTo(std::span<const std::byte> in, std::span<const std::byte> out) {
  return out.size() >= in.size() && out.size() < in.size() + 960 &&
         std::memcmp(in.data(), out.data(), in.size()) == 0;
}

}  // namespace

TEST_CASE("cold backlog: a burst of seven seconds takes 60 % less than a vector of it") {
  Streams streams;
  const std::vector<std::byte> speech = Speech();
  std::vector<std::byte> naive;
  for (std::size_t at = 0; at < speech.size(); at += 960) {
    const std::size_t count = std::min<std::size_t>(960, speech.size() - at);
    naive.insert(naive.end(), speech.begin() + static_cast<std::ptrdiff_t>(at),
                 speech.begin() + static_cast<std::ptrdiff_t>(at + count));
  }
  const StreamRef stream = OpenOne(streams);
  ColdBacklog backlog(stream, {});
  std::uint64_t most = 0;
  for (std::size_t at = 0; at < speech.size(); at += 961) {
    const auto part = std::span(speech).subspan(at, std::min<std::size_t>(961, speech.size() - at));
    CHECK(backlog.Append(part) == part.size());
    most = std::max(most, backlog.MemoryBytes() + stream->UsedBytes());
  }
  backlog.Finish();
  const std::uint64_t now = backlog.MemoryBytes() + stream->UsedBytes();
  MESSAGE("naive ", naive.capacity() + 16, ", with cold data ", now, ", at most ", most);
  CHECK(static_cast<double>(most) <= 0.4 * static_cast<double>(naive.capacity() + 16));
  CHECK(SameUpTo(speech, Play(*stream, backlog)));
  CHECK(backlog.AudioBytes() == 0);
  CHECK(stream->Counts().underruns.packets == 0);
}

TEST_CASE("cold backlog: plain, in a file, and flushed") {
  Streams streams;
  const std::vector<std::byte> speech = Speech();
  for (const ColdKind cold : {ColdKind::kNone, ColdKind::kFlac}) {
    const StreamRef stream = OpenOne(streams);
    ColdBacklog::Options options;
    options.cold = cold;
    options.spill_above = 30'000;
    options.spill_directory = "/tmp";
    ColdBacklog backlog(stream, options);
    CHECK(backlog.Append(speech) == speech.size());
    CHECK(backlog.Totals().spilled > 0);
    CHECK(backlog.MemoryBytes() < 30'000 + 2 * 24'000 + 4096);
    stream->Flush();
    backlog.Feed();
    CHECK(backlog.AudioBytes() == 0);
    CHECK(stream->Fill() == 0);
    CHECK(backlog.Append(speech) == speech.size());
    backlog.Finish();
    CHECK(SameUpTo(speech, Play(*stream, backlog)));
  }
}

TEST_CASE("cold backlog: more than it may hold is lost, and counted") {
  Streams streams;
  const StreamRef stream = OpenOne(streams);
  ColdBacklog::Options options;
  options.cold = ColdKind::kNone;
  options.most_bytes = 100'000;
  ColdBacklog backlog(stream, options);
  const std::vector<std::byte> speech = Speech();
  const std::size_t kept = backlog.Append(speech);
  CHECK(kept < 120'000);
  CHECK(kept > 50'000);
  CHECK(backlog.Totals().lost_bytes == speech.size() - kept);
}

TEST_CASE("cold backlog: what it holds is taken from the budget that all streams share") {
  Streams streams({200'000, 100'000});
  const StreamRef stream = OpenOne(streams);
  const std::uint64_t alone = streams.Usage().reserved_bytes;
  const std::vector<std::byte> speech = Speech();
  {
    ColdBacklog::Options options;
    options.cold = ColdKind::kNone;
    options.totals = std::make_shared<ColdTotals>();
    ColdBacklog backlog(stream, options);
    const std::size_t kept = backlog.Append(speech);
    CHECK(kept > 100'000);
    CHECK(backlog.Totals().lost_bytes == speech.size() - kept);
    CHECK(streams.Usage().reserved_bytes >= alone + backlog.MemoryBytes());
    CHECK(streams.Usage().reserved_bytes <= 200'000);
    // So others find no room that is not there.
    std::vector<StreamRef> others;
    Opened opened;
    while ((opened = streams.Open({}))) others.push_back(opened.stream);
    CHECK(others.size() < 4);
    others.clear();
    backlog.Finish();
    const std::vector<std::byte> out = Play(*stream, backlog);
    CHECK(SameUpTo(std::span(speech).first(kept), out));
    CHECK(streams.Usage().reserved_bytes == alone);
    stream->Reset();
    CHECK(backlog.Append(std::span(speech).first(50'000)) == 50'000);
    CHECK(streams.Usage().reserved_bytes > alone);
    stream->Flush();
    backlog.Feed();
    CHECK(streams.Usage().reserved_bytes == alone);
    CHECK(backlog.Append(std::span(speech).first(50'000)) == 50'000);
  }
  CHECK(streams.Usage().reserved_bytes == alone);
}

// h2o #909, firebird #8048: a full disk under a mapped file is a SIGBUS.
TEST_CASE("cold backlog: a full disk is counted, and the stream goes on in memory") {
  std::string directory = "/tmp/perfkit-audio-XXXXXX";
  REQUIRE(mkdtemp(directory.data()) != nullptr);
  if (mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=1M") != 0) {
    rmdir(directory.c_str());
    MESSAGE("skipped: mounting a small tmpfs needs root");
    return;
  }
  {
    Streams streams;
    const StreamRef stream = OpenOne(streams);
    ColdBacklog::Options options;
    options.cold = ColdKind::kNone;
    options.spill_above = 10'000;
    options.spill_directory = directory;
    ColdBacklog backlog(stream, options);
    const std::vector<std::byte> speech = Speech();
    std::vector<std::byte> in;
    for (int i = 0; i < 8; ++i) {
      CHECK(backlog.Append(speech) == speech.size());
      in.insert(in.end(), speech.begin(), speech.end());
    }
    CHECK(backlog.Totals().spilled > 0);
    CHECK(backlog.Totals().spill_failures > 0);
    backlog.Finish();
    std::vector<std::byte> out, packet(960);
    while (stream->Look(WaitKind::kPacket) != Readiness::kEnded) {
      backlog.Feed();
      while (stream->Read(packet)) out.insert(out.end(), packet.begin(), packet.end());
    }
    CHECK(SameUpTo(in, out));
  }
  umount(directory.c_str());
  rmdir(directory.c_str());
}

TEST_CASE("spill file: limits and what cannot be") {
  std::vector<std::byte> some(1000, std::byte(7));
  SpillFile nowhere("/nonexistent", 1U << 20U);
  CHECK(!nowhere.Put(some));
  CHECK(nowhere.LastError().find("/nonexistent") != std::string::npos);
  SpillFile small("/tmp", 1500);
  CHECK(small.Put(some) == 0);
  CHECK(!small.Put(some));
  CHECK(small.LastError() == "the limit of 1.46 KiB is reached");
  small.Rewind();
  CHECK(small.Put(some) == 0);
  CHECK(!small.Get(5000, some));
}

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/bench/cache_chaos.hpp"
#include "libperf/bench/chaos_parts.hpp"
#include "libperf/bench/fork_crew.hpp"
#include "libperf/bench/frame_mutator.hpp"
#include "libperf/cache/frame.hpp"

using namespace perf;
using namespace perf::bench;

namespace {

std::string FrameOf(const std::string& key, const std::string& value, cache::Codec codec) {
  cache::Frame frame;
  frame.stamp = 77;
  frame.ttl = std::chrono::seconds(60);
  frame.tags = {{"", 3}, {"tag", 4}};
  frame.bytes = value;
  cache::CompressionOptions compression;
  compression.codec = codec;
  compression.threshold_bytes = 16;
  return cache::EncodeFrame(key, frame, compression);
}

}  // namespace

TEST_CASE("frames that were harmed decode to nothing, or to what they were") {
  Random random(3);
  const std::string value(300, 'x');
  int refused = 0, kept = 0;
  for (const cache::Codec codec : {cache::Codec::kNone, cache::Codec::kLz4, cache::Codec::kZstd}) {
    const std::string frame = FrameOf("key", value, codec);
    const std::string other = FrameOf("other", std::string(200, 'y'), codec);
    for (std::size_t harm = 0; harm < kFrameHarms; ++harm) {
      CAPTURE(Name(static_cast<FrameHarm>(harm)));
      for (int i = 0; i < 300; ++i) {
        const std::string harmed =
            HarmFrame(static_cast<FrameHarm>(harm), "key", frame, other, random);
        const auto decoded = cache::DecodeFrame("key", harmed, std::size_t{64} << 20);
        if (decoded) {
          CHECK(decoded->bytes == value);
          ++kept;
        } else {
          ++refused;
        }
      }
    }
  }
  CHECK(refused > 100 * kept);
}

TEST_CASE("forked processes: those that end well, that throw and that crash are told apart") {
  const SharedMemory memory(sizeof(std::atomic<int>));
  auto& called = *new (memory.Address()) std::atomic<int>(0);
  ForkCrew crew(3, [&](std::size_t number) {
    ++called;
    if (number == 1) throw Error("as asked");
    if (number == 2) ::raise(SIGKILL);
  });
  const ForkCrew::Ends ends = crew.Await(Deadline::After(Clock::now(), std::chrono::seconds(60)));
  CHECK(called == 3);
  CHECK(ends.well == 1);
  CHECK(ends.failed == 1);
  CHECK(ends.crashed == 1);
  CHECK(ends.running == 0);
}

TEST_CASE("versions as values") {
  CHECK(VersionOf(VersionText(42)) == 42);
  CHECK(VersionOf("version x") == 0);
  CHECK(VersionOf("other") == 0);
  StaleCount count{};
  cache::Answer answer;
  count.Judge(answer, 2, count.across);
  answer.status = cache::AnswerStatus::kFound;
  answer.value = cache::Value(VersionText(1));
  count.Judge(answer, 2, count.across);
  count.Judge(answer, 1, count.across);
  CHECK(count.reads == 3);
  CHECK(count.failed == 1);
  CHECK(count.across == 1);
}

TEST_CASE("chaos: a case that there is not") {
  CacheChaosOptions options;
  options.cases = {"tag-vs-lod"};
  CHECK_THROWS_WITH_AS(CacheChaos(options, Context{}), doctest::Contains("tag-vs-load"),
                       UsageError);
}

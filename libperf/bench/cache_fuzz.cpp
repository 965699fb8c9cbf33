// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_fuzz.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/fork_crew.hpp"
#include "libperf/bench/frame_mutator.hpp"
#include "libperf/bench/tier_calls.hpp"
#include "libperf/cache/cache.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kKeys = 64;  // of each thread
constexpr std::size_t kMostCrashes = 20;
constexpr Duration kPatience = std::chrono::seconds(10);

/// What became of the cases of one harm, in memory that outlives a crash.
struct Tally {
  std::atomic<std::uint64_t> cases, missed, found, wrong, thrown, late;
};
struct Board {
  std::atomic<std::uint64_t> next;  // the case that is begun next
  std::atomic<std::uint64_t> undecodable, voided, done_well;
  std::array<Tally, kFrameHarms> harms;
};

struct Sample {
  std::string key, value, frame;
};

std::string ValueFor(Random& random) {
  // Half of them compressible; up to 4 KiB, with the empty one among them.
  std::string value(static_cast<std::size_t>(random.Int(0, 1) * random.Int(0, 4096)), '\0');
  const bool text = random.Int(0, 1) == 1;
  for (char& byte : value)
    byte = static_cast<char>(text ? 'a' + random.Int(0, 3) : random.Int(0, 255));
  return value;
}

cache::CacheOptions Options(cache::Codec codec) {
  cache::CacheOptions options;
  options.name = "fuzz";
  options.max_entries = options.max_bytes = 0;  // every look-up is one of the second tier
  options.compression.codec = codec;
  options.compression.threshold_bytes = 64;
  options.tier.soft_timeout = options.tier.hard_timeout = kPatience;
  return options;
}

/// Real frames: written by a cache, read back as they are.
std::vector<Sample> Samples(const TierServer& server, std::size_t thread, Random random) {
  const auto tier = server.Tier("fuzz");
  AwaitCoherent(*tier, Deadline::After(Clock::now(), kPatience));
  std::vector<Sample> samples;
  for (const cache::Codec codec : {cache::Codec::kNone, cache::Codec::kLz4, cache::Codec::kZstd}) {
    cache::Cache writer(Options(codec), tier);
    for (std::size_t i = 0; i < kKeys / 3 + 1; ++i) {
      Sample sample{fmt::format("{}-{}", thread, samples.size()), ValueFor(random), {}};
      cache::EntryOptions entry;
      for (std::int64_t tag = random.Int(0, 3); tag > 0; --tag) {
        entry.tags.push_back(fmt::format("tag{}", tag));
      }
      const Deadline deadline = Deadline::After(Clock::now(), kPatience);
      writer.Set(sample.key, sample.value, deadline, &entry);
      sample.frame = TierGet(*tier, sample.key, deadline).bytes;
      if (sample.frame.empty()) throw Error("what was set is not in the second tier");
      samples.push_back(std::move(sample));
    }
  }
  return samples;
}

void Case(const Sample& sample, std::string_view other, cache::Cache& reader,
          cache::SecondTier& tier, FrameHarm harm, Random& random, Board& board) {
  Tally& tally = board.harms[static_cast<std::size_t>(harm)];
  ++tally.cases;
  const std::string frame = HarmFrame(harm, sample.key, sample.frame, other, random);
  const Deadline deadline = Deadline::After(Clock::now(), kPatience);
  const auto put = TierSet(tier, sample.key, frame, std::chrono::minutes(1), deadline);
  if (put.status != cache::TierStatus::kOk) {
    ++tally.late;
    return;
  }
  try {
    const cache::Answer answer = reader.Get(sample.key, deadline);
    if (answer.status == cache::AnswerStatus::kAbsent) {
      ++tally.missed;
    } else if (answer.Found()) {
      ++(answer.value.Bytes() == sample.value ? tally.found : tally.wrong);
    } else {
      ++(answer.status == cache::AnswerStatus::kNegative ? tally.wrong : tally.late);
    }
  } catch (const std::exception&) {
    ++tally.thrown;
  }
}

/// One thread: its own keys, so that nobody else writes what it is about to read.
void Fuzz(const TierServer& server, const CacheFuzzOptions& options, std::size_t thread,
          std::uint64_t seed, Board& board) {
  Random random = Random(seed).Fork(thread + board.next.load());
  const std::vector<Sample> samples = Samples(server, thread, random.Fork(1));
  const auto writing = server.Tier("fuzz");
  const auto reading = server.Tier("fuzz");
  cache::Cache reader(Options(cache::Codec::kNone), reading);
  AwaitCoherent(*writing, Deadline::After(Clock::now(), kPatience));
  AwaitCoherent(*reading, Deadline::After(Clock::now(), kPatience));
  // In turns, so that the removal of a bad frame is over before its key is used again.
  for (std::size_t at = 0;; at = (at + 1) % samples.size()) {
    const std::uint64_t number = board.next++;
    if (number >= options.cases) break;
    const Sample& other = samples[(at + 1) % samples.size()];
    Case(samples[at], other.frame, reader, *writing, static_cast<FrameHarm>(number % kFrameHarms),
         random, board);
  }
  const cache::CacheStats stats = reader.Stats();
  board.undecodable += stats.tier_undecodable;
  board.voided += stats.tier_void;
}

void BeFuzzer(const TierServer& server, const CacheFuzzOptions& options, std::uint64_t seed,
              Board& board) {
  std::atomic<bool> failed{false};
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < options.threads; ++thread) {
      threads.emplace_back([&, thread] {
        try {
          Fuzz(server, options, thread, seed, board);
        } catch (const std::exception& error) {
          Log(LogLevel::kError, "fuzz-l2: {}", error.what());
          failed = true;
        }
      });
    }
  }
  if (failed) throw Error("a thread could not go on");
}

void Report(const Board& board, std::uint64_t crashes, std::uint64_t failures, Findings& findings) {
  std::uint64_t cases = 0, missed = 0, wrong = 0, thrown = 0, late = 0;
  for (std::size_t i = 0; i < kFrameHarms; ++i) {
    const Tally& tally = board.harms[i];
    Json row = Json::MakeObject();
    row["harm"] = Name(static_cast<FrameHarm>(i));
    row["cases"] = tally.cases.load();
    row["missed"] = tally.missed.load();
    row["found"] = tally.found.load();
    row["wrong_values"] = tally.wrong.load();
    row["thrown"] = tally.thrown.load();
    row["late"] = tally.late.load();
    findings.AddRow(std::move(row));
    cases += tally.cases, missed += tally.missed, wrong += tally.wrong;
    thrown += tally.thrown, late += tally.late;
  }
  const std::uint64_t counted = board.undecodable.load() + board.voided.load();
  findings.Never("crashes", crashes, cases);
  findings.Never("wrong_values", wrong, cases);
  findings.Never("exceptions that reached the caller", thrown, cases);
  findings.Never("look-ups without an answer", late, cases);
  findings.Never("misses that were not counted", missed - std::min(counted, missed), cases);
  findings.Never("processes that could not go on", failures, cases);
}

}  // namespace

load::Result CacheFuzzL2(const CacheFuzzOptions& options, const Context& context) {
  Findings findings("cachebench", "fuzz-l2", context.seed);
  const TierServer server(options.server);
  const SharedMemory memory(sizeof(Board));
  Board& board = *new (memory.Address()) Board{};
  std::uint64_t crashes = 0, failures = 0;
  context.Phase(fmt::format("{} damaged frames through Redis", options.cases));
  while (board.next < options.cases && crashes + failures < kMostCrashes && !context.Stopped()) {
    ForkCrew crew(1, [&](std::size_t) { BeFuzzer(server, options, context.seed, board); });
    ForkCrew::Ends ends = crew.Await(Deadline::After(Clock::now(), std::chrono::milliseconds(100)));
    while (ends.running > 0 && !context.Stopped()) {
      ends = crew.Await(Deadline::After(Clock::now(), std::chrono::milliseconds(100)));
    }
    crashes += ends.crashed;
    failures += ends.failed;
  }
  Report(board, crashes, failures, findings);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench

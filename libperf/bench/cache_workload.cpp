// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kRequests = std::size_t{1} << 20;
constexpr std::size_t kScan = 1000;

void Check(const CacheWorkloadOptions& options) {
  const auto require = [](bool holds, const std::string& what) {
    if (!holds) throw UsageError(what);
  };
  const auto one_of = [](const std::string& word, std::initializer_list<const char*> words) {
    return std::ranges::any_of(words, [&](const char* one) { return word == one; });
  };
  require(one_of(options.distribution, {"zipf", "uniform", "scan", "hotspot", "mixed"}),
          "the distribution is one of zipf, uniform, scan, hotspot, mixed");
  require(one_of(options.value_sizes, {"fixed", "uniform", "pareto"}),
          "the distribution of value sizes is one of fixed, uniform, pareto");
  require(options.keys >= 1 && options.keys <= (1U << 30), "from 1 to 2^30 keys");
  require(options.key_bytes >= 8 && options.key_bytes <= 250, "keys have 8 to 250 bytes");
  require(options.writes + options.removes <= 100, "writes and removes are at most 100 percent");
  require(options.value_min >= 4 && options.value_min <= options.value_max &&
              options.value_max <= (1U << 30),
          "values have 4 bytes at least and 1 GiB at most, and the smallest comes first");
  require(std::isfinite(options.zipf) && options.zipf >= 0, "the exponent of zipf is 0 or more");
}

/// Eight of the digits tell all keys apart.
void WriteKey(char* to, std::size_t bytes, std::uint64_t number) {
  for (std::size_t i = bytes; i-- > 0; number /= 16) to[i] = "0123456789abcdef"[number % 16];
}

/// The numbers that a thread asks for, one after another.
class Draws {
 public:
  Draws(const CacheWorkloadOptions& options, Random random)
      : options_(options),
        random_(random),
        zipf_(static_cast<std::int64_t>(options.keys), options.zipf),
        last_(static_cast<std::int64_t>(options.keys) - 1),
        scan_(random_.Int(0, last_)) {}

  /// By popularity, 0 first.
  std::uint32_t Next() {
    if (options_.distribution == "uniform") return Number(random_.Int(0, last_));
    if (options_.distribution == "scan") return Scan();
    if (options_.distribution == "hotspot") return Hot();
    if (options_.distribution == "mixed") {
      if (left_ == 0 && random_.Int(0, 9 * kScan) == 0) {
        left_ = kScan;
        scan_ = random_.Int(0, last_);
      }
      if (left_ > 0) return --left_, Scan();
    }
    return Number(zipf_.Draw(random_) - 1);
  }

 private:
  static std::uint32_t Number(std::int64_t value) { return static_cast<std::uint32_t>(value); }
  std::uint32_t Scan() {
    scan_ = scan_ < last_ ? scan_ + 1 : 0;
    return Number(scan_);
  }
  std::uint32_t Hot() {
    const std::int64_t hot = last_ / 5;
    const bool in_hot = random_.Int(1, 100) <= 80 || hot >= last_;
    return Number(in_hot ? random_.Int(0, hot) : random_.Int(hot + 1, last_));
  }

  const CacheWorkloadOptions& options_;
  Random random_;
  Zipf zipf_;
  std::int64_t last_;
  std::int64_t scan_;
  std::size_t left_ = 0;
};

}  // namespace

CacheWorkload::CacheWorkload(const CacheWorkloadOptions& options, std::uint64_t seed)
    : options_(options), seed_(seed) {
  Check(options);
  Random random = Random(seed).Fork(0);
  keys_.resize(options.keys * options.key_bytes);
  ranks_.resize(options.keys);
  std::iota(ranks_.begin(), ranks_.end(), 0);
  for (std::size_t i = ranks_.size(); i > 1; --i) {
    std::swap(ranks_[i - 1],
              ranks_[static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(i) - 1))]);
  }
  for (std::size_t i = 0; i < options.keys; ++i) {
    WriteKey(keys_.data() + i * options.key_bytes, options.key_bytes, i);
  }
  if (options.value_sizes == "fixed") return;
  sizes_.resize(options.keys);
  const auto low = static_cast<double>(options.value_min);
  const auto high = static_cast<double>(options.value_max);
  for (std::uint32_t& size : sizes_) {
    const double unit = random.Unit();
    const double drawn = options.value_sizes == "uniform"
                             ? low + unit * (high - low + 1)
                             : low / (1 - unit * (1 - low / high));  // Pareto, cut off at high
    size = static_cast<std::uint32_t>(std::clamp(drawn, low, high));
  }
}

std::vector<CacheWorkload::Request> CacheWorkload::Requests(std::size_t thread) const {
  Draws draws(options_, Random(seed_).Fork(2 * thread + 1));
  Random actions = Random(seed_).Fork(2 * thread + 2);
  const bool scan = options_.distribution == "scan";
  std::vector<Request> requests(kRequests);
  for (Request& request : requests) {
    const std::uint32_t drawn = draws.Next();
    const auto percent = static_cast<unsigned>(actions.Int(0, 99));
    Action action = Action::kRead;
    if (percent < options_.writes + options_.removes) action = Action::kRemove;
    if (percent < options_.writes) action = Action::kWrite;
    request = (scan ? drawn : ranks_[drawn]) << 2 | static_cast<Request>(action);
  }
  return requests;
}

}  // namespace perf::bench

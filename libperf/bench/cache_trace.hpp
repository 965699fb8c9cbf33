// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/cache/sim.hpp"
#include "libperf/cache/trace.hpp"

namespace perf::bench {

/// A trace that a verb of cachebench reads, maybe several times.
/// Thread safety: none. Lifetime: outlives what Opener gave, which refers to it.
class PERF_EXPORT TraceFile {
 public:
  /// `path` "-": standard input. With `again` what comes from there is held in memory (16 bytes a
  /// request) when it is first read, since it comes only once; `say` is told so.
  TraceFile(std::string path, cache::TraceOptions options, bool again,
            std::function<void(const std::string&)> say);

  /// The file's name without its directory.
  const std::string& Name() const noexcept { return name_; }
  cache::TraceOpener Opener();
  /// Of what was opened last.
  cache::TraceFormat Format() const noexcept { return format_; }
  bool HasSizes() const noexcept { return has_sizes_; }

 private:
  std::unique_ptr<cache::TraceReader> Open();
  void Hold();

  std::string path_, name_;
  cache::TraceOptions options_;
  bool hold_;
  bool held_ = false;
  std::function<void(const std::string&)> say_;
  cache::TraceFormat format_ = cache::TraceFormat::kAuto;
  bool has_sizes_ = false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> requests_;  // id, size
};

/// Throws: UsageError, which names what was probably meant, for a policy that no simulation has.
/// "all" stands for all of them, "online" for those that a cache can have.
PERF_EXPORT std::vector<std::string> SimPolicyNames(const std::vector<std::string>& words);
/// `word`, which has to be one that a cache can have. Throws: UsageError.
PERF_EXPORT std::string OnlinePolicyName(const std::string& word);
/// Of --format. Throws: UsageError, which names what was probably meant.
PERF_EXPORT cache::TraceFormat TraceFormatOf(const std::string& word);

}  // namespace perf::bench

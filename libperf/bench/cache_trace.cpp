// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/cache_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/cache/policy/policy.hpp"

namespace perf::bench {
namespace {

/// More would be 16 GiB; whoever has that much has a file, too.
constexpr std::size_t kMostHeld = std::size_t{1} << 30;

/// What was held of a trace, again.
class HeldReader final : public cache::TraceReader {
 public:
  using Held = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  HeldReader(const Held& requests, cache::TraceFormat format, bool has_sizes)
      : requests_(requests), format_(format), has_sizes_(has_sizes) {}

  std::size_t Read(std::span<cache::Request> into) override {
    const std::size_t count = std::min(into.size(), requests_.size() - at_);
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [id, size] = requests_[at_++];
      into[i] = {id, size, cache::TraceOp::kGet};
    }
    return count;
  }
  cache::TraceFormat Format() const noexcept override { return format_; }
  const std::string& Guess() const noexcept override { return guess_; }
  bool HasSizes() const noexcept override { return has_sizes_; }

 private:
  const Held& requests_;
  cache::TraceFormat format_;
  bool has_sizes_;
  std::size_t at_ = 0;
  std::string guess_;
};

/// "; did you mean 'lru'?", or nothing.
std::string Hint(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view meant = Suggest(word, known);
  return meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant);
}

}  // namespace

TraceFile::TraceFile(std::string path, cache::TraceOptions options, bool again,
                     std::function<void(const std::string&)> say)
    : path_(std::move(path)),
      name_(path_.substr(path_.find_last_of('/') + 1)),
      options_(std::move(options)),
      hold_(again && (path_ == "-" || path_ == "/dev/stdin")),
      say_(std::move(say)) {}

cache::TraceOpener TraceFile::Opener() {
  return [this] { return Open(); };
}

std::unique_ptr<cache::TraceReader> TraceFile::Open() {
  if (hold_) {
    if (!held_) Hold();
    return std::make_unique<HeldReader>(requests_, format_, has_sizes_);
  }
  auto reader = cache::OpenTrace(path_, options_);
  format_ = reader->Format();
  has_sizes_ = reader->HasSizes();
  return reader;
}

void TraceFile::Hold() {
  const auto reader = cache::OpenTrace(path_, options_);
  if (say_ && !reader->Guess().empty()) say_(reader->Guess());
  if (say_) say_("reading standard input to its end, since it is needed several times");
  format_ = reader->Format();
  has_sizes_ = reader->HasSizes();
  std::array<cache::Request, 4096> batch;
  while (const std::size_t count = reader->Read(batch)) {
    for (std::size_t i = 0; i < count; ++i) {
      // Writes and deletes of a live sample say nothing about what is looked up.
      if (batch[i].op == cache::TraceOp::kGet) requests_.emplace_back(batch[i].id, batch[i].size);
    }
    if (requests_.size() > kMostHeld) {
      throw ConfigError("standard input: more than 2^30 requests; write them to a file");
    }
  }
  held_ = true;
  if (say_) {
    say_(fmt::format("held {} requests, {}", requests_.size(),
                     FormatBytes(requests_.capacity() * sizeof requests_.front())));
  }
}

std::vector<std::string> SimPolicyNames(const std::vector<std::string>& words) {
  const std::vector<std::string_view> known = cache::SimPolicies();
  std::vector<std::string> names;
  const auto add = [&](std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  };
  for (const std::string& word : words) {
    if (word == "all") {
      for (const std::string_view name : known) add(name);
    } else if (word == "online") {
      for (const cache::PolicyKind& kind : cache::PolicyKinds()) {
        if (kind.online) add(kind.name);
      }
    } else if (std::find(known.begin(), known.end(), word) != known.end()) {
      add(word);
    } else {
      throw UsageError(fmt::format("--policy {}: there is no such policy{}", Excerpt(word, 40),
                                   Hint(word, known)));
    }
  }
  return names;
}

std::string OnlinePolicyName(const std::string& word) {
  const std::vector<std::string> online = SimPolicyNames({"online"});
  if (std::find(online.begin(), online.end(), word) == online.end()) {
    const std::vector<std::string_view> known(online.begin(), online.end());
    throw UsageError(
        fmt::format("--policy {}: no cache can have it{}", Excerpt(word, 40), Hint(word, known)));
  }
  return word;
}

cache::TraceFormat TraceFormatOf(const std::string& word) {
  if (const auto known = cache::ParseTraceFormat(word)) return *known;
  throw UsageError(fmt::format("--format {}: there is no such format{}", Excerpt(word, 40),
                               Hint(word, cache::TraceFormatNames())));
}

}  // namespace perf::bench

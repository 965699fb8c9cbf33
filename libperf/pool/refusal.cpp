// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/refusal.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace perf::pool {
namespace {

struct Words {
  std::string_view name;
  std::string_view text;
};
constexpr std::array<Words, kCauses> kWords{{
    {"none", "nothing is wrong"},
    {"held", "all connections are in use"},
    {"connecting", "the connection that is being made was not ready in time"},
    {"down", "the target is down"},
    {"breaker_open", "the circuit breaker is open"},
    {"paused", "the pool is paused"},
    {"closed", "the pool is closed"},
    {"queue_full", "too many are waiting already"},
    {"forked", "this process is a child of the one that made the pool"},
}};

std::string_view FileOf(const std::source_location& where) noexcept {
  const std::string_view path = where.file_name();
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

std::string_view Name(Cause cause) noexcept { return kWords[static_cast<std::size_t>(cause)].name; }

std::string Text(const Refusal& refusal) {
  const Counts& counts = refusal.counts;
  std::string text = fmt::format("pool {}: {}", refusal.pool,
                                 kWords[static_cast<std::size_t>(refusal.cause)].text);
  if (refusal.waited > Duration::zero()) {
    text += fmt::format(" after {:.4g} ms", ToMs(refusal.waited));
  }
  if (refusal.cause == Cause::kForked) return text;  // the figures are the parent's
  text += fmt::format(" (in use {}, idle {}, connecting {}, waiting {}, max {}", counts.in_use,
                      counts.idle, counts.dialling, counts.waiting, refusal.max);
  if (refusal.oldest.where.line() != 0) {
    text += fmt::format("; held longest by {}:{}, for {:.4g} ms", FileOf(refusal.oldest.where),
                        refusal.oldest.where.line(), ToMs(refusal.oldest.age));
  }
  text += ')';
  if (!refusal.connect_error.empty()) {
    text += fmt::format("; last connect error: {}", refusal.connect_error);
  }
  return text;
}

PoolError::PoolError(Refusal refusal) : Error(Text(refusal)), refusal_(std::move(refusal)) {}

PoolError::~PoolError() = default;

}  // namespace perf::pool

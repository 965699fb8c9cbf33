// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/failure_text.hpp"

#include <fmt/format.h>

#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {

std::string FailureText(std::string_view text) {
  constexpr std::size_t kMaxBytes = 400;
  // Cut before masking as well: a server may send megabytes.
  return Excerpt(MaskSecrets(Trim(text.substr(0, 4 * kMaxBytes))), kMaxBytes);
}

std::string TimeoutText(const EventLoop& loop, std::string_view doing) {
  return fmt::format("{} while {}", loop.Cancelled() ? "the run ended" : "timed out", doing);
}

}  // namespace perf::backends

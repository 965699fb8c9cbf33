// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::load {

/// The commented first scenario that `perfctl init` writes: complete, and it runs as it stands.
/// Thread safety: a constant.
PERF_EXPORT std::string_view StarterScenario() noexcept;

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace perf::monitor::alerts {

/// A letter or '_', then letters, digits and '_': label names, and metric names without ':'.
bool IsLabelName(std::string_view text) noexcept;

}  // namespace perf::monitor::alerts

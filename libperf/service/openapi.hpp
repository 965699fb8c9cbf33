// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::service {

/// The description of the REST API, openapi.json as it is installed.
PERF_EXPORT std::string_view OpenApi() noexcept;

}  // namespace perf::service

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"

namespace perf::config {

/// `node` with ${env.NAME}, ${env.NAME:-default} and ${file:PATH} of its scalars resolved; every
/// other ${…} and "$$" stay as they are. The keys of a map and the value of its key `skip`
/// stay, too. What cannot be resolved is reported, left out and marks its
/// scalar as Unresolved().
/// Shared nodes stay shared, so the work is bound by the text, not by what aliases expand to.
Node Interpolate(const Node& node, const LoadOptions& options, Diagnostics& diagnostics,
                 std::string_view skip = {});

/// The environment of the process unless `options` bring their own.
std::optional<std::string> LookUp(const LoadOptions& options, const std::string& name);

/// Why `path` is no file that can be read to its end, or empty.
std::string FileFault(const std::string& path);

}  // namespace perf::config

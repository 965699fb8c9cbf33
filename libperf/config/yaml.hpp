// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"
#include "libperf/config/yaml_input.hpp"

namespace perf::config {

/// What all files of one document may use together.
struct NodeBudget {
  std::size_t nodes = kMaxNodes;
  std::size_t alias_nodes = kMaxAliasNodes;
  std::size_t bytes = kMaxFileBytes;
  std::size_t plain_bytes = kMaxPlainBytes;
};

/// The tree of one YAML text, as written; nothing (and a diagnostic) when it is refused.
/// Merge keys (`<<`) are resolved; duplicate keys, odd keys and tags are reported, and the
/// first of a duplicate stays.
std::optional<Node> ParseYaml(const std::shared_ptr<const Source>& source, NodeBudget& budget,
                              Diagnostics& diagnostics);

}  // namespace perf::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "libperf/config/diagnostics.hpp"
#include "libperf/config/document.hpp"

namespace perf::config::test {

/// Options whose environment is `values` and nothing else.
inline LoadOptions With(std::map<std::string, std::string> values) {
  LoadOptions options;
  options.environment = [values](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
  return options;
}

/// The tree of a text that must be without fault.
Document Good(const std::string& text, const LoadOptions& options = With({}));
/// What is said of a text.
std::string Complaints(const std::string& text, const LoadOptions& options = With({}));

/// A directory of its own, removed at the end.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  /// Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& text) const;
  const std::string& Path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace perf::config::test

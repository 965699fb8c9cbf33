// SPDX-License-Identifier: Apache-2.0
#include "libperf/config/source.hpp"

#include <fmt/format.h>

#include <utility>

namespace perf::config {

Source::Source(std::string name, std::string text, std::string directory)
    : name_(std::move(name)), text_(std::move(text)), directory_(std::move(directory)) {
  starts_.push_back(0);
  for (std::size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1)) {
    starts_.push_back(at + 1);
  }
}

std::string_view Source::Line(int number) const noexcept {
  if (number < 1 || number > Lines()) return {};
  const std::size_t start = starts_[static_cast<std::size_t>(number) - 1];
  const std::size_t end =
      number < Lines() ? starts_[static_cast<std::size_t>(number)] - 1 : text_.size();
  std::string_view line = std::string_view(text_).substr(start, end - start);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string Place::Describe() const {
  const std::string name = source ? source->Name() : "(no file)";
  return line > 0 ? fmt::format("{}:{}:{}", name, line, column) : name;
}

std::string Place::Resolve(std::string_view path) const {
  if (!source || source->Directory().empty() || path.starts_with('/')) return std::string(path);
  return fmt::format("{}/{}", source->Directory(), path);
}

}  // namespace perf::config

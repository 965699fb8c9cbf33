// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "libperf/base/text.hpp"

namespace test {

/// A file of the folder of real recordings beside the checkout, which are no part of it; "" where
/// it is absent.
inline std::string SharedAudio(const std::string& name) {
  std::error_code error;
  const std::string path = std::string(PERF_AUDIO "/") + name;
  if (std::filesystem::is_regular_file(path, error)) return path;
  MESSAGE("skipped: no file " << path);
  return "";
}

/// Its bytes; "" where it is absent.
inline std::string SharedAudioBytes(const std::string& name) {
  const std::string path = SharedAudio(name);
  return path.empty() ? "" : perf::ReadFile(path, 64U << 20);
}

}  // namespace test

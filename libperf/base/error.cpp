// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/error.hpp"

#include <exception>

namespace perf {

Error::~Error() = default;
UsageError::~UsageError() = default;
ConfigError::~ConfigError() = default;
UnreachableError::~UnreachableError() = default;
OutputError::~OutputError() = default;
IoError::~IoError() = default;

std::string ThrownText() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "what was thrown is no std::exception";
  }
}

std::string_view Name(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kNone: return "none";
    case ErrorKind::kConnect: return "connect";
    case ErrorKind::kTimeout: return "timeout";
    case ErrorKind::kProtocol: return "protocol";
    case ErrorKind::kStatus: return "status";
    case ErrorKind::kCheck: return "check";
  }
  return "none";
}

}  // namespace perf

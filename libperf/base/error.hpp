// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf {

/// What every exception of perfkit derives from; `what()` names the place and the remedy.
class PERF_EXPORT Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  // Out of line, so that the type information lives in one shared object and a
  // catch in another one matches.
  ~Error() override;
};

/// The command line is wrong (exit code 64).
class PERF_EXPORT UsageError : public Error {
 public:
  using Error::Error;
  ~UsageError() override;
};

/// A scenario, configuration or input file is invalid (exit code 65).
class PERF_EXPORT ConfigError : public Error {
 public:
  using Error::Error;
  ~ConfigError() override;
};

/// A target could not be reached before the run started (exit code 69).
class PERF_EXPORT UnreachableError : public Error {
 public:
  using Error::Error;
  ~UnreachableError() override;
};

/// Output could not be written (exit code 73).
class PERF_EXPORT OutputError : public Error {
 public:
  using Error::Error;
  ~OutputError() override;
};

/// A call to a foreign process or library failed in a way its caller cannot expect there.
class PERF_EXPORT IoError : public Error {
 public:
  using Error::Error;
  ~IoError() override;
};

/// What the exception that is being handled says, whatever it is. Only inside of a catch block.
PERF_EXPORT std::string ThrownText();

/// Why one request failed; the names are those of `requests.errors` in the result.
enum class ErrorKind : std::uint8_t { kNone, kConnect, kTimeout, kProtocol, kStatus, kCheck };
inline constexpr int kErrorKinds = 6;

/// "none", "connect", "timeout", "protocol", "status" or "check".
PERF_EXPORT std::string_view Name(ErrorKind kind) noexcept;

}  // namespace perf

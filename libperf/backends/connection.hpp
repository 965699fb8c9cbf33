// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/pool/resource.hpp"

namespace perf::backends {

/// Why a request or a dial failed; `kind` is kNone where it did not.
/// `text` says what came back, without secrets, and is bounded by its writer (at most 512 bytes).
struct Failure {
  ErrorKind kind = ErrorKind::kNone;
  std::string text;
  explicit operator bool() const noexcept { return kind != ErrorKind::kNone; }
  void Clear() noexcept {
    kind = ErrorKind::kNone;
    text.clear();
  }
};

/// When a request went out and came back. `sent` is read right before the first write of the
/// request, `done` right after its last byte was read (or its failure was seen).
struct Timing {
  TimePoint sent{};
  TimePoint first_byte{};
  TimePoint done{};
};

/// One connection to one target, used by one request at a time.
/// Thread safety: none; it stays on the loop that dialled it, and is destroyed there.
/// Alive() polls and peeks: readable while idle means end of file or a stray reply.
class Connection : public pool::Resource {};

/// What a dial gave: a connection, or why there is none.
template <typename T>
struct Dialled {
  std::unique_ptr<T> connection;
  Failure failure;
};

}  // namespace perf::backends

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/base/export.hpp"

namespace perf::audio {

/// A small number of each thread, for what is kept one a thread: those of threads that live at the
/// same time differ, and a number is used again after its thread's end.
/// Thread safety: all.
class PERF_EXPORT ThreadNumber {
 public:
  static constexpr std::uint32_t kThreads = 64;

  /// Below kThreads; or kThreads, for threads beyond those and for one that is at its end.
  static std::uint32_t Mine() noexcept {
    const std::uint32_t mine = mine_;
    return mine != kUnknown ? mine : Register();
  }

 private:
  struct Leave;
  static constexpr std::uint32_t kUnknown = ~std::uint32_t{0};
  static std::uint32_t Register() noexcept;

  static thread_local constinit std::uint32_t mine_ __attribute__((tls_model("initial-exec")));
};

}  // namespace perf::audio

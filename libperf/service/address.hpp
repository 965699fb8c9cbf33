// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"

namespace perf::service {

/// Where the service listens or is asked: a numeric address, never a name, so that nobody else
/// decides whether it is loopback.
struct Address {
  std::string host;  // "127.0.0.1" or "::1", without brackets
  std::uint16_t port = 0;
  bool loopback = false;
};

/// "127.0.0.1:9464", "[::1]:9464", "0.0.0.0:9464", and "localhost:9464" for 127.0.0.1; port 0 takes
/// a free one. Nothing for any other text.
PERF_EXPORT std::optional<Address> ParseAddress(std::string_view text);
/// As ParseAddress reads it.
PERF_EXPORT std::string Text(const Address& address);

}  // namespace perf::service

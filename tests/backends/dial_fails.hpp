// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "real_servers.hpp"

namespace perf::backends::test {

/// A dial that fails, and says why with `needle` in it and without a secret.
template <typename Connector>
Task<void> DialFails(Connector& connector, std::string needle) {
  auto dialled = co_await connector.Dial(Soon());
  CHECK(dialled.connection == nullptr);
  CHECK(dialled.failure.kind == ErrorKind::kConnect);
  CAPTURE(dialled.failure.text);
  CHECK(dialled.failure.text.find(needle) != std::string::npos);
  CHECK(dialled.failure.text.find("wrong-secret") == std::string::npos);
}

}  // namespace perf::backends::test

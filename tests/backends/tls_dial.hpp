// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "real_servers.hpp"

namespace perf::backends::test {

/// What a dial gave: "" where `use` had nothing to say of the session, or why there is none.
template <typename Connector, typename Use>
Task<void> DialOnce(Connector connector, Use use, std::string& text) {
  auto dialled = co_await connector->Dial(Soon());
  CHECK((dialled.connection != nullptr) == !dialled.failure);
  text = dialled.failure.text;
  if (dialled.failure) {
    CHECK(dialled.failure.kind == ErrorKind::kConnect);
    co_return;
  }
  co_await use(*dialled.connection, text);
}

/// DialOnce with what `make(loop)` makes, on a loop of its own. No text has the wrong password.
template <typename Make, typename Use>
std::string TryDial(Make make, Use use) {
  EventLoop loop;
  std::string text;
  RunOn(loop, DialOnce(make(loop), use, text));
  CHECK(text.find("wrong-secret") == std::string::npos);
  return text;
}

inline void Says(const std::string& text, std::string_view part) {
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

}  // namespace perf::backends::test

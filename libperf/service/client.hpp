// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::service {

/// One question to one agent.
struct Question {
  std::string socket{};  // path of a unix socket; else TCP:
  std::string host{};    // numeric
  std::uint16_t port = 0;
  std::string method = "GET";
  std::string target = "/";
  std::string token{};
  std::string body{};  // JSON, where not empty
};

struct Answer {
  std::string error{};  // why there is none; one line
  int status = 0;
  std::string body{};
};

/// Asks all at once; the answers come in the order of the questions. At most 8 MiB are read of
/// each. Throws: nothing for what a peer does. Thread safety: a pure function.
PERF_EXPORT std::vector<Answer> Ask(std::span<const Question> questions, Deadline deadline);
PERF_EXPORT Answer Ask(const Question& question, Deadline deadline);

/// An agent or run that was found.
struct Found {
  std::string socket;
  Answer answer;
};
/// Asks all that listen in those directories for `target`. Sockets that nobody listens to any more
/// are left out.
PERF_EXPORT std::vector<Found> AskAll(const std::vector<std::string>& directories,
                                      const std::string& target, Deadline deadline);

}  // namespace perf::service

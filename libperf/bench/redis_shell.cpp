// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/redis_shell.hpp"

#include <fmt/format.h>

#include <utility>

#include "libperf/base/error.hpp"

namespace perf::bench {
namespace {
constexpr Duration kPatience = std::chrono::seconds(5);
}

RedisShell::RedisShell(const std::string& url)
    : connector_(backends::MakeRedisConnector(loop_, backends::ParseRedisUrl(url))) {}

RedisShell::~RedisShell() {
  connection_.reset();
  loop_.CancelAll();
  loop_.Drain(Deadline::After(Clock::now(), kPatience));
}

Json RedisShell::Do(std::vector<std::string> words) {
  backends::RedisCommand command;
  command.words = std::move(words);
  command.keep_reply = true;
  backends::RedisReply reply;
  loop_.Spawn(Execute(command, reply));
  loop_.Run();
  if (reply.failure.kind != ErrorKind::kNone) {
    connection_.reset();
    throw IoError(fmt::format("Redis, {}: {}", command.words.front(), reply.failure.text));
  }
  return std::move(reply.value);
}

Task<void> RedisShell::Execute(const backends::RedisCommand& command, backends::RedisReply& reply) {
  const Deadline deadline = Deadline::After(Clock::now(), kPatience);
  if (connection_ == nullptr || !connection_->Alive()) {
    auto dialled = co_await connector_->Dial(deadline);
    connection_ = std::move(dialled.connection);
    reply.failure = std::move(dialled.failure);
  }
  if (connection_ != nullptr) co_await connection_->Execute(command, reply, deadline);
  loop_.Stop();
}

}  // namespace perf::bench

// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/redis_role.hpp"

#include <utility>

#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

void Understand(std::string_view word, RoleAnswer& answer) {
  answer.text = Excerpt(word, 40);
  answer.kind = word == "master"                       ? RoleAnswer::Kind::kPrimary
                : word == "slave" || word == "replica" ? RoleAnswer::Kind::kReplica
                                                       : RoleAnswer::Kind::kOther;
}

/// "# Replication\r\nrole:master\r\n…"
std::string_view RoleInInfo(std::string_view info) {
  constexpr std::string_view kKey = "\nrole:";
  const std::size_t at = info.find(kKey);
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + kKey.size());
  return info.substr(0, info.find_first_of("\r\n"));
}

}  // namespace

bool RoleAnswer::Fits(RedisRole wanted) const noexcept {
  switch (wanted) {
    case RedisRole::kPrimary: return kind == Kind::kPrimary;
    case RedisRole::kReplica: return kind == Kind::kReplica;
    case RedisRole::kAny: return kind == Kind::kPrimary || kind == Kind::kReplica;
  }
  return false;
}

Task<void> AskRole(RedisConnection& connection, RoleAnswer& answer, Deadline deadline) {
  answer = RoleAnswer();
  RedisCommand command;
  RedisReply reply;
  command.keep_reply = true;
  command.words = {"ROLE"};
  co_await connection.Execute(command, reply, deadline);
  if (!reply.failure) {
    const Json& value = reply.value;
    const bool shaped =
        value.IsArray() && !value.AsArray().empty() && value.AsArray().front().IsString();
    Understand(shaped ? value.AsArray().front().AsString() : "a strange answer to ROLE", answer);
    co_return;
  }
  answer.text = std::move(reply.failure.text);
  if (reply.failure.kind != ErrorKind::kStatus || !connection.Reusable()) co_return;
  command.words = {"INFO", "replication"};
  co_await connection.Execute(command, reply, deadline);
  if (reply.failure || !reply.value.IsString()) co_return;
  const std::string_view role = RoleInInfo(reply.value.AsString());
  if (!role.empty()) Understand(role, answer);
}

std::string_view Text(RedisRole role) noexcept {
  switch (role) {
    case RedisRole::kPrimary: return "a primary";
    case RedisRole::kReplica: return "a replica";
    case RedisRole::kAny: break;
  }
  return "any server";
}

}  // namespace perf::backends

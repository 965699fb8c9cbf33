// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/admin.hpp"

#include <fmt/format.h>

#include "libperf/backends/pqxx_face.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/target.hpp"

namespace perf::load {
namespace {

backends::Failure CheckStatus(const backends::HttpReply& reply) {
  if (reply.failure) return reply.failure;
  if (reply.status >= 200 && reply.status < 400) return {};
  return {ErrorKind::kStatus, fmt::format("HTTP status {}", reply.status)};
}

Task<backends::Failure> RunOnConnection(const AdminStep& step, TargetRuntime& target,
                                        Deadline deadline) {
  auto acquired = co_await target.Pool().Borrow(Clock::now());
  if (acquired.failure) co_return acquired.failure;
  if (target.Spec().kind == TargetKind::kHttp) {
    backends::HttpRequest request;
    backends::HttpReply reply;
    request.method = step.http_method;
    request.target = step.http_path;
    request.body = step.http_body;
    if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    co_await acquired.loan.As<backends::HttpConnection>().Exchange(request, reply, deadline);
    co_return CheckStatus(reply);
  }
  for (const std::vector<std::string>& words : step.redis) {
    backends::RedisCommand command;
    backends::RedisReply reply;
    command.words = words;
    co_await acquired.loan.As<backends::RedisConnection>().Execute(command, reply, deadline);
    if (reply.failure) co_return reply.failure;
  }
  co_return backends::Failure{};
}

Task<void> RunAndStop(const AdminStep& step, TargetRuntime& target, Deadline deadline,
                      backends::Failure& failure, backends::EventLoop& loop) {
  failure = co_await RunOnConnection(step, target, deadline);
  loop.Stop();
}

/// A loop of its own for one step: administration is rare, and nothing of it is left behind.
backends::Failure RunOnLoop(const AdminStep& step, const TargetSpec& spec, const std::string& url,
                            Deadline deadline) {
  backends::EventLoop loop;
  backends::Failure failure;
  TargetRuntime target(loop, spec, url, 0, 1, 1);
  loop.Spawn(RunAndStop(step, target, deadline, failure, loop));
  loop.Run();
  loop.CancelAll();
  loop.Drain(Deadline::After(Clock::now(), std::chrono::seconds(2)));
  target.Pool().CloseIdle();
  return failure;
}

}  // namespace

void RunAdmin(const Scenario& scenario, const std::vector<AdminStep>& steps,
              const std::vector<std::string>& urls, Deadline deadline) {
  for (const AdminStep& step : steps) {
    const TargetSpec& spec = scenario.targets[step.target];
    std::string why;
    if (spec.kind == TargetKind::kPostgres) {
      try {
        backends::RunSqlScripts(urls[step.target], step.sql, deadline);
      } catch (const IoError& error) {
        why = error.what();
      }
    } else {
      why = RunOnLoop(step, spec, urls[step.target], deadline).text;
    }
    if (!why.empty()) {
      throw ConfigError(
          fmt::format("target {}: setup or teardown was refused: {}", spec.name, MaskSecrets(why)));
    }
  }
}

}  // namespace perf::load

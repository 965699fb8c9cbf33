// SPDX-License-Identifier: Apache-2.0
// The part of FlowRunner that turns templates into requests.
#include <algorithm>

#include "libperf/base/text.hpp"
#include "libperf/load/flow_runner.hpp"

namespace perf::load {
namespace {

void AppendHex(std::string& out, std::uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[(value >> shift) & 15];
}

/// W3C Trace Context, version 00, sampled.
std::string TraceParent(Random& random) {
  std::string text = "00-";
  AppendHex(text, random.Next());
  AppendHex(text, random.Next() | 1);  // an id of only zeros is invalid
  text += '-';
  AppendHex(text, random.Next() | 1);
  return text + "-01";
}

bool Has(const std::vector<backends::HttpHeader>& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& header) { return EqualsIgnoreCase(header.first, name); });
}

bool WantsBody(const Step& step) {
  return step.expect.NeedsBody() ||
         std::any_of(step.captures.begin(), step.captures.end(),
                     [](const Capture& capture) { return capture.header.empty(); });
}

bool IsConstant(const HttpStep& http) {
  return http.path.IsConstant() && (!http.body || http.body->IsConstant()) && !http.json &&
         std::all_of(http.headers.begin(), http.headers.end(),
                     [](const auto& header) { return header.second.IsConstant(); });
}

bool WantsHeaders(const Step& step) {
  return !step.expect.headers.empty() ||
         std::any_of(step.captures.begin(), step.captures.end(),
                     [](const Capture& capture) { return !capture.header.empty(); });
}

}  // namespace

const backends::HttpRequest& FlowRunner::Prepare(const Step& step, const HttpStep& http,
                                                 Iteration& it) {
  backends::HttpRequest& request = it.http_request;
  if (it.prepared == &step) return request;
  request.method = http.method;
  http.path.Render(it.scope, request.target);
  request.headers.resize(http.headers.size());
  for (std::size_t i = 0; i < http.headers.size(); ++i) {
    request.headers[i].first = http.headers[i].first;
    http.headers[i].second.Render(it.scope, request.headers[i].second);
  }
  request.body.clear();
  if (http.body) http.body->Render(it.scope, request.body);
  if (http.json) {
    http.json->Render(it.scope, request.body);
    if (!Has(request.headers, "Content-Type")) {
      request.headers.emplace_back("Content-Type", "application/json");
    }
  }
  if (targets_[http.target]->Spec().traceparent) {
    request.headers.emplace_back("traceparent", TraceParent(it.random));
  }
  it.prepared = IsConstant(http) && !targets_[http.target]->Spec().traceparent ? &step : nullptr;
  request.keep_body = it.source || step.reply_slot || WantsBody(step);
  request.keep_headers = WantsHeaders(step);
  return request;
}

void FlowRunner::Prepare(const SqlStep& sql, Iteration& it) {
  it.sql_parameters.resize(sql.parameters.size());
  for (std::size_t i = 0; i < sql.parameters.size(); ++i) {
    auto& parameter = it.sql_parameters[i];
    if (!parameter) parameter.emplace();
    sql.parameters[i].Render(it.scope, *parameter);
  }
}

const backends::RedisCommand& FlowRunner::Prepare(const Step& step, const RedisStep& redis,
                                                  Iteration& it) {
  backends::RedisCommand& command = it.redis_command;
  if (it.prepared == &step) return command;
  it.prepared = redis.constant ? &step : nullptr;
  command.words.resize(redis.words.size());
  for (std::size_t i = 0; i < redis.words.size(); ++i) {
    redis.words[i].Render(it.scope, command.words[i]);
  }
  command.pipeline = redis.pipeline;
  command.keep_reply = it.source || step.expect.value.has_value() || !step.captures.empty();
  return command;
}

}  // namespace perf::load

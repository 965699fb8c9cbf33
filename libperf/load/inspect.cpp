// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/inspect.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"

namespace perf::load {
namespace {

using backends::Failure;

constexpr std::size_t kExcerpt = 160;

Failure CheckFailure(std::string text) { return Failure{ErrorKind::kCheck, std::move(text)}; }

std::string Quote(std::string_view text) {
  return '"' + Excerpt(MaskSecrets(Excerpt(text, 4 * kExcerpt)), kExcerpt) + '"';
}

Failure CheckTimes(const Expect& expect, const backends::Timing& timing) {
  if (expect.first_byte && timing.first_byte - timing.sent > *expect.first_byte) {
    return CheckFailure(fmt::format("first byte after {}, expected within {}",
                                    FormatDuration(timing.first_byte - timing.sent),
                                    FormatExact(*expect.first_byte)));
  }
  if (expect.time && timing.done - timing.sent > *expect.time) {
    return CheckFailure(fmt::format("answered after {}, expected within {}",
                                    FormatDuration(timing.done - timing.sent),
                                    FormatExact(*expect.time)));
  }
  return {};
}

bool Matches(const re2::RE2& pattern, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

Failure CheckStatus(const Expect& expect, const backends::HttpReply& reply) {
  const bool accepted = expect.status.empty()
                            ? reply.status >= 200 && reply.status < 400
                            : std::find(expect.status.begin(), expect.status.end(), reply.status) !=
                                  expect.status.end();
  if (accepted) return {};
  std::string text = fmt::format("HTTP status {}", reply.status);
  if (!reply.body.empty()) text += ": " + Quote(reply.body);
  return Failure{ErrorKind::kStatus, std::move(text)};
}

Failure CheckHttp(const Expect& expect, const backends::HttpReply& reply,
                  const std::optional<Json>& body) {
  if (Failure failure = CheckStatus(expect, reply)) return failure;
  for (const auto& [name, pattern] : expect.headers) {
    const std::string* value = reply.Header(name);
    if (value == nullptr) return CheckFailure("no header " + name);
    if (!Matches(*pattern, *value)) {
      return CheckFailure(fmt::format("header {} is {}, expected a match of {}", name,
                                      Quote(*value), pattern->pattern()));
    }
  }
  if (expect.body && !Matches(*expect.body, reply.body)) {
    return CheckFailure(
        fmt::format("body {} does not match {}", Quote(reply.body), expect.body->pattern()));
  }
  for (const auto& [pointer, wanted] : expect.body_json) {
    if (!body) return CheckFailure("body is not JSON: " + Quote(reply.body));
    const Json* found = body->AtPointer(pointer);
    if (found == nullptr || (!(*found == wanted) && found->ToText() != wanted.ToText())) {
      return CheckFailure(fmt::format("body at {} is {}, expected {}", pointer,
                                      found ? Quote(found->Dump()) : "absent", wanted.Dump()));
    }
  }
  return CheckTimes(expect, reply.timing);
}

/// One capture out of text and its parsed form; `document` is asked only for pointers.
Failure CaptureOne(const Capture& capture, std::string_view text, const Json* document,
                   std::vector<Json>& values) {
  if (capture.pattern) {
    std::string found;
    const re2::StringPiece input(text.data(), text.size());
    const bool ok = capture.pattern->NumberOfCapturingGroups() > 0
                        ? re2::RE2::PartialMatch(input, *capture.pattern, &found)
                        : false;
    if (!ok) {
      return CheckFailure(fmt::format("capture {}: nothing in {} matches {}", capture.name,
                                      Quote(text), capture.pattern->pattern()));
    }
    values[capture.slot] = Json(std::move(found));
    return {};
  }
  const Json* found = document != nullptr ? document->AtPointer(capture.pointer) : nullptr;
  if (found == nullptr) {
    return CheckFailure(
        fmt::format("capture {}: nothing at {} in {}", capture.name, capture.pointer, Quote(text)));
  }
  values[capture.slot] = *found;
  return {};
}

}  // namespace

Failure Inspect(const Step& step, const backends::HttpReply& reply, std::vector<Json>& values) {
  std::optional<Json> body;
  const bool parse = !step.expect.body_json.empty() ||
                     std::any_of(step.captures.begin(), step.captures.end(),
                                 [](const Capture& c) { return !c.pattern && c.header.empty(); });
  if (parse) body = Json::TryParse(reply.body);
  if (Failure failure = CheckHttp(step.expect, reply, body)) return failure;
  for (const Capture& capture : step.captures) {
    if (!capture.header.empty()) {
      const std::string* value = reply.Header(capture.header);
      if (value == nullptr) {
        return CheckFailure(fmt::format("capture {}: no header {}", capture.name, capture.header));
      }
      if (!capture.pattern) {
        values[capture.slot] = Json(*value);
        continue;
      }
      if (Failure failure = CaptureOne(capture, *value, nullptr, values)) return failure;
      continue;
    }
    if (Failure failure = CaptureOne(capture, reply.body, body ? &*body : nullptr, values)) {
      return failure;
    }
  }
  return {};
}

Failure Inspect(const Step& step, const backends::SqlReply& reply, std::vector<Json>& values) {
  const auto rows =
      static_cast<std::int64_t>(reply.Columns() > 0 ? reply.Rows() : reply.Affected());
  if (step.expect.rows && rows != *step.expect.rows) {
    return CheckFailure(fmt::format("{} rows, expected {}", rows, *step.expect.rows));
  }
  if (step.expect.value) {
    const bool single = reply.Rows() >= 1 && reply.Columns() >= 1;
    const auto value = single ? reply.Value(0, 0) : std::nullopt;
    const std::string wanted = step.expect.value->ToText();
    if (step.expect.value->IsNull() ? value.has_value() : value != std::string_view(wanted)) {
      return CheckFailure(fmt::format("value is {}, expected {}", value ? Quote(*value) : "absent",
                                      step.expect.value->Dump()));
    }
  }
  if (Failure failure = CheckTimes(step.expect, reply.timing)) return failure;
  if (step.captures.empty()) return {};
  const Json document = RowsAsJson(reply);
  const std::string text =
      reply.Rows() > 0 && reply.Columns() > 0 ? std::string(reply.Value(0, 0).value_or("")) : "";
  for (const Capture& capture : step.captures) {
    if (Failure failure = CaptureOne(capture, text, &document, values)) return failure;
  }
  return {};
}

Failure Inspect(const Step& step, const backends::RedisReply& reply, std::vector<Json>& values) {
  if (step.expect.value) {
    const Json& wanted = *step.expect.value;
    const bool same = wanted.IsNull() || reply.value.IsNull()
                          ? wanted.IsNull() && reply.value.IsNull()
                          : reply.value == wanted || reply.value.ToText() == wanted.ToText();
    if (!same) {
      return CheckFailure(
          fmt::format("reply is {}, expected {}", Quote(reply.value.Dump()), wanted.Dump()));
    }
  }
  if (Failure failure = CheckTimes(step.expect, reply.timing)) return failure;
  for (const Capture& capture : step.captures) {
    const std::string text = reply.value.ToText();
    if (Failure failure = CaptureOne(capture, text, &reply.value, values)) return failure;
  }
  return {};
}

namespace {

std::string_view TierName(cache::AnswerFrom from) noexcept {
  switch (from) {
    case cache::AnswerFrom::kMemory: return "l1";
    case cache::AnswerFrom::kTier: return "l2";
    case cache::AnswerFrom::kLoader: return "source";
    case cache::AnswerFrom::kNowhere: break;
  }
  return "nowhere";
}

Failure CheckOrigin(const Expect& expect, const cache::Answer& answer) {
  const std::string_view tier = TierName(answer.from);
  const bool hit = tier == "l1" || tier == "l2";
  if (expect.hit && *expect.hit != hit) {
    return CheckFailure(fmt::format("a {} ({} from {}), expected a {}", hit ? "hit" : "miss",
                                    Name(answer.status), tier, *expect.hit ? "hit" : "miss"));
  }
  constexpr std::string_view kTiers[] = {"l1", "l2", "source"};
  if (expect.tier && kTiers[static_cast<std::size_t>(*expect.tier)] != tier) {
    return CheckFailure(fmt::format("answered from {}, expected {}", tier,
                                    kTiers[static_cast<std::size_t>(*expect.tier)]));
  }
  if (expect.stale && *expect.stale != answer.stale) {
    return CheckFailure(answer.stale ? "the value is stale" : "the value is not stale");
  }
  return {};
}

}  // namespace

Failure Inspect(const Step& step, const cache::Answer& answer, const backends::Timing& timing,
                std::vector<Json>& values) {
  if (Failure failure = CheckOrigin(step.expect, answer)) return failure;
  if (Failure failure = CheckTimes(step.expect, timing)) return failure;
  if (!step.expect.value && step.captures.empty()) return {};
  const std::string_view text = answer.value.Bytes();
  Json value;
  if (answer.Found()) {
    auto parsed = Json::TryParse(text);
    value = parsed ? std::move(*parsed) : Json(text);
  }
  if (step.expect.value) {
    const Json& wanted = *step.expect.value;
    const bool same = answer.Found() ? value == wanted || text == wanted.ToText() : wanted.IsNull();
    if (!same) {
      return CheckFailure(fmt::format("value is {}, expected {}",
                                      answer.Found() ? Quote(text) : Name(answer.status),
                                      wanted.Dump()));
    }
  }
  for (const Capture& capture : step.captures) {
    const Json* document = answer.Found() ? &value : nullptr;
    if (Failure failure = CaptureOne(capture, text, document, values)) return failure;
  }
  return {};
}

std::optional<std::string> SourceValue(const backends::HttpReply& reply) {
  if (reply.status == 404 || reply.status == 410) return std::nullopt;
  return reply.body;
}

std::optional<std::string> SourceValue(const backends::SqlReply& reply) {
  if (reply.Columns() > 0 && reply.Rows() == 0) return std::nullopt;
  return RowsAsJson(reply).Dump();
}

std::optional<std::string> SourceValue(const backends::RedisReply& reply) {
  if (reply.value.IsNull()) return std::nullopt;
  return reply.value.IsString() ? reply.value.AsString() : reply.value.Dump();
}

Json RowsAsJson(const backends::SqlReply& reply, std::size_t most_rows) {
  Json document = Json::MakeObject();
  Json rows = Json::MakeArray();
  for (std::size_t row = 0; row < std::min(reply.Rows(), most_rows); ++row) {
    Json object = Json::MakeObject();
    for (std::size_t column = 0; column < reply.Columns(); ++column) {
      const auto value = reply.Value(row, column);
      object[reply.ColumnName(column)] = value ? Json(*value) : Json();
    }
    rows.Append(std::move(object));
  }
  document["rows"] = std::move(rows);
  document["affected"] = Json(reply.Affected());
  return document;
}

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
// The actions that send something: http, sql, redis.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libperf/base/text.hpp"
#include "libperf/load/parse_flow.hpp"

namespace perf::load {

namespace {

using config::MapReader;
using config::Node;

constexpr std::size_t kMaxSqlBytes = std::size_t{16} << 20;
constexpr std::int64_t kMaxPipeline = 10'000;

// After these a connection no longer answers one reply per command.
constexpr std::array<std::string_view, 6> kStatefulCommands{"subscribe", "psubscribe", "ssubscribe",
                                                            "monitor",   "quit",       "reset"};

bool IsMethod(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || c == '-';
  });
}

/// The end of an expression that begins at `at`, or `at` where none does.
std::size_t SkipExpression(std::string_view text, std::size_t at) noexcept {
  if (!text.substr(at).starts_with("${")) return at;
  const std::size_t close = text.find('}', at);
  return close == std::string_view::npos ? text.size() : close + 1;
}

/// The first byte outside of expressions that cannot stand in a request line.
std::size_t BadPathByte(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size(); ++at) {
    at = SkipExpression(text, at);
    if (at >= text.size()) break;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c <= ' ' || c >= 0x7F || c == '#') return at;
  }
  return std::string_view::npos;
}

std::optional<Template> Path(FlowState& state, const Node& node, std::string_view base) {
  if (node.IsScalar() && !node.Tainted()) {
    const std::string& text = node.Text();
    if (!text.starts_with('/') && !text.starts_with("${")) {
      state.context.Error(node, "a path begins with '/'");
      return std::nullopt;
    }
    if (const std::size_t bad = BadPathByte(text); bad != std::string_view::npos) {
      state.context.diagnostics.Error(
          Within(node, bad),
          "blanks, '#' and other than ASCII are percent-encoded in a path, as in %20");
      return std::nullopt;
    }
  }
  std::string prefix;
  for (const char c : base) prefix += c == '$' ? "%24" : std::string(1, c);
  return state.Text(node, prefix);
}

void Headers(FlowState& state, MapReader& reader, HttpStep& http) {
  for (const Node::Entry& entry : reader.Entries("headers")) {
    CheckHeaderName(state.context, entry.key_at, entry.key);
    if (BreaksHeader(entry.value.Text())) {
      state.context.Error(entry.value, "a header's value is one line");
    }
    if (auto value = state.Text(entry.value))
      http.headers.emplace_back(entry.key, std::move(*value));
  }
}

/// Steps over one quoted text, comment or dollar-quoted text; `at` itself where none begins.
std::size_t SkipSqlQuote(std::string_view sql, std::size_t at) noexcept {
  const auto after = [&](std::string_view end, std::size_t from) {
    const std::size_t found = sql.find(end, from);
    return found == std::string_view::npos ? sql.size() : found + end.size();
  };
  const std::string_view rest = sql.substr(at);
  if (rest.starts_with('\'')) return after("'", at + 1);
  if (rest.starts_with('"')) return after("\"", at + 1);
  if (rest.starts_with("--")) return after("\n", at);
  if (rest.starts_with("/*")) return after("*/", at + 2);
  if (!rest.starts_with('$')) return at;
  const std::size_t close = rest.find('$', 1);
  if (close == std::string_view::npos) return at;
  const std::string_view tag = rest.substr(0, close + 1);
  const bool named = std::all_of(tag.begin() + 1, tag.end() - 1, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!named || (tag.size() > 2 && tag[1] >= '0' && tag[1] <= '9')) return at;
  return after(tag, at + tag.size());
}

}  // namespace

const Node* OneOf(MapReader& reader, std::initializer_list<std::string_view> keys,
                  std::string_view& chosen) {
  const Node* found = nullptr;
  for (const std::string_view key : keys) {
    const Node* node = reader.Get(key);
    if (!node) continue;
    if (found) {
      reader.Error(key, fmt::format("'{}' and '{}' exclude each other", chosen, key));
      continue;
    }
    found = node;
    chosen = key;
  }
  if (!found) {
    reader.Scalars().Errors().Error(
        reader.Self().At(),
        fmt::format("{} needs one of: {}", reader.What(), fmt::join(keys, ", ")));
  }
  return found;
}

int HighestParameter(std::string_view sql) noexcept {
  int highest = 0;
  for (std::size_t at = 0; at < sql.size();) {
    const std::size_t after = SkipSqlQuote(sql, at);
    if (after != at) {
      at = after;
      continue;
    }
    if (sql[at++] != '$') continue;
    int number = 0;
    for (; at < sql.size() && sql[at] >= '0' && sql[at] <= '9' && number < 100'000; ++at) {
      number = number * 10 + (sql[at] - '0');
    }
    highest = std::max(highest, number);
  }
  return highest;
}

std::optional<std::string> SqlFile(const ParseContext& context, const Node& node) {
  const auto path = ConstantText(context, node, "a path");
  if (!path) return std::nullopt;
  if (!context.options.files.files) {
    context.Error(node, "this scenario may not open files");
    return std::nullopt;
  }
  try {
    return ReadFile(node.At().Resolve(*path), kMaxSqlBytes);
  } catch (const ConfigError& error) {
    context.Error(node, error.what());
    return std::nullopt;
  }
}

std::vector<Node> CommandWords(const ParseContext& context, const Node& node) {
  std::vector<Node> words;
  if (node.IsSequence()) {
    words = node.Items();
    for (const Node& word : words) {
      if (!word.IsScalar()) context.Error(word, "a word of a command is a text or number");
    }
  } else if (node.IsScalar() && node.Tainted()) {
    context.Error(node, "a value from outside can hold blanks: write the command as a list");
    return {};
  } else {
    const std::string& text = node.Text();
    for (std::size_t at = 0; at < text.size();) {
      if (text[at] == ' ' || text[at] == '\t' || text[at] == '\n') {
        ++at;
        continue;
      }
      const std::size_t begin = at;
      while (at < text.size() && text[at] != ' ' && text[at] != '\t' && text[at] != '\n') {
        const std::size_t after = SkipExpression(text, at);
        at = after == at ? at + 1 : after;
      }
      if (text[begin] == '"' || text[begin] == '\'') {
        context.diagnostics.Error(Within(node, begin),
                                  "quotes have no meaning here: write the command as a list");
        return {};
      }
      words.push_back(Node::MakeScalar(Within(node, begin), text.substr(begin, at - begin), true));
    }
  }
  if (words.empty()) {
    context.Error(node, "a command is a list of words, or a text such as \"GET key\"");
    return {};
  }
  const std::string name = ToLower(words.front().Text());
  if (std::find(kStatefulCommands.begin(), kStatefulCommands.end(), name) !=
      kStatefulCommands.end()) {
    context.Error(
        words.front(),
        fmt::format("{} would leave the pooled connection in another state", ToLower(name)));
  }
  return words;
}

HttpStep ParseHttp(FlowState& state, const Node& node) {
  HttpStep http;
  MapReader reader = state.context.Reader(node, "http");
  const auto target = FindTarget(state.context, reader, TargetKind::kHttp);
  http.target = target.value_or(0);
  const bool sends = reader.Has("body") || reader.Has("json");
  http.method = reader.String("method").value_or(sends ? "POST" : "GET");
  if (!IsMethod(http.method)) reader.Error("method", "expected a method such as GET, in capitals");
  if (http.method == "CONNECT") reader.Error("method", "CONNECT is for proxies: see `proxy`");
  if (const Node* path = reader.Require("path")) {
    const std::string base = target ? state.context.path_prefixes[*target] : std::string();
    if (auto text = Path(state, *path, base)) http.path = std::move(*text);
  }
  Headers(state, reader, http);
  if (const Node* body = reader.Get("body")) http.body = state.Text(*body);
  if (const Node* json = reader.Get("json")) {
    http.json = CompileJson(state.context, *json, state.names.Here());
    if (reader.Has("body")) reader.Error("json", "'body' and 'json' exclude each other");
  }
  reader.Finish();
  return http;
}

SqlStep ParseSql(FlowState& state, const Node& node) {
  ParseContext& context = state.context;
  SqlStep sql;
  MapReader reader = context.Reader(node, "sql");
  sql.target = FindTarget(context, reader, TargetKind::kPostgres).value_or(0);
  std::string_view chosen;
  std::optional<std::string> text;
  if (const Node* source = OneOf(reader, {"query", "file"}, chosen)) {
    text = chosen == "file" ? SqlFile(context, *source)
                            : ConstantText(context, *source, "a query",
                                           "what changes goes into `params` as $1, $2, …");
    if (text && Trim(*text).empty()) context.Error(*source, "the query is empty");
  }
  for (const Node& item : reader.Items("params")) {
    if (item.IsNull()) {
      context.Error(item, "a parameter has a value: write NULL into the query itself");
      continue;
    }
    if (auto parameter = state.Text(item)) sql.parameters.push_back(std::move(*parameter));
  }
  if (text) {
    const Node* params = reader.Get("params");
    const std::size_t given = params ? params->Items().size() : 0;
    const auto wanted = static_cast<std::size_t>(HighestParameter(*text));
    if (given != wanted && (!params || params->IsSequence())) {
      reader.Error(params ? "params" : chosen,
                   fmt::format("the query has {} parameters, `params` has {}", wanted, given));
    }
    const auto id = static_cast<std::uint32_t>(context.statements.size() + 1);
    sql.statement.id = context.statements.try_emplace(*text, id).first->second;
    sql.statement.text = std::move(*text);
  }
  reader.Finish();
  return sql;
}

RedisStep ParseRedis(FlowState& state, const Node& node) {
  RedisStep redis;
  MapReader reader = state.context.Reader(node, "redis");
  redis.target = FindTarget(state.context, reader, TargetKind::kRedis).value_or(0);
  redis.constant = true;
  if (const Node* command = reader.Require("command")) {
    for (const Node& word : CommandWords(state.context, *command)) {
      auto text = word.IsScalar() ? state.Text(word) : std::nullopt;
      if (!text) continue;
      redis.constant = redis.constant && text->IsConstant();
      redis.words.push_back(std::move(*text));
    }
  }
  redis.pipeline = static_cast<unsigned>(reader.Integer("pipeline", {1, kMaxPipeline}).value_or(1));
  reader.Finish();
  return redis;
}

}  // namespace perf::load

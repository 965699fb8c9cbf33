// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <re2/re2.h>

#include <array>

#include "libperf/base/text.hpp"
#include "libperf/load/parse_flow.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 3> kTiers{"l1", "l2", "source"};  // as CacheTier
constexpr std::size_t kMaxPatternBytes = 64 << 10;

/// A JSON pointer (RFC 6901): "" or "/…", '~' only as ~0 and ~1.
bool IsPointer(std::string_view text) noexcept {
  if (!text.empty() && text.front() != '/') return false;
  for (std::size_t at = 0; (at = text.find('~', at)) != std::string_view::npos; ++at) {
    if (at + 1 >= text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return false;
  }
  return true;
}

bool CheckPointer(const ParseContext& context, const config::Place& at, std::string_view text) {
  if (IsPointer(text)) return true;
  context.diagnostics.Error(
      at, fmt::format("expected a JSON pointer such as /rows/0/name, not '{}'", Excerpt(text, 64)));
  return false;
}

/// A value to compare with: constants are filled in and keep their type.
std::optional<Json> ConstantValue(const ParseContext& context, const Node& node) {
  if (!node.IsScalar() || node.TemplateText().find("${") == std::string::npos) {
    return config::ToJson(node);
  }
  if (!ConstantText(context, node, "an expected value")) return std::nullopt;
  return Template::Compile(node.TemplateText(), context.constants).Evaluate(Scope{});
}

class ExpectParser {
 public:
  ExpectParser(FlowState& state, MapReader& parent, Step& step)
      : context_(state.context), reader_(parent.Child("expect")), step_(step) {}

  void Run() {
    Expect& expect = step_.expect;
    if (Only<HttpStep>("status", "http")) Status();
    if (Only<HttpStep>("headers", "http")) Headers();
    if (Only<HttpStep>("body", "http")) Body();
    if (Only<SqlStep>("rows", "sql")) {
      expect.rows = reader_.Integer("rows", {0, std::numeric_limits<std::int64_t>::max()});
    }
    if (const Node* value = reader_.Get("value")) {
      if (std::holds_alternative<CacheStep>(step_.action)) {
        if (OfLookUp("value")) expect.value = ConstantValue(context_, *value);
      } else if (std::holds_alternative<PlayStep>(step_.action)) {
        reader_.Error("value", "'value' is for sql, redis and cache steps");
      } else if (std::holds_alternative<HttpStep>(step_.action)) {
        reader_.Error("value", "'value' is for sql and redis steps; http has 'body'");
      } else {
        expect.value = ConstantValue(context_, *value);
      }
    }
    if (Only<HttpStep>("first_byte", "http")) {
      expect.first_byte = reader_.Duration("first_byte", {1us, kLongestWait});
    }
    if (OfLookUp("hit")) expect.hit = reader_.Bool("hit");
    if (OfLookUp("stale")) expect.stale = reader_.Bool("stale");
    if (OfLookUp("tier")) Tier();
    expect.time = reader_.Duration("time", {1us, kLongestWait});
    reader_.Finish();
  }

 private:
  template <typename Action>
  bool Only(std::string_view key, std::string_view kind) {
    if (!reader_.Has(key)) return false;
    if (std::holds_alternative<Action>(step_.action)) return true;
    reader_.Error(key, fmt::format("'{}' is for {} steps", key, kind));
    return false;
  }

  /// Whether a key is there and has a meaning for this cache step.
  bool OfLookUp(std::string_view key) {
    if (!reader_.Has(key)) return false;
    const auto* cache = std::get_if<CacheStep>(&step_.action);
    if (cache && cache->LooksUp()) return true;
    reader_.Error(key, cache ? fmt::format("'{}' is for get_or_set and get", key)
                             : fmt::format("'{}' is for cache steps", key));
    return false;
  }

  void Tier() {
    const auto tier = reader_.Enum("tier", kTiers);
    if (tier) step_.expect.tier = static_cast<CacheTier>(*tier);
  }

  void Status() {
    const Node& node = *reader_.Get("status");
    const std::vector<Node> items = node.IsSequence() ? node.Items() : std::vector<Node>{node};
    if (items.empty()) context_.Error(node, "expected a status or a list of some");
    for (const Node& item : items) {
      if (const auto status = context_.Scalars().Integer(item, {100, 599})) {
        step_.expect.status.push_back(static_cast<int>(*status));
      }
    }
  }

  void Headers() {
    for (const Node::Entry& entry : reader_.Entries("headers")) {
      if (!IsHeaderName(entry.key)) {
        context_.diagnostics.Error(entry.key_at, "expected the name of a header");
      }
      if (auto pattern = CompilePattern(context_, entry.value, false)) {
        step_.expect.headers.emplace_back(entry.key, std::move(pattern));
      }
    }
  }

  void Body() {
    const Node& node = *reader_.Get("body");
    if (node.IsScalar()) {
      step_.expect.body = CompilePattern(context_, node, false);
      return;
    }
    for (const Node::Entry& entry : reader_.Entries("body")) {
      if (!CheckPointer(context_, entry.key_at, entry.key)) continue;
      if (auto value = ConstantValue(context_, entry.value)) {
        step_.expect.body_json.emplace_back(entry.key, std::move(*value));
      }
    }
  }

  ParseContext& context_;
  MapReader reader_;
  Step& step_;
};

/// One capture; false where something was wrong with it.
bool ParseCapture(FlowState& state, const Node::Entry& entry, const Step& step, Capture& capture) {
  ParseContext& context = state.context;
  if (entry.value.IsScalar()) {
    capture.pointer = entry.value.Text();
    return CheckPointer(context, entry.value.At(), capture.pointer);
  }
  MapReader reader = context.Reader(entry.value, fmt::format("capture '{}'", entry.key));
  const Node* json = reader.Get("json");
  const Node* header = reader.Get("header");
  const Node* regex = reader.Get("regex");
  bool good = json || header || regex;
  if (!good) {
    context.Error(entry.value,
                  "a capture is a JSON pointer, or a map with one of: json, regex, header");
  }
  if (json && (header || regex)) {
    reader.Error("json", "'json' stands alone; only 'header' and 'regex' go together");
    good = false;
  }
  if (json) {
    capture.pointer = reader.String("json").value_or("");
    good = CheckPointer(context, json->At(), capture.pointer) && good;
  }
  if (header) {
    capture.header = reader.String("header").value_or("");
    if (!IsHeaderName(capture.header)) {
      reader.Error("header", "expected the name of a header");
      good = false;
    } else if (!std::holds_alternative<HttpStep>(step.action)) {
      reader.Error("header", "'header' is for http steps");
      good = false;
    }
  }
  if (regex) {
    capture.pattern = CompilePattern(context, *regex, true);
    good = capture.pattern && good;
  }
  reader.Finish();
  return good;
}

}  // namespace

std::shared_ptr<const re2::RE2> CompilePattern(const ParseContext& context, const Node& node,
                                               bool with_group) {
  const auto text = ConstantText(context, node, "a regular expression");
  if (!text) return nullptr;
  if (text->size() > kMaxPatternBytes) {
    context.Error(node, "a regular expression has at most 64 KiB");
    return nullptr;
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto pattern = std::make_shared<const re2::RE2>(*text, options);
  if (!pattern->ok()) {
    context.Error(node, fmt::format("bad regular expression (RE2): {}", pattern->error()));
    return nullptr;
  }
  if (with_group && pattern->NumberOfCapturingGroups() < 1) {
    context.Error(node, "the expression captures nothing: put what is wanted in ( )");
    return nullptr;
  }
  return pattern;
}

void ParseExpect(FlowState& state, MapReader& reader, Step& step) {
  ExpectParser(state, reader, step).Run();
}

void ParseCaptures(FlowState& state, MapReader& reader, Step& step) {
  const auto* cache = std::get_if<CacheStep>(&step.action);
  if (cache && !cache->LooksUp() && reader.Has("capture")) {
    reader.Error("capture", "'capture' is for get_or_set and get");
  }
  if (std::holds_alternative<PlayStep>(step.action) && reader.Has("capture")) {
    reader.Error("capture", "'capture' is for http, sql, redis and cache steps");
  }
  for (const Node::Entry& entry : reader.Entries("capture")) {
    bool good = CheckVariableName(state.context, entry.key_at, "capture", entry.key);
    if (good && state.context.scenario.symbols.DataSet(entry.key)) {
      state.context.diagnostics.Error(entry.key_at,
                                      fmt::format("'{}' is a data set already", entry.key));
      good = false;
    }
    Capture capture;
    capture.name = entry.key;
    good = ParseCapture(state, entry, step, capture) && good;
    // A broken capture's name counts as known, so that it is reported once.
    capture.slot = state.names.Add(entry.key);
    if (good) step.captures.push_back(std::move(capture));
  }
}

}  // namespace perf::load

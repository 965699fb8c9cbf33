// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "libperf/backends/fault_proxy_route.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using backends::Harm;
using backends::ServerAction;
using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 3> kDirections{"up", "down", "both"};
constexpr std::array<std::string_view, 5> kActions{"kill", "stop", "continue", "restart",
                                                   "promote"};
constexpr Duration kLongestDelay = std::chrono::minutes(10);

struct HarmKey {
  std::string_view key;
  Harm harm;
};
constexpr std::array<HarmKey, 4> kHarms{{{"reset", Harm::kReset},
                                         {"half_close", Harm::kHalfClose},
                                         {"blackhole", Harm::kBlackhole},
                                         {"garbage", Harm::kGarbage}}};

Duration Scaled(Duration length, double scale) {
  return Duration(std::llround(static_cast<double>(length.count()) * scale));
}

/// Reads one item of `faults`.
class FaultParser {
 public:
  FaultParser(ParseContext& context, const Node& node, FaultSpec& spec)
      : context_(context), spec_(spec), reader_(context.Reader(node, "the fault")) {}

  void Run() {
    const std::size_t before = context_.diagnostics.Count();
    Target();
    if (reader_.Require("at")) {
      spec_.at =
          Scaled(reader_.Duration("at", {0ns, kLongestRun}).value_or(0ns), context_.duration_scale);
    }
    if (const auto length = reader_.Duration("for", {1ms, kLongestRun})) {
      spec_.length = std::max<Duration>(Scaled(*length, context_.duration_scale), 1ms);
    }
    Shape();
    for (const HarmKey& harm : kHarms) Flag(harm.key, harm.harm);
    refuse_ = Flag("refuse", Harm::kNone);
    Action();
    Direction();
    After();
    // What is wrong already needs no second word.
    if (context_.diagnostics.Count() == before) Together();
    reader_.Finish();
  }

 private:
  void Target() {
    const Node* node = reader_.Require("target");
    const auto name = node ? reader_.String("target") : std::nullopt;
    if (!name) return;
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < context_.scenario.targets.size(); ++i) {
      names.push_back(context_.scenario.targets[i].name);
      if (names.back() != *name) continue;
      spec_.target = i;
      target_ = &context_.scenario.targets[i];
      return;
    }
    context_.diagnostics.ErrorWithSuggestion(
        node->At(), fmt::format("no target is named '{}'", Excerpt(*name, 64)), *name, names);
  }

  void Say(std::string_view kind, const std::string& text) {
    kinds_.push_back(std::string(kind));
    spec_.kind += (spec_.kind.empty() ? "" : "+") + std::string(kind);
    spec_.text += (spec_.text.empty() ? "" : ", ") + text;
  }

  void Shape() {
    const auto delay = [this](std::string_view key, Duration& into) {
      const auto value = reader_.Duration(key, {1us, kLongestDelay});
      if (!value) return;
      into = *value;
      Say(key, fmt::format("{} {}", key, FormatExact(*value)));
    };
    delay("latency", stream_.latency);
    if (const auto jitter = reader_.Duration("jitter", {1us, kLongestDelay})) {
      stream_.jitter = *jitter;
      spec_.text += fmt::format(", jitter {}", FormatExact(*jitter));
      if (!reader_.Has("latency")) reader_.Error("jitter", "'jitter' is added to a `latency`");
    }
    Bandwidth();
    delay("slow", stream_.per_byte);
    if (reader_.Has("slow") && reader_.Has("bandwidth")) {
      reader_.Error("slow", "'slow' and 'bandwidth' exclude each other: both say how fast");
    }
  }

  void Bandwidth() {
    const Node* node = reader_.Get("bandwidth");
    const auto text = node ? ConstantText(context_, *node, "a bandwidth") : std::nullopt;
    if (!text) return;
    const bool per_second = text->ends_with("/s");
    const auto bytes = ParseBytes(text->substr(0, text->size() - (per_second ? 2 : 0)));
    if (!per_second || !bytes || *bytes == 0) {
      context_.Error(*node, fmt::format("expected bytes per second such as 1MiB/s, found '{}'",
                                        Excerpt(*text, 64)));
      return;
    }
    stream_.bandwidth = *bytes;
    Say("bandwidth", "bandwidth " + *text);
  }

  bool Flag(std::string_view key, Harm harm) {
    if (!reader_.Bool(key).value_or(false)) return false;
    Say(key, std::string(key));
    if (harm != Harm::kNone) stream_.harm = harm;
    return true;
  }

  void Action() {
    reader_.Get("node");
    const auto index = reader_.Enum("action", kActions);
    if (!index) return;
    const auto action = static_cast<ServerAction>(*index);
    spec_.action = action;
    Say(kActions[*index], std::string(kActions[*index]));
    if (const auto node = reader_.Integer("node", {0, 99})) {
      spec_.node = static_cast<std::size_t>(*node);
      spec_.text += fmt::format(" node {}", *node);
    }
    if (action == ServerAction::kKill) spec_.undo = ServerAction::kRestart;
    if (action == ServerAction::kStop) spec_.undo = ServerAction::kContinue;
    if (reader_.Has("for") && !spec_.undo) {
      reader_.Error("for", fmt::format("'{}' takes no `for`: it is done once", kActions[*index]));
    }
    if (target_ == nullptr || target_->is_private ||
        context_.broken_targets.contains(target_->name))
      return;
    reader_.Error("action", fmt::format("'action' needs a target with `url: private`: the server "
                                        "of '{}' is not ours",
                                        target_->name));
  }

  void Direction() {
    const auto index = reader_.Enum("direction", kDirections);
    const bool both = stream_.harm == Harm::kBlackhole;
    const std::size_t direction = index.value_or(both ? 2 : 1);
    if (direction != 1) spec_.network.up = stream_;
    if (direction != 0) spec_.network.down = stream_;
    spec_.network.refuse = refuse_;
    if (!index) return;
    spec_.text += fmt::format(", {}", kDirections[*index]);
    if (refuse_ || spec_.action) {
      reader_.Error("direction", fmt::format("'direction' has no meaning for '{}'", spec_.kind));
    }
  }

  void After() {
    const auto bytes = reader_.Bytes("after", {1, std::uint64_t{1} << 40});
    if (!bytes) return;
    if (stream_.harm == Harm::kNone) {
      reader_.Error("after", "'after' is for reset, half_close, blackhole and garbage");
    }
    spec_.text += fmt::format(" after {}", FormatBytes(*bytes));
    if (spec_.network.up.harm != Harm::kNone) spec_.network.up.after = *bytes;
    if (spec_.network.down.harm != Harm::kNone) spec_.network.down.after = *bytes;
  }

  /// What goes together, and what needs a length.
  void Together() {
    if (kinds_.empty()) {
      context_.Error(reader_.Self(),
                     "a fault needs one of: latency, bandwidth, slow, reset, half_close, "
                     "blackhole, garbage, refuse, action");
      return;
    }
    const auto shapes = [](const std::string& kind) {
      return kind == "latency" || kind == "bandwidth" || kind == "slow";
    };
    const auto harsh = std::find_if_not(kinds_.begin(), kinds_.end(), shapes);
    if (kinds_.size() > 1 && harsh != kinds_.end()) {
      const std::string& other = kinds_[harsh == kinds_.begin() ? 1 : 0];
      reader_.Error(*harsh, fmt::format("'{}' and '{}' are two faults: only latency goes with "
                                        "bandwidth or slow",
                                        other, *harsh));
    }
    const bool once = stream_.harm == Harm::kReset || stream_.harm == Harm::kHalfClose;
    if (!reader_.Has("for") && !spec_.action && (!once || reader_.Has("after"))) {
      const std::string key = once ? "after" : kinds_.back();
      reader_.Error(key, fmt::format("'{}' needs `for`: how long?", key));
    }
    if (reader_.Has("for") || !once) return;
    spec_.strike = stream_.harm;
    spec_.network = {};
  }

  ParseContext& context_;
  FaultSpec& spec_;
  MapReader reader_;
  const TargetSpec* target_ = nullptr;
  backends::StreamFault stream_;
  std::vector<std::string> kinds_;
  bool refuse_ = false;
};

/// Where every load has a planned end: the last of them.
std::optional<Duration> RunEnd(const Scenario& scenario) {
  Duration end{};
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    const auto planned = scenario.PlannedEnd(i);
    if (!planned) return std::nullopt;
    end = std::max(end, *planned);
  }
  return end;
}

const Node& At(const Node& item, std::string_view key) {
  const Node* node = item.Find(key);
  return node ? *node : item;
}

void CheckTimes(const ParseContext& context, const std::vector<Node>& items) {
  const auto end = RunEnd(context.scenario);
  if (!end || *end == 0ns) return;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const FaultSpec& fault = context.scenario.faults[i];
    if (fault.at >= *end) {
      context.Error(At(items[i], "at"), fmt::format("the fault begins at {}; the run ends at {}",
                                                    FormatExact(fault.at), FormatExact(*end)));
    } else if (fault.at + fault.length > *end) {
      context.Error(At(items[i], "for"),
                    fmt::format("the fault lasts until {}; the run ends at {}",
                                FormatExact(fault.at + fault.length), FormatExact(*end)));
    }
  }
}

void CheckOverlaps(const ParseContext& context, const std::vector<Node>& items) {
  const auto& faults = context.scenario.faults;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      const FaultSpec& a = faults[k];
      const FaultSpec& b = faults[i];
      if (a.target != b.target || a.OfNetwork() != b.OfNetwork()) continue;
      // A kill without a length may well be followed by a restart.
      if (!b.OfNetwork() && (a.length == 0ns || b.length == 0ns)) continue;
      const bool apart = b.at >= a.at + std::max<Duration>(a.length, 1ns) ||
                         a.at >= b.at + std::max<Duration>(b.length, 1ns);
      if (apart) continue;
      context.Error(
          At(items[i], "at"),
          fmt::format("at {} target '{}' has another fault ({}): one ends before the "
                      "next begins",
                      FormatExact(b.at), context.scenario.targets[b.target].name, a.kind));
      break;
    }
  }
}

/// A proxy has to stand in the way: not every client can be sent there.
void CheckReach(const ParseContext& context, const std::vector<Node>& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const FaultSpec& fault = context.scenario.faults[i];
    const TargetSpec& target = context.scenario.targets[fault.target];
    if (fault.OfNetwork() && target.topology != backends::Topology::kSingle) {
      context.Error(At(items[i], "target"),
                    "faults of the network need a target of one server; this one has a `topology`");
    }
    if (!fault.OfNetwork() || target.is_private) continue;
    try {
      switch (target.kind) {
        case TargetKind::kHttp: backends::HttpUpstream(target.http); break;
        case TargetKind::kPostgres: backends::PostgresUpstream(target.url); break;
        case TargetKind::kRedis:
          if (backends::ParseRedisUrl(target.url).layout != backends::RedisLayout::kSingle) {
            throw ConfigError("faults of the network need a URL of one server");
          }
          break;
      }
    } catch (const ConfigError& error) {
      context.Error(At(items[i], "target"), error.what());
    }
  }
}

}  // namespace

void ParseFaults(ParseContext& context, MapReader& root) {
  const std::vector<Node> items = BoundedItems(context, root, "faults", kMaxFaults);
  const std::size_t before = context.diagnostics.Count();
  context.scenario.faults.resize(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    FaultParser(context, items[i], context.scenario.faults[i]).Run();
  }
  // Times and targets that are wrong already need no second word.
  if (context.diagnostics.Count() > before || context.scenario.targets.empty()) return;
  CheckTimes(context, items);
  CheckOverlaps(context, items);
  CheckReach(context, items);
}

}  // namespace perf::load

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "libperf/base/random.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"
#include "libperf/load/parse_context.hpp"

namespace perf::load {

namespace {

using namespace std::chrono_literals;
using config::MapReader;
using config::Node;

constexpr std::array<std::string_view, 2> kSpacings{"even", "poisson"};
constexpr config::Range<double> kRates{0.0, kMaxRate};
constexpr std::int64_t kMaxWaiting = 10'000'000;

Duration Scaled(Duration length, double scale) {
  return Duration(std::llround(static_cast<double>(length.count()) * scale));
}

/// Reads one item of `load`; `after` is left to the caller, who knows all names.
class LoadParser {
 public:
  LoadParser(ParseContext& context, const Node& node, LoadSpec& spec)
      : context_(context), spec_(spec), reader_(context.Reader(node, "the load")) {}

  void Run() {
    Flow();
    Length();
    Kind();
    spec_.start = Scaled(reader_.Duration("start", {0ns, kLongestRun}).value_or(0ns),
                         context_.duration_scale);
    spec_.warmup = Scaled(reader_.Duration("warmup", {0ns, kLongestRun}).value_or(0ns),
                          context_.duration_scale);
    if (spec_.length > 0ns && spec_.warmup >= spec_.length) {
      reader_.Error("warmup", fmt::format("the warm-up of {} must be shorter than the load's {}",
                                          FormatExact(spec_.warmup), FormatExact(spec_.length)));
    }
    Users();
    Open();
    spec_.drain = reader_.Duration("drain", {0ns, kLongestWait}).value_or(spec_.drain);
    reader_.Get("after");
    if (reader_.Has("after") && reader_.Has("start")) {
      reader_.Error("start", "'start' and 'after' exclude each other: both say when it begins");
    }
    reader_.Finish();
  }

 private:
  void Flow() {
    const Node* node = reader_.Require("flow");
    const auto flow = node ? reader_.String("flow") : std::nullopt;
    std::vector<std::string_view> names;
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < context_.scenario.flows.size(); ++i) {
      names.push_back(context_.scenario.flows[i].name);
      if (flow && names.back() == *flow) found = i;
    }
    if (flow && !found) {
      context_.diagnostics.ErrorWithSuggestion(
          node->At(), fmt::format("no flow is named '{}'", Excerpt(*flow, 64)), *flow, names);
    }
    spec_.flow = found.value_or(0);
    const auto name = reader_.String("name");
    spec_.name = name.value_or(flow.value_or(""));
    if (name) CheckName(context_, reader_.Get("name")->At(), "load", *name);
  }

  void Length() {
    const auto length = reader_.Duration("for", {1ms, kLongestRun});
    if (length) spec_.length = std::max<Duration>(Scaled(*length, context_.duration_scale), 1ms);
    if (spec_.length > kLongestRun) reader_.Error("for", "with duration_scale this is over 7 days");
  }

  void NeedLength(std::string_view key) {
    if (!reader_.Has("for")) reader_.Error(key, fmt::format("'{}' needs `for`: how long?", key));
  }

  void Kind() {
    const bool rate = reader_.Has("rate"), ramp = reader_.Has("ramp");
    const bool users = reader_.Has("users"), iterations = reader_.Has("iterations");
    const int kinds = int{rate} + int{ramp} + int{users || iterations};
    if (kinds != 1) {
      context_.Error(reader_.Self(), kinds == 0
                                         ? "a load needs one of: rate, ramp, users, iterations"
                                         : "only one of rate, ramp and users or iterations can "
                                           "be given");
    }
    if (rate || ramp) {
      spec_.kind = LoadSpec::Kind::kRate;
      NeedLength(rate ? "rate" : "ramp");
    } else {
      spec_.kind = iterations ? LoadSpec::Kind::kIterations : LoadSpec::Kind::kUsers;
      if (users && !iterations) NeedLength("users");
    }
    ReadRates(rate, ramp);
    spec_.users = static_cast<std::size_t>(
        reader_.Integer("users", {1, static_cast<std::int64_t>(kMaxUsers)}).value_or(1));
    if (const auto count = reader_.Integer("iterations", {1, 1'000'000'000'000})) {
      const double scaled = static_cast<double>(*count) * context_.duration_scale;
      spec_.iterations = static_cast<std::uint64_t>(std::max(1.0, std::round(scaled)));
    }
  }

  void ReadRates(bool rate, bool ramp) {
    ArrivalPlan& plan = spec_.arrivals;
    if (rate) {
      plan.from = plan.to = Rate(*reader_.Get("rate")).value_or(0);
      if (reader_.Get("rate")->IsScalar() && plan.from == 0) NotZero("rate");
    }
    if (!ramp) return;
    const Node& node = *reader_.Get("ramp");
    if (!node.IsSequence() || node.Items().size() != 2) {
      context_.Error(node, "a ramp has two rates, as in [50/s, 200/s]; chain more with `after`");
      return;
    }
    const auto from = Rate(node.Items()[0]);
    const auto to = Rate(node.Items()[1]);
    plan.from = from.value_or(0);
    plan.to = to.value_or(0);
    if (from && to && plan.from == 0 && plan.to == 0) {
      reader_.Error("ramp", "a ramp from 0 to 0 sends nothing");
    }
  }

  void NotZero(std::string_view key) {
    if (const auto text = reader_.Rate(key, kRates); text && *text == 0) {
      reader_.Error(key, "a rate of 0 sends nothing");
    }
  }

  std::optional<double> Rate(const Node& node) {
    auto rate = context_.Scalars().Rate(node, kRates);
    if (rate) *rate *= context_.rate_scale;
    if (rate && *rate > kMaxRate) context_.Error(node, "with rate_scale this is over 10000000/s");
    return rate;
  }

  void Users() {
    spec_.think = reader_.Duration("think", {0ns, kLongestWait}).value_or(0ns);
    spec_.pacing = reader_.Duration("pacing", {0ns, kLongestWait}).value_or(0ns);
    if (spec_.kind != LoadSpec::Kind::kRate) return;
    for (const std::string_view key : {"think", "pacing"}) {
      if (!reader_.Has(key)) continue;
      reader_.Error(key,
                    fmt::format("'{}' is for users and iterations: arrivals at a rate wait for "
                                "nobody",
                                key));
    }
  }

  void Open() {
    if (const auto spacing = reader_.Enum("spacing", kSpacings)) {
      spec_.arrivals.spacing = static_cast<Spacing>(*spacing);
    }
    if (const auto waiting = reader_.Integer("max_waiting", {0, kMaxWaiting})) {
      spec_.max_waiting = static_cast<std::size_t>(*waiting);
    }
    if (spec_.kind == LoadSpec::Kind::kRate) {
      spec_.arrivals.length = spec_.length;
      return;
    }
    for (const std::string_view key : {"spacing", "max_waiting"}) {
      if (!reader_.Has(key)) continue;
      reader_.Error(key,
                    fmt::format("'{}' is for rate and ramp: a user sends when it is ready", key));
    }
  }

  ParseContext& context_;
  LoadSpec& spec_;
  MapReader reader_;
};

/// The place of a load's name: of `name`, else of `flow` that it is taken from.
const Node& NameNode(const Node& item) {
  for (const std::string_view key : {"name", "flow"}) {
    if (const Node* node = item.Find(key)) return *node;
  }
  return item;
}

/// A name stands for one thing in a metric path: a load may share the name of its own flow, where
/// it is that flow's only load.
void CheckNames(ParseContext& context, const std::vector<Node>& items) {
  const auto& loads = context.scenario.loads;
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    if (loads[i].name.empty()) continue;
    if (!seen.insert(loads[i].name).second) {
      context.Error(NameNode(items[i]), fmt::format("two loads are named '{}': give this one a "
                                                    "`name` of its own",
                                                    loads[i].name));
      continue;
    }
    for (std::size_t f = 0; f < context.scenario.flows.size(); ++f) {
      if (context.scenario.flows[f].name != loads[i].name) continue;
      const bool only = std::count_if(loads.begin(), loads.end(),
                                      [&](const LoadSpec& load) { return load.flow == f; }) == 1;
      if (loads[i].flow == f && only) continue;
      context.Error(
          NameNode(items[i]),
          fmt::format("load '{0}' has the name of flow '{0}', which {1}: in a threshold "
                      "'{0}' could mean either, so give the load a `name` of its own",
                      loads[i].name,
                      loads[i].flow == f ? "other loads drive as well" : "it does not drive"));
    }
  }
}

void ResolveAfter(ParseContext& context, const std::vector<Node>& items) {
  auto& loads = context.scenario.loads;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const Node* after = items[i].Find("after");
    if (!after) continue;
    const auto name = context.Scalars().String(*after);
    if (!name) continue;
    std::vector<std::string_view> names;
    for (std::size_t k = 0; k < loads.size(); ++k) {
      if (loads[k].name == *name) loads[i].after = k;
      names.push_back(loads[k].name);
    }
    if (!loads[i].after) {
      context.diagnostics.ErrorWithSuggestion(
          after->At(), fmt::format("no load is named '{}'", Excerpt(*name, 64)), *name, names);
    }
  }
}

void CheckCycles(ParseContext& context, const std::vector<Node>& items) {
  auto& loads = context.scenario.loads;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    std::string chain = loads[i].name;
    std::optional<std::size_t> at = loads[i].after;
    std::size_t steps = 0;
    while (at && *at != i && ++steps <= loads.size()) {
      chain += " after " + loads[*at].name;
      at = loads[*at].after;
    }
    if (!at || *at != i) continue;
    context.Error(*items[i].Find("after"),
                  fmt::format("no load of a circle can begin: {} after {}", chain, loads[i].name));
    loads[i].after.reset();  // the circle is open now and reported once
  }
}

/// How many different ${user.id} a load has at most: each arrival is a user of its own.
double UsersOf(const LoadSpec& load) {
  if (load.kind != LoadSpec::Kind::kRate) return static_cast<double>(load.users);
  const double planned = (load.arrivals.from + load.arrivals.to) / 2 *
                         static_cast<double>(load.arrivals.length.count()) / 1e9;
  // Six standard deviations of a Poisson count.
  return load.arrivals.spacing == Spacing::kEven ? planned : planned + 6 * std::sqrt(planned);
}

void CheckRows(ParseContext& context, const std::vector<Node>& items) {
  const Scenario& scenario = context.scenario;
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    const LoadSpec& load = scenario.loads[i];
    if (load.flow >= context.data_of_flow.size()) continue;
    for (const std::size_t data : context.data_of_flow[load.flow]) {
      const DataSet& set = scenario.data[data];
      const double users = UsersOf(load);
      if (set.Order() != DataOrder::kUnique || users <= static_cast<double>(set.Rows())) continue;
      context.Error(NameNode(items[i]),
                    fmt::format("{:.0f} {} need a row each of data '{}', which has {}", users,
                                load.kind == LoadSpec::Kind::kRate ? "arrivals" : "users",
                                scenario.data_names[data], set.Rows()));
    }
  }
}

}  // namespace

void ParseLoads(ParseContext& context, MapReader& root) {
  const std::vector<Node> items = BoundedItems(context, root, "load", kMaxLoads);
  context.scenario.loads.resize(items.size());
  const Random random(context.scenario.seed);
  for (std::size_t i = 0; i < items.size(); ++i) {
    LoadParser(context, items[i], context.scenario.loads[i]).Run();
    context.scenario.loads[i].arrivals.seed = random.Fork(i).Next();
  }
  CheckNames(context, items);
  ResolveAfter(context, items);
  CheckCycles(context, items);
  CheckRows(context, items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto start = context.scenario.PlannedStart(i);
    if (start && *start + context.scenario.loads[i].length > kLongestRun) {
      context.Error(items[i], "the run would last over 7 days");
    }
  }
}

}  // namespace perf::load

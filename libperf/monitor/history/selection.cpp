// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/selection.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/text.hpp"

namespace perf::monitor {
namespace {

// Metrics whose listing is remembered: more than any registry of ours has.
constexpr std::size_t kMostListings = 10000;
// A series that does not show for so long gives its place to another.
constexpr std::int64_t kForgetAfter = 3600;

bool AnyMatches(const std::vector<const SeriesPattern*>& patterns, const metrics::Labels& labels) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const SeriesPattern* one) { return one->MatchesLabels(labels); });
}

/// Unambiguous: no name of a metric or label has a control character in it, and a value's length
/// stands before it.
std::string KeyOf(const metrics::FamilySpec& spec, const metrics::Labels& labels) {
  std::string key = spec.name;
  key.push_back(static_cast<char>(spec.type));
  for (const auto& [name, value] : labels) {
    key += fmt::format("\x1f{}\x1f{}\x1f{}", name, value.size(), value);
  }
  return key;
}

}  // namespace

SeriesPattern::SeriesPattern(std::string_view text) {
  const auto fail = [&](std::string_view why) {
    throw ConfigError(
        fmt::format(R"(history pattern '{}': {}; write name or name{{label="value"}})",
                    Excerpt(text, 80), why));
  };
  const std::size_t brace = text.find('{');
  name_ = Trim(text.substr(0, brace));
  if (name_.empty()) fail("it has no name");
  if (brace == std::string_view::npos) return;
  std::string_view rest = Trim(text.substr(brace + 1));
  while (!rest.starts_with('}')) {
    const std::size_t equals = rest.find("=\"");
    const std::size_t end = equals == std::string_view::npos ? equals : rest.find('"', equals + 2);
    if (end == std::string_view::npos) fail("its labels are not closed");
    labels_.emplace_back(Trim(rest.substr(0, equals)), rest.substr(equals + 2, end - equals - 2));
    rest = Trim(rest.substr(end + 1));
    if (rest.starts_with(',')) rest = Trim(rest.substr(1));
  }
  if (rest != "}") fail("something follows the labels");
}

bool SeriesPattern::MatchesName(const std::string& metric) const {
  return ::fnmatch(name_.c_str(), metric.c_str(), 0) == 0;
}

bool SeriesPattern::MatchesLabels(const metrics::Labels& labels) const {
  return std::all_of(labels_.begin(), labels_.end(), [&](const auto& wanted) {
    return std::find(labels.begin(), labels.end(), wanted) != labels.end();
  });
}

Selection::Selection(const HistoryOptions& options)
    : max_series_(options.max_series),
      steps_{options.system_step.count(), options.app_step.count()},
      patterns_(options.patterns.begin(), options.patterns.end()),
      system_patterns_(options.system_patterns.begin(), options.system_patterns.end()) {
  if (max_series_ < 1 || max_series_ > 100000) {
    throw ConfigError(
        fmt::format("the history's {} series are not within 1 and 100,000", max_series_));
  }
}

void Selection::Resume(Tier first, std::int64_t newest) { last_[first] = newest; }

std::size_t Selection::OverLimit() const noexcept { return left_[0].over + left_[1].over; }
std::size_t Selection::Unlisted() const noexcept { return left_[0].unlisted + left_[1].unlisted; }

const Selection::Listing& Selection::ListingOf(const std::string& metric) {
  if (const auto found = listings_.find(metric); found != listings_.end()) return found->second;
  if (listings_.size() >= kMostListings) listings_.clear();
  Listing listing;
  for (const SeriesPattern& one : patterns_) {
    if (one.MatchesName(metric)) listing.patterns.push_back(&one);
  }
  for (const SeriesPattern& one : system_patterns_) {
    if (one.MatchesName(metric)) listing.system.push_back(&one);
  }
  return listings_.emplace(metric, std::move(listing)).first->second;
}

std::shared_ptr<const SeriesName> Selection::NameOf(const metrics::FamilySnapshot& family,
                                                    const metrics::Sample& sample, Tier first,
                                                    std::int64_t now) {
  const std::string key = KeyOf(family.spec, sample.labels);
  if (const auto found = kept_.find(key); found != kept_.end()) {
    found->second.seen = now;
    return found->second.name;
  }
  if (kept_.size() >= max_series_) return nullptr;
  auto name = std::make_shared<SeriesName>();
  name->metric = family.spec.name;
  name->labels = sample.labels;
  std::sort(name->labels.begin(), name->labels.end());
  name->labels_json = LabelsJson(name->labels);
  name->type = family.spec.type;
  name->unit = family.spec.unit;
  name->first = first;
  kept_.emplace(key, Kept{name, now});
  return name;
}

void Selection::TakeFamily(const metrics::FamilySnapshot& family, const std::array<bool, 2>& due,
                           Batch& batch) {
  const Listing& listing = ListingOf(family.spec.name);
  const std::int64_t now = ToSeconds(batch.at);
  for (const metrics::Sample& sample : family.samples) {
    const Tier first = AnyMatches(listing.system, sample.labels) ? kSystemTier : kAppTier;
    if (!due[first]) continue;
    // Summaries do not merge, and ours are histograms.
    if (family.spec.type == metrics::Type::kSummary ||
        (family.spec.type == metrics::Type::kHistogram && !sample.histogram) ||
        !AnyMatches(listing.patterns, sample.labels)) {
      ++left_[first].unlisted;
      continue;
    }
    auto name = NameOf(family, sample, first, now);
    if (name == nullptr) {
      ++left_[first].over;
      continue;
    }
    batch.taken.push_back({std::move(name), sample.value, sample.histogram, sample.created});
  }
}

void Selection::Forget(std::int64_t now) {
  std::erase_if(kept_, [&](const auto& one) {
    return now - one.second.seen > std::max(kForgetAfter, 3 * steps_[one.second.name->first]);
  });
}

Batch Selection::Take(const metrics::MetricsSnapshot& snapshot, WallTime now) {
  Batch batch;
  batch.at = now;
  const std::int64_t seconds = ToSeconds(now);
  std::array<bool, 2> due{};
  for (std::size_t i = 0; i < due.size(); ++i) {
    const std::int64_t slot = Floor(seconds, steps_[i]);
    due[i] = slot != Floor(last_[i], steps_[i]);
    if (!due[i]) continue;
    last_[i] = slot;
    left_[i] = {};
  }
  if (!due[0] && !due[1]) return batch;
  Forget(seconds);
  for (const metrics::FamilySnapshot& family : snapshot.families) TakeFamily(family, due, batch);
  return batch;
}

std::string LabelsJson(const metrics::Labels& sorted) {
  Json object = Json::MakeObject();
  for (const auto& [name, value] : sorted) object.AsObject().emplace_back(name, Json(value));
  return object.Dump();
}

metrics::Labels LabelsFromJson(std::string_view json) {
  metrics::Labels labels;
  const auto object = Json::TryParse(json);
  if (!object || !object->IsObject()) return labels;
  for (const auto& [name, value] : object->AsObject()) labels.emplace_back(name, value.ToText());
  return labels;
}

}  // namespace perf::monitor

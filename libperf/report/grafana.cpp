// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/grafana.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perf::report {
namespace {

using metrics::FamilySnapshot;

constexpr int kWide = 24, kPanelWide = 8, kPanelHigh = 7;

/// "pool" of perfkit_pool_connections; "process" of process_open_fds.
std::string AreaOf(std::string_view name) {
  if (name.starts_with("perfkit_")) name.remove_prefix(8);
  return std::string(name.substr(0, name.find('_')));
}

std::string TitleOf(const FamilySnapshot& family) {
  std::string title = family.spec.help;
  while (title.ends_with('.') || title.ends_with(' ')) title.pop_back();
  return title.substr(0, title.find_first_of(";\n"));
}

/// In the words of Grafana's field units.
std::string UnitOf(const FamilySnapshot& family) {
  const bool rate = family.spec.type == metrics::Type::kCounter;
  if (family.spec.unit == "seconds") return rate ? "percentunit" : "s";
  if (family.spec.unit == "bytes") return rate ? "Bps" : "bytes";
  if (family.spec.unit == "ratio") return "percentunit";
  return rate ? "ops" : "short";
}

std::vector<std::string> LabelsOf(const FamilySnapshot& family) {
  std::vector<std::string> names;
  for (const metrics::Sample& sample : family.samples) {
    for (const auto& [name, value] : sample.labels) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::string Joined(const std::vector<std::string>& words, std::string_view between,
                   std::string_view before = "", std::string_view after = "") {
  std::string out;
  for (const std::string& word : words) {
    out += out.empty() ? "" : std::string(between);
    out += std::string(before).append(word).append(after);
  }
  return out;
}

Json Source() {
  Json source = Json::MakeObject();
  source["type"] = "prometheus";
  source["uid"] = "${datasource}";
  return source;
}

Json Query(std::string expression, std::string legend, int number) {
  Json query = Json::MakeObject();
  query["refId"] = std::string(1, static_cast<char>('A' + number));
  query["datasource"] = Source();
  query["expr"] = std::move(expression);
  query["legendFormat"] = std::move(legend);
  return query;
}

Json Queries(const FamilySnapshot& family) {
  const std::vector<std::string> labels = LabelsOf(family);
  const std::string& name = family.spec.name;
  const std::string by = labels.empty() ? "" : fmt::format(" by ({})", Joined(labels, ", "));
  std::string legend = Joined(labels, " ", "{{", "}}");
  if (legend.empty()) legend = "{{instance}}";
  Json queries = Json::MakeArray();
  switch (family.spec.type) {
    case metrics::Type::kHistogram: {
      std::vector<std::string> with_le = labels;
      with_le.emplace_back("le");
      int number = 0;
      for (const auto& [share, word] : {std::pair{"0.5", "p50"}, std::pair{"0.99", "p99"}}) {
        queries.Append(Query(fmt::format("histogram_quantile({}, sum by ({}) "
                                         "(rate({}_bucket{{job=~\"$job\"}}[$__rate_interval])))",
                                         share, Joined(with_le, ", "), name),
                             labels.empty() ? word : fmt::format("{} {}", legend, word), number++));
      }
      return queries;
    }
    case metrics::Type::kCounter:
      queries.Append(
          Query(fmt::format("sum{} (rate({}{{job=~\"$job\"}}[$__rate_interval]))", by, name),
                labels.empty() ? std::string("all") : legend, 0));
      return queries;
    case metrics::Type::kSummary:
      queries.Append(
          Query(fmt::format("sum{0} (rate({1}_sum{{job=~\"$job\"}}[$__rate_interval])) / "
                            "sum{0} (rate({1}_count{{job=~\"$job\"}}[$__rate_interval]))",
                            by, name),
                legend, 0));
      return queries;
    case metrics::Type::kGauge: break;
  }
  queries.Append(Query(fmt::format("{}{{job=~\"$job\"}}", name), legend, 0));
  return queries;
}

Json Place(int x, int y, int wide, int high) {
  Json place = Json::MakeObject();
  place["h"] = high;
  place["w"] = wide;
  place["x"] = x;
  place["y"] = y;
  return place;
}

Json Panel(const FamilySnapshot& family, int number, Json place) {
  Json panel = Json::MakeObject();
  panel["id"] = number;
  panel["type"] = "timeseries";
  panel["title"] = TitleOf(family);
  panel["description"] = fmt::format("{} ({})", family.spec.name, Name(family.spec.type));
  panel["datasource"] = Source();
  panel["gridPos"] = std::move(place);
  panel["targets"] = Queries(family);
  Json& defaults = panel["fieldConfig"]["defaults"];
  defaults["unit"] = UnitOf(family);
  defaults["min"] = 0;
  panel["fieldConfig"]["overrides"] = Json::MakeArray();
  panel["options"]["legend"]["displayMode"] = "list";
  panel["options"]["legend"]["placement"] = "bottom";
  panel["options"]["tooltip"]["mode"] = "multi";
  panel["options"]["tooltip"]["sort"] = "desc";
  return panel;
}

Json Row(const std::string& area, int number, int y) {
  Json row = Json::MakeObject();
  row["id"] = number;
  row["type"] = "row";
  row["title"] = area;
  row["collapsed"] = false;
  row["gridPos"] = Place(0, y, kWide, 1);
  row["panels"] = Json::MakeArray();
  return row;
}

Json Variables() {
  Json source = Json::MakeObject();
  source["name"] = "datasource";
  source["label"] = "Data source";
  source["type"] = "datasource";
  source["query"] = "prometheus";
  Json job = Json::MakeObject();
  job["name"] = "job";
  job["label"] = "Job";
  job["type"] = "query";
  job["datasource"] = Source();
  job["query"] = "label_values(perfkit_collector_success, job)";
  job["refresh"] = 2;
  job["multi"] = true;
  job["includeAll"] = true;
  job["allValue"] = ".+";
  job["current"]["text"] = "All";
  job["current"]["value"] = "$__all";
  Json list = Json::MakeObject();
  list["list"] = Json(Json::Array{std::move(source), std::move(job)});
  return list;
}

}  // namespace

Json GrafanaDashboard(const metrics::MetricsSnapshot& snapshot) {
  std::map<std::string, std::vector<const FamilySnapshot*>> areas;
  for (const FamilySnapshot& family : snapshot.families) {
    areas[AreaOf(family.spec.name)].push_back(&family);
  }
  Json panels = Json::MakeArray();
  int number = 0, y = 0;
  for (const auto& [area, families] : areas) {
    panels.Append(Row(area, ++number, y++));
    for (std::size_t i = 0; i < families.size(); ++i) {
      const int x = static_cast<int>(i % 3) * kPanelWide;
      if (i > 0 && x == 0) y += kPanelHigh;
      panels.Append(Panel(*families[i], ++number, Place(x, y, kPanelWide, kPanelHigh)));
    }
    y += kPanelHigh;
  }
  Json dashboard = Json::MakeObject();
  dashboard["uid"] = "perfkit";
  dashboard["title"] = "perfkit";
  dashboard["description"] = "Generated by perfctl export grafana from the metrics themselves.";
  dashboard["tags"] = Json(Json::Array{"perfkit"});
  dashboard["schemaVersion"] = 38;
  dashboard["editable"] = true;
  dashboard["graphTooltip"] = 1;
  dashboard["refresh"] = "30s";
  dashboard["timezone"] = "browser";
  dashboard["time"]["from"] = "now-1h";
  dashboard["time"]["to"] = "now";
  dashboard["templating"] = Variables();
  dashboard["annotations"]["list"] = Json::MakeArray();
  dashboard["panels"] = std::move(panels);
  return dashboard;
}

}  // namespace perf::report

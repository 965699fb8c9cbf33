// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "libperf/base/text.hpp"
#include "libperf/report/chart.hpp"

using namespace perf;
using namespace perf::report;

namespace {

Chart Two() {
  return {"a trace",
          "entries",
          "miss ratio",
          {{"lru", {{10, 0.9}, {100, 0.5}, {1000, 0.1}}}, {"s3fifo", {{10, 0.5}, {1000, 0.1}}}}};
}

std::size_t Marks(const std::string& text, char mark) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), mark));
}

}  // namespace

TEST_CASE("chart: a mark in each column, falling from left to right") {
  const std::string text = ChartText(Two(), 68, 17);
  CAPTURE(text);
  const auto lines = Split(text, '\n');
  REQUIRE(lines.size() >= 21);
  CHECK(lines[0] == "a trace");
  CHECK(lines[2].starts_with(" 90.0% |*"));
  // The last point of both lies in one cell: 10 % of 90 %.
  CHECK(Marks(text, '*') + Marks(text, '+') >= 60);
  CHECK(text.find("* lru   + s3fifo") != std::string::npos);
  CHECK(text.find("1k") != std::string::npos);
  for (const auto line : lines) CHECK(line.size() <= 80);
}

TEST_CASE("chart: nothing to draw, one point, bad numbers") {
  CHECK(ChartText({"t", "x", "y", {}}).empty());
  CHECK(ChartText({"t", "x", "y", {{"lru", {}}}}).empty());
  CHECK(ChartText({"t", "x", "y", {{"lru", {{0, 0.5}}}}}).empty());
  CHECK(Marks(ChartText({"t", "x", "y", {{"lru", {{64, 1.0}}}}}), '*') >= 1);
  CHECK(ChartSvg({"t", "x", "y", {}}).find("</svg>") != std::string::npos);
}

TEST_CASE("chart: an SVG document with a line for each curve, and nothing of the names as markup") {
  Chart chart = Two();
  chart.title = "<script>&\"";
  const std::string svg = ChartSvg(chart);
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.find("<script>") == std::string::npos);
  CHECK(svg.find("&lt;script&gt;&amp;&quot;") != std::string::npos);
  std::size_t lines = 0;
  for (std::size_t at = svg.find("<polyline"); at != std::string::npos;
       at = svg.find("<polyline", at + 1)) {
    ++lines;
  }
  CHECK(lines == 2);
}

// SPDX-License-Identifier: Apache-2.0
#include "libperf/report/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "libperf/base/units.hpp"

namespace perf::report {
namespace {

constexpr std::string_view kMarks = "*+ox#@%&=~^-";
constexpr std::size_t kFrame = 8;  // columns left of the plot: "  100 % |"

/// The extent of all curves: x by its logarithm, y from 0 to a round share above the highest.
struct Extent {
  double left = std::numeric_limits<double>::infinity();
  double right = -std::numeric_limits<double>::infinity();
  double top = 0;
  bool Any() const noexcept { return left <= right; }
  /// 0 to 1; one size alone stands in the middle.
  double Across(double x) const noexcept {
    return right > left ? (std::log(x) - left) / (right - left) : 0.5;
  }
  double SizeAt(double across) const noexcept {
    return right > left ? std::exp(left + across * (right - left)) : std::exp(left);
  }
};

Extent ExtentOf(const Chart& chart) {
  Extent extent;
  for (const Chart::Curve& curve : chart.curves) {
    for (const auto& [x, y] : curve.points) {
      if (!(x > 0) || !std::isfinite(y)) continue;
      extent.left = std::min(extent.left, std::log(x));
      extent.right = std::max(extent.right, std::log(x));
      extent.top = std::max(extent.top, y);
    }
  }
  extent.top = std::clamp(std::ceil(extent.top * 10) / 10, 0.1, 1.0);
  return extent;
}

/// The curve at a size between its points; nothing outside of them.
std::optional<double> At(const Chart::Curve& curve, const Extent& extent, double across) {
  constexpr double kSlack = 1e-9;
  for (std::size_t i = 0; i < curve.points.size(); ++i) {
    const double here = extent.Across(curve.points[i].first);
    if (here + kSlack < across) continue;
    if (here - kSlack <= across) return curve.points[i].second;
    if (i == 0) return std::nullopt;
    const double before = extent.Across(curve.points[i - 1].first);
    const double share = (across - before) / (here - before);
    return curve.points[i - 1].second +
           share * (curve.points[i].second - curve.points[i - 1].second);
  }
  return std::nullopt;
}

using Cells = std::vector<std::vector<std::size_t>>;  // curves in each cell, row by row

Cells Plot(const Chart& chart, const Extent& extent, std::size_t columns, std::size_t rows) {
  Cells cells(columns * rows);
  for (std::size_t column = 0; column < columns; ++column) {
    const double across = static_cast<double>(column) / static_cast<double>(columns - 1);
    for (std::size_t curve = 0; curve < chart.curves.size(); ++curve) {
      const auto share = At(chart.curves[curve], extent, across);
      if (!share) continue;
      const double down =
          (1 - std::clamp(*share / extent.top, 0.0, 1.0)) * static_cast<double>(rows - 1);
      const auto row = static_cast<std::size_t>(std::lround(down));
      cells[row * columns + column].push_back(curve);
    }
  }
  return cells;
}

char MarkOf(std::size_t curve) { return kMarks[curve % kMarks.size()]; }

std::string Trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

/// Four sizes below the axis, as far as they have room.
std::string AxisLine(const Extent& extent, std::size_t columns) {
  std::string line(kFrame + columns + 8, ' ');
  std::size_t free_from = 0;
  for (const double across : {0.0, 1.0 / 3, 2.0 / 3, 1.0}) {
    const std::string label = FormatCount(extent.SizeAt(across));
    const auto middle =
        kFrame + static_cast<std::size_t>(across * static_cast<double>(columns - 1));
    const std::size_t begin = middle - std::min(middle, label.size() / 2);
    if (begin < free_from || begin + label.size() > line.size()) continue;
    line.replace(begin, label.size(), label);
    free_from = begin + label.size() + 2;
    if (extent.right <= extent.left) break;
  }
  return Trimmed(line);
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

/// The plot's place in the picture.
constexpr double kLeft = 64, kTop = 40, kWide = 560, kHigh = 340;

std::string SvgAxes(const Chart& chart, const Extent& extent) {
  std::string out;
  const int steps = static_cast<int>(std::lround(extent.top * 10));
  for (int step = 0; step <= steps; ++step) {
    const double y = kTop + kHigh * (1 - step / (extent.top * 10));
    out += fmt::format("<line class=\"grid\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>\n",
                       kLeft, y, kLeft + kWide, y);
    out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{} %</text>\n", kLeft - 8,
                       y + 4, step * 10);
  }
  for (int tick = 0; tick <= 6; ++tick) {
    const double across = tick / 6.0;
    out +=
        fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                    kLeft + kWide * across, kTop + kHigh + 20, FormatCount(extent.SizeAt(across)));
    if (extent.right <= extent.left) break;
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     kLeft + kWide / 2, kTop + kHigh + 42, Escaped(chart.x_name));
  out += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", 8, kTop - 12, Escaped(chart.y_name));
  return out;
}

std::string SvgCurves(const Chart& chart, const Extent& extent) {
  // Okabe and Ito's colours, which people of all kinds of colour vision tell apart.
  static constexpr std::string_view kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#7f7f7f"};
  static constexpr std::string_view kDashes[] = {"none", "7 3", "2 3", "9 3 2 3", "4 4"};
  std::string out;
  for (std::size_t i = 0; i < chart.curves.size(); ++i) {
    const std::string_view color = kColors[i % std::size(kColors)];
    const std::string_view dash = kDashes[i % std::size(kDashes)];
    std::string points;
    for (const auto& [x, y] : chart.curves[i].points) {
      if (!(x > 0) || !std::isfinite(y)) continue;
      points += fmt::format("{:.1f},{:.1f} ", kLeft + kWide * extent.Across(x),
                            kTop + kHigh * (1 - std::clamp(y / extent.top, 0.0, 1.0)));
    }
    out += fmt::format(
        "<polyline points=\"{}\" stroke=\"{}\" stroke-dasharray=\"{}\"><title>{}</title>"
        "</polyline>\n",
        points, color, dash, Escaped(chart.curves[i].name));
    const double y = kTop + 10 + 22 * static_cast<double>(i);
    out += fmt::format(
        "<line x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\" stroke=\"{3}\" stroke-width=\"2\" "
        "stroke-dasharray=\"{4}\"/>\n<text x=\"{5}\" y=\"{6}\">{7}</text>\n",
        kLeft + kWide + 16, y, kLeft + kWide + 52, color, dash, kLeft + kWide + 60, y + 4,
        Escaped(chart.curves[i].name));
  }
  return out;
}

}  // namespace

std::string ChartText(const Chart& chart, std::size_t width, std::size_t height) {
  const Extent extent = ExtentOf(chart);
  if (!extent.Any()) return {};
  const std::size_t columns = std::max(width, kFrame + 20) - kFrame;
  const std::size_t rows = std::max<std::size_t>(height, 5);
  const Cells cells = Plot(chart, extent, columns, rows);
  std::string out = fmt::format("{}\n{}\n", chart.title, chart.y_name);
  for (std::size_t row = 0; row < rows; ++row) {
    const double share =
        extent.top * (1 - static_cast<double>(row) / static_cast<double>(rows - 1));
    const bool labelled = row % 4 == 0 || row + 1 == rows;
    std::string line = labelled ? fmt::format("{:>5.1f}% |", share * 100) : "       |";
    for (std::size_t column = 0; column < columns; ++column) {
      const auto& here = cells[row * columns + column];
      line += here.empty() ? ' ' : MarkOf(here[column % here.size()]);
    }
    out += Trimmed(line);
  }
  out += std::string(kFrame - 1, ' ') + "+" + std::string(columns, '-') + "\n";
  out += AxisLine(extent, columns);
  out += std::string(kFrame, ' ') + chart.x_name + "\n" + std::string(kFrame, ' ');
  std::string legend;
  for (std::size_t i = 0; i < chart.curves.size(); ++i) {
    legend += fmt::format("{} {}   ", MarkOf(i), chart.curves[i].name);
  }
  return out + Trimmed(legend);
}

std::string ChartSvg(const Chart& chart) {
  const Extent extent = ExtentOf(chart);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 440\" role=\"img\">\n"
      "<title>{0}</title>\n"
      "<style>\n"
      "svg {{ background: #fff; font: 13px sans-serif; fill: #222 }}\n"
      ".grid {{ stroke: #ddd }}\n"
      "polyline {{ fill: none; stroke-width: 2 }}\n"
      "@media (prefers-color-scheme: dark) {{\n"
      "  svg {{ background: #16181c; fill: #ddd }}\n"
      "  .grid {{ stroke: #3a3f47 }}\n"
      "}}\n"
      "</style>\n"
      "<text x=\"{1}\" y=\"16\" font-weight=\"bold\">{0}</text>\n",
      Escaped(chart.title), kLeft);
  if (extent.Any()) out += SvgAxes(chart, extent) + SvgCurves(chart, extent);
  return out + "</svg>\n";
}

}  // namespace perf::report

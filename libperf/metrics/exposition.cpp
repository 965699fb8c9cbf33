// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/exposition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::metrics {
namespace {

/// The length of the UTF-8 sequence that `text` begins with (RFC 3629); 0 where it is none.
std::size_t SequenceLength(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80U) return 0;
  }
  const bool overlong = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xF0 && at(1) < 0x90);
  const bool beyond = (lead == 0xED && at(1) > 0x9F) || (lead == 0xF4 && at(1) > 0x8F);
  return overlong || beyond ? 0 : length;
}

void Escape(std::string& out, std::string_view text, bool quotes) {
  while (!text.empty()) {
    const std::size_t length = SequenceLength(text);
    const char c = text.front();
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
}

std::string Number(double value) {
  // Counts as whole numbers, as far as a double holds them exactly.
  if (std::floor(value) == value && std::abs(value) < 9007199254740992.0) {
    return fmt::format("{}", static_cast<std::int64_t>(value));
  }
  return CanonicalNumber(value);
}

class Writer {
 public:
  explicit Writer(const ExpositionOptions& options)
      : options_(options), open_(options.format == Format::kOpenMetrics) {}

  void Write(const FamilySnapshot& family) {
    Head(family.spec);
    for (const Sample& sample : family.samples) Write(family.spec, sample);
  }
  std::string Finish() && {
    if (open_) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  void Head(const FamilySpec& spec) {
    // OpenMetrics names a counter's family without _total; the text format knows no families.
    name_ = open_ ? BaseName(spec) : std::string_view(spec.name);
    const auto help = [&] {
      text_ += fmt::format("# HELP {} ", name_);
      Escape(text_, spec.help, open_);
      text_ += '\n';
    };
    if (!open_) help();
    text_ += fmt::format("# TYPE {} {}\n", name_, Name(spec.type));
    if (!open_) return;
    if (!spec.unit.empty()) text_ += fmt::format("# UNIT {} {}\n", name_, spec.unit);
    help();
  }

  void Write(const FamilySpec& spec, const Sample& sample) {
    switch (spec.type) {
      case Type::kCounter: Line(open_ ? "_total" : "", sample.labels, Number(sample.value)); break;
      case Type::kGauge: Line("", sample.labels, Number(sample.value)); break;
      case Type::kHistogram: WriteHistogram(sample); break;
      case Type::kSummary:
        Line("_count", sample.labels, fmt::format("{}", sample.count));
        Line("_sum", sample.labels, Number(sample.value));
        break;
    }
    if (open_ && options_.created && sample.created) {
      Line("_created", sample.labels, fmt::format("{:.3f}", *sample.created));
    }
  }

  void WriteHistogram(const Sample& sample) {
    const HistogramSnapshot& histogram = *sample.histogram;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      below += histogram.counts[i];
      const bool last = i + 1 == histogram.counts.size();
      if (!last && !options_.all_buckets && !Buckets::Coarse(i)) continue;
      const double bound = last ? HUGE_VAL : histogram.buckets.Bound(i);
      Line("_bucket", sample.labels, fmt::format("{}", below), CanonicalNumber(bound));
    }
    Line("_count", sample.labels, fmt::format("{}", below));
    Line("_sum", sample.labels, Number(histogram.sum));
  }

  void Line(std::string_view suffix, const Labels& labels, std::string_view value,
            std::string_view le = {}) {
    text_ += name_;
    text_ += suffix;
    char separator = '{';
    const auto label = [&](std::string_view name, std::string_view content) {
      text_ += separator;
      text_ += name;
      text_ += "=\"";
      Escape(text_, content, true);
      text_ += '"';
      separator = ',';
    };
    for (const auto& [name, content] : labels) label(name, content);
    if (!le.empty()) label("le", le);
    if (separator == ',') text_ += '}';
    text_ += ' ';
    text_ += value;
    text_ += '\n';
  }

  const ExpositionOptions& options_;
  bool open_;
  std::string_view name_;
  std::string text_;
};

/// The quality of the media range that `item` is, if its type is `type`.
std::optional<double> QualityOf(std::string_view item, std::string_view type) noexcept {
  double quality = 1;
  bool first = true;
  while (true) {
    const std::size_t end = item.find(';');
    const std::string_view part = Trim(item.substr(0, end));
    if (first && !EqualsIgnoreCase(part, type)) return std::nullopt;
    first = false;
    if (part.starts_with("q=") || part.starts_with("Q=")) {
      quality = ParseNumber(part.substr(2)).value_or(0);
    }
    if (end == std::string_view::npos) return quality;
    item.remove_prefix(end + 1);
  }
}

}  // namespace

std::string CanonicalNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  const std::string_view exponent_text = text.substr(text.find('e') + 1);
  const int exponent = static_cast<int>(
      ParseInteger(exponent_text[0] == '+' ? exponent_text.substr(1) : exponent_text).value_or(0));
  // "1e+06" with two digits of exponent at least is what to_chars writes, too.
  if (exponent < -4 || exponent >= 6) return std::string(text);
  const auto fixed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  std::string plain(buffer.data(), fixed.ptr);
  if (plain.find('.') == std::string::npos) plain += ".0";
  return plain;
}

std::string Expose(const MetricsSnapshot& snapshot, const ExpositionOptions& options) {
  Writer writer(options);
  for (const FamilySnapshot& family : snapshot.families) writer.Write(family);
  return std::move(writer).Finish();
}

std::string_view ContentType(Format format) noexcept {
  return format == Format::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

Format Negotiate(std::string_view accept) noexcept {
  double open = 0, plain = 0;
  while (true) {
    const std::size_t end = accept.find(',');
    const std::string_view item = accept.substr(0, end);
    if (const auto q = QualityOf(item, "application/openmetrics-text")) open = std::max(open, *q);
    if (const auto q = QualityOf(item, "text/plain")) plain = std::max(plain, *q);
    if (end == std::string_view::npos) break;
    accept.remove_prefix(end + 1);
  }
  return open > 0 && open >= plain ? Format::kOpenMetrics : Format::kPrometheus;
}

}  // namespace perf::metrics

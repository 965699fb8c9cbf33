// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/cell.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"
#include "libperf/monitor/history/codec.hpp"
#include "libperf/monitor/history/growth.hpp"
#include "libperf/monitor/history/selection.hpp"
#include "series_maker.hpp"

namespace perf::monitor {
namespace {

using test::kStart;

Cell Histogram(std::vector<std::pair<std::uint8_t, std::uint64_t>> counts) {
  Cell cell;
  cell.count = 1;
  cell.seconds = 30;
  cell.sum = 0.5;
  cell.counts.emplace();
  cell.counts->buckets = metrics::kSeconds;
  cell.counts->counts = std::move(counts);
  cell.min = cell.counts->Lowest();
  cell.max = cell.counts->Highest();
  return cell;
}

Taken Total(double value, std::optional<double> created = std::nullopt) {
  auto name = std::make_shared<SeriesName>();
  name->type = metrics::Type::kCounter;
  Taken taken;
  taken.name = std::move(name);
  taken.value = value;
  taken.created = created;
  return taken;
}

TEST_CASE("cell: stretches merge without loss; percentiles come from the merged counts") {
  Cell a = Histogram({{0, 5}, {10, 5}});
  const Cell b = Histogram({{10, 1}, {20, 989}});
  a.Merge(b);
  CHECK(a.Observations() == 1000);
  CHECK(a.seconds == 60);
  CHECK(a.count == 2);
  CHECK(a.counts->counts ==
        std::vector<std::pair<std::uint8_t, std::uint64_t>>{{0, 5}, {10, 6}, {20, 989}});
  CHECK(a.Quantile(0.005) == metrics::kSeconds.Bound(0));
  CHECK(a.Quantile(0.011) == metrics::kSeconds.Bound(10));
  CHECK(a.Quantile(0.5) == metrics::kSeconds.Bound(20));  // the mean of both would be less
  CHECK(a.min == 0);
  CHECK(a.max == metrics::kSeconds.Bound(20));
  CHECK(std::isnan(Histogram({}).Quantile(0.5)));
  Cell gauge;
  Cell more;
  more.count = 1;
  more.sum = more.min = more.max = -3;
  gauge.Merge(more);  // into an empty one, whose zeros are no samples
  CHECK(gauge == more);
}

TEST_CASE("codec: whatever is packed comes back bit by bit, and damaged bytes never do harm") {
  Random random(7);
  Cells cells;
  for (int i = 0; i < 120; ++i) {
    Cell cell;
    if (i % 3 == 0) {
      cell = Histogram({{1, random.Next()}, {static_cast<std::uint8_t>(2 + i % 70), 3}});
    } else {
      cell.count = 1 + static_cast<std::uint64_t>(i % 2);
      cell.sum = i % 7 == 0 ? INFINITY : std::ldexp(static_cast<double>(random.Next()), -30);
      cell.min = -cell.sum;
      cell.max = i % 5 == 0 ? cell.sum : 0.1 * i;
      cell.seconds = i % 2 == 0 ? 0 : 30.015625;
    }
    cells.emplace(kStart + 30 * i, cell);
  }
  const std::string bytes = EncodeCells(cells, kStart);
  CHECK(DecodeCells(bytes, kStart) == cells);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 7) {
    CHECK_FALSE(DecodeCells(bytes.substr(0, cut), kStart).has_value());
  }
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    damaged[random.Next() % damaged.size()] ^= static_cast<char>(1 + random.Next() % 255);
    if (DecodeCells(damaged, kStart) != cells) ++refused;
  }
  CHECK(refused > 1900);  // some bits of a frame have no meaning
  CHECK_FALSE(DecodeCounts("\xF7\x03\x0D\x01\x01\x01").has_value());  // 13 decades
  CHECK(DecodeCounts(EncodeCounts(*Histogram({{3, 4}}).counts)) == Histogram({{3, 4}}).counts);
}

TEST_CASE("cell: times of a damaged file do not overflow") {
  CHECK(ToSeconds(FromSeconds(kStart)) == kStart);
  CHECK(ToSeconds(FromSeconds(kMostTime)) == 9'000'000'000);
  CHECK(FromSeconds(std::numeric_limits<std::int64_t>::min()) < FromSeconds(0));
}

TEST_CASE("growth: resets, gaps and first sights of totals") {
  const auto at = [](double seconds) {
    return FromSeconds(kStart) +
           std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
  };
  Seen seen;
  CHECK_FALSE(Growth(seen, Total(100), at(0), 30).has_value());  // since when?
  const auto fresh = Growth(seen, Total(100, kStart - 20.0), at(0), 30);
  REQUIRE(fresh.has_value());
  CHECK(fresh->sum == 100);
  CHECK(fresh->seconds == 20);
  CHECK_FALSE(Growth(seen, Total(100, kStart - 2000.0), at(0), 30).has_value());
  Settle(seen, Total(100, 5.0), at(0));
  const auto next = Growth(seen, Total(160, 5.0), at(30), 30);
  CHECK(next->sum == 60);
  CHECK(next->min == 2);
  CHECK(next->max == 2);
  CHECK(Growth(seen, Total(100, 5.0), at(30), 30)->sum == 0);    // nothing happened: that is known
  CHECK(Growth(seen, Total(30, 5.0), at(30), 30)->sum == 30);    // smaller: began anew
  CHECK(Growth(seen, Total(160, 7.0), at(30), 30)->sum == 160);  // began anew and overtook
  CHECK_FALSE(Growth(seen, Total(160, 5.0), at(91), 30).has_value());  // a gap is a gap
  CHECK_FALSE(Growth(seen, Total(NAN, 5.0), at(30), 30).has_value());
  CHECK_FALSE(Growth(seen, Total(160, 5.0), at(-30), 30).has_value());  // the clock was set back
}

TEST_CASE("selection: patterns, steps, the limit of series") {
  HistoryOptions options;
  options.max_series = 2;
  options.patterns = {"perfkit_pool_*", R"(perfkit_cache_requests_total{cache="a", tier="l1"})"};
  options.system_patterns = {"perfkit_pool_min"};
  Selection selection(options);
  auto pool = test::Family("perfkit_pool_min", metrics::Type::kGauge);
  pool.samples = {test::Sample({{"pool", "x"}}, 1)};
  auto cache = test::Family("perfkit_cache_requests_total", metrics::Type::kCounter);
  cache.samples = {test::Sample({{"cache", "a"}, {"tier", "l1"}}, 1),
                   test::Sample({{"cache", "b"}, {"tier", "l1"}}, 1)};
  auto more = test::Family("perfkit_pool_more", metrics::Type::kGauge);
  more.samples = {test::Sample({}, 1)};
  const auto snapshot = test::Snapshot({pool, cache, more});
  const Batch first = selection.Take(snapshot, FromSeconds(kStart));
  CHECK(first.taken.size() == 2);
  CHECK(selection.Stored() == 2);
  CHECK(selection.OverLimit() == 1);
  CHECK(selection.Unlisted() == 1);
  CHECK(selection.Take(snapshot, FromSeconds(kStart + 29)).taken.empty());
  CHECK(selection.Take(snapshot, FromSeconds(kStart + 31)).taken.size() == 1);
  CHECK(selection.Take(snapshot, FromSeconds(kStart + 62)).taken.size() == 2);
  // What does not show for an hour gives its place away.
  const auto later = test::Snapshot({more});
  CHECK(selection.Take(later, FromSeconds(kStart + 3600)).taken.empty());
  CHECK(selection.Take(later, FromSeconds(kStart + 3780)).taken.size() == 1);
  for (const char* bad : {"", "{a=\"b\"}", "x{a=b}", "x{a=\"b\"", "x{a=\"b\"}y"}) {
    CHECK_THROWS_AS(SeriesPattern{bad}, ConfigError);
  }
  CHECK(LabelsFromJson(LabelsJson({{"a", "\"\n"}, {"b", ""}})) ==
        metrics::Labels{{"a", "\"\n"}, {"b", ""}});
}

}  // namespace
}  // namespace perf::monitor

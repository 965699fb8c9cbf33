// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/history/codec.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>
#include <vector>

#include "libperf/cache/compression.hpp"

namespace perf::monitor {
namespace {

constexpr char kPlain = 0;
constexpr char kZstd = 1;
constexpr std::size_t kMostBytes = std::size_t{64} << 20;

void PutNumber(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}

/// Takes from the front; `bad` once something was missing.
struct Source {
  std::string_view bytes;
  bool bad = false;

  std::uint64_t Number() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = Byte();
      if (bad) return 0;
      number |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return number;
    }
    bad = true;
    return 0;
  }
  std::uint8_t Byte() {
    if (bytes.empty()) {
      bad = true;
      return 0;
    }
    const char byte = bytes.front();
    bytes.remove_prefix(1);
    return static_cast<std::uint8_t>(byte);
  }
  std::string_view Take(std::size_t length) {
    if (length > bytes.size()) {
      bad = true;
      return {};
    }
    const std::string_view taken = bytes.substr(0, length);
    bytes.remove_prefix(length);
    return taken;
  }
};

void PutCounts(std::string& out, const SparseCounts& counts) {
  out.push_back(static_cast<char>(counts.buckets.unit));
  out.push_back(static_cast<char>(counts.buckets.first));
  out.push_back(static_cast<char>(counts.buckets.decades));
  PutNumber(out, counts.counts.size());
  for (const auto& [bucket, gained] : counts.counts) {
    out.push_back(static_cast<char>(bucket));
    PutNumber(out, gained);
  }
}

SparseCounts TakeCounts(Source& source) {
  SparseCounts counts;
  counts.buckets.unit = static_cast<std::int8_t>(source.Byte());
  counts.buckets.first = source.Byte();
  counts.buckets.decades = source.Byte();
  const std::uint64_t size = source.Number();
  const auto& layout = counts.buckets;
  if (source.bad || layout.decades < 1 || layout.decades > metrics::Buckets::kMostDecades ||
      layout.first + layout.decades > 18 || size > layout.Bounds() + 1) {
    source.bad = true;
    return counts;
  }
  for (std::uint64_t i = 0; i < size && !source.bad; ++i) {
    const std::uint8_t bucket = source.Byte();
    if (bucket > layout.Bounds() || (i != 0 && bucket <= counts.counts.back().first)) {
      source.bad = true;
    }
    counts.counts.emplace_back(bucket, source.Number());
  }
  return counts;
}

/// What min and max are next to; of a single sample they are just that.
double Likely(const Cell& cell) noexcept {
  if (cell.seconds > 0) return cell.sum / cell.seconds;
  return cell.count > 0 ? cell.sum / static_cast<double>(cell.count) : 0;
}

std::uint64_t Bits(double value) noexcept { return std::bit_cast<std::uint64_t>(value); }

using Column = std::vector<std::uint64_t>;

/// All bytes of one weight together, the lowest first.
void PutColumn(std::string& out, const Column& column) {
  for (unsigned shift = 0; shift < 64; shift += 8) {
    for (const std::uint64_t bits : column) out.push_back(static_cast<char>(bits >> shift));
  }
}

Column TakeColumn(Source& source, std::size_t size) {
  Column column(size, 0);
  const std::string_view bytes = source.Take(size * 8);
  if (source.bad) return column;
  for (std::size_t weight = 0; weight < 8; ++weight) {
    for (std::size_t i = 0; i < size; ++i) {
      const auto byte = static_cast<std::uint8_t>(bytes[weight * size + i]);
      column[i] |= static_cast<std::uint64_t>(byte) << (8 * weight);
    }
  }
  return column;
}

/// Sum, seconds, min, max.
std::array<Column, 4> Columns(const Cells& cells) {
  std::array<Column, 4> columns;
  Cell before;
  for (const auto& [at, cell] : cells) {
    columns[0].push_back(Bits(cell.sum) ^ Bits(before.sum));
    columns[1].push_back(Bits(cell.seconds) ^ Bits(before.seconds));
    // Of a histogram both follow from the counts.
    columns[2].push_back(cell.counts ? 0 : Bits(cell.min) ^ Bits(Likely(cell)));
    columns[3].push_back(cell.counts ? 0 : Bits(cell.max) ^ Bits(Likely(cell)));
    before.sum = cell.sum;
    before.seconds = cell.seconds;
  }
  return columns;
}

std::optional<Cells> Unpacked(std::string_view bytes, std::int64_t start) {
  Source source{bytes};
  const std::uint64_t size = source.Number();
  if (source.bad || size == 0 || size > kMostCells) return std::nullopt;
  std::vector<std::pair<std::int64_t, Cell>> list(size);
  std::int64_t at = start;
  for (auto& [time, cell] : list) {
    at += static_cast<std::int64_t>(source.Number() & 0xFFFFFFFF);
    time = at;
  }
  for (auto& [time, cell] : list) cell.count = source.Number();
  std::array<Column, 4> columns;
  for (Column& column : columns) column = TakeColumn(source, size);
  if (source.bad) return std::nullopt;
  std::uint64_t sum = 0;
  std::uint64_t seconds = 0;
  for (std::size_t i = 0; i < size; ++i) {
    Cell& cell = list[i].second;
    sum ^= columns[0][i];
    seconds ^= columns[1][i];
    cell.sum = std::bit_cast<double>(sum);
    cell.seconds = std::bit_cast<double>(seconds);
    cell.min = std::bit_cast<double>(columns[2][i] ^ Bits(Likely(cell)));
    cell.max = std::bit_cast<double>(columns[3][i] ^ Bits(Likely(cell)));
  }
  for (auto& [time, cell] : list) {
    if (source.Byte() == 0 || source.bad) continue;
    cell.counts = TakeCounts(source);
    if (source.bad) return std::nullopt;
    cell.min = cell.counts->Lowest();
    cell.max = cell.counts->Highest();
  }
  if (source.bad || !source.bytes.empty()) return std::nullopt;
  Cells cells(std::make_move_iterator(list.begin()), std::make_move_iterator(list.end()));
  if (cells.size() != size) return std::nullopt;
  return cells;
}

}  // namespace

std::string EncodeCounts(const SparseCounts& counts) {
  std::string out;
  PutCounts(out, counts);
  return out;
}

std::optional<SparseCounts> DecodeCounts(std::string_view bytes) {
  Source source{bytes};
  SparseCounts counts = TakeCounts(source);
  if (source.bad || !source.bytes.empty()) return std::nullopt;
  return counts;
}

std::string EncodeCells(const Cells& cells, std::int64_t start) {
  std::string out;
  PutNumber(out, cells.size());
  std::int64_t before = start;
  for (const auto& [at, cell] : cells) {
    PutNumber(out, static_cast<std::uint64_t>(at - before));
    before = at;
  }
  for (const auto& [at, cell] : cells) PutNumber(out, cell.count);
  for (const Column& column : Columns(cells)) PutColumn(out, column);
  for (const auto& [at, cell] : cells) {
    out.push_back(cell.counts ? 1 : 0);
    if (cell.counts) PutCounts(out, *cell.counts);
  }
  cache::CompressionOptions options;
  options.codec = cache::Codec::kZstd;
  options.threshold_bytes = 64;
  const auto packed = cache::Pack(out, options);
  if (!packed) return kPlain + out;
  std::string all(1, kZstd);
  PutNumber(all, out.size());
  return all + *packed;
}

std::optional<Cells> DecodeCells(std::string_view bytes, std::int64_t start) {
  Source source{bytes};
  const auto form = static_cast<char>(source.Byte());
  if (source.bad) return std::nullopt;
  if (form == kPlain) return Unpacked(source.bytes, start);
  const std::uint64_t length = source.Number();
  if (form != kZstd || source.bad || length > kMostBytes) return std::nullopt;
  const auto raw = cache::Unpack(cache::Codec::kZstd, source.bytes, length);
  if (!raw) return std::nullopt;
  return Unpacked(*raw, start);
}

}  // namespace perf::monitor

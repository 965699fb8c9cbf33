// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/monitor/history/cell.hpp"

namespace perf::monitor {

/// A histogram's growth as it stands in a row: layout, then index and count of each bucket as
/// variable-length numbers.
std::string EncodeCounts(const SparseCounts& counts);
/// Nothing for bytes that EncodeCounts did not write.
std::optional<SparseCounts> DecodeCounts(std::string_view bytes);

/// The cells of one series in one stretch, packed: times and counts as variable-length numbers,
/// numbers as the difference in bits to what is likely (the one before; for min and max the mean),
/// byte by byte of the same weight, all through zstd. What is likely comes out as zeros.
std::string EncodeCells(const Cells& cells, std::int64_t start);
/// Nothing for bytes that EncodeCells did not write.
std::optional<Cells> DecodeCells(std::string_view bytes, std::int64_t start);

/// Of one packed stretch; more is not believed.
inline constexpr std::size_t kMostCells = 100000;

}  // namespace perf::monitor

// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/snapshot_format.hpp"

#include <limits>
#include <optional>

#include <fmt/format.h>

#include "libperf/base/error.hpp"
#include "libperf/cache/bytes.hpp"

namespace perf::cache {
namespace {

constexpr std::string_view kMagic = "PKSN";
constexpr std::uint32_t kVersion = 1;

enum Flag : std::uint8_t { kNegative = 1, kOld = 2 };

std::optional<SnapshotEntry> ParseEntry(std::string_view bytes) {
  ByteReader reader(bytes);
  SnapshotEntry entry;
  const auto flags = reader.Get<std::uint8_t>();
  const auto codec = reader.Get<std::uint8_t>();
  entry.negative = (flags & kNegative) != 0;
  entry.old = (flags & kOld) != 0;
  entry.fresh = Duration(reader.Get<std::int64_t>());
  entry.renew = Duration(reader.Get<std::int64_t>());
  entry.rescue = Duration(reader.Get<std::int64_t>());
  entry.load_time = Duration(reader.Get<std::int64_t>());
  entry.stamp = reader.Get<std::uint64_t>();
  const auto tags = reader.Get<std::uint8_t>();
  for (int i = 0; i < tags && reader.Ok(); ++i) {
    const auto generation = reader.Get<std::uint64_t>();
    entry.tags.push_back({std::string(reader.Short()), generation});
  }
  entry.key = reader.Raw(reader.Get<std::uint32_t>());
  entry.raw_length = reader.Get<std::uint64_t>();
  entry.bytes = reader.Rest();
  if (!reader.Ok() || codec > static_cast<std::uint8_t>(Codec::kZstd)) return std::nullopt;
  entry.codec = static_cast<Codec>(codec);
  if (entry.codec == Codec::kNone && entry.raw_length != entry.bytes.size()) return std::nullopt;
  return entry;
}

/// False: not in order.
bool Walk(std::string_view bytes, const std::function<void(const SnapshotEntry&)>& show) {
  ByteReader reader(bytes);
  std::uint64_t count = 0;
  while (true) {
    const auto length = reader.Get<std::uint32_t>();
    if (!reader.Ok()) return false;
    if (length == 0) break;
    const std::optional<SnapshotEntry> entry = ParseEntry(reader.Raw(length));
    if (!reader.Ok() || !entry) return false;
    ++count;
    if (show) show(*entry);
  }
  return reader.Get<std::uint64_t>() == count && reader.Ok() && reader.Rest().empty();
}

}  // namespace

std::string BeginSnapshot(const SnapshotHeader& header) {
  std::string out;
  ByteWriter writer(out);
  writer.Raw(kMagic);
  writer.Put(kVersion);
  writer.Put(header.wall_micros);
  writer.Put(header.generation);
  return out;
}

void AppendEntry(std::string& out, const SnapshotEntry& entry) {
  std::string body;
  ByteWriter writer(body);
  writer.Put(static_cast<std::uint8_t>((entry.negative ? kNegative : 0) | (entry.old ? kOld : 0)));
  writer.Put(static_cast<std::uint8_t>(entry.codec));
  for (const Duration length : {entry.fresh, entry.renew, entry.rescue, entry.load_time}) {
    writer.Put(length.count());
  }
  writer.Put(entry.stamp);
  writer.Put(static_cast<std::uint8_t>(entry.tags.size()));
  for (const TagMark& mark : entry.tags) {
    writer.Put(mark.generation);
    writer.Short(mark.tag);
  }
  writer.Put(static_cast<std::uint32_t>(entry.key.size()));
  writer.Raw(entry.key);
  writer.Put(entry.raw_length);
  writer.Raw(entry.bytes);
  // Longer than the length can say: memory holds no such thing.
  if (body.size() > std::numeric_limits<std::uint32_t>::max()) return;
  ByteWriter(out).Put(static_cast<std::uint32_t>(body.size()));
  out += body;
}

std::string EndSnapshot(std::uint64_t entries) {
  std::string out;
  ByteWriter writer(out);
  writer.Put(std::uint32_t{0});
  writer.Put(entries);
  return out;
}

SnapshotHeader ParseSnapshot(std::string_view bytes,
                             const std::function<void(const SnapshotEntry&)>& show) {
  ByteReader reader(bytes);
  if (reader.Raw(kMagic.size()) != kMagic) throw ConfigError("this is no snapshot of a cache");
  const auto version = reader.Get<std::uint32_t>();
  if (version != kVersion) {
    throw ConfigError(fmt::format("the snapshot is of version {}, not {}", version, kVersion));
  }
  SnapshotHeader header;
  header.wall_micros = reader.Get<std::int64_t>();
  header.generation = reader.Get<std::uint64_t>();
  std::string_view rest = reader.Rest();
  if (!reader.Ok() || rest.size() < sizeof(std::uint64_t)) {
    throw ConfigError("the snapshot is cut short");
  }
  const std::size_t covered = bytes.size() - sizeof(std::uint64_t);
  ByteReader trailer(bytes.substr(covered));
  if (trailer.Get<std::uint64_t>() != Checksum(bytes.substr(0, covered))) {
    throw ConfigError("the snapshot is damaged: its checksum does not match");
  }
  rest.remove_suffix(sizeof(std::uint64_t));
  if (!Walk(rest, nullptr)) throw ConfigError("the snapshot is damaged: its entries do not add up");
  if (show) Walk(rest, show);
  return header;
}

}  // namespace perf::cache

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "libperf/cache/trace/input.hpp"

namespace perf::cache {

namespace {

/// Byte by byte, so that neither alignment nor the machine's order matter.
template <class T>
T Little(const char* at) noexcept {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>(value << 8 | static_cast<unsigned char>(at[i]));
  }
  return value;
}

template <class T>
T Big(const char* at) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((std::uint64_t{value} << 8) | static_cast<unsigned char>(at[i]));
  }
  return value;
}

template <class T>
class BigEndianReader final : public FormatReader {
 public:
  using FormatReader::FormatReader;

 private:
  bool Next(Request& request) override {
    const char* record = input_.Record(sizeof(T));
    if (record == nullptr) return false;
    request = {Big<T>(record), 1, TraceOp::kGet};
    return true;
  }
};

class OracleReader final : public FormatReader {
 public:
  using FormatReader::FormatReader;

 private:
  bool HasSizes() const noexcept override { return true; }
  bool Next(Request& request) override {
    const char* record = input_.Record(24);
    if (record == nullptr) return false;
    request = {Little<std::uint64_t>(record + 4), Little<std::uint32_t>(record + 12),
               TraceOp::kGet};
    return true;
  }
};

/// Version 1: u32 sn, u32 len, u32 nSG, u16 cmd, u16 version, u64 lbn, u64 time. Version 2: u16
/// cmd, u16 version, u32 sn, u32 len, u32 nSG, u64 lbn, u64 time, u64 response time.
class VscsiReader final : public FormatReader {
 public:
  using FormatReader::FormatReader;

 private:
  bool HasSizes() const noexcept override { return true; }
  bool Next(Request& request) override {
    if (version_ == 0 && !FindVersion()) return false;
    const char* record = input_.Record(version_ == 1 ? 32 : 40);
    if (record == nullptr) return false;
    const int version = Little<std::uint16_t>(record + (version_ == 1 ? 14 : 2)) >> 8;
    if (version != version_) {
      input_.FailRecord(fmt::format("no vscsi record of version {}", version_));
    }
    request = {Little<std::uint64_t>(record + 16),
               Little<std::uint32_t>(record + (version_ == 1 ? 4 : 8)), TraceOp::kGet};
    return true;
  }

  bool FindVersion() {
    const std::string_view head = input_.Head(16);
    if (head.empty()) return false;
    if (head.size() == 16 && head[15] == 1) version_ = 1;
    if (head.size() == 16 && head[15] != 1 && head[3] == 2) version_ = 2;
    if (version_ == 0) input_.FailRecord("no vscsi record of version 1 or 2");
    return true;
  }

  int version_ = 0;
};

}  // namespace

std::unique_ptr<FormatReader> MakeBinaryReader(TraceFormat format, Input input,
                                               const TraceOptions& options) {
  if (format == TraceFormat::kI32be) {
    return std::make_unique<BigEndianReader<std::uint32_t>>(format, std::move(input), options);
  }
  if (format == TraceFormat::kI64be) {
    return std::make_unique<BigEndianReader<std::uint64_t>>(format, std::move(input), options);
  }
  if (format == TraceFormat::kOracleGeneral) {
    return std::make_unique<OracleReader>(format, std::move(input), options);
  }
  return std::make_unique<VscsiReader>(format, std::move(input), options);
}

}  // namespace perf::cache

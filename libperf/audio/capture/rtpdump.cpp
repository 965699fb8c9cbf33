// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/capture/rtpdump.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "libperf/audio/byte_order.hpp"
#include "libperf/audio/capture/capture.hpp"
#include "libperf/base/text.hpp"

namespace perf::audio {
namespace {

constexpr std::string_view kMark = "#!rtpplay";
constexpr std::string_view kVersion = "1.0 ";
constexpr std::size_t kMostLine = 256, kHeader = 16, kRecordHeader = 8;

std::string_view Text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class RtpdumpReader final : public CaptureReader {
 public:
  explicit RtpdumpReader(CaptureInput input) : input_(std::move(input)) {
    const std::string_view line = Text(input_.Peek(kMostLine));
    const std::size_t end = line.find('\n');
    if (!line.substr(kMark.size()).starts_with(kVersion) || end == std::string_view::npos) {
      input_.Fail(fmt::format(
          "an rtpdump that does not begin with a line of '{}{}<address>/<port>'", kMark, kVersion));
    }
    input_.Take(end + 1);
    if (input_.Take(kHeader).empty()) input_.Fail("ends within its header");
  }

  bool Next(CapturedPacket& packet) override {
    const std::span<const std::byte> head = input_.Take(kRecordHeader);
    if (head.empty()) return End();
    const std::size_t length = Get16(head.data()), wire = Get16(head.data() + 2);
    const std::uint32_t offset = Get32(head.data() + 4);
    if (length < kRecordHeader) {
      input_.Fail(fmt::format("a record of {} bytes, which is less than its own header", length));
    }
    // 32 bits of milliseconds wrap after 49 days.
    offset_ms_ += static_cast<std::int32_t>(offset - static_cast<std::uint32_t>(offset_ms_));
    packet = {};
    packet.at = std::chrono::milliseconds(offset_ms_);
    packet.control = wire == 0;
    if (length > kRecordHeader) {
      packet.datagram.bytes = input_.Take(length - kRecordHeader);
      if (packet.datagram.bytes.empty()) {
        counts_.ends_early = true;
        return false;
      }
    }
    packet.datagram.size = std::max(packet.datagram.bytes.size(), wire);
    ++counts_.records;
    return true;
  }
  std::string_view Format() const noexcept override { return "rtpdump"; }

 private:
  bool End() noexcept {
    counts_.ends_early = counts_.ends_early || input_.Cut();
    return false;
  }

  CaptureInput input_;
  std::int64_t offset_ms_ = 0;
};

}  // namespace

bool IsRtpdump(std::span<const std::byte> head) noexcept { return Text(head).starts_with(kMark); }

std::unique_ptr<CaptureReader> MakeRtpdumpReader(CaptureInput input) {
  return std::make_unique<RtpdumpReader>(std::move(input));
}

std::string RtpdumpHead() {
  return fmt::format("{}{}0.0.0.0/0\n", kMark, kVersion) + std::string(kHeader, '\0');
}

void AppendRtpdump(std::string& file, std::span<const std::byte> packet, Duration at,
                   bool control) {
  std::array<std::byte, kRecordHeader> head;
  Put16(head.data(), static_cast<std::uint16_t>(packet.size() + kRecordHeader));
  Put16(head.data() + 2, control ? std::uint16_t{0} : static_cast<std::uint16_t>(packet.size()));
  Put32(head.data() + 4, static_cast<std::uint32_t>(
                             std::chrono::duration_cast<std::chrono::milliseconds>(at).count()));
  file += Text(head);
  file += Text(packet);
}

}  // namespace perf::audio

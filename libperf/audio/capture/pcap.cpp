// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "libperf/audio/byte_order.hpp"
#include "libperf/audio/capture/capture.hpp"

namespace perf::audio {
namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4, kNanoseconds = 0xa1b23c4d;
constexpr std::size_t kHeader = 24, kRecordHeader = 16;
/// Above them stand bits that tell how long the frames' check sequences are.
constexpr std::uint32_t kLinkMask = 0xffff;

/// The classic format of tcpdump: https://www.tcpdump.org/manpages/pcap-savefile.5.html
class PcapReader final : public CaptureReader {
 public:
  explicit PcapReader(CaptureInput input) : input_(std::move(input)) {
    const std::span<const std::byte> head = input_.Take(kHeader);
    if (head.empty()) input_.Fail("a pcap that ends within its header");
    order_.big = Get32(head.data()) == kMicroseconds || Get32(head.data()) == kNanoseconds;
    tick_ = Duration(order_.Get32(head.data()) == kNanoseconds ? 1 : 1000);
    link_ = order_.Get32(head.data() + 20) & kLinkMask;
    if (!IsLinkKnown(link_)) {
      input_.Fail(
          fmt::format("a pcap of link type {}; read are Ethernet, Linux cooked, raw IP and "
                      "BSD loopback",
                      link_));
    }
  }

  bool Next(CapturedPacket& packet) override {
    for (;;) {
      const std::span<const std::byte> head = input_.Take(kRecordHeader);
      if (head.empty()) return End();
      const std::size_t captured = order_.Get32(head.data() + 8);
      const std::size_t wire = order_.Get32(head.data() + 12);
      packet = {};
      packet.at = std::chrono::seconds(order_.Get32(head.data())) +
                  tick_ * std::int64_t{order_.Get32(head.data() + 4)};
      if (captured > CaptureInput::kMostRecord) {
        input_.Fail(fmt::format("a record of {} bytes, which no capture has: damaged", captured));
      }
      const std::span<const std::byte> frame = input_.Take(captured);
      if (frame.size() < captured) return End(true);
      ++counts_.records;
      if (Unwrap(link_, frame, wire, packet.datagram)) return true;
    }
  }
  std::string_view Format() const noexcept override { return "pcap"; }

 private:
  bool End(bool early = false) noexcept {
    counts_.ends_early = counts_.ends_early || early || input_.Cut();
    return false;
  }

  CaptureInput input_;
  EitherEndian order_;
  Duration tick_{};
  std::uint32_t link_ = 0;
};

}  // namespace

bool IsPcap(std::span<const std::byte> head) noexcept {
  if (head.size() < 4) return false;
  for (const bool big : {false, true}) {
    const std::uint32_t magic = EitherEndian{big}.Get32(head.data());
    if (magic == kMicroseconds || magic == kNanoseconds) return true;
  }
  return false;
}

std::unique_ptr<CaptureReader> MakePcapReader(CaptureInput input) {
  return std::make_unique<PcapReader>(std::move(input));
}

}  // namespace perf::audio

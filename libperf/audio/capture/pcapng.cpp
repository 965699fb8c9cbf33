// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "libperf/audio/byte_order.hpp"
#include "libperf/audio/capture/capture.hpp"

namespace perf::audio {
namespace {

constexpr std::uint32_t kSection = 0x0a0d0d0a, kOrderMagic = 0x1a2b3c4d;
constexpr std::uint32_t kInterface = 1, kOldPacket = 2, kSimplePacket = 3, kPacket = 6;
constexpr std::size_t kEnds = 12;  // type and length before the body, length behind it
constexpr std::size_t kMostInterfaces = 4096;
constexpr std::uint16_t kOptionResolution = 9, kOptionOffset = 14;

/// What one captured link is and how its clock counts.
struct Interface {
  std::uint32_t link = 0, snap_length = 0;
  unsigned resolution = 6;  // a power of ten, or with its highest bit of two
  std::int64_t offset_s = 0;

  /// Times before 1970 and beyond 2116 become those.
  Duration TimeOf(std::uint64_t ticks) const noexcept {
    const unsigned power = resolution & 0x7f;
    __int128 ns = ticks;
    if ((resolution & 0x80) != 0) {
      ns = (ns * 1'000'000'000) >> std::min(power, 126U);
    } else {
      for (unsigned i = power; i < 9; ++i) ns *= 10;
      for (unsigned i = 9; i < power && ns > 0; ++i) ns /= 10;
    }
    ns += static_cast<__int128>(offset_s) * 1'000'000'000;
    return Duration(static_cast<std::int64_t>(std::clamp<__int128>(ns, 0, std::int64_t{1} << 62)));
  }
};

/// The format of Wireshark: draft-ietf-opsawg-pcapng.
class PcapngReader final : public CaptureReader {
 public:
  explicit PcapngReader(CaptureInput input) : input_(std::move(input)) {}

  bool Next(CapturedPacket& packet) override {
    for (;;) {
      std::uint32_t type = 0;
      std::span<const std::byte> body;
      if (!NextBlock(type, body)) return false;
      if (type == kInterface) AddInterface(body);
      if (type != kPacket && type != kOldPacket && type != kSimplePacket) continue;
      if (Read(type, body, packet)) return true;
    }
  }
  std::string_view Format() const noexcept override { return "pcapng"; }

 private:
  bool NextBlock(std::uint32_t& type, std::span<const std::byte>& body) {
    const std::span<const std::byte> head = input_.Peek(kEnds);
    if (head.size() < kEnds) {
      counts_.ends_early = counts_.ends_early || !head.empty();
      return false;
    }
    type = order_.Get32(head.data());
    if (type == kSection) {  // reads alike in both orders
      order_.big = Get32(head.data() + 8) == kOrderMagic;
      if (order_.Get32(head.data() + 8) != kOrderMagic) input_.Fail("a section of no byte order");
      interfaces_.clear();
    }
    const std::size_t length = order_.Get32(head.data() + 4);
    if (length < kEnds || length % 4 != 0 || length > CaptureInput::kMostRecord) {
      input_.Fail(fmt::format("a block of {} bytes: damaged", length));
    }
    const std::span<const std::byte> block = input_.Take(length);
    if (block.empty()) {
      counts_.ends_early = true;
      return false;
    }
    body = block.subspan(8, length - kEnds);
    return true;
  }

  void AddInterface(std::span<const std::byte> body) {
    if (body.size() < 8) input_.Fail("an interface that tells no link type");
    if (interfaces_.size() == kMostInterfaces) input_.Fail("too many interfaces");
    Interface added;
    added.link = order_.Get16(body.data());
    added.snap_length = order_.Get32(body.data() + 4);
    for (std::span<const std::byte> rest = body.subspan(8); rest.size() >= 4;) {
      const std::uint16_t code = order_.Get16(rest.data());
      const std::size_t size = order_.Get16(rest.data() + 2);
      rest = rest.subspan(4);
      if (code == 0 || size > rest.size()) break;
      if (code == kOptionResolution && size == 1) {
        added.resolution = std::to_integer<unsigned>(rest[0]);
      }
      if (code == kOptionOffset && size == 8) {
        const std::uint32_t first = order_.Get32(rest.data()),
                            second = order_.Get32(rest.data() + 4);
        added.offset_s = static_cast<std::int64_t>(
            order_.big ? std::uint64_t{first} << 32 | second : std::uint64_t{second} << 32 | first);
      }
      rest = rest.subspan(std::min(rest.size(), (size + 3) & ~std::size_t{3}));
    }
    interfaces_.push_back(added);
  }

  /// The datagram of a block that holds a packet; false, counted, where it has none.
  bool Read(std::uint32_t type, std::span<const std::byte> body, CapturedPacket& packet) {
    packet = {};
    ++counts_.records;
    const std::size_t header = type == kSimplePacket ? 4 : 20;
    if (body.size() < header) input_.Fail("a packet that ends within its header");
    const std::byte* const at = body.data();
    const std::size_t number = type == kSimplePacket ? 0
                               : type == kOldPacket  ? order_.Get16(at)
                                                     : order_.Get32(at);
    if (number >= interfaces_.size()) input_.Fail("a packet of an interface that is not described");
    const Interface& from = interfaces_[number];
    const std::size_t wire = order_.Get32(at + header - 4);
    std::size_t captured = wire;
    if (type != kSimplePacket) {
      captured = order_.Get32(at + header - 8);
      last_ = from.TimeOf(order_.GetHalves(at + 4));
    } else if (from.snap_length > 0) {
      captured = std::min<std::size_t>(wire, from.snap_length);
    }
    packet.at = last_;  // a simple packet tells no time
    if (captured > body.size() - header) input_.Fail("a packet that is longer than its block");
    return Unwrap(from.link, body.subspan(header, captured), wire, packet.datagram);
  }

  CaptureInput input_;
  EitherEndian order_;
  std::vector<Interface> interfaces_;  // of the section
  Duration last_{};
};

}  // namespace

bool IsPcapng(std::span<const std::byte> head) noexcept {
  return head.size() >= 4 && Get32(head.data()) == kSection;
}

std::unique_ptr<CaptureReader> MakePcapngReader(CaptureInput input) {
  return std::make_unique<PcapngReader>(std::move(input));
}

}  // namespace perf::audio

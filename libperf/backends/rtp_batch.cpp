// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/rtp_batch.hpp"

#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

#include "libperf/backends/rtp_batch_impl.hpp"

namespace perf::backends {

SocketAddress::SocketAddress(const audio::Endpoint& endpoint) noexcept {
  if (endpoint.family == 6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.data(), 16);
    size = sizeof v6;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.data(), 4);
    size = sizeof v4;
  }
}

audio::Endpoint SocketAddress::ToEndpoint() const noexcept {
  audio::Endpoint endpoint;
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    endpoint.family = 6;
    endpoint.port = ntohs(v6.sin6_port);
    std::memcpy(endpoint.address.data(), &v6.sin6_addr, 16);
  } else if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    endpoint.family = 4;
    endpoint.port = ntohs(v4.sin_port);
    std::memcpy(endpoint.address.data(), &v4.sin_addr, 4);
  }
  return endpoint;
}

RtpInbox::RtpInbox(std::size_t packets, std::size_t bytes) : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.bytes = bytes;
  impl.buffer.resize(packets * bytes);
  impl.messages.resize(packets);
  impl.pieces.resize(packets);
  impl.sources.resize(packets);
  impl.controls.resize(packets);
  for (std::size_t i = 0; i < packets; ++i) {
    impl.pieces[i] = {impl.buffer.data() + i * bytes, bytes};
    msghdr& message = impl.messages[i].msg_hdr;
    message.msg_name = &impl.sources[i].storage;
    message.msg_iov = &impl.pieces[i];
    message.msg_iovlen = 1;
    message.msg_control = &impl.controls[i];
  }
}

RtpInbox::~RtpInbox() = default;

std::size_t RtpInbox::Size() const noexcept { return impl_->count; }
std::size_t RtpInbox::Room() const noexcept { return impl_->messages.size(); }

RtpInbox::Packet RtpInbox::At(std::size_t index) const noexcept {
  const mmsghdr& message = impl_->messages[index];
  Packet packet;
  packet.size = message.msg_len;  // MSG_TRUNC: as it was sent
  packet.bytes = {impl_->buffer.data() + index * impl_->bytes,
                  std::min<std::size_t>(packet.size, impl_->bytes)};
  packet.source = impl_->sources[index].ToEndpoint();
  packet.arrival = impl_->read_at;
  const msghdr& header = message.msg_hdr;
  for (const cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(const_cast<msghdr*>(&header), const_cast<cmsghdr*>(control))) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
    const Duration age = impl_->read_at_utc - std::chrono::seconds(stamp.tv_sec) -
                         std::chrono::nanoseconds(stamp.tv_nsec);
    // The kernel stamps by the wall clock; only a step of it within this short time is seen.
    packet.arrival -= std::clamp<Duration>(age, Duration::zero(), std::chrono::seconds(10));
  }
  return packet;
}

RtpOutbox::RtpOutbox(std::size_t packets, std::size_t payload_bytes)
    : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.payload_bytes = payload_bytes;
  impl.headers.resize(packets * audio::kRtpHeaderBytes);
  impl.payloads.resize(packets * payload_bytes);
  impl.messages.resize(packets);
  impl.pieces.resize(2 * packets);
  impl.targets.resize(packets);
  impl.bundles.resize(packets);
  impl.bundled.resize(packets);
  for (std::size_t i = 0; i < packets; ++i) {
    impl.pieces[2 * i] = {impl.headers.data() + i * audio::kRtpHeaderBytes, audio::kRtpHeaderBytes};
    impl.messages[i].msg_hdr.msg_iov = &impl.pieces[2 * i];
    impl.messages[i].msg_hdr.msg_iovlen = 2;
  }
}

RtpOutbox::~RtpOutbox() = default;

/// How many packets from `first` on can go down together: all to the connected peer, of one size.
std::size_t RtpOutbox::Impl::Alike(std::size_t first) const noexcept {
  constexpr std::size_t kMostPackets = 64;    // UDP_MAX_SEGMENTS of older kernels
  constexpr std::size_t kMostBytes = 65'000;  // of a datagram
  const std::size_t size = SizeOf(first);
  const std::size_t most = std::min({kMostPackets, count - first, kMostBytes / (size + 1)});
  if (messages[first].msg_hdr.msg_name != nullptr) return 1;
  std::size_t alike = 1;
  while (alike < most && SizeOf(first + alike) == size &&
         messages[first + alike].msg_hdr.msg_name == nullptr) {
    ++alike;
  }
  return alike;
}

std::size_t RtpOutbox::Impl::Bundled(std::size_t first, bool together) noexcept {
  std::size_t number = 0;
  for (; first < count; ++number) {
    Bundle& bundle = bundles[number];
    bundle.packets = together ? Alike(first) : 1;
    msghdr& message = bundled[number].msg_hdr;
    message = messages[first].msg_hdr;
    if (bundle.packets > 1) {
      message.msg_iovlen = 2 * bundle.packets;
      message.msg_control = bundle.control.data();
      message.msg_controllen = bundle.control.size();
      cmsghdr* const control = CMSG_FIRSTHDR(&message);
      control->cmsg_level = SOL_UDP;
      control->cmsg_type = UDP_SEGMENT;
      control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
      const auto size = static_cast<std::uint16_t>(SizeOf(first));
      std::memcpy(CMSG_DATA(control), &size, sizeof size);
    }
    first += bundle.packets;
  }
  return number;
}

bool RtpOutbox::Full() const noexcept { return impl_->count == impl_->messages.size(); }
std::size_t RtpOutbox::Size() const noexcept { return impl_->count; }

std::span<std::byte> RtpOutbox::PayloadRoom() noexcept {
  return {impl_->payloads.data() + impl_->count * impl_->payload_bytes, impl_->payload_bytes};
}

void RtpOutbox::Add(const audio::RtpPacket& packet, const audio::Endpoint* to) noexcept {
  Impl& impl = *impl_;
  const std::size_t index = impl.count++;
  audio::RtpPacket header = packet;
  header.payload = {};
  audio::BuildRtp(
      header,
      std::span(impl.headers).subspan(index * audio::kRtpHeaderBytes, audio::kRtpHeaderBytes));
  impl.pieces[2 * index + 1] = {const_cast<std::byte*>(packet.payload.data()),
                                packet.payload.size()};
  msghdr& message = impl.messages[index].msg_hdr;
  if (to != nullptr) impl.targets[index] = SocketAddress(*to);
  message.msg_name = to != nullptr ? &impl.targets[index].storage : nullptr;
  message.msg_namelen = to != nullptr ? impl.targets[index].size : 0;
}

}  // namespace perf::backends
